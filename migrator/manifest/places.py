"""Where the bytes of a manifest are: a file, standard input, an object in S3; packed or plain.

Whatever it is, it can be opened any number of times, each time from its first byte, and be read
from any place on: a reader looks at the header, then at the rows, and a load is taken up again.
"""

import errno
import hashlib
import io
import os
import tempfile
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Protocol, cast

import pyarrow as pa

from migrator.errors import RunFailed, UsageError
from migrator.manifest.unusable import READ_ERRORS, check_regular, shown_path, unreadable

WINDOW_BYTES = 4 * 2**20
"""How much of an object is asked for at once: what bounds its memory, and some 80 ms of AWS."""

COPY_BYTES = 2**20

SPOOL_DIRECTORY = "/var/tmp"  # noqa: S108 - a nameless file of mode 0600, made by `tempfile`
"""Not the directory that `tempfile` takes: that is often memory, and a pipe may bring anything."""

MAGICS: dict[bytes, Literal["gzip", "zstd"]] = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
"""First bytes of what can be unpacked on the way."""


class Place(Protocol):
    """The bytes of a manifest; `str` of it is its name. A `Path` is one."""

    def open(self, mode: Literal["rb"], /) -> BinaryIO:
        """The bytes from the first on, seekable unless they are packed. Raises OSError."""
        ...


@dataclass(frozen=True, slots=True)
class RemoteFacts:
    """What tells one content of an object from another: size in bytes, and S3's own marks."""

    size_bytes: int
    etag: str | None
    last_modified_ms: int | None
    version_id: str | None


class Objects(Protocol):
    """The customer's S3, read as files. All of these raise UsageError or RunFailed in its words."""

    def look(self, bucket: str, key: str) -> RemoteFacts | None:
        """What is there now; None where nothing is."""
        ...

    def read(self, bucket: str, key: str, begin: int, length: int, facts: RemoteFacts) -> bytes:
        """`length` bytes from `begin` on of the very content that `facts` tell of."""
        ...

    def keys(self, bucket: str, prefix: str) -> Iterator[str]:
        """Every key under a prefix, in order."""
        ...


class RangedFile(io.RawIOBase):
    """A file over a function that reads `length` bytes at a place."""

    def __init__(self, read_at: Callable[[int, int], bytes], size: int) -> None:
        super().__init__()
        self._read_at = read_at
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of any file."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # all that io gives
        """Fill `buffer` as far as there is something left."""
        length = min(len(buffer), self._size - self._at)
        if length <= 0:
            return 0
        content = self._read_at(self._at, length)
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


@dataclass(frozen=True, slots=True)
class RemoteObject:
    """An object in S3, pinned to the content that it had when it was found."""

    objects: Objects
    bucket: str
    key: str
    facts: RemoteFacts

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def open(self, _mode: Literal["rb"], /) -> BinaryIO:
        """The object as a file, read a window at a time."""

        def read_at(begin: int, length: int) -> bytes:
            return self.objects.read(self.bucket, self.key, begin, length, self.facts)

        file = RangedFile(read_at, self.facts.size_bytes)
        return io.BufferedReader(file, WINDOW_BYTES)

    def digest(self) -> str:
        """Its identity: over its name and all that S3 tells of the content, which is not read."""
        facts = self.facts
        told = (str(self), facts.size_bytes, facts.etag, facts.last_modified_ms, facts.version_id)
        return hashlib.sha256(repr(told).encode()).hexdigest()


def md5(content: bytes = b"") -> "hashlib._Hash":
    """MD5 as S3 Inventory proves its parts with: against accidents, not against people."""
    return hashlib.md5(content, usedforsecurity=False)


class Spool:
    """The bytes of a stream, in a nameless file that is gone with the process.

    `name` is what the stream is called. Raises UsageError when it cannot be read, RunFailed when
    there is no room.
    """

    def __init__(
        self,
        name: str,
        stream: BinaryIO,
        algorithm: "Callable[[], hashlib._Hash]" = hashlib.sha256,
    ) -> None:
        self._name = name
        place = SPOOL_DIRECTORY if Path(SPOOL_DIRECTORY).is_dir() else None
        digest = algorithm()
        try:
            with tempfile.TemporaryFile(dir=place, buffering=0) as file:
                while piece := stream.read(COPY_BYTES):
                    digest.update(piece)
                    file.write(piece)
                self.size_bytes = file.tell()
                self._file = os.dup(file.fileno())
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                raise unreadable(name, error) from error
            raise RunFailed(
                f"no room to keep {shown_path(name)} while it is read ({error.strerror})",
                f"make room in {place or tempfile.gettempdir()}, or save it as a file of its own",
            ) from None
        weakref.finalize(self, os.close, self._file)
        self._digest = digest.hexdigest()

    def __str__(self) -> str:
        return self._name

    def open(self, _mode: Literal["rb"], /) -> BinaryIO:
        """All that there was."""

        def read_at(begin: int, length: int) -> bytes:
            return os.pread(self._file, length, begin)

        return io.BufferedReader(RangedFile(read_at, self.size_bytes), COPY_BYTES)

    def digest(self) -> str:
        """The digest of the bytes, in hexadecimal."""
        return self._digest


def standard_input(stream: BinaryIO | None) -> Spool:
    """What is piped into the program. Raises UsageError when that is nothing."""
    if stream is None or stream.isatty():
        raise _nothing_piped()
    spool = Spool("standard input", stream)
    if not spool.size_bytes:
        raise _nothing_piped()
    return spool


def _nothing_piped() -> UsageError:
    return UsageError(
        "--manifest -: nothing is piped into standard input",
        "Pipe the manifest into it. A batch that has read it to its end goes on without it: "
        "`migrator resume DIR`.",
    )


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A place whose bytes are packed with gzip or zstd, unpacked as they are read."""

    place: Place
    codec: Literal["gzip", "zstd"]

    def __str__(self) -> str:
        return str(self.place)

    def open(self, mode: Literal["rb"], /) -> BinaryIO:
        """The unpacked bytes; not seekable."""
        packed = pa.PythonFile(self.place.open(mode), mode="r")
        return cast("BinaryIO", pa.CompressedInputStream(packed, self.codec))


def fingerprint(place: Place) -> str:
    """The SHA-256 of a file's bytes in hexadecimal, read as a stream; packed ones as they are.

    Of an object in S3 it is over what S3 tells of it, so that it need not be read twice. Raises
    UsageError when the file cannot be read.
    """
    if isinstance(place, Spool | RemoteObject):
        return place.digest()
    if isinstance(place, Path):
        check_regular(place)
    try:
        with place.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    except READ_ERRORS as error:
        raise unreadable(place, error) from error
