"""A clock that stands still until a test moves it."""

import asyncio

from migrator.sandbox.moments import Clock

BEGAN_MS = 1_800_000_000_000

AT_ONCE_S = 0.1
"""So short a sleep is none: the turns of a quick webhook need no steering."""


class SteeredClock(Clock):
    """Who sleeps is woken once the clock has been moved so far."""

    def __init__(self):
        super().__init__()
        self.ms = BEGAN_MS
        self._sleepers = []

    def machine_ms(self):
        return round(self.ms)

    def monotonic_s(self):
        return self.ms / 1000

    async def sleep(self, seconds):
        if seconds <= AT_ONCE_S:
            return
        woken = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.ms + seconds * 1000, woken))
        await woken

    def advance(self, seconds):
        self.ms += seconds * 1000
        due = [woken for until_ms, woken in self._sleepers if until_ms <= self.ms + 0.001]
        self._sleepers = [one for one in self._sleepers if one[1] not in due]
        for woken in due:
            if not woken.done():
                woken.set_result(None)
