"""The engine's side of the checkpoint: every change goes through here, durable and counted.

`Tallies` is the live picture that the display, status.json and the end of the run are made of; it
is moved by the same changes that the checkpoint gets, and starts from the checkpoint's own counts.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from migrator.checkpoint.change import Change, Facts, Move, Transfer
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
    """Rows by state and by reason, as they stand now; `imported_bytes` as far as it is known.

    `growing` says that rows are sent while further ones are listed.
    """

    def __init__(self) -> None:
        self.states: Counter[State] = Counter()
        self.reasons: Counter[Reason] = Counter()
        self.imported_bytes = 0
        self.growing = False
        self.changed = asyncio.Event()

    def load(self, tallies: Iterable[Tally]) -> None:
        """Start from what the checkpoint holds."""
        self.states.clear()
        self.reasons.clear()
        self.imported_bytes = 0
        self.add(tallies)

    def add(self, tallies: Iterable[Tally]) -> None:
        """Further rows have come in while others were sent."""
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


@dataclass(slots=True, eq=False)
class _Entry:
    """A change that waits for its commit. `problem` is the row as it stands after, if one is."""

    move: Move
    size_bytes: int | None
    ended: asyncio.Future[State]
    problem: Transfer | None = None


def _fail(entries: Iterable[_Entry], error: BaseException) -> None:
    for entry in entries:
        if isinstance(error, asyncio.CancelledError):
            entry.ended.cancel()
        elif not entry.ended.done():
            entry.ended.set_exception(error)


class Book:
    """The checkpoint as the engine uses it.

    Changes that are asked for while a commit is under way share the next one, and one step of
    SQLite where they are alike.
    """

    def __init__(self, journal: Journal, now_ms: Callable[[], int] = wall_ms) -> None:
        self.tallies = Tallies()
        self.problems: deque[Transfer] = deque(maxlen=PROBLEMS_KEPT)
        self.now_ms = now_ms
        self._journal = journal
        self._listeners: list[Callable[[int, State, Facts], None]] = []
        self._waiting: deque[_Entry] = deque()
        self._is_asked = False
        self._writing: set[asyncio.Task[None]] = set()

    def listen(self, listener: Callable[[int, State, Facts], None]) -> None:
        """Call `listener` for each change, once durable: row, the state after, and its facts."""
        self._listeners.append(listener)

    async def run(self, work: Callable[[Checkpoint], T]) -> T:
        """Do `work` on the checkpoint; durable when this returns."""
        return await self._journal.run(work)

    async def close(self) -> None:
        """Finish what is under way, also what nobody waits for any more; the file stays open."""
        await asyncio.gather(*self._writing)
        await self._journal.close()

    async def change(self, row: int, state: State, change: Change) -> State:
        """Let `change` happen to a row in `state`; durable when this returns the state after."""
        return await self.changing(row, state, change)

    def changing(
        self,
        row: int,
        state: State,
        change: Change,
        *,
        size_bytes: int | None = None,
        if_taken: Callable[[int], Change] | None = None,
    ) -> asyncio.Future[State]:
        """The same for whoever does something else meanwhile: durable when the state is there.

        `size_bytes` is the object's, for the count of what is imported. `if_taken` answers what
        happens instead where the change's video is another row's, which it is given.
        """
        ended: asyncio.Future[State] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Entry(Move(row, state, change, if_taken), size_bytes, ended))
        # Asked for after it was put there, and taken back by the thread before it takes what is
        # there: so no entry is left behind.
        if not self._is_asked:
            self._is_asked = True
            task = asyncio.ensure_future(self._write())
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)
        return ended

    async def change_by(
        self, row: int, state: State, change: Callable[[Checkpoint], Change | None]
    ) -> State:
        """The same where the change depends on what the checkpoint holds; None: nothing happens."""

        def write(checkpoint: Checkpoint) -> tuple[State, Change, Transfer | None] | None:
            found = change(checkpoint)
            if found is None:
                return None
            after = checkpoint.apply(row, state, found)
            return after, found, checkpoint.transfer(row) if after in PROBLEMS else None

        written = await self._journal.run(write)
        if written is None:
            return state
        after, happened, problem = written
        self._happened(row, state, after, happened, None, problem)
        return after

    async def _write(self) -> None:
        """Commit what waits, tell it, and let those go on who wait for it."""
        entries: list[_Entry] = []
        taken = False

        def write(checkpoint: Checkpoint) -> list[tuple[State, Change]]:
            """On the thread of the checkpoint, when the commit begins."""
            nonlocal taken
            taken, self._is_asked = True, False
            while self._waiting:
                entries.append(self._waiting.popleft())
            happened = checkpoint.apply_all([entry.move for entry in entries])
            for entry, (after, _) in zip(entries, happened, strict=True):
                if after in PROBLEMS:
                    entry.problem = checkpoint.transfer(entry.move.row)
            return happened

        try:
            happened = await self._journal.run(write)
        except BaseException as error:  # noqa: BLE001 - handed to the callers, who raise it
            if not taken:  # nobody else would write what waits
                self._is_asked = False
                while self._waiting:
                    entries.append(self._waiting.popleft())
            _fail(entries, error)
            return
        for entry, (after, change) in zip(entries, happened, strict=True):
            move = entry.move
            self._happened(move.row, move.state, after, change, entry.size_bytes, entry.problem)
            if not entry.ended.done():  # else its caller was cancelled
                entry.ended.set_result(after)

    def _happened(
        self,
        row: int,
        before: State,
        after: State,
        change: Change,
        size_bytes: int | None,
        problem: Transfer | None,
    ) -> None:
        tell(ROW_MOVED, row=row, what=change.event, before=before, after=after)
        self.tallies.move(before, after, change.facts.get("reason"), size_bytes)
        for listener in self._listeners:
            listener(row, after, change.facts)
        if problem is not None:
            self._show(problem)

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
