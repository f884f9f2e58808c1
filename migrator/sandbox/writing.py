"""One thread writes, and writes are committed in groups.

A commit that waits for the disk costs the same for one record as for a hundred. So whatever
has been asked for while a commit was under way goes into the next one together, and whoever
asked is told only after it: an answer that went out is on disk.
"""

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")
Write = Callable[[sqlite3.Connection], Result]

GROUP_LIMIT = 500
"""Writes in one commit at most, so that no one waits long behind a crowd."""

log = logging.getLogger(__name__)


class _Asked:
    """One write, who waits for it, and what came of it."""

    __slots__ = ("error", "future", "result", "write")

    def __init__(self, write: Write[Any], future: asyncio.Future[Any]) -> None:
        self.write = write
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None


class GroupWriter:
    """The only writer of the database at `path`. Belongs to the loop it is made in.

    `when_committed` is called in that loop after each commit, once who asked has been told.
    """

    def __init__(self, path: Path) -> None:
        self.when_committed: Callable[[], None] = lambda: None
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._connection = open_database(path, check_same_thread=False)
        self._thread = threading.Thread(target=self._work, name="sandbox-writer", daemon=True)
        self._thread.start()

    def ask(self, write: Write[Result]) -> asyncio.Future[Result]:
        """Have `write` done and committed. The future holds its result, or its error.

        The write is done even if the future is cancelled: it has been promised.
        """
        future: asyncio.Future[Result] = self._loop.create_future()
        self._queue.put(_Asked(write, future))
        return future

    async def close(self) -> None:
        """Finish what was asked for, then close the database."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._connection.close()

    def _work(self) -> None:
        last = False
        while not last:
            first = self._queue.get()
            if first is None:
                return
            group = [first]
            while len(group) < GROUP_LIMIT:
                try:
                    asked = self._queue.get_nowait()
                except queue.Empty:
                    break
                if asked is None:
                    last = True
                    break
                group.append(asked)
            self._commit(group)
            try:
                self._loop.call_soon_threadsafe(self._tell, group)
            except RuntimeError:  # the loop has gone, and with it all who waited
                return

    def _commit(self, group: list[_Asked]) -> None:
        try:
            self._together(group)
        except Exception:
            # One bad write must not take the others along: each alone, to find which it was.
            if len(group) > 1:
                log.exception("a group of %d writes failed; doing each alone", len(group))
            for asked in group:
                try:
                    self._together([asked])
                except Exception as error:  # noqa: BLE001 - handed to whoever asked
                    asked.error = error

    def _together(self, group: list[_Asked]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for asked in group:
                asked.result = asked.write(self._connection)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _tell(self, group: list[_Asked]) -> None:
        for asked in group:
            if asked.future.done():
                continue
            if asked.error is None:
                asked.future.set_result(asked.result)
            else:
                asked.future.set_exception(asked.error)
        self.when_committed()


def open_database(path: Path, *, check_same_thread: bool = True) -> sqlite3.Connection:
    """Open the database as the room uses it; the caller begins and ends transactions."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=check_same_thread)
    connection.row_factory = sqlite3.Row
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "busy_timeout = 5000",
        # Keys that were handed over are erased from the file, not only from the table.
        "secure_delete = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection
