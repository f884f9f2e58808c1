"""The tag: how a video on the platform proves which object it is, and which batch made it.

`[mig1:<object>:<batch>]` at the end of the description: 26 base32 characters of the object's
identity (16 bytes) and 13 of the batch (8 bytes), 47 ASCII characters in all. The platform has no
idempotency key; this is what stands in its place.
"""

import re
import secrets
from dataclasses import dataclass

from migrator.model import MAX_DESCRIPTION_UNITS, cut_to_units, utf16_units

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_DIGITS = bytes.maketrans(_ALPHABET.encode(), b"0123456789abcdefghijklmnopqrstuv")
"""Base32 of RFC 4648, in small letters, and the digits that `int` reads for it."""

_TAG = re.compile(r"\[mig1:([a-z2-7]{26}):([a-z2-7]{13})\]")


@dataclass(frozen=True, slots=True)
class Tag:
    """Which object (`model.identity`), and the batch that imported it."""

    object_id: bytes
    batch: str

    def __str__(self) -> str:
        return f"[mig1:{_base32(self.object_id)}:{self.batch}]"


def new_batch_id() -> str:
    """A name for a batch that no other has: 64 random bits as 13 characters."""
    return _base32(secrets.token_bytes(8))


def read_tag(description: str | None) -> Tag | None:
    """The last tag in a description (people may have written behind it), or None."""
    found = _TAG.findall(description or "")
    if not found:
        return None
    object_text, batch = found[-1]
    number = int(object_text.encode().translate(_DIGITS), 32) >> 2  # 130 bits for 128
    return Tag(number.to_bytes(16), batch)


def describe(text: str | None, tag: Tag | None) -> tuple[str | None, bool]:
    """The description to send, and whether the user's text had to be cut for it.

    Text and tag together fit the platform's 511 UTF-16 units; the cut falls between code points.
    """
    text = text or ""
    if tag is None:
        kept = cut_to_units(text, MAX_DESCRIPTION_UNITS)
        return kept or None, kept != text
    mark = str(tag)
    kept = cut_to_units(text, MAX_DESCRIPTION_UNITS - utf16_units(mark) - 1)
    return (f"{kept} {mark}" if kept else mark), kept != text


def _base32(raw: bytes) -> str:
    """Two characters at a time: `base64` takes twice as long, and a tag is made for each POST."""
    bits = len(raw) * 8
    characters = -(-bits // 5)
    pairs = -(-characters // 2)
    number = int.from_bytes(raw) << (pairs * 10 - bits)
    places = range(pairs * 10 - 10, -1, -10)
    return "".join([_PAIRS[number >> place & 1023] for place in places])[:characters]
