"""The multipart copy: bytes from the source into the platform's own directory.

A few copies run at once, each fetching a few parts at once. A part is noted only when its
bytes are on disk, so a copy that failed, or was killed, goes on from the parts it has. At the
end the whole file is read back: it must give the CRC-32C of each part as it came in, and
yields the CRC-32C of the whole, which must be the one that the client named, if it did.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from migrator.sandbox.copies import Copies
from migrator.sandbox.origin import Origin, SourceError, SourceHead
from migrator.sandbox.parts import Progress, allocate, on_disk, read_back, store
from migrator.sandbox.plan import CopyFails, CopyStalls
from migrator.sandbox.sources import Sources
from migrator.sandbox.storage import Storage
from migrator.sandbox.videos import Copy, Video

MAX_SIZE_BYTES = 500 * 10**9
"""The API refuses videos over 500 GB; read as decimal, as storage is sold."""

COPIES_AT_ONCE = 8
PARTS_AT_ONCE = 20
"""Over all copies; as many as one import may ask for connections. A part is held in memory
until it is written: 20 of 8 MiB are 160 MiB."""

CHUNK_BYTES = 256 * 1024

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Fetched:
    """What this process has fetched from sources; parts count when they are complete."""

    bytes: int = 0
    parts: int = 0


class Pace:
    """Holds all fetching together to so many bytes a second; 0 does not hold it at all."""

    def __init__(self, bytes_per_second: int) -> None:
        self._bytes_per_second = bytes_per_second
        self._free_at_s = 0.0

    async def spend(self, size_bytes: int) -> None:
        """Wait until `size_bytes` more may have been fetched."""
        if not self._bytes_per_second:
            return
        now_s = asyncio.get_running_loop().time()
        self._free_at_s = max(now_s, self._free_at_s) + size_bytes / self._bytes_per_second
        await asyncio.sleep(self._free_at_s - now_s)


class Copier:
    """Copies videos into the storage, in the order they are enqueued.

    With `moves_bytes` False no byte is fetched: a copy is DONE as soon as its turn comes.
    `copied` is called with the number of each video whose copy is DONE.
    """

    def __init__(
        self,
        copies: Copies,
        sources: Sources,
        storage: Storage,
        copied: Callable[[int], None],
        *,
        moves_bytes: bool,
        bytes_per_second: int,
    ) -> None:
        self.fetched = Fetched()
        self._copies = copies
        self._sources = sources
        self._storage = storage
        self._copied = copied
        self.moves_bytes = moves_bytes
        self._pace = Pace(bytes_per_second)
        self._queue: asyncio.Queue[int] = asyncio.Queue()
        self._parts = asyncio.Semaphore(PARTS_AT_ONCE)
        self._stalled: set[int] = set()
        self._under_way: dict[int, asyncio.Task[None]] = {}

    def enqueue(self, number: int) -> None:
        """Have the video of that number copied, soon, if its copy is INITIAL or stalls."""
        self._queue.put_nowait(number)

    async def run(self) -> None:
        """Copy what is enqueued, until cancelled. What is then under way stays IN_PROGRESS."""
        async with asyncio.TaskGroup() as group:
            for _ in range(COPIES_AT_ONCE):
                group.create_task(self._work())

    async def forget(self, videos: Sequence[Video]) -> None:
        """End the copies of videos that have been deleted."""
        for video in videos:
            task = self._under_way.get(video.video_number)
            if task is not None:
                task.cancel()
                await asyncio.wait((task,))

    async def _work(self) -> None:
        while True:
            number = await self._queue.get()
            task = self._under_way[number] = asyncio.create_task(self._copy(number))
            try:
                await asyncio.wait((task,))
            except asyncio.CancelledError:
                task.cancel()
                await asyncio.wait((task,))
                raise
            finally:
                del self._under_way[number]
            if not task.cancelled() and (error := task.exception()) is not None:
                # The record itself could not be written; the others may still be.
                log.error("video %d: the copy could not be noted", number, exc_info=error)

    async def _copy(self, number: int) -> None:
        resumed = number in self._stalled
        self._stalled.discard(number)
        copy = await (self._copies.go_on if resumed else self._copies.begin)(number)
        if copy is None:
            return
        if isinstance(copy.fault, CopyStalls):
            await self._copies.progressed(number, copy.fault.at_percent)
            if copy.fault.seconds is not None:
                self._stall(number, copy.fault.seconds)
            return
        try:
            crc32c = await self._fetch(copy) if self.moves_bytes else None
        except SourceError as error:
            await self._copies.failed(number, error.code, error.message)
        except OSError as error:
            await self._copies.failed(number, "COPY_FAILED", error.strerror or "I/O error")
        except Exception:
            log.exception("video %d: the copy failed", number)
            await self._copies.failed(number, "INTERNAL_SERVER_ERROR", "Unexpected error")
        else:
            if isinstance(copy.fault, CopyFails):
                await self._copies.failed_on_purpose(number, copy.fault)
            else:
                await self._copies.done(number, crc32c=crc32c)
                self._copied(number)

    def _stall(self, number: int, seconds: float) -> None:
        """Have a copy go on after so long. It keeps no worker waiting meanwhile."""
        self._stalled.add(number)
        asyncio.get_running_loop().call_later(seconds, self.enqueue, number)

    async def _fetch(self, copy: Copy) -> int | None:
        """The CRC-32C of the whole, or None where it is planned that not all is fetched."""
        if copy.origin is None:
            raise SourceError("INVALID_CREDENTIALS", "no keys were kept for this video")
        head = await self._sources.head(copy.origin)
        if head.size_bytes > MAX_SIZE_BYTES:
            raise SourceError("VALIDATION_ERROR", "The video is larger than 500 GB")
        had = copy.parts
        path = self._storage.video(copy.video_id)
        if copy.head != (head.size_bytes, head.modified_at_ms):
            await self._copies.describe(copy.video_number, head)
            had = {}
        await on_disk(allocate, path, head.size_bytes)
        progress = Progress(copy, head.size_bytes, dict(had))
        up_to = copy.fault.at_percent if isinstance(copy.fault, CopyFails) else 100
        missing = progress.missing(up_to)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(copy.connections):
                    group.create_task(self._parts_of(progress, copy.origin, head, missing, path))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return await self._whole(progress, path) if copy.fault is None else None

    async def _whole(self, progress: Progress, path: Path) -> int:
        crc32c, damaged = await on_disk(read_back, path, progress)
        if damaged:
            # Not the checksum's fault: CHECKSUM_MISMATCH would have the client skip its validation.
            await self._copies.forget_parts(progress.copy.video_number, damaged)
            raise SourceError("COPY_FAILED", f"{len(damaged)} parts differ on disk")
        expected = progress.copy.expected_crc32c
        if expected not in {None, crc32c}:
            raise SourceError("CHECKSUM_MISMATCH", f"CRC-32C is {crc32c}, not {expected}")
        return crc32c

    async def _parts_of(
        self,
        progress: Progress,
        origin: Origin,
        head: SourceHead,
        missing: Iterator[int],
        path: Path,
    ) -> None:
        for part in missing:  # shared: each worker takes the next
            first, last = progress.span(part)
            async with self._parts:
                body = await self._receive(origin, first, last, head.size_bytes)
                crc32c = await on_disk(store, path, first, body)
            self.fetched.parts += 1
            progress.crc32c[part] = crc32c
            await self._copies.part_done(
                progress.copy.video_number, part, crc32c=crc32c, percent=progress.percent()
            )

    async def _receive(self, origin: Origin, first: int, last: int, size: int) -> bytearray:
        body = bytearray()
        reading = self._sources.reading(origin, first=first, last=last, size_bytes=size)
        async with reading as stream:
            async for chunk in stream.iter_chunked(CHUNK_BYTES):
                self.fetched.bytes += len(chunk)
                body += chunk
                await self._pace.spend(len(chunk))
        if len(body) != last - first + 1:
            message = f"{len(body)} bytes came of {last - first + 1}"
            raise SourceError("CONTENT_NOT_PARTIAL_ERROR", message)
        return body


@contextlib.asynccontextmanager
async def running(copier: Copier) -> AsyncIterator[None]:
    """Copies for as long as the context lasts."""
    task = asyncio.create_task(copier.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
