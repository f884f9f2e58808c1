"""The way to a Dask scheduler and its workers: the one module that imports Dask.

Scheduling, retries and the loss of workers are Dask's. Beyond that: a task whose worker was killed
again and again, or that went down with a scheduler that came back, is handed in anew; a scheduler
that does not come back ends the run, in one line.
"""

import asyncio
import logging
import tempfile
import warnings
import zlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import dask
import msgspec
from distributed import Client, LocalCluster
from distributed.client import FutureCancelledError, FuturesCancelledError
from distributed.scheduler import KilledWorker

from migrator import __version__
from migrator.cluster.partition import Errand
from migrator.cluster.task import Answer, work
from migrator.errors import ExitCode, RunFailed, UsageError
from migrator.settings.cluster import CONFIGURED, local_workers

LOOPBACK = "127.0.0.1"

CONNECT_S = 10
"""Seconds within which the scheduler must answer: at first, and when the way to it was lost."""

TRIES = 5
"""Of a task that takes down its workers, or the scheduler; Dask's own tries are within each."""

TASKS_A_THREAD, FEWEST = 2, 4
"""Tasks under way for each thread of the workers, so that none waits for the next one; while there
are no workers there are a few all the same, so that a cluster that scales by itself sees work."""

_HINT = "finished parts are kept: give the same command again once the cluster is well"


class Workers:
    """The workers of a cluster, as one that does errands."""

    def __init__(self, client: Any) -> None:
        self.threads = 0
        self.under_way = 0
        self.done = 0
        self._client = client

    def room(self) -> int:
        """How many errands may be under way."""
        return max(FEWEST, self.threads * TASKS_A_THREAD)

    async def count(self, every_s: float) -> None:
        """Count the workers' threads now and then, for ever."""
        while True:
            if self._client.status == "running":
                self.threads = sum((await self._client.nthreads()).values())
            await asyncio.sleep(every_s)

    async def do(self, errand: Errand) -> Answer:
        """Have an errand done. Raises RunFailed where no worker can, UsageError for other ones."""
        self.under_way += 1
        try:
            for _ in range(TRIES):
                answer = await self._try(errand)
                if answer is not None:
                    self.done += 1
                    return _usable(answer)
        finally:
            self.under_way -= 1
        raise RunFailed(
            f"a task was lost with its workers {TRIES} times in a row",
            "look at the workers' logs (memory, most likely); " + _HINT,
        )

    async def _try(self, errand: Errand) -> Answer | None:
        """How the errand ended; None where it was lost on its way."""
        while self._client.status == "connecting":
            await asyncio.sleep(0.1)
        if self._client.status != "running":
            raise RunFailed("the scheduler of the cluster is gone", _HINT)
        packed = zlib.compress(msgspec.json.encode(errand))
        future = self._client.submit(work, __version__, packed, key=errand.name, pure=False)
        try:
            return msgspec.json.decode(await future, type=Answer)
        except (KilledWorker, FutureCancelledError, FuturesCancelledError):
            return None
        except ModuleNotFoundError as error:
            raise UsageError(
                f"the cluster cannot do this: {error}",
                f"install migrator[cluster] {__version__} for scheduler and workers alike",
            ) from None
        except Exception as error:  # noqa: BLE001 - the worker's own, whatever it is
            raise RunFailed(f"a task failed: {type(error).__name__}: {error}", _HINT) from None
        finally:
            future.release()


def _usable(answer: Answer) -> Answer:
    if answer.program is not None:
        raise UsageError(
            f"a worker runs migrator {answer.program}, and this is {__version__}",
            "install the same version for all of them",
        )
    if answer.unusable is not None:
        message, hint, code = answer.unusable
        kind = UsageError if code == ExitCode.USAGE else RunFailed
        raise kind(f"a worker says: {message}", hint)
    return answer


@asynccontextmanager
async def workers_of(cluster: str) -> AsyncIterator[Workers]:
    """The workers of the cluster that `--cluster` names. Raises RunFailed where there is none."""
    # What Dask has to say of lost connections is said here, in one line.
    for name in ("distributed", "tornado"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    local, address = local_workers(cluster), cluster
    async with AsyncExitStack() as stack:
        if local is not None:
            address = await _started(stack, local)
        elif cluster == CONFIGURED:
            address = dask.config.get("scheduler-address", None)
            if not address:
                raise UsageError(
                    f"--cluster {CONFIGURED}: Dask's configuration names no scheduler",
                    "set DASK_SCHEDULER_ADDRESS, or give --cluster tcp://HOST:PORT",
                )
        try:
            client = await stack.enter_async_context(
                Client(  # type: ignore[no-untyped-call]
                    address, asynchronous=True, timeout=CONNECT_S, set_as_default=False
                )
            )
        except (OSError, ValueError, TimeoutError) as error:
            raise RunFailed(
                f"--cluster {cluster}: no scheduler answers there ({_first_line(error)})",
                "start it (dask scheduler), or check the address; nothing was sent",
            ) from None
        workers = Workers(client)
        counting = asyncio.ensure_future(workers.count(2.0))
        try:
            yield workers
        finally:
            counting.cancel()
            await asyncio.gather(counting, return_exceptions=True)


async def _started(stack: AsyncExitStack, count: int) -> str:
    """Start a cluster of so many processes, on loopback alone; answers its scheduler's address."""
    scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="migrator-cluster-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cluster = await stack.enter_async_context(
            LocalCluster(  # type: ignore[no-untyped-call]
                n_workers=count, threads_per_worker=1, processes=True, asynchronous=True,
                host=LOOPBACK, dashboard_address=f"{LOOPBACK}:0", memory_limit=None,
                silence_logs=logging.CRITICAL, local_directory=scratch,
            )
        )  # fmt: skip
    return str(cluster.scheduler_address)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
