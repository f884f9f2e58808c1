"""The engine's side of the checkpoint: every change goes through here, durable and counted.

`Tallies` is the live picture that the display, status.json and the end of the run are made of; it
is moved by the same changes that the checkpoint gets, and starts from the checkpoint's own counts.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar

from migrator.checkpoint.change import Change
from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.values import Tally
from migrator.checkpoint.writer import Journal
from migrator.lifecycle import FINAL, State
from migrator.model import Reason

log = logging.getLogger(__name__)

T = TypeVar("T")


class Tallies:
    """Rows by state and by reason, as they stand now."""

    def __init__(self) -> None:
        self.states: Counter[State] = Counter()
        self.reasons: Counter[Reason] = Counter()
        self.changed = asyncio.Event()

    def load(self, tallies: Iterable[Tally]) -> None:
        """Start from what the checkpoint holds."""
        self.states.clear()
        self.reasons.clear()
        for tally in tallies:
            self.states[tally.state] += tally.rows
            if tally.reason is not None and tally.state in FINAL:
                self.reasons[tally.reason] += tally.rows
        self.changed.set()

    def move(self, before: State, after: State, reason: Reason | None) -> None:
        """One row went from one state to another."""
        self.states[before] -= 1
        self.states[after] += 1
        if reason is not None and after in FINAL:
            self.reasons[reason] += 1
        self.changed.set()

    @property
    def rows(self) -> int:
        """All rows."""
        return self.states.total()

    @property
    def open(self) -> int:
        """Rows that have no outcome yet."""
        return sum(count for state, count in self.states.items() if state not in FINAL)


def wall_ms() -> int:
    """Now, in epoch milliseconds: for the record only, never for a decision about the platform."""
    return time.time_ns() // 1_000_000


class Book:
    """The checkpoint as the engine uses it."""

    def __init__(self, journal: Journal, now_ms: Callable[[], int] = wall_ms) -> None:
        self.tallies = Tallies()
        self.now_ms = now_ms
        self._journal = journal

    async def run(self, work: Callable[[Checkpoint], T]) -> T:
        """Do `work` on the checkpoint; durable when this returns."""
        return await self._journal.run(work)

    async def change(
        self, row: int, state: State, change: Change | Callable[[Checkpoint], Change | None]
    ) -> State:
        """Let `change` happen to a row in `state`; durable when this returns the state after.

        Where the change depends on what the checkpoint holds, it is a function of it; None: nothing
        happens after all.
        """

        def write(checkpoint: Checkpoint) -> tuple[State, Change | None]:
            written = change if isinstance(change, Change) else change(checkpoint)
            if written is None:
                return state, None
            return checkpoint.apply(row, state, written), written

        after, written = await self._journal.run(write)
        if written is None:
            return state
        log.debug("row %d %s: %s -> %s", row, written.event, state, after)
        self.tallies.move(state, after, written.facts.get("reason"))
        return after
