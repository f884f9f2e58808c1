"""Rows into the checkpoint: the manifest first, then each prefix, in the order given.

Loading is resumable: a source that was read to its end is frozen, one that was not goes on where it
stopped. Nothing is sent before all sources are complete.
"""

import asyncio
import hashlib
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import msgspec

from migrator.checkpoint import order
from migrator.checkpoint.earlier import EarlierBatches, earlier_batches
from migrator.checkpoint.records import record
from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.values import Source
from migrator.engine.book import Book
from migrator.engine.ports import Crew
from migrator.errors import CheckpointError, UsageError
from migrator.filters import Facts, Filter
from migrator.manifest import InventoryManifest, ManifestReader, Objects, open_named
from migrator.manifest.told import teller
from migrator.model import Columns, InvalidRow, ManifestRow
from migrator.settings import (
    KEY_FIELDS,
    FilterSettings,
    InputSettings,
    NamingSettings,
    OrderBy,
    parse_prefix,
)
from migrator.source.listing import HEADER, HEADER_OF_VERSIONS, Listed, listed_rows
from migrator.source.pages import ListPage
from migrator.source.s3 import SourceS3
from migrator.source.versions import AllVersions
from migrator.source.walk import Walks
from migrator.text import plain

Rows = Sequence[ManifestRow | InvalidRow]

BATCH = 10_000
"""Rows in one commit while loading, or somewhat more."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The sources of a batch as this start of the program names them; the manifest is open.

    `remote` says that reading it waits for a network; `skip_imported` are the directories of
    earlier batches: what they imported is left out.
    """

    manifest: str | None
    reader: ManifestReader | None
    sha256: str
    prefixes: tuple[str, ...]
    skip_imported: tuple[Path, ...] = ()
    filters: FilterSettings = field(default_factory=FilterSettings)
    naming: NamingSettings = field(default_factory=NamingSettings)
    remote: bool = False
    order_by: OrderBy = "manifest"
    all_versions: bool = False


def open_inputs(settings: InputSettings, objects: Objects | None = None) -> Inputs:
    """Open what the settings name; `objects` are those of S3, needed where a manifest lies there.

    Raises UsageError when it is unusable, or when there is none, RunFailed when S3 does not answer.
    """
    if len(set(settings.prefix)) < len(settings.prefix):
        raise UsageError("--prefix: the same prefix is given twice", "give each of them once")
    if settings.manifest is None and not settings.prefix:
        raise UsageError(
            "nothing to migrate: no manifest and no prefix",
            "give --manifest FILE, or --prefix s3://bucket/prefix, or both",
        )
    if len(set(settings.skip_imported)) < len(settings.skip_imported):
        raise UsageError("--skip-imported: the same directory is given twice", "give it once")
    for directory in settings.skip_imported:
        if not Checkpoint.exists(directory):
            raise UsageError(
                f"--skip-imported {directory}: no batch there (no checkpoint.db)",
                "give the --out directory of the earlier `migrator run`",
            )
    reader, digest = None, ""
    if settings.manifest is not None:
        reader, digest = open_named(
            settings.manifest, settings.manifest_format, objects, settings.naming.renames,
            all_versions=settings.all_versions,
        )  # fmt: skip
        if settings.all_versions and not (settings.prefix or isinstance(reader, InventoryManifest)):
            raise UsageError(
                f"--all-versions has no use with {plain(settings.manifest)}: such a manifest names "
                "versions itself, in a column version_id",
                "leave --all-versions out, or give --prefix or the manifest.json of an inventory",
            )
    return Inputs(
        settings.manifest,
        reader,
        digest,
        settings.prefix,
        settings.skip_imported,
        settings.filters,
        settings.naming,
        remote=(settings.manifest or "").startswith("s3://"),
        order_by=settings.order_by,
        all_versions=settings.all_versions,
    )


def check_inputs(checkpoint: Checkpoint, inputs: Inputs) -> None:
    """Compare the sources with those that the checkpoint was made from.

    As long as one of them was not read to its end, or the batch was only planned, nothing can have
    been sent, and other sources simply take their place. After that a difference raises
    CheckpointError.
    """
    sources = checkpoint.sources()
    known = {(source.kind, source.location): source.sha256 for source in sources}
    wanted = {("listing", prefix): "" for prefix in inputs.prefixes}
    if inputs.manifest is not None:
        wanted["manifest", inputs.manifest] = inputs.sha256
    gone = [place for place in known if place not in wanted]
    new = [place for place in wanted if place not in known]
    changed = [
        place
        for place in known
        if place in wanted and place[0] == "manifest" and known[place] != wanted[place]
    ]
    others = _other_settings(checkpoint, inputs) if sources else None
    if not (all(source.complete for source in sources) and checkpoint.runs()):
        if gone or new or changed or others:
            with checkpoint.transaction():
                checkpoint.forget_sources()
        return
    if not sources:
        return
    if others is not None:
        raise others
    for kind, location in changed:
        raise CheckpointError(
            f"the {kind} {location} has changed since this batch was begun",
            "put the old one back and resume, or use another --out directory for the new one: "
            "what is imported already is adopted there, not imported twice",
        )
    for kind, location in gone:
        raise CheckpointError(
            f"this batch was begun with the {kind} {location}, which is not given now",
            "use `migrator resume`, or another --out directory for another catalogue",
        )
    for kind, location in new:
        raise CheckpointError(
            f"this batch was begun without the {kind} {location}",
            "use another --out directory for it: nothing that is imported is imported twice",
        )


def _other_settings(checkpoint: Checkpoint, inputs: Inputs) -> CheckpointError | None:
    """What is given now as it was not when the sources were read; None where all is as it was."""
    skipped = checkpoint.meta("skip_imported") or _paths(())
    if skipped != _paths(inputs.skip_imported):
        return CheckpointError(
            f"this batch was begun with --skip-imported {skipped}, which is not given now",
            "use `migrator resume`, or another --out directory",
        )
    if checkpoint.meta("filters") != _kept(inputs.filters):
        return CheckpointError(
            "this batch was begun with other filters (--include, --min-size and the like) than are "
            "given now",
            "use `migrator resume`, or another --out directory: nothing is imported twice",
        )
    if (checkpoint.meta("naming") or _kept(NamingSettings())) != _kept(inputs.naming):
        return CheckpointError(
            "this batch was begun with other templates, or another --map, than are given now",
            "use `migrator resume`, or another --out directory: what was sent keeps its names",
        )
    order_by = checkpoint.meta("order_by") or "manifest"
    if order_by != inputs.order_by:
        return CheckpointError(
            f"this batch was begun with --order-by {order_by}, and now it is {inputs.order_by}",
            "give the same again, use `migrator resume`, or another --out directory",
        )
    if (checkpoint.meta("all_versions") or "no") != _yes_or_no(said=inputs.all_versions):
        return CheckpointError(
            "this batch was begun with --all-versions, or without it, and now it is the other way",
            "give the same again, use `migrator resume`, or another --out directory",
        )
    return None


def _yes_or_no(*, said: bool) -> str:
    return "yes" if said else "no"


async def load(
    book: Book,
    inputs: Inputs,
    source_s3: SourceS3,
    namespace: str,
    serving: Sequence[tuple[int, str, str]] = (),
    by_url: Callable[[str], bool] = lambda _bucket: False,
    crew: Crew | None = None,
) -> None:
    """Read every source that is not complete yet; may be cancelled anywhere, and goes on.

    `serving` are (lane, bucket, key prefix) of what further API keys serve: each row is given to
    its key in the commit that it comes in with. `by_url` says of which buckets a version is an
    object of its own; a `crew` lists prefixes in the place of this process.

    Raises UsageError for an unusable manifest, prefix or earlier batch, RunFailed when S3 cannot be
    reached.
    """
    if not await book.run(Checkpoint.sources):
        await book.run(lambda checkpoint: _announce(checkpoint, inputs))
    sources = [source for source in await book.run(Checkpoint.sources) if not source.complete]
    with earlier_batches(inputs.skip_imported if sources else ()) as earlier:
        await book.run(earlier.check)
        shelf = Shelf(
            book, namespace, earlier, Filter(inputs.filters), by_url, serving, inputs.order_by
        )
        prefixes = [source for source in sources if source.kind == "listing"]
        begins = [
            (*parse_prefix(each.location), await book.run(lambda c, of=each.id: c.listed_to(of)))  # type: ignore[misc]
            for each in prefixes
        ]
        lister = AllVersions(source_s3) if inputs.all_versions else source_s3
        walking = crew.walks if crew is not None and begins else Walks
        async with walking(lister, begins) as walks:
            for source in sources:
                if source.kind == "manifest":
                    assert inputs.reader is not None
                    await _load_manifest(shelf, inputs.reader, source, remote=inputs.remote)
                else:
                    await _load_listing(shelf, source, walks.next())
                is_last = source is sources[-1]
                await book.run(
                    lambda c, s=source, last=is_last: _complete(  # type: ignore[misc]
                        c, s, book.now_ms(), inputs.order_by if last else None
                    )
                )
    if crew is not None and prefixes:
        await crew.forget()
    _check_fields(inputs.naming, await book.run(Checkpoint.sources))
    book.tallies.load(await book.run(Checkpoint.tallies))


def _complete(
    checkpoint: Checkpoint, source: Source, now_ms: int, order_by: OrderBy | None
) -> None:
    """A source was read to its end; with the last one all duplicates are found.

    `order_by` is the batch's order with the last source, and None with any other.
    """
    digest = source.sha256
    if source.kind == "listing":
        digest = _listing_digest(checkpoint.listing_facts(source.id))
    checkpoint.complete_source(source.id, digest)
    if order_by is not None:
        checkpoint.settle_rows(now_ms, order_by)


def _announce(checkpoint: Checkpoint, inputs: Inputs) -> None:
    """All sources at once, before the first row: the manifest first, so that it has rows 1 on."""
    source_id = 0
    checkpoint.begin_rows()
    checkpoint.set_meta("skip_imported", _paths(inputs.skip_imported))
    checkpoint.set_meta("filters", _kept(inputs.filters))
    checkpoint.set_meta("naming", _kept(inputs.naming))
    checkpoint.set_meta("order_by", inputs.order_by)
    checkpoint.set_meta("all_versions", _yes_or_no(said=inputs.all_versions))
    if inputs.reader is not None:
        source_id += 1
        assert inputs.manifest is not None
        header = inputs.reader.columns.header
        checkpoint.add_source(source_id, "manifest", inputs.manifest, header, inputs.sha256)
    for prefix in inputs.prefixes:
        source_id += 1
        header = HEADER_OF_VERSIONS if inputs.all_versions else HEADER
        checkpoint.add_source(source_id, "listing", prefix, header, "")


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where rows are put: the checkpoint, under a namespace, beside what is imported already.

    Those that `wanted` leaves out are skipped.
    """

    book: Book
    namespace: str
    earlier: EarlierBatches
    wanted: Filter
    by_url: Callable[[str], bool]
    serving: Sequence[tuple[int, str, str]] = ()
    order_by: OrderBy = "manifest"

    async def put(
        self,
        source: Source,
        rows: Rows,
        places: Sequence[int | None],
        left_out: Mapping[int, str],
        projects: Collection[str],
        header: Sequence[str] | None,
    ) -> None:
        """Store rows of a manifest, the projects that they name, and its header if it has grown.

        In one commit. `places` are those of `rows`, in the same order.
        """
        now_ms, imported = self.book.now_ms(), self.earlier.imported
        # Here and not in the checkpoint's thread, which has its hands full.
        source_id, file, space = source.id, source.file, self.namespace
        records = [
            record(source_id, file, row, space, now_ms, self.by_url, place)
            for row, place in zip(rows, places, strict=True)
        ]

        def store(checkpoint: Checkpoint) -> None:
            if header is not None:
                checkpoint.set_header(source.id, header)
            checkpoint.add_records(rows, records, now_ms, imported, left_out)
            checkpoint.serve(rows[0].row, rows[-1].row, self.serving)
            checkpoint.add_projects(projects)

        await self.book.run(store)
        self.book.tallies.read(len(rows))

    async def put_listed(self, source: Source, listed: Listed) -> None:
        """Store a page of a listing, and how far it is, in one commit."""
        now_ms, imported = self.book.now_ms(), self.earlier.imported
        places = _places(listed.rows, self.order_by, lambda row: Facts(row.size_bytes))
        records = [
            record(source.id, "", row, self.namespace, now_ms, self.by_url, place)
            for row, place in zip(listed.rows, places, strict=True)
        ]

        def store(checkpoint: Checkpoint) -> None:
            if records:
                checkpoint.add_records(listed.rows, records, now_ms, imported, {})
                checkpoint.serve(listed.rows[0].row, listed.rows[-1].row, self.serving)
            checkpoint.note_listed(source.id, listed.last_key, listed.filtered)

        await self.book.run(store)
        self.book.tallies.read(len(listed.rows))


class Lane:
    """Work in its order, of which the latest goes on while the next is prepared.

    Use as an async context manager: at its end all is done. Raises what the work raises.
    """

    def __init__(self) -> None:
        self._latest: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_exc: object) -> None:
        if kind is None:
            await self._wait()
        elif self._latest is not None:
            self._latest.cancel()
            await asyncio.gather(self._latest, return_exceptions=True)

    async def put(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin `work` once what was put before is done."""
        await self._wait()
        self._latest = asyncio.ensure_future(work())
        await asyncio.sleep(0)  # so that it is under way before the next is prepared

    async def _wait(self) -> None:
        if self._latest is not None:
            await self._latest


