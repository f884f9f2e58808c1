"""The multipart copy: bytes from the source into the platform's own directory.

A few copies run at once, each fetching a few parts at once. A part is noted only when its
bytes are on disk, so a copy that failed, or was killed, goes on from the parts it has. At the
end the whole file is read back: it must give the CRC-32C of each part as it came in, and
yields the CRC-32C of the whole.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from migrator.sandbox.checksum import crc32c_of
from migrator.sandbox.keys import OWNER_FILE
from migrator.sandbox.records import Records
from migrator.sandbox.source import Source, SourceError, SourceHead, SourceObject
from migrator.sandbox.videos import Copy

MAX_SIZE_BYTES = 500 * 10**9
"""The API refuses videos over 500 GB; read as decimal, as storage is sold."""

COPIES_AT_ONCE = 8
PARTS_OF_A_COPY_AT_ONCE = 4
PARTS_AT_ONCE = 8
"""Over all copies. A part is held in memory until it is written: 8 of 8 MiB are 64 MiB."""

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
    """Copies videos into `directory`, in the order they are enqueued.

    With `media` False no byte is fetched: a copy is DONE as soon as it is enqueued.
    """

    def __init__(
        self,
        records: Records,
        source: Source,
        directory: Path,
        *,
        media: bool,
        bytes_per_second: int,
    ) -> None:
        self.fetched = Fetched()
        self._records = records
        self._source = source
        self._directory = directory
        self._media = media
        self._pace = Pace(bytes_per_second)
        self._queue: asyncio.Queue[int] = asyncio.Queue()
        self._parts = asyncio.Semaphore(PARTS_AT_ONCE)

    def enqueue(self, number: int) -> None:
        """Have the video of that number copied, soon. Its copy must be INITIAL."""
        if self._media:
            self._queue.put_nowait(number)
        else:
            self._records.done(number, crc32c=None).add_done_callback(_report)

    async def run(self) -> None:
        """Copy what is enqueued, until cancelled. What is then under way stays IN_PROGRESS."""
        async with asyncio.TaskGroup() as group:
            for _ in range(COPIES_AT_ONCE):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            number = await self._queue.get()
            try:
                await self._copy(number)
            except Exception:
                # The record itself could not be written; the others may still be.
                log.exception("video %d: the copy could not be noted", number)

    async def _copy(self, number: int) -> None:
        copy = await self._records.begin(number)
        if copy is None:
            return
        try:
            crc32c = await self._fetch(copy)
        except SourceError as error:
            await self._records.failed(number, error.code, error.message)
        except OSError as error:
            await self._records.failed(number, "COPY_FAILED", error.strerror or "I/O error")
        except Exception:
            log.exception("video %d: the copy failed", number)
            await self._records.failed(number, "INTERNAL_SERVER_ERROR", "Unexpected error")
        else:
            await self._records.done(number, crc32c=crc32c)

    async def _fetch(self, copy: Copy) -> int:
        if copy.source is None:
            raise SourceError("INVALID_CREDENTIALS", "no keys were kept for this video")
        head = await self._source.head(copy.source)
        if head.size_bytes > MAX_SIZE_BYTES:
            raise SourceError("VALIDATION_ERROR", "The video is larger than 500 GB")
        had = copy.parts
        path = self._directory / copy.video_id
        if copy.head != (head.size_bytes, head.modified_at_ms):
            await self._records.describe(copy.video_number, head)
            had = {}
        await asyncio.to_thread(_allocate, path, head.size_bytes)
        progress = _Progress(copy, head.size_bytes, dict(had))
        missing = progress.missing()
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(PARTS_OF_A_COPY_AT_ONCE):
                    group.create_task(self._parts_of(progress, copy.source, head, missing, path))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        crc32c, damaged = await asyncio.to_thread(_read_back, path, progress)
        if damaged:
            await self._records.forget_parts(copy.video_number, damaged)
            raise SourceError("CHECKSUM_MISMATCH", f"{len(damaged)} parts differ on disk")
        return crc32c

    async def _parts_of(
        self,
        progress: "_Progress",
        source: SourceObject,
        head: SourceHead,
        missing: Iterator[int],
        path: Path,
    ) -> None:
        for part in missing:  # shared: each worker takes the next
            first, last = progress.span(part)
            async with self._parts:
                body = await self._receive(source, first, last, head.size_bytes)
                crc32c = await asyncio.to_thread(_store, path, first, body)
            self.fetched.parts += 1
            progress.crc32c[part] = crc32c
            await self._records.part_done(
                progress.copy.video_number, part, crc32c=crc32c, percent=progress.percent()
            )

    async def _receive(self, source: SourceObject, first: int, last: int, size: int) -> bytearray:
        body = bytearray()
        reading = self._source.reading(source, first=first, last=last, size_bytes=size)
        async with reading as stream:
            async for chunk in stream.iter_chunked(CHUNK_BYTES):
                self.fetched.bytes += len(chunk)
                body += chunk
                await self._pace.spend(len(chunk))
        if len(body) != last - first + 1:
            message = f"{len(body)} bytes came of {last - first + 1}"
            raise SourceError("CONTENT_NOT_PARTIAL_ERROR", message)
        return body


@dataclass(slots=True)
class _Progress:
    """The parts of one copy: where each lies, and the CRC-32C of those that are had."""

    copy: Copy
    size_bytes: int
    crc32c: dict[int, int]

    def count(self) -> int:
        return -(-self.size_bytes // self.copy.part_bytes)

    def missing(self) -> Iterator[int]:
        had = frozenset(self.crc32c)
        return (part for part in range(self.count()) if part not in had)

    def span(self, part: int) -> tuple[int, int]:
        """The first and the last byte of a part."""
        first = part * self.copy.part_bytes
        return first, min(first + self.copy.part_bytes, self.size_bytes) - 1

    def percent(self) -> int:
        # 100 is said only with DONE, after the file was read back.
        return min(99, len(self.crc32c) * 100 // self.count())


def _allocate(path: Path, size_bytes: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, OWNER_FILE)
    with contextlib.closing(os.fdopen(descriptor, "wb")) as file:
        file.truncate(size_bytes)


def _store(path: Path, offset: int, body: bytearray) -> int:
    """Write a part and wait for the disk; its CRC-32C.

    Opens the file anew each time: a thread that outlives a cancelled copy then holds no
    descriptor but its own.
    """
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    return crc32c_of(bytes(body))


def _read_back(path: Path, progress: _Progress) -> tuple[int, list[int]]:
    """The CRC-32C of the whole file, and the parts that are not as they came in."""
    whole, damaged = 0, []
    with path.open("rb") as file:
        for part in range(progress.count()):
            first, last = progress.span(part)
            content = file.read(last - first + 1)
            whole = crc32c_of(content, whole)
            if crc32c_of(content) != progress.crc32c[part]:
                damaged.append(part)
    return whole, damaged


def _report(done: "asyncio.Future[None]") -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        log.error("a copy could not be noted as done: %s", error)
