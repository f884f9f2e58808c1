"""Files that are there whole or not at all, and the CSV dialect of the tables."""

import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self


class AtomicFile:
    """A file written under a temporary name in its own directory, mode 0600.

    `publish` makes it durable and gives it its name; leaving the block without that removes it, so
    that an interrupted report leaves the earlier one in place.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._temporary = path.with_name(f".{path.name}.tmp")
        self._temporary.unlink(missing_ok=True)  # what a killed report left behind
        descriptor = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self.stream: BinaryIO = os.fdopen(descriptor, "wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stream.close()  # what is left in its buffer may find no room
        finally:
            self._temporary.unlink(missing_ok=True)

    def publish(self) -> str:
        """Sync, rename, sync the directory; answers the SHA-256 of what is on disk."""
        self.stream.flush()
        os.fsync(self.stream.fileno())
        self.stream.close()
        with self._temporary.open("rb") as written:
            digest = hashlib.file_digest(written, "sha256").hexdigest()
        self._temporary.replace(self.path)
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        return digest


def publish_bytes(path: Path, content: bytes) -> str:
    """Write a small file whole; answers its SHA-256."""
    with AtomicFile(path) as file:
        file.stream.write(content)
        return file.publish()


LINE_END = "\r\n"
r"""What `csv.writer` must be given to write into a `CsvSink`.

Before Python 3.13 it quotes a carriage return only when that is part of its line terminator, and a
key may hold one. The sink puts the plain `\n` in place of it.
"""


class CsvSink:
    r"""Where a `csv.writer` with `LINE_END` writes: UTF-8, `\n` line ends, lines counted.

    The writer calls `write` once for each line. Lone surrogates become the bytes that they stand
    for (`original_bytes`).
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.lines = 0

    def write(self, line: str) -> int:
        """Take one line; answers its length in characters, as a text file does."""
        self.lines += 1
        self._stream.write(original_bytes(line.removesuffix(LINE_END)) + b"\n")
        return len(line)


def original_bytes(text: str) -> bytes:
    """The bytes that were read: a surrogate that `surrogateescape` made becomes its byte again.

    Any other lone surrogate (JSON can spell one) has no bytes of its own; it is written in a form
    that is not UTF-8 either, so that the row stays as invalid as it was.
    """
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")
