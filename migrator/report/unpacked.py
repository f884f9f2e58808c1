"""Columns of packed ids and hashes (`checkpoint/packing.py`) as texts, a chunk at once.

They are the texts that `unpack_id` and `unpack_etag` answer, byte for byte (a test compares them).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from migrator.checkpoint.packing import MD5_BYTES, PART_BYTES, Packed, unpack_etag, unpack_id
from migrator.report.columnar import TEXT, spread, texts

_UUID_CHARACTERS = 36
_HYPHENS = (8, 13, 18, 23)
_ETAG_BYTES = MD5_BYTES + PART_BYTES


def ids(stored: Sequence[Packed]) -> Any:
    """The ids as an Arrow array of texts."""
    kinds = set(map(type, stored))
    if bytes not in kinds:
        return pa.array(stored, TEXT)
    if str in kinds:
        return pa.array([unpack_id(each) for each in stored], TEXT)
    digits = _hexadecimal(b"".join(filter(None, stored)), 2 * MD5_BYTES)  # type: ignore[arg-type] # no text
    rows = np.full((len(digits), _UUID_CHARACTERS), ord("-"), np.uint8)
    rows[:, [place for place in range(_UUID_CHARACTERS) if place not in _HYPHENS]] = digits
    return spread(texts(rows), _there(stored))


def etags(stored: Sequence[Packed]) -> Any:
    """The ETags as an Arrow array of texts."""
    kinds = set(map(type, stored))
    if bytes not in kinds:
        return pa.array(stored, TEXT)
    if str in kinds:
        return pa.array([unpack_etag(each) for each in stored], TEXT)
    full = b"".join([each.ljust(_ETAG_BYTES, b"\0") for each in stored if isinstance(each, bytes)])
    rows = np.frombuffer(full, np.uint8).reshape(-1, _ETAG_BYTES)
    md5s = texts(_hexadecimal(rows[:, :MD5_BYTES].tobytes(), 2 * MD5_BYTES))
    parts = rows[:, MD5_BYTES:].astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    if parts.any():  # no ETag tells of no parts
        counts = pa.array(parts, mask=parts == 0).cast(TEXT)
        md5s = pc.coalesce(pc.binary_join_element_wise(md5s, counts, "-"), md5s)
    return spread(md5s, _there(stored))


def _hexadecimal(raw: bytes, width: int) -> NDArray[np.uint8]:
    return np.frombuffer(raw.hex().encode(), np.uint8).reshape(-1, width)


def _there(stored: Sequence[Packed]) -> NDArray[np.bool_]:
    return np.array([each is not None for each in stored])
