"""The one dispatcher: how fast the platform is asked.

`quotas` is the arithmetic. The `Pacer` is the only one that waits: callers queue for a permit, and
its dispatcher hands out one after the other, held by asyncio-throttle for the window, then by the
even spacing within it, then by whatever holds everything (a used up window, a 429, an outage).
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from asyncio_throttle import Throttler

from migrator.engine.quotas import WINDOW_S, Quotas, Spacing
from migrator.engine.stop import Stopping
from migrator.pixop.quota import Quota

STEP_S = 0.25
"""How often a held dispatcher looks again: a breaker that closes, or a new limit, is noticed."""


AT_ONCE_S = 0.001
"""What took less did not wait: nothing has come about meanwhile."""


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
        self._chance = chance
        self._clock = clock
        self._spacing = Spacing()
        self._window = window(quotas.per_window)
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._urgent_turn = True
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
        """Wait for leave to send one request now.

        Urgent ones (what settles rows) have every other turn where both kinds wait: submitting
        starves neither, nor is it starved. Whoever gets it reports the end of the request with
        `answered`, `refused`, `ended` or `unused`. Raises Stopping once the pacer is closed.
        """
        if self._closed:
            raise Stopping
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._urgent if urgent else self._waiting).append(future)
        self._wanted.set()
        await future

    async def probe(self) -> None:
        """Wait for leave to send one probe: past an outage, and within the quota all the same."""
        await self._place()
        self.quotas.granted()

    def answered(self, quota: Quota) -> None:
        """A request was answered with these headers."""
        self.quotas.answered(quota, self._clock())

    def refused(self, quota: Quota) -> float:
        """A request was answered 429; answers the seconds until the next one may leave."""
        return self.quotas.refused(quota, self._clock(), self._chance.random())

    def ended(self) -> None:
        """A request ended without an answer."""
        self.quotas.ended()

    def unused(self) -> None:
        """A permit was not used."""
        self.quotas.unused()

    @property
    def contested(self) -> bool:
        """Whether somebody who is not urgent waits for a permit."""
        return bool(self._waiting)

    @property
    def held_for_s(self) -> float:
        """Seconds for which nothing will be sent because the quota is spent."""
        now_s = self._clock()
        return max(0.0, self.quotas.held_until_s(now_s) - now_s)

    async def run(self) -> None:
        """Dispatch for ever; cancel it when nobody asks any more."""
        while True:
            while not (self._urgent or self._waiting):
                self._wanted.clear()
                await self._wanted.wait()
            await self._wait_out_holds()  # first, so that its place is of the moment it is used in
            if await self._place() and await self._wait_out_holds():
                now_s = self._clock()  # the place was kept past its moment: count from now
                self._spacing.keep_apart(self.quotas.interval_s(now_s), now_s)
            self._grant()

    async def _place(self) -> bool:
        """A place in the window, and within it evenly after the last; whether it was waited for."""
        began_s = self._clock()
        self._window.rate_limit = self.quotas.per_window
        await self._window.acquire()
        now_s = self._clock()
        wait_s = self._spacing.reserve(self.quotas.interval_s(now_s), now_s)
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        return wait_s > 0 or now_s - began_s > AT_ONCE_S

    async def _wait_out_holds(self) -> bool:
        """Wait as long as something holds everything; answers whether anything did."""
        held = False
        while True:
            now_s = self._clock()
            until_s = max(self.quotas.held_until_s(now_s), self._paused_until_s())
            if until_s <= now_s:
                return held
            held = True
            await asyncio.sleep(min(until_s - now_s, STEP_S))

    def _grant(self) -> None:
        for line in (self._urgent, self._waiting)[:: 1 if self._urgent_turn else -1]:
            while line:
                future = line.popleft()
                if not future.done():
                    self._urgent_turn = line is not self._urgent
                    self.quotas.granted()
                    future.set_result(None)
                    return
