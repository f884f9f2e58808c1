"""Requests per minute, in windows.

Each key has windows of its own. A window begins with the first request that finds none open,
lasts 60 seconds, and admits so many requests; the rest are refused until it ends. That is
what the headers of the platform tell (limit, remaining, seconds until the reset). All that
was counted is kept for the life of the process, so that a rehearsal can be judged afterwards.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

WINDOW_S = 60.0
"""The API announces its quota per minute."""


@dataclass(slots=True)
class Window:
    """One window of one key. `requests` counts all that came, `throttled` those refused."""

    started_at_ms: int
    opened_s: float
    requests: int = 0
    throttled: int = 0


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a request may pass, and what the headers say. Durations in whole seconds."""

    admitted: bool
    limit: int
    remaining: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        """The quota headers, which every answer carries."""
        announced = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset_s),
        }
        if not self.admitted:
            announced["X-RateLimit-Retry-After"] = str(self.reset_s)
        return announced


@dataclass(slots=True)
class Quota:
    """The windows of all keys.

    `monotonic_s` measures durations and `wall_ms` dates the windows; both are given, so that
    a test can move time.
    """

    requests_per_minute: int
    monotonic_s: Callable[[], float]
    wall_ms: Callable[[], int]
    windows: dict[str, list[Window]] = field(default_factory=dict)
    operations: Counter[str] = field(default_factory=Counter)

    def open_windows(self) -> Mapping[str, tuple[Window, int]]:
        """The windows that are open, by key, and the whole seconds until they end."""
        now_s = self.monotonic_s()
        newest = {key: windows[-1] for key, windows in self.windows.items()}
        return {
            key: (window, math.ceil(window.opened_s + WINDOW_S - now_s))
            for key, window in newest.items()
            if now_s < window.opened_s + WINDOW_S
        }

    def admit(self, key: str, operation: str) -> Admission:
        """Count one request of `key` (a label, not the secret) and say if it may pass."""
        now_s = self.monotonic_s()
        own = self.windows.setdefault(key, [])
        if not own or now_s >= own[-1].opened_s + WINDOW_S:
            own.append(Window(started_at_ms=self.wall_ms(), opened_s=now_s))
        window = own[-1]
        window.requests += 1
        self.operations[operation] += 1
        admitted = window.requests - window.throttled <= self.requests_per_minute
        if not admitted:
            window.throttled += 1
        return Admission(
            admitted=admitted,
            limit=self.requests_per_minute,
            remaining=max(0, self.requests_per_minute - window.requests + window.throttled),
            # Rounded up: whoever waits this long finds a new window, never the old one.
            reset_s=max(1, math.ceil(window.opened_s + WINDOW_S - now_s)),
        )
