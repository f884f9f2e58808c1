"""A listing in Parquet: the manifest that `migrator list` writes, and the part of a cluster's.

Columns are made of buffers: to be handed a Python value, by `pa.array` and `pa.scalar` alike, Arrow
imports pandas, in case it is one of its own. That took a seventh of all that `migrator list` does.
"""

from collections.abc import Iterator, Sequence, Sized
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from migrator.source.listing import COLUMNS
from migrator.source.pages import ListPage

GROUP_ROWS = 16_384
"""Rows in one row group of a Parquet file, and in memory at a time."""

PAGE_ROWS = 4_096
"""Objects in a page that is read back."""

_TYPES = (pa.string(), pa.string(), pa.int64(), pa.string(), pa.timestamp("ms", tz="UTC"),
          pa.string())  # fmt: skip

_SHARED = ("bucket", "storage_class")
"""Columns of few different values: to look for equal ones in the others takes time and room."""


class ListingWriter:
    """Writes Parquet, a row group at a time."""

    def __init__(self, stream: BinaryIO) -> None:
        self._schema = pa.schema(zip(COLUMNS, _TYPES, strict=True))
        self._writer = pq.ParquetWriter(
            stream, self._schema, compression="zstd", use_dictionary=list(_SHARED)
        )
        self._columns: list[list[Any]] = [[] for _ in COLUMNS]

    def add(self, bucket: str, page: ListPage) -> None:
        """Write the objects of a page, once there are enough for a row group."""
        told = (page.keys, page.sizes, page.etags, page.modified_ms, page.storage_classes)
        for column, values in zip(self._columns, ([bucket] * len(page.keys), *told), strict=True):
            column.extend(values)
        if len(self._columns[0]) >= GROUP_ROWS:
            self._write()

    def close(self) -> None:
        """Write what is left, and the footer."""
        if self._columns[0]:
            self._write()
        self._writer.close()

    def _write(self) -> None:
        arrays = [
            (_texts if kind == pa.string() else _numbers)(values, kind)
            for values, kind in zip(self._columns, _TYPES, strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        for column in self._columns:
            column.clear()


def _texts(values: Sequence[str | None], kind: pa.DataType) -> Any:
    there = _there(values)
    texts = [value or "" for value in values]
    data = "".join(texts)
    parts: Sequence[Sized] = texts if data.isascii() else [text.encode() for text in texts]
    ends = np.zeros(len(parts) + 1, np.int32)
    np.fromiter(map(len, parts), np.int32, len(parts)).cumsum(out=ends[1:])
    return pa.Array.from_buffers(
        kind, len(parts), [there, pa.py_buffer(ends), pa.py_buffer(data.encode())]
    )


def _numbers(values: Sequence[int | None], kind: pa.DataType) -> Any:
    there = _there(values)
    known = values if there is None else [value or 0 for value in values]
    data = pa.py_buffer(np.array(known, np.int64))
    return pa.Array.from_buffers(kind, len(values), [there, data])


def _there(values: Sequence[object]) -> pa.Buffer | None:
    """A bit for each value, whether there is one; None where all are there."""
    if None not in values:
        return None
    bits = np.packbits([value is not None for value in values], bitorder="little")
    return pa.py_buffer(bits)


def listed_pages(file: BinaryIO) -> Iterator[ListPage]:
    """The pages of a listing that `ListingWriter` has written; none is empty.

    Raises pyarrow's errors for what is no such file.
    """
    for batch in pq.ParquetFile(file).iter_batches(PAGE_ROWS, columns=list(COLUMNS[1:])):
        keys, sizes, etags, moments, classes = batch.columns
        if batch.num_rows:
            yield ListPage(
                keys.to_pylist(), sizes.to_pylist(), etags.to_pylist(),
                moments.cast(pa.int64()).to_pylist(), classes.to_pylist(),
            )  # fmt: skip
