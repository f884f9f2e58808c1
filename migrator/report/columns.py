"""The columns of the tables of objects: names, types, meanings, and where the values come from.

README.md beside this file has them for readers; a test holds the two together.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from migrator.checkpoint.change import Transfer
from migrator.model import Outcome
from migrator.report.reconcile import Verdict

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


TEXT = pa.string()
TIME = pa.timestamp("ms", tz="UTC")
IDS = pa.list_(pa.string())
_ids = msgspec.json.Decoder(list[str])


def _duplicates(transfer: Transfer, _: Verdict) -> list[str] | None:
    found = _ids.decode(transfer.duplicate_video_ids) if transfer.duplicate_video_ids else []
    return found or None


COLUMNS = (
    # The columns of an S3 Batch completion report come first and keep their names.
    Column("Bucket", TEXT, lambda t, _: t.bucket),
    Column("Key", TEXT, lambda t, _: t.key),
    Column("VersionId", TEXT, lambda t, _: t.version_id),
    Column("TaskStatus", TEXT, lambda _, v: TASK_STATUS[v[0]]),
    Column("ErrorCode", TEXT, lambda t, _: t.error_code),
    Column("HTTPStatusCode", pa.int32(), lambda t, _: t.http_status),
    Column("ResultMessage", TEXT, lambda t, _: t.message),
    Column("Outcome", TEXT, lambda _, v: v[0].value),
    Column("Reason", TEXT, lambda _, v: None if v[1] is None else v[1].value),
    Column("VideoId", TEXT, lambda t, _: t.video_id),
    Column("SizeBytes", pa.int64(), lambda t, _: t.size_bytes),
    Column("Row", pa.int64(), lambda t, _: t.row),
    Column("DecidedBy", TEXT, lambda t, _: t.decided_by),
    Column("LearnedBy", TEXT, lambda t, _: t.learned_by),
    Column("Adopted", pa.bool_(), lambda t, _: bool(t.adopted)),
    Column("DuplicateVideoIds", IDS, _duplicates),
    Column("ETag", TEXT, lambda t, _: t.etag),
    Column("LastModified", TIME, lambda t, _: t.last_modified_ms),
    Column("Attempts", pa.int32(), lambda t, _: t.attempts),
    Column("Restarts", pa.int32(), lambda t, _: t.restarts),
    Column("SubmittedAt", TIME, lambda t, _: t.submitted_ms),
    Column("FinishedAt", TIME, lambda t, _: t.finished_ms),
)

ABOUT = {
    "Bucket": "bucket of the object",
    "Key": "key of the object, exact",
    "VersionId": "version that the manifest asks for",
    "TaskStatus": "`succeeded`, `failed`, `skipped` or `unfinished`",
    "ErrorCode": "code of the platform or of S3, in its own words",
    "HTTPStatusCode": "HTTP status of the answer that settled the row",
    "ResultMessage": "message of the platform, of S3 or of this program",
    "Outcome": "`imported`, `rejected`, `missing`, `failed`, `skipped` or `unfinished`",
    "Reason": "why, in one word",
    "VideoId": "the video on the platform",
    "SizeBytes": "size of the object in bytes, as the source told it",
    "Row": "number of the row, from 1 over all sources; the tables are sorted by it",
    "DecidedBy": "who settled the row: `manifest`, `preflight`, `platform` or `breaker`",
    "LearnedBy": "where the end of the copy was read: `list`, `status` or `sweep`; `webhook` "
    "where one told of it first",
    "Adopted": "whether the video was on the platform already",
    "DuplicateVideoIds": "further videos that carry the object's tag",
    "ETag": "ETag of the object, as the source told it",
    "LastModified": "when the object was last changed, as the source told it",
    "Attempts": "POSTs whose intent was written",
    "Restarts": "restarts of the copy since it was begun or last retried",
    "SubmittedAt": "when the row was last sent",
    "FinishedAt": "when the row was settled",
}
"""What each column means; the metadata of the Parquet file's fields say it too."""
