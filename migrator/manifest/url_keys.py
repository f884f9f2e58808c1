"""Keys that are URL-encoded, as in the CSV files of Amazon S3, back to the bytes of the object."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from urllib.parse import unquote_to_bytes

import pyarrow as pa
import pyarrow.compute as pc

from migrator.manifest.screening import rows_of
from migrator.model import Columns, InvalidRow, ManifestRow

_ENCODED = "[%+]"

_STRAY_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")

NOT_ENCODED = "a % that two hex digits do not follow: this key is not URL-encoded"


def decoded(key: bytes) -> bytes | None:
    """The key that `key` stands for: `%2F` a byte, `+` a blank. None where it is no URL encoding.

    S3 writes a blank as `+` or `%20` and a plus always as `%2B`.
    """
    if _STRAY_PERCENT.search(key):
        return None
    return unquote_to_bytes(key.replace(b"+", b" "))


def decoded_rows(
    columns: Columns, numbers: Sequence[int], arrays: Sequence[pa.Array]
) -> list[ManifestRow | InvalidRow]:
    """Like `screening.rows_of`, of columns whose key is URL-encoded."""
    encoded = arrays[columns.key].cast(pa.binary())
    if not pc.any(pc.match_substring_regex(encoded, _ENCODED)).as_py():
        return rows_of(columns, numbers, arrays)
    told = encoded.to_pylist()
    keys = [None if key is None else decoded(key) for key in told]
    strays = [place for place, key in enumerate(keys) if key is None and told[place] is not None]
    for place in strays:
        keys[place] = told[place]
    rows = rows_of(columns, numbers, _with(arrays, columns.key, pa.array(keys, pa.binary())))
    for place in strays:
        rows[place] = _not_encoded(rows[place], columns)
    return rows


def _with(arrays: Sequence[pa.Array], place: int, array: pa.Array) -> list[pa.Array]:
    return [array if index == place else each for index, each in enumerate(arrays)]


def _not_encoded(row: ManifestRow | InvalidRow, columns: Columns) -> InvalidRow:
    if isinstance(row, InvalidRow):
        return replace(row, column="key", problem=NOT_ENCODED)
    cells: list[str | None] = [None] * len(columns.header)
    cells[columns.bucket], cells[columns.key] = row.bucket, row.key
    if columns.version_id is not None:
        cells[columns.version_id] = row.version_id
    for index, cell in zip(columns.other, row.cells, strict=True):
        cells[index] = cell
    return InvalidRow(row.row, "key", NOT_ENCODED, tuple(cells), row.bucket, row.key)


RowsOf = Callable[[Columns, Sequence[int], Sequence[pa.Array]], list[ManifestRow | InvalidRow]]
"""What makes rows of columns, as `screening.rows_of` and `decoded_rows` do."""
