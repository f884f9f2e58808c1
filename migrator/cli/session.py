"""Around a verb that talks to the platform and to S3: the ways there, signals, an event loop."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from migrator.certificates import check_certificates, source_certificates
from migrator.checkpoint.store import Checkpoint
from migrator.cli.clustering import crew_of
from migrator.cli.loop import region_of
from migrator.cli.signals import INTERRUPTS
from migrator.engine.meter import Meter, Unmetered
from migrator.engine.ports import Crew, Ports
from migrator.engine.stop import Stop
from migrator.log import errors_are_told
from migrator.pixop.client import PixopClient
from migrator.settings import (
    BatchSettings,
    Secret,
    check_different,
    own_endpoints,
    read_api_keys,
)
from migrator.source.credentials import KeyRing, load_keys
from migrator.source.s3 import SourceS3

SPARE_CONNECTIONS = 8
"""Connections beyond --max-concurrency: for following, resolving and probing."""


@contextlib.asynccontextmanager
async def connected(
    settings: BatchSettings,
    api_key: Secret,
    environment: Mapping[str, str],
    meter: Meter | None = None,
    *,
    with_source: bool = True,
    crew: Crew | None = None,
) -> AsyncIterator[Ports]:
    """The ways to the platform and to the source; shut at the end of the block.

    `meter` takes durations, if anybody measures. Where the source is left out (`with_source`), no
    keys of it are needed. `crew` is that of a cluster. Raises UsageError for certificates or keys
    that are unusable.
    """
    check_certificates(environment)
    if with_source:
        keys = await keys_of(settings, environment)
    else:
        keys = KeyRing(None, {})
    connections = settings.pace.max_concurrency + SPARE_CONNECTIONS
    further = read_api_keys(settings.api_keys, environment)
    check_different(api_key, further)
    # None of them may show in what the platform says to another.
    secrets = [api_key, *further.values(), *(pair.secret_access_key for pair in keys.all_keys())]

    def client(key: Secret) -> PixopClient:
        return PixopClient(settings.platform.api_url, key, connections, secrets)

    async with contextlib.AsyncExitStack() as stack:
        api = await stack.enter_async_context(client(api_key))
        further_apis = {
            name: await stack.enter_async_context(client(key)) for name, key in further.items()
        }
        source = await stack.enter_async_context(source_of(settings, keys, environment))
        yield Ports(
            api, source, keys, meter=meter or Unmetered(), further_apis=further_apis, crew=crew
        )


async def keys_of(settings: BatchSettings, environment: Mapping[str, str]) -> KeyRing:
    """The keys of the source, and who looks at it. Raises UsageError."""
    ways = settings.ways
    life_s = ways.url_life.total_seconds() if ways.use_urls else 0.0
    ring = await load_keys(
        settings.buckets,
        environment,
        store=settings.source,
        required=settings.may_need_keys,
        to_hand_over=settings.may_hand_keys_over,
        region=region_of(environment),
        certificates=source_certificates(environment),
        least_s=life_s,
    )
    if ways.use_urls:
        await ring.refuse_short_lives(life_s)
    return ring


def source_of(settings: BatchSettings, keys: KeyRing, environment: Mapping[str, str]) -> SourceS3:
    """The way to the source, not opened yet."""
    certificates, endpoints = source_certificates(environment), own_endpoints(settings.buckets)
    return SourceS3(keys, settings.source, region_of(environment), certificates, endpoints)


@contextlib.contextmanager
def stopped_by_signals(stop: Stop) -> Iterator[None]:
    """A signal stops the run gracefully, as long as the block runs."""
    loop = asyncio.get_running_loop()

    def say_and_stop() -> None:
        if not errors_are_told():
            with contextlib.suppress(OSError):
                print(
                    "\nstopping: waiting for the answers in flight (again to abort at once)",
                    file=sys.stderr,
                )
        stop.interrupt()

    # A handler runs between any two steps of the program: it only leaves word to the loop.
    with INTERRUPTS.graceful(lambda: loop.call_soon_threadsafe(say_and_stop)):
        yield


@contextlib.asynccontextmanager
async def crew_for(
    settings: BatchSettings,
    checkpoint: Checkpoint,
    environment: Mapping[str, str],
    directory: Path | None,
    what_for: str = "migrate",
) -> AsyncIterator[Crew | None]:
    """The cluster that is asked for; None where none is. Its parts are in `directory`, in `parts`.

    What it does for one batch is kept apart from what it does for others, and `what_for` else.
    """
    beside = None if directory is None else directory / "parts"
    label = f"{checkpoint.meta('batch')} {what_for}"
    crew = crew_of(settings.cluster, settings.source, settings.buckets, environment, beside, label)
    async with crew as made:
        yield made
