"""Rows into the checkpoint: the manifest first, then each prefix, in the order given.

Loading is resumable: a source that was read to its end is frozen, one that was not goes on where it
stopped. Nothing is sent before all sources are complete.
"""

import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.values import Source
from migrator.engine.book import Book
from migrator.errors import CheckpointError, UsageError
from migrator.manifest import ManifestReader, fingerprint, open_manifest
from migrator.model import InvalidRow, ManifestRow
from migrator.settings import InputSettings, parse_prefix
from migrator.source.listing import HEADER, listed_rows
from migrator.source.s3 import SourceS3

Rows = Sequence[ManifestRow | InvalidRow]

BATCH = 5_000
"""Rows in one commit while loading."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The sources of a batch as this start of the program names them; the manifest is open."""

    manifest: Path | None
    reader: ManifestReader | None
    sha256: str
    prefixes: tuple[str, ...]


def open_inputs(settings: InputSettings) -> Inputs:
    """Open what the settings name. Raises UsageError when it is unusable, or when there is none."""
    if len(set(settings.prefix)) < len(settings.prefix):
        raise UsageError("--prefix: the same prefix is given twice", "give each of them once")
    if settings.manifest is None and not settings.prefix:
        raise UsageError(
            "nothing to migrate: no manifest and no prefix",
            "give --manifest FILE, or --prefix s3://bucket/prefix, or both",
        )
    reader, digest = None, ""
    if settings.manifest is not None:
        reader = open_manifest(settings.manifest, settings.manifest_format)
        digest = fingerprint(settings.manifest)
    return Inputs(settings.manifest, reader, digest, settings.prefix)


def check_inputs(checkpoint: Checkpoint, inputs: Inputs) -> None:
    """Compare the sources with those that the checkpoint was made from.

    As long as one of them was not read to its end nothing can have been sent, and other sources
    simply take their place. After that a difference raises CheckpointError.
    """
    sources = checkpoint.sources()
    known = {(source.kind, source.location): source.sha256 for source in sources}
    wanted = {("listing", prefix): "" for prefix in inputs.prefixes}
    if inputs.manifest is not None:
        wanted["manifest", str(inputs.manifest)] = inputs.sha256
    gone = [place for place in known if place not in wanted]
    new = [place for place in wanted if place not in known]
    changed = [
        place
        for place in known
        if place in wanted and place[0] == "manifest" and known[place] != wanted[place]
    ]
    if not all(source.complete for source in sources):
        if gone or new or changed:
            with checkpoint.transaction():
                checkpoint.forget_sources()
        return
    if not sources:
        return
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


async def load(book: Book, inputs: Inputs, source_s3: SourceS3, namespace: str) -> None:
    """Read every source that is not complete yet; may be cancelled anywhere, and goes on.

    Raises UsageError for an unusable manifest or prefix, RunFailed when S3 cannot be reached.
    """
    if not await book.run(Checkpoint.sources):
        await book.run(lambda checkpoint: _announce(checkpoint, inputs))
    for source in await book.run(Checkpoint.sources):
        if source.complete:
            continue
        if source.kind == "manifest":
            assert inputs.reader is not None
            await _load_manifest(book, inputs.reader, source, namespace)
        else:
            await _load_listing(book, source, source_s3, namespace)
    book.tallies.load(await book.run(Checkpoint.tallies))


def _announce(checkpoint: Checkpoint, inputs: Inputs) -> None:
    """All sources at once, before the first row: the manifest first, so that it has rows 1 on."""
    source_id = 0
    if inputs.reader is not None:
        source_id += 1
        header = inputs.reader.columns.header
        location = str(inputs.manifest)
        checkpoint.add_source(source_id, "manifest", location, header, inputs.sha256)
    for prefix in inputs.prefixes:
        source_id += 1
        checkpoint.add_source(source_id, "listing", prefix, HEADER, "")


async def _load_manifest(
    book: Book, reader: ManifestReader, source: Source, namespace: str
) -> None:
    stored = await book.run(lambda c: c.rows_of_source(source.id))
    for rows in reader.batches(stored + 1):
        for begin in range(0, len(rows), BATCH):
            await _store(book, source.id, rows[begin : begin + BATCH], namespace, reader)
    await book.run(lambda c: c.complete_source(source.id, source.sha256))


async def _load_listing(book: Book, source: Source, source_s3: SourceS3, namespace: str) -> None:
    bucket, key_prefix = parse_prefix(source.location)
    last_key = await book.run(lambda c: c.last_key_of_source(source.id))
    first_row = await book.run(Checkpoint.last_row) + 1
    pages: AsyncIterator[list[ManifestRow | InvalidRow]] = listed_rows(
        source_s3, bucket, key_prefix, first_row=first_row, start_after=last_key or ""
    )
    async for rows in pages:
        await _store(book, source.id, rows, namespace, None)
    if await book.run(lambda c: c.rows_of_source(source.id)) == 0:
        raise UsageError(
            f"--prefix {source.location}: no object there",
            "check the prefix (it is taken to the letter; a folder's ends in /)",
        )

    def freeze(checkpoint: Checkpoint) -> None:
        digest = _listing_digest(checkpoint.listing_facts(source.id))
        checkpoint.complete_source(source.id, digest)

    await book.run(freeze)


async def _store(
    book: Book, source_id: int, rows: Rows, namespace: str, reader: ManifestReader | None
) -> None:
    projects = _projects(rows, reader) if reader is not None else set()
    now_ms = book.now_ms()

    def store(checkpoint: Checkpoint) -> None:
        checkpoint.add_rows(source_id, rows, namespace, now_ms)
        checkpoint.add_projects(projects)

    await book.run(store)
    book.tallies.read(len(rows))


def _projects(rows: Rows, reader: ManifestReader) -> set[str]:
    names = reader.columns.other_names
    if "project_id" not in names:
        return set()
    place = names.index("project_id")
    return {cell for row in rows if isinstance(row, ManifestRow) and (cell := row.cells[place])}


def _listing_digest(facts: Iterable[tuple[str, str, int | None, str | None]]) -> str:
    """SHA-256 over bucket, key, size and ETag of each row, each text preceded by its length."""
    digest = hashlib.sha256()
    for bucket, key, size_bytes, etag in facts:
        for text in (bucket, key, str(size_bytes), etag or ""):
            raw = text.encode()
            digest.update(len(raw).to_bytes(4, "big"))
            digest.update(raw)
    return digest.hexdigest()
