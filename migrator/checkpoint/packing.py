"""Ids and hashes as the checkpoint stores them: as bytes where nothing of their text is lost.

A UUID is 36 characters and 16 bytes, and stands in the table and in an index; an ETag is mostly the
text of an MD5. What is written in any other way (capitals, quotes, another form) stays the text
that it is: what comes out is what went in, to the character.
"""

import re

Packed = str | bytes | None
"""How an id or a hash is stored: bytes where it could be packed, else its text."""

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_ETAG = re.compile(r"([0-9a-f]{32})(?:-([1-9][0-9]{0,4}))?", re.ASCII)
"""An MD5, or that of the MD5s of so many parts: at most 10,000 on S3."""

MD5_BYTES, PART_BYTES = 16, 3
"""Of a packed ETag: its MD5, and the number of parts where it tells one."""


def pack_id(text: str | None) -> Packed:
    """An id of the platform as it is stored."""
    if text is None or _UUID.fullmatch(text) is None:
        return text
    return bytes.fromhex(text.replace("-", ""))


def unpack_id(stored: Packed) -> str | None:
    """The id that `pack_id` was given."""
    if not isinstance(stored, bytes):
        return stored
    text = stored.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def pack_etag(text: str | None) -> Packed:
    """An ETag as it is stored: the MD5, and in three bytes the number of parts that it tells."""
    found = None if text is None else _ETAG.fullmatch(text)
    if found is None:
        return text
    md5, parts = found.groups()
    return bytes.fromhex(md5) + (int(parts).to_bytes(PART_BYTES, "big") if parts else b"")


def unpack_etag(stored: Packed) -> str | None:
    """The ETag that `pack_etag` was given."""
    if not isinstance(stored, bytes):
        return stored
    md5, parts = stored[:MD5_BYTES].hex(), stored[MD5_BYTES:]
    return f"{md5}-{int.from_bytes(parts, 'big')}" if parts else md5
