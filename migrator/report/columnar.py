"""Columns of texts as bytes: what Arrow has no kernel for, done for a whole chunk at once."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

TEXT = pa.string()
TIME = pa.timestamp("ms", tz="UTC")

_DAY_MS = 86_400_000
_YEAR_10000_MS = 253_402_300_800_000


def texts(rows: NDArray[np.uint8]) -> Any:
    """An Arrow array of texts of one width: each row of bytes is one, in UTF-8."""
    count, width = rows.shape
    offsets = np.arange(count + 1, dtype=np.int32) * width
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(rows.tobytes()))


def spread(found: Any, there: NDArray[np.bool_]) -> Any:
    """The values of `found` at the places that are `there`, in order, and nulls at the others."""
    if len(found) == len(there):
        return found
    return found.take(pa.array(there.cumsum() - 1, pa.int32(), mask=~there))


def times(column: Any) -> Any:
    """Times (TIME) as ISO 8601 in UTC, `2025-03-01T12:00:00.000Z`."""
    there = column.is_valid().to_numpy(zero_copy_only=False)
    ms = column.cast(pa.int64()).drop_null().to_numpy()
    if len(ms) and not 0 <= ms.min() <= ms.max() < _YEAR_10000_MS:
        found = column.cast(TEXT).to_pylist()  # `2025-03-01 12:00:00.000Z`
        return pa.array([each and each.replace(" ", "T", 1) for each in found], TEXT)
    days, rest = np.divmod(ms, _DAY_MS)
    different, places = np.unique(days, return_inverse=True)
    dates = different.astype("datetime64[D]").astype("S10").view(np.uint8).reshape(-1, 10)
    rows = np.empty((len(ms), 24), np.uint8)
    rows[:, :10] = dates[places]
    rows[:, 10:] = np.frombuffer(b"T00:00:00.000Z", np.uint8)
    for begin, end, unit_ms in ((11, 13, 3_600_000), (14, 16, 60_000), (17, 19, 1000), (20, 23, 1)):
        number, rest = np.divmod(rest, unit_ms)
        for place in reversed(range(begin, end)):
            number, digit = np.divmod(number, 10)
            rows[:, place] += digit.astype(np.uint8)
    return spread(texts(rows), there)


def first_bytes(column: Any) -> NDArray[np.uint8]:
    """The first byte of each text that is not empty."""
    offsets, data = _buffers(column)
    return data[offsets[:-1][np.diff(offsets) > 0]]


def all_bytes(column: Any) -> bytes:
    """All texts of the column in a row."""
    offsets, data = _buffers(column)
    return data[offsets[0] : offsets[-1]].tobytes()


def _buffers(column: Any) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    _, offsets, data = column.buffers()
    numbers = np.frombuffer(offsets, np.int32, len(column) + 1, 4 * column.offset)
    return numbers, np.frombuffer(data or b"", np.uint8)
