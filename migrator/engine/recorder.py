"""Keeps how a run went on, for the report: its calls, its quota, and what held it up.

A sample each five seconds at first and one a minute after an hour: a day is some 1,600 rows.
"""

import asyncio
from collections.abc import Callable

from migrator.checkpoint.history import Sample
from migrator.checkpoint.store import Checkpoint
from migrator.engine.book import Book
from migrator.engine.gateways import Gateways
from migrator.engine.waiting import WaitsOn
from migrator.lifecycle import WITH_VIDEO

TICK_S = 1.0
"""How often it is looked whether the run is held up."""

SHORTEST_S, LONGEST_S = 5, 60
"""Bounds of the time between two samples."""

PAUSES = frozenset(
    {"platform", "posts", "sense", "source", "in_flight_limit", "in_flight_bytes", "quota"}
)
"""What keeps a run from sending rows that it could send. The rest is work of its own."""


class Recorder:
    """Samples one run. `waiting_on` is asked each second what holds it up (`WaitsOn`)."""

    def __init__(
        self, book: Book, gateways: Gateways, run_id: int, waiting_on: Callable[[], WaitsOn]
    ) -> None:
        self._waiting_on = waiting_on
        self._book = book
        self._gateways = gateways
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
            if (found := self._waiting_on()) in PAUSES:
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
                calls=self._gateways.counts.total,
                allowed_per_minute=self._gateways.per_window,
                in_flight=sum(states[state] for state in WITH_VIDEO),
                held_s=self._held_s,
                held_by=self._held_by,
            )
        )
        self._held_s, self._held_by = 0, None


def interval_s(elapsed_s: int) -> int:
    """Seconds until the next sample: finer at the start, where a short run may be all there is."""
    return min(LONGEST_S, max(SHORTEST_S, elapsed_s // 60))
