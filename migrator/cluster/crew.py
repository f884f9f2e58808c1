"""A cluster as the engine and `migrator list` know one: walks of prefixes, and HEADs of rows.

Walks give the pages that a walk on one machine gives, in the same order; HEADs come back in the
order in which they were asked for. Parts that an earlier start has left are read and not made anew.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, closing
from typing import Any, BinaryIO, Protocol, Self, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from migrator.cluster.heads import read_heads
from migrator.cluster.order import in_order
from migrator.cluster.partition import (
    Errand,
    HeadRows,
    ListFolders,
    Reach,
    Work,
    label_of,
    named,
    pieces,
)
from migrator.cluster.parts import PartGone, Parts, parts_at
from migrator.cluster.task import Answer, source_at
from migrator.cluster.workers import Workers, workers_of
from migrator.errors import RunFailed, UsageError
from migrator.source.answers import S3Refusal, SourceUnreachable
from migrator.source.pages import ListPage
from migrator.source.parquet import listed_pages
from migrator.source.preflight import Told
from migrator.source.walk import Lister, branches

T = TypeVar("T")
R = TypeVar("R")


class Row(Protocol):
    """A row whose object is looked at: the engine's `Transfer`."""

    @property
    def row(self) -> int:
        """Its number."""
        ...

    @property
    def bucket(self) -> Any:
        """Its bucket: of all rows that are looked at there is one."""
        ...

    @property
    def key(self) -> Any:
        """Its key."""
        ...

    @property
    def version_id(self) -> str | None:
        """The version that is meant, if one is."""
        ...


Batch = TypeVar("Batch", bound=Sequence[Row])

FEW = 64
"""As long as a prefix has fewer folders, those of the next level are looked for."""

FRESH_MS = 24 * 3600 * 1000
"""A part that is older is made anew, as what a preflight has told is asked again."""

Begin = tuple[str, str, str]
"""(bucket, prefix, the key behind which a walk begins)."""


