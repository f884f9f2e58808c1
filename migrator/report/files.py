"""The CSV dialect of the tables, and small files written whole."""

from pathlib import Path
from typing import BinaryIO

from migrator.atomic import AtomicFile


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

    def write_lines(self, text: bytes, count: int) -> None:
        r"""Take `count` lines in UTF-8, each with its `\n`."""
        self.lines += count
        self._stream.write(text)


def original_bytes(text: str) -> bytes:
    """The bytes that were read: a surrogate that `surrogateescape` made becomes its byte again.

    Any other lone surrogate (JSON can spell one) has no bytes of its own; it is written in a form
    that is not UTF-8 either, so that the row stays as invalid as it was.
    """
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")
