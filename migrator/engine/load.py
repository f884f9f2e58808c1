"""Rows into the checkpoint: the manifest first, then each prefix, in the order given.

Loading is resumable: a source that was read to its end is frozen, one that was not goes on where it
stopped. Nothing is sent before all sources are complete.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing
from typing import Any, Self

from migrator.checkpoint.earlier import earlier_batches
from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.values import Source
from migrator.engine.book import Book
from migrator.engine.inputs import Inputs, announce, check_fields
from migrator.engine.ports import Crew
from migrator.engine.shelf import Shelf
from migrator.errors import UsageError
from migrator.filters import Filter
from migrator.manifest import InventoryManifest, ManifestReader
from migrator.model import InvalidRow, ManifestRow
from migrator.settings import OrderBy, parse_prefix
from migrator.source.listing import listed_rows
from migrator.source.pages import ListPage
from migrator.source.s3 import SourceS3
from migrator.source.versions import AllVersions
from migrator.source.walk import Walks

BATCH = 2_500
"""Rows in one commit while loading, or somewhat more: a row takes 2 kB while it is read."""


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
        await book.run(lambda checkpoint: announce(checkpoint, inputs))
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
    check_fields(inputs.naming, await book.run(Checkpoint.sources))
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


class OneAhead:
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
    inventory = reader if isinstance(reader, InventoryManifest) else None
    if inventory is not None:
        inventory.part_rows = await shelf.part_rows(source)
    batches = reader.batches(begin)
    known, rows, header = source.header, list[ManifestRow | InvalidRow](), source.header
    async with OneAhead() as storing:

        async def keep() -> None:
            nonlocal known
            grown = header if header != known else None
            stored, of_columns = tuple(rows), columns
            parts = tuple(inventory.part_rows) if inventory is not None else ()
            await storing.put(lambda: shelf.put(source, stored, of_columns, grown, parts))
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
    async with OneAhead() as storing, aclosing(rows):
        async for listed in rows:
            await storing.put(lambda page=listed: shelf.put_listed(source, page))  # type: ignore[misc]
    if not await book.run(lambda c: c.listed_to(source.id)):
        raise UsageError(
            f"--prefix {source.location}: no object there",
            "check the prefix (it is taken to the letter; a folder's ends in /)",
        )


def _listing_digest(facts: Iterable[tuple[str, ...]]) -> str:
    """SHA-256 over what is told of each row, each text preceded by its length."""
    digest = hashlib.sha256()
    for told in facts:
        for text in told:
            raw = text.encode()
            digest.update(len(raw).to_bytes(4, "big"))
            digest.update(raw)
    return digest.hexdigest()
