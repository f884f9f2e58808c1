"""`verify.csv`, `verify.parquet`: one line for everything that drifted; and each kind in words."""

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, BinaryIO, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from migrator.engine.decide.drift import Drift, Finding
from migrator.report.columnar import TEXT, TIME
from migrator.report.files import LINE_END, CsvSink
from migrator.report.reconcile import outcome_of
from migrator.report.tables import CHUNK_ROWS, defused_names, for_spreadsheet
from migrator.report.words import escaped, shortened

SCHEMA = "migrator.drift/1"

EXAMPLES = 100
"""Findings of each kind that the page shows; the tables hold them all."""

LONGEST_TEXT = 1_200
"""Characters of one text on the page: a whole key fits."""

TITLE: dict[Drift, str] = {
    Drift.DELETED: "Deleted on the platform",
    Drift.NOT_DONE: "Copies that are not done",
    Drift.SIZE_DIFFERS: "Sizes that differ",
    Drift.INGESTION_FAILED: "Ingestion failed",
    Drift.UNREPORTED: "Videos of rows that have none",
    Drift.DUPLICATE_TAG: "Duplicates by tag",
    Drift.LOOK_ALIKE: "Duplicates by name and size",
    Drift.ARRIVED: "Failed rows that arrived after all",
    Drift.SOURCE_GONE: "Objects that are gone",
    Drift.SOURCE_CHANGED: "Objects that changed",
    Drift.SOURCE_UNREADABLE: "Objects that cannot be read",
    Drift.ORPHAN: "Videos that no row explains",
}
"""Each kind as a heading."""

ADVICE: dict[Drift, str] = {
    Drift.DELETED: (
        "The report names a video, and the platform does not have it: somebody deleted it, or "
        "moved it to another team. Where it is wanted, import its object as a new batch."
    ),
    Drift.NOT_DONE: (
        "The row is imported, and its copy is not done any more. Look at the video on the platform "
        "before you rely on it."
    ),
    Drift.SIZE_DIFFERS: (
        "The video has not as many bytes as the object had. Do not trust the copy: compare the "
        "two, and keep the master."
    ),
    Drift.INGESTION_FAILED: (
        "The copy is there, and the platform could not process it. Play the master; if it is "
        "sound, ask the platform’s support with the video id."
    ),
    Drift.UNREPORTED: (
        "The report says that this row has no video, and one carries its tag. Import the object as "
        "a new batch: it reads the whole list first, and takes the video over."
    ),
    Drift.DUPLICATE_TAG: (
        "A further video carries the tag of the row. Look at both on the platform before you "
        "delete one."
    ),
    Drift.LOOK_ALIKE: (
        "A further video without a tag has the same file name and as many bytes: it may have been "
        "uploaded by hand. Compare the two before you delete one."
    ),
    Drift.ARRIVED: (
        "The report says failed, and the video is whole now. “migrator retry” looks at it and "
        "counts it as imported."
    ),
    Drift.SOURCE_GONE: (
        "The object is not at the source any more: the video may be the only copy. If nobody meant "
        "that, find out who deleted it."
    ),
    Drift.SOURCE_CHANGED: (
        "The object is another one than was imported. Where the new one is wanted, import it under "
        "another “--namespace”."
    ),
    Drift.SOURCE_UNREADABLE: (
        "S3 does not show the object to the keys that are given now, so nothing is known of it. "
        "Give keys that may read it, or leave the source out with “--no-source”."
    ),
    Drift.ORPHAN: (
        "The video is in a project of this batch and is younger than its first request, and no "
        "row, and no other batch, explains it. Find out who made it before you delete it."
    ),
}
"""What each kind means, and what it asks of a person."""


class Column(NamedTuple):
    """A column: its name, its Arrow type, its meaning, and where its value comes from."""

    name: str
    type: Any
    about: str
    value: Callable[[Finding], object]


def _outcome(finding: Finding) -> str | None:
    row = finding.row
    return None if row is None else outcome_of(row.state, row.reason)[0].value


def _reason(finding: Finding) -> str | None:
    reason = None if finding.row is None else outcome_of(finding.row.state, finding.row.reason)[1]
    return None if reason is None else reason.value


def other_video_id(finding: Finding) -> str | None:
    """A video that should not be there, beside the row's own."""
    video = finding.video
    return video.video_id if video is not None and video.video_id != finding.video_id else None


