"""A listing written as a manifest."""

import csv
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from migrator.atomic import AtomicFile
from migrator.certificates import check_certificates, source_certificates
from migrator.cli.loop import region_of
from migrator.cli.words import size
from migrator.errors import ExitCode, RunFailed, StoppedByItself, UsageError
from migrator.filters import Filter
from migrator.settings import (
    BucketSettings,
    FilterSettings,
    StoreSettings,
    check_filters,
    check_store,
    own_endpoints,
    parse_prefix,
)
from migrator.source.credentials import load_keys
from migrator.source.listing import page_of_wanted, refusals
from migrator.source.pages import ListPage
from migrator.source.s3 import SourceS3
from migrator.source.walk import Walks
from migrator.text import plain

COLUMNS = ("bucket", "key", "size", "etag", "last_modified", "storage_class")

GROUP_ROWS = 16_384
"""Rows in one row group of a Parquet file, and in memory at a time."""

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
    wanted, told = Filter(filters), _Told(quiet=quiet)
    try:
        with ExitStack() as stack:
            file = stack.enter_context(AtomicFile(output))
            sink = sink_of(file.stream)
            source = SourceS3(keys, store, region, certificates, own_endpoints(buckets))
            async with (
                source,
                Walks(source, [(*place, "") for place in places]) as walks,
            ):
                for bucket, prefix in places:
                    with refusals(bucket, prefix):
                        async for page in walks.next():
                            kept = page_of_wanted(page, wanted)
                            sink.add(bucket, kept)
                            told.add(page, kept)
            told.refuse_nothing()
            sink.close()
            file.publish()
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

    def __init__(self, *, quiet: bool) -> None:
        self.listed = self.kept = self.size_bytes = 0
        self._quiet = quiet
        self._tell_at_s = time.monotonic() + TELL_EVERY_S

    def add(self, page: ListPage, kept: ListPage) -> None:
        self.listed += len(page.keys)
        self.kept += len(kept.keys)
        self.size_bytes += sum(kept.sizes)
        now_s = time.monotonic()
        if not self._quiet and now_s >= self._tell_at_s:
            self._tell_at_s = now_s + TELL_EVERY_S
            with suppress(OSError):  # nobody looks any more
                print(f"listing: {self.kept:,} objects", file=sys.stderr, flush=True)

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


class ParquetSink:
    """Writes Parquet, a row group at a time."""

    def __init__(self, stream: BinaryIO) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        text = pa.string()
        self._types = (text, text, pa.int64(), text, pa.timestamp("ms", tz="UTC"), text)
        self._schema = pa.schema(zip(COLUMNS, self._types, strict=True))
        self._writer = pq.ParquetWriter(stream, self._schema, compression="zstd")
        self._columns: list[list[object]] = [[] for _ in COLUMNS]

    def add(self, bucket: str, page: ListPage) -> None:
        """Write the objects of a page, once there are enough for a row group."""
        told = (page.keys, page.sizes, page.etags, page.modified_ms, page.storage_classes)
        for column, values in zip(self._columns, ([bucket] * len(page.keys), *told), strict=True):
            column.extend(values)
        if len(self._columns[0]) >= GROUP_ROWS:
            self._write()

    def close(self) -> None:
        """Write what is left, and the footer."""
        if self._columns[0]:
            self._write()
        self._writer.close()

    def _write(self) -> None:
        import pyarrow as pa

        arrays = [
            pa.array(values, kind) for values, kind in zip(self._columns, self._types, strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        for column in self._columns:
            column.clear()


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


SINKS: dict[str, Callable[[BinaryIO], Sink]] = {".parquet": ParquetSink, ".csv": CsvSink}
"""Formats by the end of a file's name."""


def _iso(ms: int | None) -> str | None:
    from datetime import UTC, datetime, timedelta

    moment = datetime(1970, 1, 1, tzinfo=UTC)
    return None if ms is None else (moment + timedelta(milliseconds=ms)).isoformat()
