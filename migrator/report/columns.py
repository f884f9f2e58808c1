"""The columns of the tables of objects: names, types, meanings, and where the values come from.

README.md beside this file has them for readers; a test holds the two together.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from migrator.model import Outcome
from migrator.report import unpacked
from migrator.report.chunk import Chunk
from migrator.report.columnar import TEXT, TIME

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
    """A column of ours: its name, its Arrow type, and the array of a chunk's values."""

    name: str
    type: Any
    values: Callable[[Chunk], Any]


IDS = pa.list_(pa.string())
_ids = msgspec.json.Decoder(list[str])


def _text(name: str) -> Callable[[Chunk], Any]:
    return lambda chunk: chunk.array(name, TEXT)


def _int(name: str, kind: Any) -> Callable[[Chunk], Any]:
    return lambda chunk: chunk.array(name, kind)


def _adopted(chunk: Chunk) -> Any:
    return chunk.array("adopted", pa.int64()).cast(pa.bool_())


def _duplicates(chunk: Chunk) -> Any:
    found = (_ids.decode(each) if each else [] for each in chunk.values("duplicate_video_ids"))
    return pa.array([each or None for each in found], IDS)


COLUMNS = (
    # The columns of an S3 Batch completion report come first and keep their names.
    Column("Bucket", TEXT, _text("bucket")),
    Column("Key", TEXT, _text("key")),
    Column("VersionId", TEXT, _text("version_id")),
    Column("TaskStatus", TEXT, lambda c: c.words(lambda _, v: TASK_STATUS[v[0]])),
    Column("ErrorCode", TEXT, _text("error_code")),
    Column("HTTPStatusCode", pa.int32(), _int("http_status", pa.int32())),
    Column("ResultMessage", TEXT, _text("message")),
    Column("Outcome", TEXT, lambda c: c.words(lambda _, v: v[0].value)),
    Column("Reason", TEXT, lambda c: c.words(lambda _, v: None if v[1] is None else v[1].value)),
    Column("VideoId", TEXT, lambda c: unpacked.ids(c.values("video_id"))),
    Column("SizeBytes", pa.int64(), _int("size_bytes", pa.int64())),
    Column("Row", pa.int64(), _int("row", pa.int64())),
    Column("DecidedBy", TEXT, lambda c: c.words(lambda s, _: s.decided_by)),
    Column("LearnedBy", TEXT, lambda c: c.words(lambda s, _: s.learned_by)),
    Column("Adopted", pa.bool_(), _adopted),
    Column("DuplicateVideoIds", IDS, _duplicates),
    Column("ETag", TEXT, lambda c: unpacked.etags(c.values("etag"))),
    Column("LastModified", TIME, _int("last_modified_ms", TIME)),
    Column("Attempts", pa.int32(), _int("attempts", pa.int32())),
    Column("Restarts", pa.int32(), _int("restarts", pa.int32())),
    Column("SubmittedAt", TIME, _int("submitted_ms", TIME)),
    Column("FinishedAt", TIME, _int("finished_ms", TIME)),
)

CLIP_COLUMNS = (("ClipVideoId", 0), ("ClipState", 1))
"""Columns of a batch with clips, behind the others: of each the place in what is told of a clip."""

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
    "ClipVideoId": "the free clip of the video (with `--with-clips`)",
    "ClipState": "how far the clip is: `DONE`, `FAILED`, `IN_PROGRESS`, or `NONE` where the video "
    "has none (with `--with-clips`)",
}
"""What each column means; the metadata of the Parquet file's fields say it too."""
