"""`objects.parquet` and `objects.csv`: one line for each row of the manifest, in row order.

Both are made from the same typed chunks. Parquet is exact. The CSV file is for spreadsheets: a
text cell or header that a spreadsheet would run as a formula is written with a single quote before
it; whoever needs the exact text reads the Parquet file.
"""

import csv
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, BinaryIO, Self

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from migrator.checkpoint.values import Source
from migrator.model import Outcome
from migrator.report.cells import Layout
from migrator.report.chunk import Chunk
from migrator.report.columnar import TEXT, TIME
from migrator.report.columns import ABOUT, CLIP_COLUMNS, COLUMNS, IDS
from migrator.report.csv_text import RUN_BY_SPREADSHEETS, csv_lines
from migrator.report.files import LINE_END, CsvSink
from migrator.report.reconcile import SCOPES
from migrator.report.sideline import Sideline
from migrator.report.words import iso_utc
from migrator.settings import ReportScope

CHUNK_ROWS = 4_000
"""Rows held in memory at a time, and in one row group of the Parquet file."""

SCHEMA = "migrator.objects/1"

Clips = Callable[[int, int], Mapping[int, tuple[str | None, str]]]
"""(clip id, state) by row, of the rows from one to another."""


class ObjectTables:
    """Writes both tables chunk by chunk, each in a thread of its own: Arrow needs no Python there.

    Use as a context manager; `finish` ends the tables. `csv_rows` and `outcomes` count what was
    written, for the reconciliation.
    """

    def __init__(
        self,
        parquet: BinaryIO,
        csv_file: BinaryIO,
        sources: Sequence[Source],
        batch: str,
        scope: ReportScope,
        clips: Clips | None = None,
    ) -> None:
        """`clips` tells of the clips of rows, where they are wanted."""
        self._clips = clips
        ours = [column.name for column in COLUMNS]
        further = [name for name, _ in CLIP_COLUMNS] if clips is not None else []
        ours += further
        self._layout = Layout.of(sources, ours)
        fields = [
            pa.field(column.name, column.type, metadata={"about": ABOUT[column.name]})
            for column in COLUMNS
        ]
        fields += [pa.field(name, TEXT, metadata={"about": ABOUT[name]}) for name in further]
        fields += [pa.field(name, TEXT) for name in self._layout.names]
        about = {"schema": SCHEMA, "batch": batch, "scope": scope}
        self._schema = pa.schema(fields, metadata=about)
        self._outcomes = SCOPES[scope]
        by_row = pq.SortingColumn(ours.index("Row"))
        self._parquet = pq.ParquetWriter(
            parquet, self._schema, compression="zstd", sorting_columns=[by_row]
        )
        self._sink = CsvSink(csv_file)
        header = defused_names(self._schema.names)
        csv.writer(self._sink, lineterminator=LINE_END).writerow(header)
        self.outcomes: Counter[Outcome] = Counter()
        self._stack = ExitStack()
        self._stack.callback(self._parquet.close)
        self._beside_parquet, self._beside_csv = (
            self._stack.enter_context(Sideline()) for _ in range(2)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    @property
    def csv_rows(self) -> int:
        """Rows in the CSV file so far."""
        return self._sink.lines - 1

    def append(self, chunk: Chunk) -> None:
        """Write one chunk to both tables, as far as it is in the scope."""
        wanted = chunk.within(self._outcomes)
        if wanted is None:
            return
        arrays = [column.values(wanted) for column in COLUMNS]
        if self._clips is not None:
            rows = wanted.values("row")
            told = self._clips(rows[0], rows[-1])
            found = [told.get(row, (None, None)) for row in rows]
            arrays += [pa.array([each[at] for each in found], TEXT) for _, at in CLIP_COLUMNS]
        arrays += [pa.array(cells, TEXT) for cells in self._layout.columns_of(wanted)]
        table = pa.Table.from_arrays(arrays, schema=self._schema)
        self._beside_parquet.put(lambda: self._parquet.write_table(table))
        self._beside_csv.put(lambda: self._sink.write_lines(csv_lines(table), table.num_rows))
        for found in pc.value_counts(table["Outcome"]).to_pylist():
            self.outcomes[Outcome(found["values"])] += found["counts"]

    def finish(self) -> None:
        """Write what is left, and the footer of the Parquet file."""
        self._beside_parquet.drain()
        self._beside_csv.drain()
        self._parquet.close()


def for_spreadsheet(frame: pd.DataFrame, schema: Any) -> pd.DataFrame:
    """The same rows as text that a spreadsheet shows and does not run.

    Times are ISO 8601 in UTC, several video ids stand in one cell with blanks between them.
    """
    shown: dict[str, Any] = {}
    for field in schema:
        column = frame[field.name]
        if field.type == TEXT:
            shown[field.name] = _defused(column)
        elif field.type == TIME:
            shown[field.name] = [
                None if ms is None else iso_utc(ms)
                for ms in pa.array(column).cast(pa.int64()).to_pylist()
            ]
        elif field.type == IDS:
            shown[field.name] = [
                None if ids is None else " ".join(ids) for ids in pa.array(column).to_pylist()
            ]
        elif field.type == pa.bool_():
            shown[field.name] = ["true" if yes else "false" for yes in column]
        else:
            shown[field.name] = column
    return pd.DataFrame(shown)


def _defused(column: "pd.Series[str]") -> "pd.Series[str]":
    risky = pc.match_substring_regex(pa.array(column), RUN_BY_SPREADSHEETS).fill_null(
        fill_value=False
    )
    if not pc.any(risky).as_py():
        return column
    return column.mask(pd.Series(risky.to_numpy(zero_copy_only=False)), "'" + column)


def defused_names(names: list[str]) -> list[str]:
    """The names of columns as `for_spreadsheet` writes texts."""
    risky = pc.match_substring_regex(pa.array(names), RUN_BY_SPREADSHEETS).to_pylist()
    return [f"'{name}" if runs else name for name, runs in zip(names, risky, strict=True)]
