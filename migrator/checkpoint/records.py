"""From a row as it was read to the values of its record in the table `object`."""

from collections.abc import Callable, Sequence

import msgspec

from migrator.lifecycle import State
from migrator.model import DecidedBy, InvalidRow, ManifestRow, Reason, identity


def record(
    source_id: int,
    file: str,
    row: ManifestRow | InvalidRow,
    namespace: str,
    now_ms: int,
    by_url: Callable[[str], bool],
) -> tuple[object, ...]:
    """The values of `add_object` for one row; `file` names its source in what is said of it.

    `by_url` says of which buckets a version is another object: the platform can be told it.
    """
    if isinstance(row, InvalidRow):
        # Lone surrogates stand for bytes that are not UTF-8: only JSON's escapes can hold them.
        cells = _ascii_json(row.cells)
        column = f", column {row.column}" if row.column is not None else ""
        message = f"{file}, row {row.row}{column}: {row.problem}"
        return (
            row.row, source_id, None, row.bucket, row.key, None, cells, 2 if row.ragged else 1,
            State.REJECTED, Reason.INVALID_ROW, DecidedBy.MANIFEST,
            None, None, None, None, now_ms, message,
        )  # fmt: skip
    told = row.size_bytes is not None
    version_id = row.version_id if row.version_id and by_url(row.bucket) else None
    object_id = identity(namespace, row.bucket, row.key, version_id)
    return (
        row.row, source_id, object_id, row.bucket, row.key,
        row.version_id, msgspec.json.encode(row.cells).decode() if row.cells else None, 0,
        State.PENDING, None, None, row.size_bytes, row.etag, row.last_modified_ms,
        now_ms if told else None, None, None,
    )  # fmt: skip


def as_duplicate(values: tuple[object, ...], original: int, now_ms: int) -> tuple[object, ...]:
    """The same record as a further row of the object that row `original` has."""
    message = f"the same object as row {original}"
    changed = _skipped(values, Reason.DUPLICATE_ROW, message, now_ms)
    return tuple({**changed, "object_id": None}.values())


def as_imported(values: tuple[object, ...], message: str, now_ms: int) -> tuple[object, ...]:
    """The same record as one of an object that an earlier batch has imported, as `message` says."""
    return tuple(_skipped(values, Reason.ALREADY_IMPORTED, message, now_ms).values())


def _skipped(
    values: tuple[object, ...], reason: Reason, message: str, now_ms: int
) -> dict[str, object]:
    return {
        **dict(zip(_RECORD_FIELDS, values, strict=True)),
        "state": State.SKIPPED,
        "reason": reason,
        "decided_by": DecidedBy.MANIFEST,
        "finished_ms": now_ms,
        "message": message,
    }


_RECORD_FIELDS = (
    "row", "source_id", "object_id", "bucket", "key", "version_id", "cells", "raw", "state",
    "reason", "decided_by", "size_bytes", "etag", "last_modified_ms", "preflighted_ms",
    "finished_ms", "message",
)  # fmt: skip


def _ascii_json(cells: Sequence[str | None]) -> str:
    import json  # noqa: PLC0415 - msgspec refuses lone surrogates; only invalid rows come here

    return json.dumps(cells)
