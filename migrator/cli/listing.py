"""A listing written as a manifest."""

import asyncio
import csv
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from migrator.atomic import AtomicFile
from migrator.certificates import check_certificates, source_certificates
from migrator.cli.clustering import crew_of
from migrator.cli.loop import region_of
from migrator.cli.words import size
from migrator.errors import ExitCode, RunFailed, StoppedByItself, UsageError
from migrator.filters import Filter
from migrator.settings import (
    BucketSettings,
    ClusterSettings,
    FilterSettings,
    StoreSettings,
    check_cluster,
    check_filters,
    check_store,
    own_endpoints,
    parse_prefix,
)
from migrator.source.credentials import load_keys
from migrator.source.listing import COLUMNS, page_of_wanted, refusals
from migrator.source.pages import ListPage
from migrator.source.s3 import SourceS3
from migrator.source.walk import Walks
from migrator.text import plain

if TYPE_CHECKING:
    from migrator.cluster.crew import Crew

TELL_EVERY_S = 5.0
"""Seconds between two lines that say how far it is."""


class Sink(Protocol):
    """A manifest that is being written."""

    def add(self, bucket: str, page: ListPage) -> None:
        """Write the objects of a page."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


async def list_into(
    output: Path,
    prefixes: Sequence[str],
    filters: FilterSettings,
    store: StoreSettings,
    cluster: ClusterSettings,
    buckets: Mapping[str, BucketSettings],
    environment: Mapping[str, str],
    *,
    quiet: bool,
) -> int:
    """List the prefixes into `output`, which is whole or absent. Raises UsageError or RunFailed."""
    sink_of = SINKS.get(output.suffix.lower())
    if sink_of is None:
        raise UsageError(
            f"--output {output}: of no known format", "end its name in .parquet or .csv"
        )
    if not prefixes:
        raise UsageError("nothing to list", "name a prefix like s3://bucket/prefix")
    if len(set(prefixes)) < len(prefixes):
        raise UsageError("the same prefix is given twice", "give each of them once")
    places = [parse_prefix(prefix) for prefix in prefixes]
    check_filters(filters)
    check_store(store)
    check_cluster(cluster)
    check_certificates(environment)
    certificates, region = source_certificates(environment), region_of(environment)
    keys = await load_keys(
        buckets,
        environment,
        store=store,
        to_hand_over=False,
        region=region,
        certificates=certificates,
    )
    wanted, told = Filter(filters), _Told()
    source = SourceS3(keys, store, region, certificates, own_endpoints(buckets))
    beside, what_for = output.with_name(f"{output.name}.parts"), "\n".join(prefixes)
    try:
        with ExitStack() as stack:
            file = stack.enter_context(AtomicFile(output))
            async with (
                source,
                crew_of(cluster, store, buckets, environment, beside, what_for) as crew,
                told.telling(crew, quiet=quiet),
            ):
                begins = [(*place, "") for place in places]
                async with crew.walks(source, begins) if crew else Walks(source, begins) as walks:
                    # What writes Parquet is loaded while the first answers are on their way.
                    sink = await asyncio.to_thread(sink_of, file.stream)
                    for bucket, prefix in places:
                        with refusals(bucket, prefix):
                            async for page in walks.next():
                                kept = page_of_wanted(page, wanted)
                                sink.add(bucket, kept)
                                told.add(page, kept)
                told.refuse_nothing()
                sink.close()
                file.publish()
                if crew is not None:
                    await crew.forget()
    except StoppedByItself as error:
        raise RunFailed(error.message, "renew them, and list again") from None
    except OSError as error:
        raise RunFailed(
            f"--output {output}: cannot be written ({error.strerror or error})",
            "make room, or name another file",
        ) from None
    print(f"{told.kept:,} objects, {size(told.size_bytes)}: {plain(str(output))}")
    if told.listed > told.kept:
        print(f"filters leave out {told.listed - told.kept:,} further objects")
    return ExitCode.OK


class _Told:
    """Counts what was listed, and says so now and then."""

    def __init__(self) -> None:
        self.listed = self.kept = self.size_bytes = 0

    def add(self, page: ListPage, kept: ListPage) -> None:
        self.listed += len(page.keys)
        self.kept += len(kept.keys)
        self.size_bytes += sum(kept.sizes)

    @asynccontextmanager
    async def telling(self, crew: "Crew | None", *, quiet: bool) -> AsyncIterator[None]:
        """As long as the block runs a line every few seconds, unless `quiet`."""
        task = asyncio.ensure_future(asyncio.sleep(0) if quiet else self._tell(crew))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _tell(self, crew: "Crew | None") -> None:
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            line = f"listing: {self.kept:,} objects"
            if crew is not None and crew.progress:
                line += f", {crew.progress}"
            with suppress(OSError):  # nobody looks any more
                print(line, file=sys.stderr, flush=True)

    def refuse_nothing(self) -> None:
        """Raises UsageError where a manifest would have no row."""
        if not self.listed:
            raise UsageError(
                "no object is there, so that no manifest is written",
                "check the prefix (it is taken to the letter; a folder's ends in /)",
            )
        if not self.kept:
            raise UsageError(
                f"the filters leave out all {self.listed:,} objects: no manifest is written",
                "check the filters",
            )


class CsvSink:
    """Writes CSV in UTF-8, as the manifests of `run` are."""

    def __init__(self, stream: BinaryIO) -> None:
        import io

        self._text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
        self._writer = csv.writer(self._text, lineterminator="\r\n")
        self._writer.writerow(COLUMNS)

    def add(self, bucket: str, page: ListPage) -> None:
        """Write the objects of a page."""
        told = (page.sizes, page.etags, map(_iso, page.modified_ms), page.storage_classes)
        self._writer.writerows(
            (bucket, key, *rest) for key, *rest in zip(page.keys, *told, strict=True)
        )

    def close(self) -> None:
        """Write what is left."""
        self._text.detach()


def _parquet(stream: BinaryIO) -> Sink:
    from migrator.source.parquet import ListingWriter

    return ListingWriter(stream)


SINKS: dict[str, Callable[[BinaryIO], Sink]] = {".parquet": _parquet, ".csv": CsvSink}
"""Formats by the end of a file's name."""


def _iso(ms: int | None) -> str | None:
    from datetime import UTC, datetime, timedelta

    moment = datetime(1970, 1, 1, tzinfo=UTC)
    return None if ms is None else (moment + timedelta(milliseconds=ms)).isoformat()
