"""The stub platform as a line uses it: started, asked what it counted, told to forget."""

import json
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass

from tests.benchmarks.children import server

HUGE_QUOTA = 10_000_000
"""The largest limit that the client takes for sense."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the platform saw of a run."""

    calls: dict[str, int]
    throttled: int
    posts_took_s: float
    calls_between: int
    cpu_between_s: float
    first_call_s: float
    first_post_s: float

    @property
    def total(self):
        return sum(self.calls.values())

    @property
    def posts(self):
        return self.calls.get("submit", 0)


@dataclass(frozen=True, slots=True)
class Platform:
    """A stub that runs."""

    base: str

    @property
    def api_url(self):
        return f"{self.base}/api"

    def forget(self):
        self._ask("POST", "forget")

    def seen(self):
        """From the first POST to the last: seconds, calls after the first, its own CPU seconds.

        Moments are of the machine's monotonic clock, which all processes share.
        """
        counts = self._ask("GET", "counts")
        return Seen(
            calls=counts["calls"],
            throttled=counts["throttled"],
            posts_took_s=counts["last_post_s"] - counts["first_post_s"],
            calls_between=counts["calls_at_last_post"] - counts["calls_at_first_post"],
            cpu_between_s=counts["cpu_at_last_post_s"] - counts["cpu_at_first_post_s"],
            first_call_s=counts["first_call_s"],
            first_post_s=counts["first_post_s"],
        )

    def followed(self):
        """(when each copy ended, by video; when the first page of the list was asked for)."""
        told = self._ask("GET", "ends")
        return told["ended_s"], told["rounds_s"]

    def _ask(self, method, what):
        request = urllib.request.Request(f"{self.base}/_stub/{what}", method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@contextmanager
def platform(*, quota=HUGE_QUOTA, copy_seconds=0.0, seed=0):
    """A stub platform for the block."""
    flags = ("--quota", quota, "--copy-seconds", copy_seconds, "--seed", seed)
    with server("tests.benchmarks.stub", *flags) as running:
        yield Platform(running.said)
