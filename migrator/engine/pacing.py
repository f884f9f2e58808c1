"""How fast the platform is asked.

Two arithmetics and one dispatcher. `Quotas` turns what the headers announce into how many requests
a window may hold and until when nothing may be sent; `Spacing` lays them out evenly within it. The
`Pacer` is the only one that waits: callers queue for a permit, and its dispatcher hands out one
after the other, held by asyncio-throttle for the window, then by the spacing, then by a hold.
"""

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from asyncio_throttle import Throttler

from migrator.engine.stop import Stopping
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


@dataclass(slots=True)
class Quotas:
    """What the platform announced last, and what follows for this program.

    `asked` is --requests-per-minute, `reserve_percent` the share left to others.
    """

    asked: Literal["auto"] | int
    reserve_percent: float
    announced: int | None = None
    hold_until_s: float = 0.0
    refusals_in_a_row: int = 0

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
        if self.announced is None:
            return 0
        return math.ceil(self.announced * self.reserve_percent / 100)

    def observe(self, quota: Quota, outstanding: int, now_s: float) -> None:
        """Take in the headers of an answer; `outstanding` requests are still unanswered."""
        if quota.limit is not None:
            self.announced = quota.limit
        self.refusals_in_a_row = 0
        if quota.remaining is None or self.announced is None:
            return
        # What is left may be another program's doing: leave the reserve untouched. The reserve
        # never takes the last request of a window, or a quota of one a minute would hold forever.
        floor = min(self.reserve, self.announced - 1)
        if quota.remaining - outstanding <= floor and quota.reset_s is not None:
            self._hold(now_s + min(quota.reset_s, WINDOW_S))

    def refused(self, quota: Quota, now_s: float, chance: random.Random) -> float:
        """Take in a 429; answers the seconds to wait before anything is sent again."""
        if quota.limit is not None:
            self.announced = quota.limit
        self.refusals_in_a_row += 1
        told = quota.retry_after_s if quota.retry_after_s is not None else quota.reset_s
        if told is not None and told > 0:
            wait_s = float(min(told, MAX_WAIT_S))
        else:
            untold = UNTOLD_WAIT_S * 2 ** min(self.refusals_in_a_row - 1, 10)
            wait_s = min(untold, WINDOW_S) * chance.uniform(0.5, 1.0)
        self._hold(now_s + wait_s)
        return wait_s

    def _hold(self, until_s: float) -> None:
        self.hold_until_s = max(self.hold_until_s, until_s)


@dataclass(slots=True)
class Spacing:
    """Even spacing within a window, as reservations: no queue, no timer of its own."""

    next_s: float = 0.0

    def reserve(self, interval_s: float, now_s: float) -> float:
        """Reserve the next place, `interval_s` after the last; answers seconds to wait for it."""
        place_s = max(self.next_s, now_s - BURST_S)
        self.next_s = place_s + interval_s
        return max(0.0, place_s - now_s)


class Window(Protocol):
    """The port to the limiter that holds the window; asyncio-throttle reads the real clock."""

    rate_limit: int

    async def acquire(self) -> None:
        """Wait until one more request fits into any window that holds this moment."""
        ...


def announced_window(per_window: int) -> Window:
    """The real limiter, for `per_window` requests a window."""
    window: Window = Throttler(rate_limit=per_window, period=WINDOW_S)
    return window


class Pacer:
    """Hands out permits to send one request each. Use `run` as a task beside the callers."""

    def __init__(
        self,
        quotas: Quotas,
        chance: random.Random,
        clock: Callable[[], float] = time.monotonic,
        window: Callable[[int], Window] = announced_window,
    ) -> None:
        self.quotas = quotas
        self.outstanding = 0
        self._chance = chance
        self._clock = clock
        self._spacing = Spacing()
        self._window = window(quotas.per_window)
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._wanted = asyncio.Event()
        self._paused_until_s: Callable[[], float] = lambda: 0.0
        self._closed = False

    def close(self) -> None:
        """Hand out no further permit: whoever waits for one gets `Stopping`."""
        self._closed = True
        for line in (self._urgent, self._waiting):
            while line:
                future = line.popleft()
                if not future.done():
                    future.set_exception(Stopping())

    def pause_while(self, until_s: Callable[[], float]) -> None:
        """Ask `until_s` (a moment of the clock) before each permit: the breaker's say."""
        self._paused_until_s = until_s

    async def permit(self, *, urgent: bool = False) -> None:
        """Wait for leave to send one request now. Urgent ones (reads that settle rows) go first.

        Whoever gets it reports the end of the request with `answered`, `refused` or `ended`.
        Raises Stopping once the pacer is closed.
        """
        if self._closed:
            raise Stopping
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._urgent if urgent else self._waiting).append(future)
        self._wanted.set()
        await future

    def answered(self, quota: Quota) -> None:
        """A request was answered with these headers."""
        self.outstanding -= 1
        self.quotas.observe(quota, self.outstanding, self._clock())

    def refused(self, quota: Quota) -> float:
        """A request was answered 429; answers the seconds until the next one may leave."""
        self.outstanding -= 1
        return self.quotas.refused(quota, self._clock(), self._chance)

    def ended(self) -> None:
        """A request ended without an answer, or its permit was not used."""
        self.outstanding -= 1

    @property
    def held_for_s(self) -> float:
        """Seconds for which nothing will be sent because the quota is spent."""
        return max(0.0, self.quotas.hold_until_s - self._clock())

    async def run(self) -> None:
        """Dispatch for ever; cancel it when nobody asks any more."""
        while True:
            while not (self._urgent or self._waiting):
                self._wanted.clear()
                await self._wanted.wait()
            self._window.rate_limit = self.quotas.per_window
            await self._window.acquire()
            interval_s = WINDOW_S / self.quotas.per_window
            wait_s = self._spacing.reserve(interval_s, self._clock())
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            await self._wait_out_holds()
            self._grant()

    async def _wait_out_holds(self) -> None:
        while True:
            until_s = max(self.quotas.hold_until_s, self._paused_until_s())
            wait_s = until_s - self._clock()
            if wait_s <= 0:
                return
            # Short steps: a breaker that closes, or a new limit, is noticed at once.
            await asyncio.sleep(min(wait_s, 0.25))

    def _grant(self) -> None:
        for line in (self._urgent, self._waiting):
            while line:
                future = line.popleft()
                if not future.done():
                    self.outstanding += 1
                    future.set_result(None)
                    return
