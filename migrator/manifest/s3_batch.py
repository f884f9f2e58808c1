"""CSV files of S3 Batch Operations: the manifests of its jobs, and its completion reports.

Both have no header and URL-encoded keys (Amazon S3 user guide, "Specifying a manifest" and
"Completion reports": formats S3BatchOperations_CSV_20180820 and Report_CSV_20180820).
"""

import re
from collections.abc import Sequence
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

from migrator.errors import UsageError
from migrator.log import MANIFEST_HEADER, tell
from migrator.manifest.csv_file import CsvManifest, Shape, first_record
from migrator.manifest.places import Place
from migrator.manifest.unusable import shown_names, shown_path
from migrator.manifest.url_keys import decoded_rows
from migrator.model import Columns, InvalidRow, ManifestRow

S3Csv = Literal["s3-batch", "s3-completion"]

MANIFEST = ("bucket", "key", "version_id")
"""The columns of a manifest; the last one may be absent."""

REPORT = (*MANIFEST, "task_status", "error_code", "http_status_code", "result_message")
"""The columns of a completion report. In the wild the two codes stand in either order."""

_STATUS, _ERROR_CODE, _HTTP_STATUS = (
    REPORT.index(name) for name in ("task_status", "error_code", "http_status_code")
)

STATUSES = {"succeeded", "failed", "taskstatus"}
"""What stands in the fourth column of a report, or over it."""

DONE = "its TaskStatus in the completion report is succeeded"
"""Why a row of a report is not wanted: it is read to do what another tool could not."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]")
"""A bucket's name by today's rules: stricter than what a manifest may hold."""

_KEY = re.compile(r"[/.%]")
"""What a key has, and the name of a column has not."""


def looks_like(cells: Sequence[str]) -> S3Csv | None:
    """Which of the two a file is, by its first record; None where it is neither."""
    if {"bucket", "key"} <= set(cells):
        return None
    if len(cells) == len(REPORT) and cells[_STATUS].strip().casefold() in STATUSES:
        return "s3-completion"
    is_row = len(cells) in {2, 3} and _BUCKET.fullmatch(cells[0]) and _KEY.search(cells[1])
    return "s3-batch" if is_row else None


def open_s3_csv(place: Place, kind: S3Csv) -> CsvManifest:
    """The manifest or report at `place`. A header that stands there by mistake is left out.

    Raises UsageError when the file is of another kind, or cannot be read.
    """
    cells = first_record(place)
    if kind == "s3-completion":
        _check_report(place, cells)
        shape = Shape(REPORT, _is_header(cells), _rows_of_report)
    elif len(cells) in {2, 3}:
        shape = Shape(MANIFEST[: len(cells)], _is_header(cells), decoded_rows)
    else:
        raise UsageError(
            f"{shown_path(place)} is no manifest of S3 Batch Operations: its first record has "
            f"{len(cells):,} cells, {shown_names(cells)}",
            "Such a file has Bucket,Key or Bucket,Key,VersionId, without a header. For CSV with a "
            "header give --manifest-format csv.",
        )
    if shape.has_header:
        tell(MANIFEST_HEADER, manifest=shown_path(place))
    return CsvManifest(place, shape)


def _check_report(place: Place, cells: Sequence[str]) -> None:
    if len(cells) == len(REPORT):
        return
    hint = "Such a file has Bucket,Key,VersionId,TaskStatus and three columns more, and no header."
    if len(cells) > len(REPORT) and _is_header(cells):
        hint = "This may be objects.csv, a report of this program: give retry.csv beside it."
    raise UsageError(
        f"{shown_path(place)} is no completion report of S3 Batch Operations: its first record has "
        f"{len(cells):,} cells, {shown_names(cells)}",
        hint,
    )


def _is_header(cells: Sequence[str]) -> bool:
    """Whether the first record names columns; an object `key` in a `bucket` is less likely."""
    return [cell.strip().casefold() for cell in cells[:2]] == ["bucket", "key"]


def _rows_of_report(
    columns: Columns, numbers: Sequence[int], arrays: Sequence[pa.Array]
) -> list[ManifestRow | InvalidRow]:
    """Rows with the two codes in their places, and those left out that have succeeded."""
    first, second = (arrays[at].cast(pa.binary()) for at in (_ERROR_CODE, _HTTP_STATUS))
    swapped = pc.and_(_is_status(first), pc.invert(_is_status(second)))
    ordered = list(arrays)
    ordered[_ERROR_CODE] = pc.if_else(swapped, second, first)
    ordered[_HTTP_STATUS] = pc.if_else(swapped, first, second)
    rows = decoded_rows(columns, numbers, ordered)
    done = pc.equal(arrays[_STATUS].cast(pa.binary()), b"succeeded")
    for place in pc.indices_nonzero(done).to_pylist():
        row = rows[place]
        if isinstance(row, ManifestRow):
            rows[place] = replace(row, left_out=DONE)
    return rows


def _is_status(cells: pa.Array) -> pa.Array:
    return pc.match_substring_regex(cells, r"\A[1-5][0-9]{2}\z")