class Crew:
    """The workers of a cluster and the parts that they leave for one batch, or for one listing.

    Use as an async context manager; the cluster is not reached before there is work for it.
    """

    def __init__(self, cluster: str, reach: Reach, what_for: str) -> None:
        self._cluster = cluster
        self._reach = reach
        self._label = label_of(what_for)
        self._stack = AsyncExitStack()
        self._workers: Workers | None = None
        self._parts: Parts | None = None
        self._known: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.rest()

    @property
    def progress(self) -> str:
        """How far the cluster is, in a few words; "" while it has nothing to do."""
        if self._workers is None:
            return ""
        threads, done = self._workers.threads, self._workers.done
        if not threads:
            return "cluster: waiting for workers"
        return f"cluster: {done:,} parts made, {threads:,} at once"

    def walks(self, lister: Lister, begins: Sequence[Begin]) -> "CrewWalks":
        """Walks of these prefixes, by the cluster; `lister` asks what cutting them needs."""
        return CrewWalks(self, lister, begins)

    async def heads(
        self,
        batches: AsyncIterator[Batch],
        by_url: Callable[[str], bool],
        patience: Callable[[str, str, int], Awaitable[None]],
    ) -> AsyncGenerator[tuple[Batch, dict[int, Told]], None]:
        """What the source says of each batch of rows; rows that got no answer are left out.

        Where a source does not answer at all, it is asked again after `patience`: the buckets, how
        it does not, and how often it was asked. A batch counts as taken once the next is asked for.
        """

        async def do(batch: Batch) -> Errand:
            buckets = sorted({row.bucket for row in batch})
            rows = tuple((row.row, row.bucket, row.key, row.version_id) for row in batch)
            errand = self.errand(HeadRows(rows, tuple(filter(by_url, buckets))))
            for tries in itertools.count():
                answer = await self.made(errand)
                if answer.unreachable is None:
                    break
                await patience(", ".join(buckets[:3]), answer.unreachable, tries)
            return errand

        async with aclosing(self.ordered(batches, do)) as done:
            async for batch, errand in done:
                yield batch, await self._read(errand)
                await self._place().remove(errand.name)

    async def forget(self) -> None:
        """Remove all parts of this batch, or listing, and let the workers go."""
        if self._parts is not None:
            await self._parts.clear(self._label)
        await self.rest()

    async def rest(self) -> None:
        """Let the workers go; a cluster of this machine ends."""
        self._workers = self._parts = None
        await self._stack.aclose()

    # ------------------------------------------------------------------- for walks

    async def ordered(
        self, work: AsyncIterator[T], do: Callable[[T], Awaitable[R]]
    ) -> AsyncGenerator[tuple[T, R], None]:
        """Work with what `do` answers, in order, once the cluster is there."""
        workers = await self._ready()
        async with aclosing(in_order(work, do, workers.room)) as done:
            async for each in done:
                yield each

    def errand(self, work: Work) -> Errand:
        """Some work as a task of this batch."""
        return named(work, self._reach, self._label)

    async def made(self, errand: Errand) -> Answer:
        """Have a part made, unless it is there and fresh."""
        made_ms = self._known.pop(errand.name, None)
        if made_ms is not None and abs(time.time() * 1000 - made_ms) <= FRESH_MS:
            with closing(await self._place().open(errand.name)) as file:
                if await asyncio.to_thread(_is_whole, file):
                    return Answer(made=0)
        assert self._workers is not None
        return await self._workers.do(errand)

    async def file(self, errand: Errand) -> BinaryIO:
        """Open a part that was made. Raises RunFailed where it is not to be seen."""
        try:
            return await self._place().open(errand.name)
        except PartGone:
            raise RunFailed(
                f"a worker has left a part in {self._reach.parts}, and it is not there",
                "name a place that this machine and all workers share: --cluster-parts s3://…, or "
                "a directory",
            ) from None

    async def _read(self, errand: Errand) -> dict[int, Told]:
        with closing(await self.file(errand)) as file:
            return await asyncio.to_thread(read_heads, file)

    async def _ready(self) -> Workers:
        if self._workers is None:
            where = self._reach.parts
            s3 = await self._stack.enter_async_context(source_at(self._reach))
            self._parts = parts_at(where, s3)
            try:
                self._known = await self._parts.made()
            except S3Refusal as refusal:
                raise UsageError(
                    f"--cluster-parts {where}: S3 refuses to list it ({refusal.code})",
                    "the keys of that bucket must be able to put, get, list and delete objects",
                ) from None
            except SourceUnreachable as error:
                raise RunFailed(
                    f"--cluster-parts {where}: S3 does not answer ({error})",
                    "check --s3-endpoint-url and the network",
                ) from None
            self._workers = await self._stack.enter_async_context(workers_of(self._cluster))
        return self._workers

    def _place(self) -> Parts:
        assert self._parts is not None
        return self._parts


class CrewWalks:
    """`source.walk.Walks` by a cluster. Use as an async context manager."""

    def __init__(self, crew: Crew, lister: Lister, begins: Sequence[Begin]) -> None:
        self._crew = crew
        self._lister = lister
        self._begins = begins
        self._done = crew.ordered(self._work(), self._do)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._done.aclose()

    async def next(self) -> AsyncGenerator[ListPage, None]:
        """The pages of the next walk."""
        async for (after, piece), part in self._done:
            if piece is None:
                return
            if isinstance(piece, ListPage):
                yield piece
            else:
                assert part is not None
                with closing(await self._crew.file(part)) as file:
                    for page in listed_pages(file):
                        left = page.between(after, None)
                        if left.keys:
                            yield left

    async def _work(self) -> AsyncGenerator[tuple[str, ListPage | ListFolders | None], None]:
        """All pieces of all walks; None at the end of each."""
        for bucket, prefix, after in self._begins:
            found = await branches(self._lister, bucket, prefix, few=FEW)
            for piece in pieces(bucket, found, after):
                yield after, piece
            yield after, None

    async def _do(self, work: tuple[str, ListPage | ListFolders | None]) -> Errand | None:
        _, piece = work
        if not isinstance(piece, ListFolders):
            return None
        errand = self._crew.errand(piece)
        answer = await self._crew.made(errand)
        if answer.refused is not None:
            raise S3Refusal(*answer.refused)
        if answer.unreachable is not None:
            raise SourceUnreachable(answer.unreachable)
        return errand


def _is_whole(file: BinaryIO) -> bool:
    try:
        pq.ParquetFile(file)
    except (pa.ArrowInvalid, OSError):
        return False
    return True
