"""Preflight by many machines: a cluster looks at objects ahead of whoever reads their rows.

What a crew has been told enters the checkpoint as what this process is told by itself, and in the
order of rows; rows are read on once the scout is past them. What the crew could not learn of a row,
this process asks for when the row's turn comes, with all its patience.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing

from migrator.checkpoint.change import Transfer
from migrator.checkpoint.store import Checkpoint
from migrator.engine.book import Book
from migrator.engine.ports import Crew
from migrator.engine.preflights import Look, Preflights, known
from migrator.errors import RunFailed, StoppedByItself
from migrator.lifecycle import State
from migrator.source.preflight import Told

ROWS = 2_000
"""Rows in a task. Tasks are cut at multiples of it, so that whoever goes on cuts the same ones."""

FEWEST = 32
"""Fewer rows than so many are not worth a task: this process asks about them by itself."""

PAST_ALL = 2**63 - 1
"""A row behind all others."""

ReadOn = Callable[[Checkpoint, int], Sequence[Transfer]]
"""The next rows behind a row, in the order of rows; none at the end."""


class Scout:
    """Looks at the objects of pending rows of which nothing fresh is known, and keeps what is told.

    It is `past` a row once all that it learns of it is kept; `asked` counts the rows that it has
    learned of. `skips` are buckets whose objects are headed when their rows are sent, whatever is
    known by then.
    """

    def __init__(
        self, crew: Crew, book: Book, preflights: Preflights, skips: Callable[[str], bool]
    ) -> None:
        self.past = 0
        self.asked = 0
        self._crew = crew
        self._book = book
        self._preflights = preflights
        self._skips = skips
        self._moved = asyncio.Event()

    async def run(self) -> None:
        """Look at all of them. Raises StoppedByItself where the cluster is lost."""
        batches = in_tasks(self._book, _pending, self._is_wanted)
        with_crew = heads(self._crew, batches, self._preflights)
        async with aclosing(with_crew) as done:
            async for rows, told in done:
                await self._keep(rows, told)
                self._go_to(rows[-1].row)
        self._go_to(PAST_ALL)
        await self._crew.forget()

    async def reach(self, row: int) -> None:
        """Wait until the scout is past a row."""
        while self.past < row:
            self._moved.clear()
            await self._moved.wait()

    def _go_to(self, row: int) -> None:
        self.past = row
        self._moved.set()

    async def _is_wanted(self, rows: Sequence[Transfer]) -> list[Transfer]:
        ids = [row.row for row in rows]
        foreseen, now_ms = await self._book.run(lambda c: c.foreseen_of(ids)), self._book.now_ms()
        return [
            row
            for row in rows
            if row.bucket is not None
            and not self._skips(row.bucket)
            and known(row, foreseen.get(row.row), now_ms) is None
        ]

    async def _keep(self, rows: Sequence[Transfer], told: dict[int, Told]) -> None:
        """What was told of each row, in one commit; rows that are pending no more stay as they are.

        Read by row order, so that of a bucket that refuses its keys the first row says why.
        """
        looks = [
            (row, self._preflights.learn(row, told[row.row])) for row in rows if row.row in told
        ]

        def keep(checkpoint: Checkpoint) -> None:
            for row, look in looks:
                if checkpoint.transfer(row.row).state is State.PENDING:
                    self._preflights.store(checkpoint, row, look)

        await self._book.run(keep)
        self.asked += len(looks)


class Scouted:
    """Looks at rows that are read in the order of rows, and kept nowhere: `verify`."""

    def __init__(
        self,
        crew: Crew,
        book: Book,
        preflights: Preflights,
        read_on: ReadOn,
        is_wanted: Callable[[Transfer], bool],
    ) -> None:
        async def wanted(rows: Sequence[Transfer]) -> list[Transfer]:
            return [row for row in rows if is_wanted(row)]

        self._preflights = preflights
        self._done = heads(crew, in_tasks(book, read_on, wanted), preflights)
        self._past = 0
        self._looks: dict[int, Look] = {}

    async def looks(self, rows: Sequence[Transfer]) -> dict[int, Look]:
        """What was told of these rows, each asked for once. Raises StoppedByItself."""
        while rows and self._past < rows[-1].row:
            batch, told = await anext(self._done, ((), {}))
            self._past = batch[-1].row if batch else PAST_ALL
            self._looks |= {
                row.row: self._preflights.learn(row, told[row.row])
                for row in batch
                if row.row in told
            }
        return {row.row: self._looks.pop(row.row) for row in rows if row.row in self._looks}

    async def close(self) -> None:
        """End what is under way."""
        await self._done.aclose()


async def heads(
    crew: Crew, batches: AsyncGenerator[Sequence[Transfer], None], preflights: Preflights
) -> AsyncGenerator[tuple[Sequence[Transfer], dict[int, Told]], None]:
    """Batches with what the crew was told of them. Raises StoppedByItself where it is lost."""
    try:
        async with (
            aclosing(batches),
            aclosing(crew.heads(batches, preflights.by_url, preflights.patience)) as done,
        ):
            async for each in done:
                yield each
    except RunFailed as error:
        raise StoppedByItself(error.message, error.hint) from None


async def in_tasks(
    book: Book,
    read_on: ReadOn,
    wanted: Callable[[Sequence[Transfer]], Awaitable[list[Transfer]]],
) -> AsyncGenerator[Sequence[Transfer], None]:
    """Rows that are wanted, cut at multiples of ROWS; what is too small for a task is left out."""
    cursor, task = 0, list[Transfer]()
    while rows := await book.run(lambda c, after=cursor: read_on(c, after)):  # type: ignore[misc]
        cursor = rows[-1].row
        for row in await wanted(rows):
            if task and _task_of(row) != _task_of(task[0]):
                if len(task) >= FEWEST:
                    yield task
                task = []
            task.append(row)
    if len(task) >= FEWEST:
        yield task


def _task_of(row: Transfer) -> int:
    return (row.row - 1) // ROWS


def _pending(checkpoint: Checkpoint, after: int) -> Sequence[Transfer]:
    return checkpoint.pending_after(after, ROWS)
