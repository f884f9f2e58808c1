"""The bytes of a CSV file on their way to Arrow's parser, with two things made visible.

Arrow's parser is fast, and silent on two counts. It has no way to say that the file ended inside
an open quote, which swallows every row after it. And it hands ragged rows over as text, which ends
the whole reading when one of them is not UTF-8. So a *sentinel* record follows the last byte, which
an open quote would swallow too; and each byte that is not UTF-8 is written as a *mark* with its
two hex digits, and turned back later. Both carry a token that no file can contain by chance.
"""

import codecs
import re
from typing import BinaryIO

UNDECODABLE = re.compile("[\udc80-\udcff]")
"""A byte that is not UTF-8, as `surrogateescape` writes it."""


class MarkedText:
    """A readable file, for `pyarrow.PythonFile`, of valid UTF-8 that ends with the sentinel.

    `damaged` becomes true when a byte that is not UTF-8 has been met. Arrow reads ahead in a
    thread of its own, so it may be true before the batch concerned is seen, never after.
    """

    def __init__(self, file: BinaryIO, token: str) -> None:
        self.sentinel = f"{token}.end"
        self.mark = f"{token}.byte."
        self.damaged = False
        self.closed = False
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._marked = re.compile(re.escape(self.mark) + "([89a-f][0-9a-f])")
        self._ready = b""
        self._ended = False

    def read(self, size: int = -1) -> bytes:
        """`size` bytes, fewer only at the end. Raises OSError as the file does.

        Arrow takes each answer for a block, and a record must not reach over three of them.
        """
        while len(self._ready) < size and not self._ended:
            chunk = self._file.read(size)
            held_back = self._ready or self._decoder.getstate()[0]
            if len(chunk) == size and chunk.isascii() and not held_back:
                return chunk  # Nearly all chunks of nearly all files: not copied.
            text = self._decoder.decode(chunk, final=not chunk)
            if not chunk:
                text += f"\n{self.sentinel}\n"
                self._ended = True
            self._ready += self._encode(text)
        part, self._ready = self._ready[:size], self._ready[size:]
        return part

    def restore(self, text: str) -> str:
        """`text` with lone surrogates (`surrogateescape`) where the marks stand."""
        return self._marked.sub(lambda found: chr(0xDC00 + int(found[1], 16)), text)

    def _encode(self, text: str) -> bytes:
        try:
            return text.encode()
        except UnicodeEncodeError:
            self.damaged = True
            return UNDECODABLE.sub(
                lambda found: f"{self.mark}{ord(found[0]) - 0xDC00:02x}", text
            ).encode()

    def readable(self) -> bool:
        """Yes."""
        return True

    def writable(self) -> bool:
        """No."""
        return False

    def seekable(self) -> bool:
        """No: it is read once, from the start."""
        return False

    def close(self) -> None:
        """Mark as closed; the file beneath belongs to whoever opened it."""
        self.closed = True
