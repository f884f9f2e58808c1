"""`objects.parquet` and `objects.csv`: one line for each row of the manifest.

Both are made from the same typed chunks. Parquet is exact. The CSV file is for spreadsheets: a
text cell or header that a spreadsheet would run as a formula is written with a single quote before
it; whoever needs the exact text reads the Parquet file.
"""

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, NamedTuple

import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from migrator.checkpoint.change import Transfer
from migrator.checkpoint.values import Source
from migrator.model import Outcome
from migrator.report.cells import Layout
from migrator.report.files import LINE_END, CsvSink
from migrator.report.reconcile import Verdict
from migrator.report.words import escaped, iso_utc

CHUNK_ROWS = 4_000
"""Rows held in memory at a time, and in one row group of the Parquet file."""

SCHEMA = "migrator.objects/1"

RUN_BY_SPREADSHEETS = (
    r"\A([\t\r\n]|[\p{Z}\p{Cc}\p{Cf}\"'\x{2018}-\x{201f}]*"
    r"[-=+@\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}\x{fe62}\x{fe63}\x{fe66}\x{fe6b}])"
)
"""What makes a cell a formula (in RE2's syntax): `= + - @`, also in their full and small widths.

Blanks, quotes and characters that show nothing may stand before them, since a program that reads
the file may drop those first (OWASP, "CSV Injection").
"""

TASK_STATUS = {
    Outcome.IMPORTED: "succeeded",
    Outcome.REJECTED: "failed",
    Outcome.MISSING: "failed",
    Outcome.FAILED: "failed",
    Outcome.SKIPPED: "skipped",
    Outcome.UNFINISHED: "unfinished",
}
"""The word of an S3 Batch completion report for each outcome."""


class Column(NamedTuple):
    """A column of ours: its name, its Arrow type, and where its value comes from."""

    name: str
    type: Any
    value: Callable[[Transfer, Verdict], object]


_TEXT = pa.string()
_TIME = pa.timestamp("ms", tz="UTC")
_IDS = pa.list_(pa.string())
_ids = msgspec.json.Decoder(list[str])


def _duplicates(transfer: Transfer, _: Verdict) -> list[str] | None:
    found = _ids.decode(transfer.duplicate_video_ids) if transfer.duplicate_video_ids else []
    return found or None


COLUMNS = (
    # The columns of an S3 Batch completion report come first and keep their names.
    Column("Bucket", _TEXT, lambda t, _: t.bucket),
    Column("Key", _TEXT, lambda t, _: t.key),
    Column("VersionId", _TEXT, lambda t, _: t.version_id),
    Column("TaskStatus", _TEXT, lambda _, v: TASK_STATUS[v[0]]),
    Column("ErrorCode", _TEXT, lambda t, _: t.error_code),
    Column("HTTPStatusCode", pa.int32(), lambda t, _: t.http_status),
    Column("ResultMessage", _TEXT, lambda t, _: t.message),
    Column("Outcome", _TEXT, lambda _, v: v[0].value),
    Column("Reason", _TEXT, lambda _, v: None if v[1] is None else v[1].value),
    Column("VideoId", _TEXT, lambda t, _: t.video_id),
    Column("SizeBytes", pa.int64(), lambda t, _: t.size_bytes),
    Column("Row", pa.int64(), lambda t, _: t.row),
    Column("DecidedBy", _TEXT, lambda t, _: t.decided_by),
    Column("LearnedBy", _TEXT, lambda t, _: t.learned_by),
    Column("Adopted", pa.bool_(), lambda t, _: bool(t.adopted)),
    Column("DuplicateVideoIds", _IDS, _duplicates),
    Column("ETag", _TEXT, lambda t, _: t.etag),
    Column("LastModified", _TIME, lambda t, _: t.last_modified_ms),
    Column("Attempts", pa.int32(), lambda t, _: t.attempts),
    Column("Restarts", pa.int32(), lambda t, _: t.restarts),
    Column("SubmittedAt", _TIME, lambda t, _: t.submitted_ms),
    Column("FinishedAt", _TIME, lambda t, _: t.finished_ms),
)


class ObjectTables:
    """Writes both tables chunk by chunk; `close` ends the Parquet file.

    `csv_rows`, `parquet_rows` and `outcomes` count what was written, for the reconciliation.
    """

    def __init__(
        self, parquet: BinaryIO, csv_file: BinaryIO, sources: Sequence[Source], batch: str
    ) -> None:
        ours = [column.name for column in COLUMNS]
        self._layout = Layout.of(sources, ours)
        fields = [pa.field(column.name, column.type) for column in COLUMNS]
        fields += [pa.field(name, _TEXT) for name in self._layout.names]
        self._schema = pa.schema(fields, metadata={"schema": SCHEMA, "batch": batch})
        self._parquet = pq.ParquetWriter(parquet, self._schema, compression="zstd")
        self._sink = CsvSink(csv_file)
        header = _defused_names(self._schema.names)
        csv.writer(self._sink, lineterminator=LINE_END).writerow(header)
        self.parquet_rows = 0
        self.outcomes: Counter[Outcome] = Counter()

    @property
    def csv_rows(self) -> int:
        """Rows in the CSV file so far."""
        return self._sink.lines - 1

    def append(self, transfers: Sequence[Transfer], verdicts: Sequence[Verdict]) -> None:
        """Write one chunk to both tables."""
        table = self._table(transfers, verdicts)
        self._parquet.write_table(table)
        self.parquet_rows += table.num_rows
        frame = table.to_pandas(types_mapper=pd.ArrowDtype)
        for outcome, rows in frame["Outcome"].value_counts().items():
            self.outcomes[Outcome(str(outcome))] += int(rows)
        for_spreadsheet(frame, self._schema).to_csv(
            self._sink,  # type: ignore[call-overload]  # of a file, pandas asks only `write`
            header=False,
            index=False,
            lineterminator=LINE_END,
        )

    def close(self) -> None:
        """Write the footer of the Parquet file; once, however often it is called."""
        self._parquet.close()

    def _table(self, transfers: Sequence[Transfer], verdicts: Sequence[Verdict]) -> Any:
        pairs = list(zip(transfers, verdicts, strict=True))
        values = [[column.value(t, v) for t, v in pairs] for column in COLUMNS]
        manifest = [self._layout.row(transfer) for transfer in transfers]
        values += [
            [escaped(cells[i]) for cells in manifest] for i in range(len(self._layout.names))
        ]
        arrays = [
            pa.array(cells, field.type) for cells, field in zip(values, self._schema, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=self._schema)


def for_spreadsheet(frame: pd.DataFrame, schema: Any) -> pd.DataFrame:
    """The same rows as text that a spreadsheet shows and does not run.

    Times are ISO 8601 in UTC, several video ids stand in one cell with blanks between them.
    """
    shown: dict[str, Any] = {}
    for field in schema:
        column = frame[field.name]
        if field.type == _TEXT:
            shown[field.name] = _defused(column)
        elif field.type == _TIME:
            shown[field.name] = [
                None if ms is None else iso_utc(ms)
                for ms in pa.array(column).cast(pa.int64()).to_pylist()
            ]
        elif field.type == _IDS:
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


def _defused_names(names: list[str]) -> list[str]:
    risky = pc.match_substring_regex(pa.array(names), RUN_BY_SPREADSHEETS).to_pylist()
    return [f"'{name}" if runs else name for name, runs in zip(names, risky, strict=True)]
