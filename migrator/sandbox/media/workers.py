"""A few worker processes, started when there is work, that no file can take the platform with.

One that ends, or says nothing for long, or does not come to an end, is killed, and its job has
failed; the next job gets a new one. All of them end with this process, SIGKILL included.
"""

import asyncio
import contextlib
import importlib.util
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from migrator.sandbox import tether
from migrator.sandbox.errors import NOT_INSTALLED, SandboxError
from migrator.sandbox.media.jobs import Finished, Job, Progressed, Refused, line, said_decoder

WORKERS = max(1, min(4, (os.cpu_count() or 1) // 2))
"""Half of the machine at most: the rest is for whoever rehearses on it."""

SILENT_S = 60.0
"""A worker that makes headway says so several times a second."""

WHOLE_S = 3 * 3600.0
"""However much it says, a job ends after this."""

ENDED_WITHIN_S = 1.0

WORKER = "migrator.sandbox.media.worker"


def require() -> None:
    """Raise SandboxError where the extra is not installed. Only workers import it."""
    for package in ("av", "numpy"):
        if importlib.util.find_spec(package) is None:
            raise SandboxError(NOT_INSTALLED.format(package))


class MediaError(Exception):
    """A job came to nothing; the message says why."""


class Workers:
    """At most `count` processes. `place` stands in their command lines, to show whose they are."""

    def __init__(self, place: Path, count: int = WORKERS) -> None:
        self._place = place
        self.count = count
        self._places = asyncio.Semaphore(count)
        self._idle: list[Process] = []

    async def do(self, job: Job, progress: Callable[[float], None]) -> bytes:
        """What comes of the job, as JSON; `progress` is told of shares from 0 to 1.

        Raises MediaError. Where this is cancelled the worker is killed: nothing is written any more
        once it has returned.
        """
        async with self._places:
            worker = await self._worker()
            try:
                async with asyncio.timeout(WHOLE_S):
                    said = await _exchange(worker, job, progress)
            except TimeoutError:
                await _end(worker)
                raise MediaError("it took too long") from None
            except BaseException:
                await _end(worker)
                raise
            self._idle.append(worker)
        if isinstance(said, Refused):
            raise MediaError(said.reason)
        return bytes(said.found)

    async def end(self) -> None:
        """End the processes that have nothing to do."""
        while self._idle:
            await _end(self._idle.pop())

    async def _worker(self) -> Process:
        while self._idle:
            worker = self._idle.pop()
            if worker.returncode is None:
                return worker
        # -I -S: the tether needs nothing but the standard library, and starts sooner without.
        tied = [sys.executable, "-I", "-S", str(Path(tether.__file__)), str(os.getpid())]
        return await asyncio.create_subprocess_exec(
            *(*tied, sys.executable, "-m", WORKER, str(self._place)),
            stdin=PIPE,
            stdout=PIPE,
            start_new_session=True,  # Ctrl-C is for us
        )


@asynccontextmanager
async def working(place: Path) -> AsyncIterator[Workers]:
    """Workers for as long as the context lasts; those at work are ended by who gave the work."""
    workers = Workers(place)
    try:
        yield workers
    finally:
        await workers.end()


async def _exchange(
    worker: Process, job: Job, progress: Callable[[float], None]
) -> Finished | Refused:
    assert worker.stdin is not None
    assert worker.stdout is not None
    with contextlib.suppress(ConnectionError):  # it has gone: reading tells
        worker.stdin.write(line(job))
        await worker.stdin.drain()
    while True:
        try:
            async with asyncio.timeout(SILENT_S):
                spoken = await worker.stdout.readline()
        except TimeoutError:
            raise MediaError("the worker hangs") from None
        if not spoken:
            raise MediaError(f"the worker died ({await worker.wait()})")
        said = said_decoder.decode(spoken)
        if not isinstance(said, Progressed):
            return said
        progress(said.share)


async def _end(worker: Process) -> None:
    """End a process, also one that is stopped; the tether of other systems passes SIGTERM on."""
    for end in (worker.terminate, worker.kill):
        if worker.returncode is not None:
            break
        with contextlib.suppress(ProcessLookupError):
            end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENDED_WITHIN_S):
                await worker.wait()
