"""An event loop whose time jumps to the next timer as soon as nothing else is left to do.

No file descriptors, no threads, no real clock: with the same callbacks it runs the same way.
"""

import asyncio

SPINS_AFTER = 100_000
"""Turns of the loop within one moment after which somebody must be running in circles."""


class Deadlock(Exception):
    """Nothing is left that could ever wake anybody, or somebody never rests."""


class _Jump:
    """What stands in the place of a selector: it waits by moving the clock."""

    def __init__(self, loop):
        self._loop = loop
        self._turns = 0

    def select(self, timeout):
        if timeout is None:
            raise Deadlock(f"everybody waits, and no timer is set, {self._loop.now_s:.3f} s in")
        if timeout > 0:
            self._loop.now_s += timeout
            self._turns = 0
        else:
            self._turns += 1
            if self._turns > SPINS_AFTER:
                raise Deadlock(f"no time passes any more, {self._loop.now_s:.3f} s in")
        return []

    def close(self):
        pass


class VirtualLoop(asyncio.BaseEventLoop):
    """`now_s` is virtual, from 0 on."""

    def __init__(self):
        super().__init__()
        self.now_s = 0.0
        self._selector = _Jump(self)
        self._clock_resolution = 1e-6

    def time(self):
        return self.now_s

    def _process_events(self, event_list):
        pass

    def _write_to_self(self):
        pass


class VirtualWindow:
    """asyncio-throttle's arithmetic on virtual time: at most `rate_limit` in any 60 seconds."""

    def __init__(self, loop, rate_limit):
        self.rate_limit = rate_limit
        self._loop = loop
        self._given = []

    async def acquire(self):
        while True:
            now_s = self._loop.time()
            self._given = [given_s for given_s in self._given if now_s - given_s <= 60.0]
            if len(self._given) < self.rate_limit:
                self._given.append(now_s)
                return
            first_s = self._given[len(self._given) - self.rate_limit]
            await asyncio.sleep(max(0.01, first_s + 60.0 - now_s))
