"""A Parquet manifest: texts exact to the byte, other columns written out as text."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from migrator.errors import UsageError
from migrator.manifest.header import NEEDED, NO_RENAMES, TEXT_COLUMNS, columns_of, renamed
from migrator.manifest.places import Place
from migrator.manifest.screening import rows_of
from migrator.manifest.unusable import READ_ERRORS, no_rows, shown, shown_path, unreadable
from migrator.model import Columns, InvalidRow, ManifestRow

BATCH_ROWS = 16_384
"""Rows decoded at a time, which bounds memory."""

BUFFER_BYTES = 2**20
"""A column is read in pieces of this size. Without it Arrow reads whole column chunks, and a row
group may be the whole file."""


class ParquetManifest:
    """The rows of a Parquet file; see `opening.ManifestReader`.

    Raises UsageError when the file cannot be read, lacks a column or has it in another type than
    text, or holds no row and has to.
    """

    def __init__(
        self,
        place: Place,
        renames: Mapping[str, str] = NO_RENAMES,
        *,
        batch_rows: int = BATCH_ROWS,
        may_be_empty: bool = False,
    ) -> None:
        self._place = place
        self._batch_rows = batch_rows
        try:
            with pq.ParquetFile(arrow_source(place)) as file:
                schema, self.row_count = file.schema_arrow, int(file.metadata.num_rows)
        except READ_ERRORS as error:
            raise unreadable(place, error) from error
        self.columns: Columns = columns_of(place, renamed(place, schema.names, renames))
        self._refuse_types(schema)
        if self.row_count == 0 and not may_be_empty:
            raise no_rows(place, "the table is empty")

    def batches(self, first_row: int = 1) -> Iterator[list[ManifestRow | InvalidRow]]:
        """The rows from `first_row` on, in order, at most `BATCH_ROWS` at a time.

        Raises UsageError that names the row from which on the file cannot be read.
        """
        row = 1
        try:
            with pq.ParquetFile(arrow_source(self._place), buffer_size=BUFFER_BYTES) as file:
                groups = list(range(file.metadata.num_row_groups))
                while groups and row + file.metadata.row_group(groups[0]).num_rows <= first_row:
                    row += file.metadata.row_group(groups.pop(0)).num_rows
                for batch in file.iter_batches(self._batch_rows, groups, use_threads=False):
                    start = min(max(first_row - row, 0), batch.num_rows)
                    wanted = batch.slice(start)
                    numbers = range(row + start, row + batch.num_rows)
                    if numbers:
                        yield rows_of(self.columns, numbers, [as_text(a) for a in wanted.columns])
                    row += batch.num_rows
        except READ_ERRORS as error:
            raise unreadable(self._place, error, row) from error

    def _refuse_types(self, schema: pa.Schema) -> None:
        for name, field in zip(self.columns.header, schema, strict=True):
            # Writers give an empty column the type null.
            is_empty = pt.is_null(field.type) and name not in NEEDED
            if name not in TEXT_COLUMNS or is_empty:
                continue
            if not _is_text(field.type) and not _is_uuid(field.type):
                raise UsageError(
                    f"{shown_path(self._place)}: column {name} is stored as "
                    f"{shown(str(field.type))} and must be text",
                    "Write the column as text. As numbers, leading zeros are lost already.",
                )


def arrow_source(place: Place) -> Any:
    """What Arrow reads from: a file by itself, anything else through Python."""
    return place if isinstance(place, Path) else pa.PythonFile(place.open("rb"), mode="r")


def as_text(array: pa.Array) -> pa.Array:
    """Any column as text: binary where it may not be UTF-8, else string. Null stays null.

    Numbers, times and booleans are written as Arrow casts them, nested values as JSON.
    """
    array = _unwrapped(array)
    kind = array.type
    if _is_text(kind) or pt.is_fixed_size_binary(kind):
        return array.cast(pa.binary())
    if pt.is_nested(kind):
        return pa.array([_as_json(value) for value in array.to_pylist()], pa.string())
    try:
        return array.cast(pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        # The few types Arrow does not write, such as UUIDs and calendar intervals.
        texts = [None if value is None else str(value) for value in array.to_pylist()]
        return pa.array(texts, pa.string())


def _unwrapped(array: pa.Array) -> pa.Array:
    """The plain values beneath dictionaries, runs and extension types that only add a meaning."""
    kind = array.type
    if pt.is_dictionary(kind):
        return _unwrapped(array.dictionary_decode())
    if pt.is_run_end_encoded(kind):
        return _unwrapped(pc.run_end_decode(array))
    if isinstance(kind, pa.BaseExtensionType) and not _is_uuid(kind):
        return _unwrapped(array.storage)
    return array


def _as_json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _is_text(kind: pa.DataType) -> bool:
    if pt.is_dictionary(kind):
        return _is_text(kind.value_type)
    return any(
        is_kind(kind)
        for is_kind in (
            pt.is_string,
            pt.is_large_string,
            pt.is_string_view,
            pt.is_binary,
            pt.is_large_binary,
            pt.is_binary_view,
        )
    )


def _is_uuid(kind: pa.DataType) -> bool:
    return getattr(kind, "extension_name", None) == "arrow.uuid"