COLUMNS = (
    Column("Drift", TEXT, "what differs from the report, in one word", lambda f: f.drift.value),
    Column("Bucket", TEXT, "bucket of the object", lambda f: f.row and f.row.bucket),
    Column("Key", TEXT, "key of the object, exact", lambda f: f.row and f.row.key),
    Column("Row", pa.int64(), "number of the row, if there is one", lambda f: f.row and f.row.row),
    Column("Outcome", TEXT, "outcome of the row in the report", _outcome),
    Column("Reason", TEXT, "its reason", _reason),
    Column("VideoId", TEXT, "the video that the report names", lambda f: f.video_id),
    Column("OtherVideoId", TEXT, "a video that should not be there", other_video_id),
    Column("Expected", TEXT, "what the report says", lambda f: f.expected),
    Column("Found", TEXT, "what is so now", lambda f: f.found),
    Column("VideoName", TEXT, "name of the video found", lambda f: f.video and f.video.name),
    Column("VideoProjectId", TEXT, "its project", lambda f: f.video and f.video.project_id),
    Column("VideoSizeBytes", pa.int64(), "its bytes", lambda f: f.video and f.video.size_bytes),
    Column("VideoCreatedAt", TIME, "when it was made", lambda f: f.video and f.video.created_ms),
)  # fmt: skip


class Example(NamedTuple):
    """A finding as the page shows it."""

    row: int | None
    bucket: str
    key: str
    video_id: str
    other_video_id: str
    name: str
    expected: str
    found: str


class DriftTables:
    """Writes both tables as findings come; `close` ends the Parquet file.

    `counts` says how many there were of each kind, `examples` holds the first of each.
    """

    def __init__(self, parquet: BinaryIO, csv_file: BinaryIO, batch: str) -> None:
        self._schema = pa.schema(
            [pa.field(c.name, c.type, metadata={"about": c.about}) for c in COLUMNS],
            metadata={"schema": SCHEMA, "batch": batch},
        )
        self._parquet = pq.ParquetWriter(parquet, self._schema, compression="zstd")
        self._sink = CsvSink(csv_file)
        writer = csv.writer(self._sink, lineterminator=LINE_END)
        writer.writerow(defused_names(self._schema.names))
        self.counts: Counter[Drift] = Counter()
        self.examples: dict[Drift, list[Example]] = {}
        self._waiting: list[Finding] = []

    def append(self, findings: Sequence[Finding]) -> None:
        """Take what was found, in its order."""
        for finding in findings:
            self.counts[finding.drift] += 1
            shown = self.examples.setdefault(finding.drift, [])
            if len(shown) < EXAMPLES:
                shown.append(_example(finding))
        self._waiting += findings
        if len(self._waiting) >= CHUNK_ROWS:
            self._write()

    def close(self) -> None:
        """Write what is left, and the footer of the Parquet file; once, however often called."""
        if self._waiting:
            self._write()
        self._parquet.close()

    def abandon(self) -> None:
        """End the Parquet file without what is left, if `close` has not been called.

        Raises nothing: where the disk is full, that has been said.
        """
        with suppress(OSError):
            self._parquet.close()

    def _write(self) -> None:
        findings, self._waiting = self._waiting, []
        arrays = [
            pa.array([_cell(column.value(finding)) for finding in findings], column.type)
            for column in COLUMNS
        ]
        table = pa.Table.from_arrays(arrays, schema=self._schema)
        self._parquet.write_table(table)
        frame = table.to_pandas(types_mapper=pd.ArrowDtype)
        for_spreadsheet(frame, self._schema).to_csv(
            self._sink,  # type: ignore[call-overload]  # of a file, pandas asks only `write`
            header=False,
            index=False,
            lineterminator=LINE_END,
        )


def _cell(value: object) -> object:
    return escaped(value) if isinstance(value, str) else value


def _example(finding: Finding) -> Example:
    row, video = finding.row, finding.video
    texts = (
        row.bucket if row else None,
        row.key if row else None,
        finding.video_id,
        other_video_id(finding),
        video.name if video else None,
        finding.expected,
        finding.found,
    )
    return Example(row.row if row else None, *(shortened(t or "", LONGEST_TEXT) for t in texts))