async def _load_manifest(
    shelf: Shelf, reader: ManifestReader, source: Source, *, remote: bool
) -> None:
    begin = await shelf.book.run(lambda c: c.rows_of_source(source.id)) + 1
    batches = reader.batches(begin)
    known, rows, header = source.header, list[ManifestRow | InvalidRow](), source.header
    async with Lane() as lane:

        async def keep() -> None:
            nonlocal known
            told = teller(columns)
            left_out = _left_out(rows, shelf.wanted, told)
            places = _places(rows, shelf.order_by, told)
            projects = _projects(rows, left_out, columns)
            grown = header if header != known else None
            stored = tuple(rows)
            await lane.put(lambda: shelf.put(source, stored, places, left_out, projects, grown))
            known = header
            rows.clear()

        columns = reader.columns
        while True:
            # What waits for a network does so in a thread, so that a signal still stops the run.
            more = await asyncio.to_thread(next, batches, None) if remote else next(batches, None)
            if rows and (more is None or len(rows) >= BATCH or reader.columns.header != header):
                await keep()
            if more is None:
                return
            columns, header = reader.columns, reader.columns.header
            rows += more


async def _load_listing(shelf: Shelf, source: Source, pages: AsyncIterator[ListPage]) -> None:
    book = shelf.book
    bucket, key_prefix = parse_prefix(source.location)
    first_row = await book.run(Checkpoint.last_row) + 1
    rows = listed_rows(pages, bucket, key_prefix, shelf.wanted, first_row=first_row)
    async with Lane() as lane, aclosing(rows):
        async for listed in rows:
            await lane.put(lambda page=listed: shelf.put_listed(source, page))  # type: ignore[misc]
    if not await book.run(lambda c: c.listed_to(source.id)):
        raise UsageError(
            f"--prefix {source.location}: no object there",
            "check the prefix (it is taken to the letter; a folder's ends in /)",
        )


def _paths(directories: Sequence[Path]) -> str:
    """Directories of earlier batches, as the checkpoint keeps them."""
    return ", ".join(map(str, directories)) or "nothing"


def _kept(settings: FilterSettings | NamingSettings) -> str:
    """A group of settings that belongs to the batch, as the checkpoint keeps it."""
    return msgspec.json.encode(settings).decode()


def _check_fields(naming: NamingSettings, sources: Sequence[Source]) -> None:
    """Raises UsageError for a template with a column that no source has."""
    known = {*KEY_FIELDS, *(name for source in sources for name in source.header)}
    for flag, template in naming.templates().items():
        for name in template.fields:
            if name not in known:
                fields = ", ".join(f"{{{each}}}" for each in [*KEY_FIELDS, *sorted(known)][:30])
                raise UsageError(
                    f"{flag}: no column is called {name!r}",
                    f"there are {fields}; column names are matched exactly",
                )


def _left_out(rows: Rows, wanted: Filter, told: Callable[[ManifestRow], Facts]) -> dict[int, str]:
    """Of usable rows those that their source or a filter leaves out, with the words of it."""
    good = [row for row in rows if isinstance(row, ManifestRow)]
    found = {row.row: row.left_out for row in good if row.left_out is not None}
    if not wanted.lets_all_through:
        rest = ((row.row, wanted.against(row.key, told(row))) for row in good)
        found = {row: words for row, words in rest if words is not None} | found
    return found


def _places(
    rows: Rows, order_by: OrderBy, told: Callable[[ManifestRow], Facts]
) -> list[int | None]:
    """Where each row stands by what its source tells of the object's size."""
    if order_by == "manifest":
        return [None] * len(rows)
    sizes = (told(row).size_bytes if isinstance(row, ManifestRow) else None for row in rows)
    return [order.place(order_by, size_bytes) for size_bytes in sizes]


def _projects(rows: Rows, left_out: Collection[int], columns: Columns) -> set[str]:
    names = columns.other_names
    if "project_id" not in names:
        return set()
    place = names.index("project_id")
    return {
        cell
        for row in rows
        if isinstance(row, ManifestRow) and row.row not in left_out and (cell := row.cells[place])
    }


def _listing_digest(facts: Iterable[tuple[str, ...]]) -> str:
    """SHA-256 over what is told of each row, each text preceded by its length."""
    digest = hashlib.sha256()
    for told in facts:
        for text in told:
            raw = text.encode()
            digest.update(len(raw).to_bytes(4, "big"))
            digest.update(raw)
    return digest.hexdigest()
