"""How a run is told to end: once, with a reason, and gracefully.

Nothing is cancelled when a stop is requested: no further request leaves, those in flight are
waited for and written down, and then the run ends. A cancelled POST would be an orphan.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from migrator.errors import MigratorError, StoppedByItself
from migrator.log import RUN_STOPPING, tell

T = TypeVar("T")


class Stopping(Exception):
    """Raised to whoever waits for leave to send something: there will be none any more."""


class Stop:
    """The one request to stop. `error` says why, unless a person asked (`interrupted`)."""

    def __init__(self) -> None:
        self.requested = False
        self.interrupted = False
        self.error: BaseException | None = None
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` when a stop is requested: it wakes those who wait."""
        self._listeners.append(listener)

    def interrupt(self) -> None:
        """A person or the system asks to stop."""
        self.interrupted = True
        tell(RUN_STOPPING, why="a signal")
        self._request()

    def because(self, error: MigratorError | BaseException) -> None:
        """The run itself has to stop; the first reason is the one that is told."""
        if self.error is None:
            self.error = error
            tell(RUN_STOPPING, why=error)
        self._request()

    def _request(self) -> None:
        if self.requested:
            return
        self.requested = True
        for listener in self._listeners:
            listener()


async def unless_stopped(stop: Stop, preparing: Coroutine[None, None, T]) -> T:
    """Await something that sends no command; a stop cancels it. Raises Stopping then."""
    task = asyncio.ensure_future(preparing)

    def cancel() -> None:
        task.cancel()

    stop.listen(cancel)
    try:
        return await task
    except asyncio.CancelledError:
        if stop.requested:
            raise Stopping from None
        raise


async def found_out(stop: Stop, asking: Coroutine[None, None, T]) -> T | None:
    """What something that sends no command has found out; None where a stop came before.

    `stop` holds why, also where what was asked stopped by itself.
    """
    try:
        return await unless_stopped(stop, asking)
    except Stopping:
        return None
    except StoppedByItself as error:
        stop.because(error)
        return None


@asynccontextmanager
async def background(stop: Stop, *jobs: Awaitable[None]) -> AsyncIterator[None]:
    """Run jobs beside the block; what goes wrong in one asks the run to stop, gracefully."""

    async def guarded(job: Awaitable[None]) -> None:
        try:
            await job
        except Stopping:
            pass
        except Exception as error:  # noqa: BLE001 - told at the end of the run, after draining
            stop.because(error)

    tasks = [asyncio.ensure_future(guarded(job)) for job in jobs]
    await asyncio.sleep(0)  # every job begins, so that none is thrown away unawaited
    try:
        yield
    finally:
        await _cancel(tasks)


async def _cancel(tasks: Sequence[asyncio.Future[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
