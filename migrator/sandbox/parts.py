"""The parts of a copy: where each lies, and their bytes on disk."""

import asyncio
import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from migrator.sandbox.checksum import crc32c_of
from migrator.sandbox.keys import OWNER_FILE
from migrator.sandbox.videos import Copy

Given = ParamSpec("Given")
Result = TypeVar("Result")


@dataclass(slots=True)
class Progress:
    """The parts of one copy: where each lies, and the CRC-32C of those that are had."""

    copy: Copy
    size_bytes: int
    crc32c: dict[int, int]

    def count(self) -> int:
        """How many parts there are."""
        return -(-self.size_bytes // self.copy.part_bytes)

    def missing(self, up_to_percent: int = 100) -> Iterator[int]:
        """The parts that are yet to be fetched, so that no more than so many are had."""
        had = frozenset(self.crc32c)
        wanted = self.count() * up_to_percent // 100 - len(had)
        missing = (part for part in range(self.count()) if part not in had)
        return itertools.islice(missing, max(0, wanted))

    def span(self, part: int) -> tuple[int, int]:
        """The first and the last byte of a part."""
        first = part * self.copy.part_bytes
        return first, min(first + self.copy.part_bytes, self.size_bytes) - 1

    def percent(self) -> int:
        """How much of it is had."""
        # 100 is said only with DONE, after the file was read back.
        return min(99, len(self.crc32c) * 100 // self.count())


def allocate(path: Path, size_bytes: int) -> None:
    """Make the file, in the size that it will have."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, OWNER_FILE)
    with contextlib.closing(os.fdopen(descriptor, "wb")) as file:
        file.truncate(size_bytes)


def store(path: Path, offset: int, body: bytearray) -> int:
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


def read_back(path: Path, progress: Progress) -> tuple[int, list[int]]:
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


async def on_disk(
    work: Callable[Given, Result], *given: Given.args, **named: Given.kwargs
) -> Result:
    """What `work` gives, done in a thread.

    Where this is cancelled the thread is waited for: nothing is written to a file once its copy
    has ended.
    """
    doing = asyncio.ensure_future(asyncio.to_thread(work, *given, **named))
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait((doing,))
        raise
