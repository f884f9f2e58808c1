"""The engine's side of the checkpoint: every change goes through here, durable and counted.

`Tallies` is the live picture that the display, status.json and the end of the run are made of; it
is moved by the same changes that the checkpoint gets, and starts from the checkpoint's own counts.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import TypeVar

from migrator.checkpoint.change import Change, Facts, Transfer
from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.values import Tally
from migrator.checkpoint.writer import Journal
from migrator.lifecycle import FINAL, State
from migrator.log import ROW_MOVED, ROW_PROBLEM, tell
from migrator.model import Reason

T = TypeVar("T")


PROBLEMS = frozenset({State.REJECTED, State.MISSING, State.FAILED})
"""Ends that a person should look at."""

PROBLEMS_KEPT = 5
"""The latest rows with such an end that the display shows."""


class Tallies:
    """Rows by state and by reason, as they stand now; `imported_bytes` as far as it is known."""

    def __init__(self) -> None:
        self.states: Counter[State] = Counter()
        self.reasons: Counter[Reason] = Counter()
        self.imported_bytes = 0
        self.changed = asyncio.Event()

    def load(self, tallies: Iterable[Tally]) -> None:
        """Start from what the checkpoint holds."""
        self.states.clear()
        self.reasons.clear()
        self.imported_bytes = 0
        for tally in tallies:
            self.states[tally.state] += tally.rows
            if tally.state is State.IMPORTED:
                self.imported_bytes += tally.size_bytes
            if tally.reason is not None and tally.state in FINAL:
                self.reasons[tally.reason] += tally.rows
        self.changed.set()

    def move(
        self, before: State, after: State, reason: Reason | None, size_bytes: int | None = None
    ) -> None:
        """One row went from one state to another; `size_bytes` counts where it was imported."""
        if after is State.IMPORTED:
            self.imported_bytes += size_bytes or 0
        self.states[before] -= 1
        self.states[after] += 1
        if reason is not None and after in FINAL:
            self.reasons[reason] += 1
        self.changed.set()

    def read(self, rows: int) -> None:
        """So many rows were read; what each of them is, `load` says once all are there."""
        self.states[State.PENDING] += rows

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
        self.problems: deque[Transfer] = deque(maxlen=PROBLEMS_KEPT)
        self.now_ms = now_ms
        self._journal = journal
        self._listeners: list[Callable[[int, State, Facts], None]] = []

    def listen(self, listener: Callable[[int, State, Facts], None]) -> None:
        """Call `listener` for each change, once durable: row, the state after, and its facts."""
        self._listeners.append(listener)

    async def run(self, work: Callable[[Checkpoint], T]) -> T:
        """Do `work` on the checkpoint; durable when this returns."""
        return await self._journal.run(work)

    async def change(
        self,
        row: int,
        state: State,
        change: Change | Callable[[Checkpoint], Change | None],
        *,
        size_bytes: int | None = None,
    ) -> State:
        """Let `change` happen to a row in `state`; durable when this returns the state after.

        Where the change depends on what the checkpoint holds, it is a function of it; None: nothing
        happens after all. `size_bytes` is the object's, for the count of what is imported.
        """
        problem: Transfer | None = None

        def write(checkpoint: Checkpoint) -> tuple[State, Change | None]:
            nonlocal problem
            written = change if isinstance(change, Change) else change(checkpoint)
            if written is None:
                return state, None
            after = checkpoint.apply(row, state, written)
            problem = checkpoint.transfer(row) if after in PROBLEMS else None
            return after, written

        after, written = await self._journal.run(write)
        if written is None:
            return state
        tell(ROW_MOVED, row=row, what=written.event, before=state, after=after)
        self.tallies.move(state, after, written.facts.get("reason"), size_bytes)
        for listener in self._listeners:
            listener(row, after, written.facts)
        if problem is not None:
            self._show(problem)
        return after

    def _show(self, problem: Transfer) -> None:
        self.problems.append(problem)
        tell(
            ROW_PROBLEM,
            row=problem.row,
            outcome=problem.state,
            reason=problem.reason,
            bucket=problem.bucket,
            key=problem.key,
            http_status=problem.http_status,
            error_code=problem.error_code,
            message=problem.message,
        )
