"""Group commit: one thread, one connection, and a commit for as many changes as are waiting.

A durable commit costs a flush of the disk. Callers await their own change; the thread takes all
that is waiting, runs it in one transaction, commits once and then wakes everyone. When anything in
a group fails, the whole group is rolled back and every caller of it gets the error: nobody goes on
as if a change were on the disk that is not.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from migrator.checkpoint.store import Checkpoint, not_written

T = TypeVar("T")

GROUP_LIMIT = 256
"""Most changes in one commit: beyond a hundred or so the flush is no longer what costs."""


class Journal(Protocol):
    """The port to the checkpoint that the engine holds (a simulation brings its own)."""

    async def run(self, work: Callable[[Checkpoint], T]) -> T:
        """Do `work` on the checkpoint; its changes are durable when this returns."""
        ...

    async def close(self) -> None:
        """Finish what is waiting; the checkpoint stays open."""
        ...


class Writer:
    """A `Journal` on a thread of its own. `before_commit` adds to every group (call counters)."""

    def __init__(self, checkpoint: Checkpoint, before_commit: Callable[[Checkpoint], None]) -> None:
        self._checkpoint = checkpoint
        self._before_commit = before_commit
        self._waiting: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._serve, name="checkpoint", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[Checkpoint], T]) -> T:
        """Do `work` on the checkpoint; durable when this returns.

        Raises RunFailed when the file cannot be written (a full disk): nothing may be sent then.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.put((work, future))
        result: T = await future
        return result

    async def close(self) -> None:
        """Finish what is waiting and end the thread; the checkpoint stays open."""
        self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)

    def _serve(self) -> None:
        ending = False
        while not ending:
            group: list[_Work] = []
            item = self._waiting.get()
            while item is not None:
                group.append(item)
                if len(group) == GROUP_LIMIT or self._waiting.empty():
                    break
                item = self._waiting.get()
            ending = item is None
            if group:
                self._commit(group)

    def _commit(self, group: list["_Work"]) -> None:
        results: list[object] = []
        failure: BaseException | None = None
        try:
            with self._checkpoint.transaction():
                results = [work(self._checkpoint) for work, _ in group]
                self._before_commit(self._checkpoint)
        except sqlite3.Error as error:
            failure = not_written(error)
        except BaseException as error:  # noqa: BLE001 - handed to the callers, who raise it
            failure = error
        self._loop.call_soon_threadsafe(_wake, group, results, failure)


_Work = tuple[Callable[[Checkpoint], Any], asyncio.Future[Any]]


def _wake(group: list[_Work], results: list[object], failure: BaseException | None) -> None:
    for position, (_, future) in enumerate(group):
        if future.done():  # its caller was cancelled
            continue
        if failure is not None:
            future.set_exception(failure)
        else:
            future.set_result(results[position])
