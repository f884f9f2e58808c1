"""What the platform's quota allows: arithmetic over the headers of its answers.

The platform counts in windows of its own: they begin when it likes, and other programs may use up
the same ones. Two bounds therefore hold at once. `per_window` bounds what any sixty seconds may
hold, whatever the phase; `Quotas.left` bounds what the window that is open now still takes, by the
least `Remaining` that was told in it, less what is unanswered, less the reserve.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from migrator.pixop.quota import MAX_WAIT_S, Quota

WINDOW_S = 60.0
"""The platform's quota is announced by the minute."""

UNANNOUNCED_PER_MINUTE = 600
"""Assumed where the platform announces nothing and the operator says nothing."""

BURST_S = 0.010
"""How far spacing may run behind and still catch up: ten milliseconds, about a timer's error."""

UNTOLD_WAIT_S = 5.0
"""First wait after a 429 that does not say how long; doubled with each further one, up to a
window."""

LOOK_AGAIN_S = 5.0
"""Longest pause because others use all that is left: one request then looks if they still do."""

MEASURED_S = 2.0
"""How long a window must have been watched before what others use of it is extrapolated."""


@dataclass(slots=True)
class OpenWindow:
    """The platform's window that is open now, as far as its answers tell.

    `remaining` is the least that was told, less what ended since without telling. `ends_s` is the
    earliest end that was told; the header is in whole seconds, so the true one is at most a second
    before it. `first` is what `remaining` was when the window was first seen, `seen_s` when, and
    `own` counts our requests since, with those that were unanswered then.
    """

    remaining: int
    ends_s: float
    first: int
    seen_s: float
    own: int

    def others_per_s(self, now_s: float) -> float:
        """Requests a second that other programs make; 0 until it is measured.

        What fell beyond our own use was theirs. Our use is counted high, so that this is never too
        high by our own doing.
        """
        watched_s = now_s - self.seen_s
        if watched_s < MEASURED_S:
            return 0.0
        return max(0, self.first - self.remaining - self.own) / watched_s


@lru_cache(maxsize=8)  # asked several times for each request
def reserve_of(announced: int, reserve_percent: float) -> int:
    """What a share of an announced quota is in requests, rounded up."""
    return math.ceil(announced * reserve_percent / 100)


@dataclass(slots=True)
class Quotas:
    """What the platform announced last, and what follows for this program.

    `asked` is --requests-per-minute, `reserve_percent` the share left to others. `outstanding`
    counts requests that may be sent and are not answered yet.
    """

    asked: Literal["auto"] | int
    reserve_percent: float
    announced: int | None = None
    outstanding: int = 0
    refusals_in_a_row: int = 0
    _told_to_wait_until_s: float = 0.0
    _window: OpenWindow | None = None

    @property
    def per_window(self) -> int:
        """Requests that one window may hold: never more than announced less the reserve."""
        if self.announced is None:
            return UNANNOUNCED_PER_MINUTE if self.asked == "auto" else self.asked
        usable = max(1, self.announced - self.reserve)
        return usable if self.asked == "auto" else min(self.asked, usable)

    @property
    def reserve(self) -> int:
        """Requests of each window that are left to others."""
        return 0 if self.announced is None else reserve_of(self.announced, self.reserve_percent)

    def left(self, now_s: float) -> int | None:
        """Requests that may still leave in the window that is open now; None when nobody told."""
        window = self._window
        if window is None or self.announced is None or now_s >= window.ends_s:
            return None
        # The reserve never takes the last request of a window, or a quota of one a minute would
        # hold forever.
        floor = min(self.reserve, self.announced - 1)
        return window.remaining - self.outstanding - floor

    def held_until_s(self, now_s: float) -> float:
        """Until when nothing may be sent: a 429 said so, or the window is used up."""
        left = self.left(now_s)
        if left is None or left > 0:
            return self._told_to_wait_until_s
        assert self._window is not None
        return max(self._told_to_wait_until_s, self._window.ends_s)

    def interval_s(self, now_s: float) -> float:
        """Seconds between two requests: even, and slower where others use the same window."""
        even_s = WINDOW_S / self.per_window
        left, window = self.left(now_s), self._window
        if left is None or window is None:
            return even_s
        others = window.others_per_s(now_s)
        if others == 0.0:
            return even_s
        ours = (left + self.outstanding) / (window.ends_s - now_s) - others
        return max(even_s, min(1 / ours, LOOK_AGAIN_S) if ours > 0 else LOOK_AGAIN_S)

    def granted(self) -> None:
        """One request may leave."""
        self.outstanding += 1
        if self._window is not None:
            self._window.own += 1

    def ended(self) -> None:
        """A request ended without telling anything; the platform may have counted it."""
        self.outstanding -= 1
        if self._window is not None:
            self._window.remaining -= 1

    def unused(self) -> None:
        """A request did not leave after all."""
        self.outstanding -= 1

    def answered(self, quota: Quota, now_s: float) -> None:
        """Take in the headers of an answer."""
        self.refusals_in_a_row = 0
        self._answered(quota, now_s)

    def refused(self, quota: Quota, now_s: float, jitter: float) -> float:
        """Take in a 429; answers the seconds to wait before anything is sent again.

        `jitter` is by chance, at least 0 and below 1. Further refusals of requests that had left
        before the first one was known are no news; one after what was told had been waited for is,
        and then the wait grows.
        """
        if now_s >= self._told_to_wait_until_s:
            self.refusals_in_a_row += 1
        self._answered(quota, now_s)
        told = quota.retry_after_s if quota.retry_after_s is not None else quota.reset_s
        doubled: int = 2 ** min(max(self.refusals_in_a_row - 1, 0), 10)
        guess_s = min(UNTOLD_WAIT_S * doubled, WINDOW_S) * (0.5 + jitter / 2)
        if not told:
            wait_s = guess_s
        else:
            wait_s = float(min(told, MAX_WAIT_S))
            if self.refusals_in_a_row > 1:
                wait_s = max(wait_s, guess_s)
        self._told_to_wait_until_s = max(self._told_to_wait_until_s, now_s + wait_s)
        return wait_s

    def _answered(self, quota: Quota, now_s: float) -> None:
        self.outstanding -= 1
        changed = quota.limit is not None and quota.limit != self.announced
        if quota.limit is not None:
            self.announced = quota.limit
        window = self._window
        if quota.remaining is None or quota.reset_s is None or self.announced is None:
            if window is not None:
                window.remaining -= 1
            return
        # A platform that rounds down says 0 in the last second of a window.
        ends_s = now_s + min(max(quota.reset_s, 1), WINDOW_S)
        if window is None or changed or now_s >= window.ends_s:
            remaining = quota.remaining
            self._window = OpenWindow(remaining, ends_s, remaining, now_s, self.outstanding)
        else:
            window.remaining = min(window.remaining, quota.remaining)
            window.ends_s = min(window.ends_s, ends_s)


def rest_s(calls: int, share: float, per_window: int) -> float:
    """Seconds to rest after so many calls, so that they keep to their `share` of the quota."""
    return calls * WINDOW_S / (per_window * share)


@dataclass(slots=True)
class Spacing:
    """Even spacing within a window, as reservations: no queue, no timer of its own."""

    next_s: float = 0.0

    def reserve(self, interval_s: float, now_s: float) -> float:
        """Reserve the next place, `interval_s` after the last; answers seconds to wait for it."""
        place_s = max(self.next_s, now_s - BURST_S)
        self.next_s = place_s + interval_s
        return max(0.0, place_s - now_s)

    def keep_apart(self, interval_s: float, now_s: float) -> None:
        """A place is used only now: the next one comes no sooner than `interval_s` after it."""
        self.next_s = max(self.next_s, now_s + interval_s)
