"""Parts: files that tasks leave behind, whole or not at all, in a shared directory or in S3.

A part is written under a name that nobody else has and takes its own name in one step, so that two
workers may do the same task at once. In S3 one PUT is such a step.
"""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, Protocol, cast

from migrator.errors import RunFailed
from migrator.settings import parse_prefix
from migrator.source.answers import S3Refusal
from migrator.source.s3 import SourceS3

READ_BYTES = 8 * 2**20
"""Of a part in S3 that are asked for at once."""

SEEN_WITHIN_S, LOOK_EVERY_S = 30.0, 0.2
"""A shared file system may show a new file somewhat later to others."""


class PartGone(Exception):
    """A part that was left by a task is not there: the caller says what that means."""


class Parts(Protocol):
    """Where parts are."""

    async def made(self) -> dict[str, int]:
        """The names of the parts that are there, and when each was made (epoch milliseconds)."""
        ...

    async def keep(self, name: str, file: BinaryIO, path: Path) -> None:
        """Make a part of what `file`, which `blank_part` has made at `path`, holds by now."""
        ...

    async def open(self, name: str) -> BinaryIO:
        """Open a part to read it. Raises PartGone."""
        ...

    async def remove(self, name: str) -> None:
        """Remove a part, if it is there."""
        ...

    async def clear(self, label: str) -> None:
        """Remove all parts whose names begin so, and what killed tasks have left of such."""
        ...


class WritableS3(SourceS3):
    """S3 as a place for parts. Nothing of the source is ever written to."""

    async def put(self, bucket: str, key: str, body: IO[bytes]) -> None:
        """One PUT. Raises S3Refusal or SourceUnreachable."""
        await self._ask(bucket, "put_object", Bucket=bucket, Key=key, Body=cast("Any", body))

    async def delete(self, bucket: str, key: str) -> None:
        """Remove an object, if it is there. Raises S3Refusal or SourceUnreachable."""
        await self._ask(bucket, "delete_object", Bucket=bucket, Key=key)


def parts_at(where: str, s3: WritableS3) -> Parts:
    """The parts in a directory, or in s3://bucket/prefix."""
    if where.startswith("s3:"):
        return PartsInS3(s3, *parse_prefix(where, "--cluster-parts"))
    return PartsInDirectory(Path(where))


@contextmanager
def blank_part(where: str, name: str) -> Iterator[tuple[BinaryIO, Path]]:
    """A file for a part that will be kept at `where`; gone at the end of the block, if it was not.

    Raises RunFailed where there is no room for it.
    """
    directory = None if where.startswith("s3:") else Path(where)
    with _disk(where):
        if directory is not None:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, path = tempfile.mkstemp(dir=directory, prefix=f".{name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield cast("BinaryIO", file), Path(path)
    finally:
        Path(path).unlink(missing_ok=True)


class PartsInDirectory:
    """A directory that all workers and this process see by the same name."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def made(self) -> dict[str, int]:
        """See `Parts`."""
        try:
            with os.scandir(self._directory) as entries:
                return {
                    entry.name: entry.stat().st_mtime_ns // 1_000_000
                    for entry in entries
                    if entry.name.endswith(".parquet")
                }
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise _unusable(str(self._directory), error) from None

    async def keep(self, name: str, file: BinaryIO, path: Path) -> None:
        """See `Parts`."""
        with _disk(str(self._directory)):
            await asyncio.to_thread(_give_name, file, path, self._directory / name)

    async def open(self, name: str) -> BinaryIO:
        """See `Parts`."""
        for _ in range(int(SEEN_WITHIN_S / LOOK_EVERY_S)):
            try:
                return (self._directory / name).open("rb")
            except FileNotFoundError:
                await asyncio.sleep(LOOK_EVERY_S)
            except OSError as error:
                raise _unusable(str(self._directory), error) from None
        raise PartGone

    async def remove(self, name: str) -> None:
        """See `Parts`."""
        (self._directory / name).unlink(missing_ok=True)

    async def clear(self, label: str) -> None:
        """See `Parts`."""
        with suppress(OSError):
            for entry in self._directory.iterdir():
                if entry.name.lstrip(".").startswith(label):
                    entry.unlink(missing_ok=True)
            self._directory.rmdir()  # where nothing else is in it


class PartsInS3:
    """Objects under a prefix, reached with the keys of their bucket."""

    def __init__(self, s3: WritableS3, bucket: str, prefix: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._prefix = f"{prefix.rstrip('/')}/" if prefix else ""

    async def made(self) -> dict[str, int]:
        """See `Parts`."""
        found, token = dict[str, int](), ""
        while True:
            page = await self._s3.page(self._bucket, self._prefix, token=token)
            told = zip(page.keys, page.modified_ms, strict=True)
            found |= {key.removeprefix(self._prefix): moment or 0 for key, moment in told}
            if page.next_token is None:
                return found
            token = page.next_token

    async def keep(self, name: str, file: BinaryIO, path: Path) -> None:  # noqa: ARG002
        """See `Parts`."""
        file.seek(0)
        await self._s3.put(self._bucket, self._prefix + name, file)

    async def open(self, name: str) -> BinaryIO:
        """See `Parts`."""
        key = self._prefix + name
        try:
            facts = await self._s3.head(self._bucket, key)
        except S3Refusal:
            raise PartGone from None
        file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - the caller shuts it
        for begin in range(0, facts.size_bytes, READ_BYTES):
            length = min(READ_BYTES, facts.size_bytes - begin)
            file.write(await self._s3.read(self._bucket, key, begin, length, facts.etag))
        file.seek(0)
        return file

    async def remove(self, name: str) -> None:
        """See `Parts`."""
        await self._s3.delete(self._bucket, self._prefix + name)

    async def clear(self, label: str) -> None:
        """See `Parts`."""
        for name in await self.made():
            if name.startswith(label):
                await self.remove(name)


def _give_name(file: BinaryIO, path: Path, name: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    path.replace(name)


@contextmanager
def _disk(where: str) -> Iterator[None]:
    """Raises RunFailed for what a disk has against a part."""
    try:
        yield
    except OSError as error:
        raise _unusable(where, error) from None


def _unusable(where: str, error: OSError) -> RunFailed:
    return RunFailed(
        f"{where}: parts cannot be kept there ({error.strerror or error})",
        "make room, or name another place with --cluster-parts",
    )
