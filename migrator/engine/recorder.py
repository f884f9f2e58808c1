"""Keeps how a run went on, for the report: its calls, its quota, and what held it up.

A sample each five seconds at first and one a minute after an hour: a day is some 1,600 rows.
"""

import asyncio
from collections.abc import Callable

from migrator.checkpoint.history import Sample
from migrator.checkpoint.store import Checkpoint
from migrator.engine.book import Book
from migrator.engine.gateway import Gateway
from migrator.lifecycle import WITH_VIDEO

TICK_S = 1.0
"""How often it is looked whether the run is held up."""

SHORTEST_S, LONGEST_S = 5, 60
"""Bounds of the time between two samples."""


class Recorder:
    """Samples one run. `source_is_silent` is asked each second, once there is a source to ask."""

    def __init__(self, book: Book, gateway: Gateway, run_id: int) -> None:
        self.source_is_silent: Callable[[], bool] = lambda: False
        self._book = book
        self._gateway = gateway
        self._run_id = run_id
        self._held_s = 0
        self._held_by: str | None = None

    async def run(self) -> None:
        """Sample for ever, at once and then less and less often."""
        await self._book.run(self.sample)
        elapsed_s = since_s = 0
        while True:
            await asyncio.sleep(TICK_S)
            elapsed_s, since_s = elapsed_s + 1, since_s + 1
            if found := self._hindrance():
                self._held_s, self._held_by = self._held_s + 1, found
            if since_s >= interval_s(elapsed_s):
                since_s = 0
                await self._book.run(self.sample)

    def sample(self, checkpoint: Checkpoint) -> None:
        """Write how the run stands now."""
        states = self._book.tallies.states
        checkpoint.history.add_sample(
            Sample(
                run_id=self._run_id,
                at_ms=self._book.now_ms(),
                calls=self._gateway.counts.total,
                allowed_per_minute=self._gateway.pacer.quotas.per_window,
                in_flight=sum(states[state] for state in WITH_VIDEO),
                held_s=self._held_s,
                held_by=self._held_by,
            )
        )
        self._held_s, self._held_by = 0, None

    def _hindrance(self) -> str:
        """What keeps the run from sending right now, by its name in schema.sql; "" for nothing."""
        if self._gateway.breaker.is_open or self._gateway.senseless:
            return "platform"
        if self._gateway.posts.is_open:
            return "posts"
        if self.source_is_silent():
            return "source"
        return "quota" if self._gateway.pacer.held_for_s > 1 else ""


def interval_s(elapsed_s: int) -> int:
    """Seconds until the next sample: finer at the start, where a short run may be all there is."""
    return min(LONGEST_S, max(SHORTEST_S, elapsed_s // 60))
