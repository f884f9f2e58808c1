"""A thread beside the one that reads, so that tables are written while the next rows are read."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

AHEAD = 2
"""Pieces of work that may wait or be under way: each holds a chunk of rows in memory."""


class Sideline:
    """Does pieces of work one after the other, in the order in which they come.

    `put` and `drain` raise what a piece of work raised. Use as a context manager: at its end no
    piece is under way, and none that waited is begun any more.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._work: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def put(self, work: Callable[[], None]) -> None:
        """Have `work` done; waits where too much is waiting already."""
        while len(self._work) >= AHEAD:
            self._work.popleft().result()
        self._work.append(self._pool.submit(work))

    def drain(self) -> None:
        """Wait until all is done."""
        while self._work:
            self._work.popleft().result()
