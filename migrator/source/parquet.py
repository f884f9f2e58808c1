"""A listing in Parquet: the manifest that `migrator list` writes, and the part of a cluster's."""

from collections.abc import Iterator
from typing import BinaryIO

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


class ListingWriter:
    """Writes Parquet, a row group at a time."""

    def __init__(self, stream: BinaryIO) -> None:
        self._schema = pa.schema(zip(COLUMNS, _TYPES, strict=True))
        self._writer = pq.ParquetWriter(stream, self._schema, compression="zstd")
        self._columns: list[list[object]] = [[] for _ in COLUMNS]

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
            pa.array(values, kind) for values, kind in zip(self._columns, _TYPES, strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        for column in self._columns:
            column.clear()


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
