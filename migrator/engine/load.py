"""Rows into the checkpoint: the manifest first, then each prefix, in the order given.

Loading is resumable: a source that was read to its end is frozen, one that was not goes on where it
stopped. A run may send rows while prefixes are listed still (`Loading.prepare`, then `meanwhile`);
of a manifest nothing is sent before it was read to its end.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Self

from migrator.checkpoint.earlier import earlier_batches
from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.values import Source
from migrator.engine.book import Book
from migrator.engine.inputs import SENT_SINCE, Inputs, announce, check_fields
from migrator.engine.ports import Crew
from migrator.engine.shelf import Arrive, Shelf
from migrator.errors import RunFailed, StoppedByItself, UsageError
from migrator.filters import Filter
from migrator.manifest import InventoryManifest, ManifestReader
from migrator.model import InvalidRow, ManifestRow
from migrator.settings import parse_prefix
from migrator.source.chains import answers_to
from migrator.source.listing import Listed, listed_rows, refusals
from migrator.source.pages import ListPage
from migrator.source.s3 import SourceS3
from migrator.source.versions import AllVersions
from migrator.source.walk import Lister, Walks

BATCH = 2_500
"""Rows in one commit while loading, or somewhat more: a row takes 2 kB while it is read."""

PREFIXES_AT_ONCE = 16
"""Prefixes of which it is asked at once whether anything is there."""

DIGESTED = 10_000
"""Rows that are read at once for the digest of a listing: the checkpoint has other things to do."""


@dataclass(frozen=True, slots=True)
class Loading:
    """Reads every source that is not complete yet; may be cancelled anywhere, and goes on.

    `serving` are (lane, bucket, key prefix) of what further API keys serve: each row is given to
    its key in the commit that it comes in with. `by_url` says of which buckets a version is an
    object of its own; a `crew` lists prefixes in the place of this process.
    """

    book: Book
    inputs: Inputs
    source_s3: SourceS3
    namespace: str
    serving: Sequence[tuple[int, str, str]] = ()
    by_url: Callable[[str], bool] = lambda _bucket: False
    crew: Crew | None = None

    async def everything(self) -> None:
        """Read all sources, one after the other. Nothing may be sent meanwhile.

        Raises UsageError for an unusable manifest, prefix or earlier batch, RunFailed when S3
        cannot be reached.
        """
        await self._announce()
        sources = await self._open_sources()
        await self._read(sources, None)
        if self.crew is not None and any(source.kind == "listing" for source in sources):
            await self.crew.forget()
        book = self.book
        check_fields(self.inputs.naming, await book.run(Checkpoint.sources))
        book.tallies.load(await book.run(Checkpoint.tallies))

    async def prepare(self) -> None:
        """Read the manifest, and see that the prefixes can be listed: before the first POST.

        From here on each further row of an object is found when it comes in. Raises what
        `everything` raises, but for what only the rest of a listing shows.
        """
        await self._announce()
        sources = await self._open_sources()
        await self._read(sources, None, only="manifest")
        book = self.book
        await book.run(lambda checkpoint: checkpoint.settle_rows(book.now_ms()))
        check_fields(self.inputs.naming, await book.run(Checkpoint.sources))
        listings = [source for source in sources if source.kind == "listing"]
        for begin in range(0, len(listings), PREFIXES_AT_ONCE):
            asked = listings[begin : begin + PREFIXES_AT_ONCE]
            await answers_to(self._expect_objects(source) for source in asked)
        book.tallies.load(await book.run(Checkpoint.tallies))

    async def meanwhile(self, arrive: Arrive) -> None:
        """Read what `prepare` has left, while rows are sent; `arrive` is the shelf's.

        Raises StoppedByItself where S3 does not go on.
        """
        await self._read(await self._open_sources(), arrive)

    async def _announce(self) -> None:
        if not await self.book.run(Checkpoint.sources):
            await self.book.run(lambda checkpoint: announce(checkpoint, self.inputs))

    async def _open_sources(self) -> list[Source]:
        sources = await self.book.run(Checkpoint.sources)
        return [source for source in sources if not source.complete]

    async def _listed_to(self, source: Source) -> str:
        return await self.book.run(lambda checkpoint: checkpoint.listed_to(source.id))

    @property
    def _lister(self) -> Lister:
        return AllVersions(self.source_s3) if self.inputs.all_versions else self.source_s3

    async def _expect_objects(self, source: Source) -> None:
        bucket, key_prefix = parse_prefix(source.location)
        if await self._listed_to(source):
            return
        with refusals(bucket, key_prefix):
            page = await self._lister.page(bucket, key_prefix)
        if page.keys or page.next_token is not None:
            return
        # Once rows were sent the batch has to go on, whatever is gone by now.
        if await self.book.run(lambda checkpoint: checkpoint.meta(SENT_SINCE)) is None:
            raise _nothing_there(source)

    async def _read(
        self, sources: Sequence[Source], arrive: Arrive | None, only: str | None = None
    ) -> None:
        """Read these sources to their end; `arrive`: others are sent meanwhile.

        `only` those of one kind: the earlier batches are checked for all of them.
        """
        book, inputs, crew = self.book, self.inputs, self.crew
        with earlier_batches(inputs.skip_imported if sources else ()) as earlier:
            await book.run(earlier.check)
            sources = [source for source in sources if only in {None, source.kind}]
            shelf = Shelf(
                book, self.namespace, earlier, Filter(inputs.filters), self.by_url, self.serving,
                inputs.order_by, arrive,
            )  # fmt: skip
            listings = [source for source in sources if source.kind == "listing"]
            begins = [(*parse_prefix(s.location), await self._listed_to(s)) for s in listings]
            walking = crew.walks if crew is not None and begins else Walks
            async with walking(self._lister, begins) as walks:
                for source in sources:
                    if source.kind == "manifest":
                        assert inputs.reader is not None
                        await _load_manifest(shelf, inputs.reader, source, remote=inputs.remote)
                    else:
                        await _load_listing(shelf, source, walks.next())
                    await self._complete(source)

    async def _complete(self, source: Source) -> None:
        """A source was read to its end; with the last one all duplicates are found."""
        book, order_by, digest = self.book, self.inputs.order_by, source.sha256
        if source.kind == "listing":
            digest = await _listing_digest(book, source)

        def complete(checkpoint: Checkpoint) -> None:
            checkpoint.complete_source(source.id, digest)
            if all(each.complete for each in checkpoint.sources()):
                checkpoint.settle_rows(book.now_ms(), order_by)

        await book.run(complete)


class OneAhead:
    """Work in its order, of which the latest goes on while the next is prepared.

    Use as an async context manager: at its end all is done, also where that is an error or a stop.
    Raises what the work raises.
    """

    def __init__(self) -> None:
        self._latest: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_exc: object) -> None:
        if kind is None:
            await self._wait()
        elif self._latest is not None:  # it is on its way to the disk, and not to be called back
            await asyncio.gather(self._latest, return_exceptions=True)

    async def put(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin `work` once what was put before is done."""
        await self._wait()
        self._latest = asyncio.ensure_future(work())
        await asyncio.sleep(0)  # so that it is under way before the next is prepared

    async def _wait(self) -> None:
        if self._latest is not None:
            await asyncio.shield(self._latest)


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
    if shelf.arrive is not None:
        rows = _resumable(rows)
    async with OneAhead() as storing, aclosing(rows):
        async for listed in rows:
            await storing.put(lambda page=listed: shelf.put_listed(source, page))  # type: ignore[misc]
    # While rows are sent it was seen before that something is there, be it gone by now.
    if shelf.arrive is None and not await book.run(lambda c: c.listed_to(source.id)):
        raise _nothing_there(source)


async def _resumable(rows: AsyncIterator[Listed]) -> AsyncGenerator[Listed]:
    """The same rows; what ends them early ends a run in which rows were sent already."""
    try:
        async for listed in rows:
            yield listed
    except (UsageError, RunFailed) as error:
        raise StoppedByItself(
            error.message,
            f"{error.hint}; what was listed before is sent, and `migrator resume` goes on from "
            "there",
        ) from None


def _nothing_there(source: Source) -> UsageError:
    return UsageError(
        f"--prefix {source.location}: no object there",
        "check the prefix (it is taken to the letter; a folder's ends in /)",
    )


async def _listing_digest(book: Book, source: Source) -> str:
    """SHA-256 over what is told of each row, each text preceded by its length."""
    digest, row = hashlib.sha256(), 0
    while facts := await book.run(
        lambda c, after=row: c.listing_facts(source.id, after, DIGESTED)  # type: ignore[misc]
    ):
        row = facts[-1][0]
        for _, told in facts:
            for text in told:
                raw = text.encode()
                digest.update(len(raw).to_bytes(4, "big"))
                digest.update(raw)
    return digest.hexdigest()
