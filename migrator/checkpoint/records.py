"""From a row as it was read to its record in the table `object`, and from records to transfers.

Ids and hashes are packed (`packing.py`). What every imported row says alike is not written: its
reason is `copied`, the platform has decided it, a page of the list mostly told it, and when its
object was looked at matters no more.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from migrator.checkpoint.change import Facts, Transfer
from migrator.checkpoint.packing import pack_etag, pack_id, unpack_etag, unpack_id
from migrator.lifecycle import State
from migrator.model import DecidedBy, InvalidRow, LearnedBy, ManifestRow, Reason, identity

UNREPORTED = frozenset({
    "object_id", "preflighted_ms", "not_before_ms", "intent_date_s", "video_created_ms",
    "forgiven", "accepted", "lane",
})  # fmt: skip
"""Fields of Transfer that are for the engine alone."""

REPORTED = tuple(name for name in Transfer._fields if name not in UNREPORTED)
"""The other ones: what a report may tell of a row."""

Reported = tuple[Any, ...]
"""What is stored of a row, in the order of REPORTED."""


def record(
    source_id: int,
    file: str,
    row: ManifestRow | InvalidRow,
    namespace: str,
    now_ms: int,
    by_url: Callable[[str], bool],
    place: int | None = None,
) -> tuple[object, ...]:
    """The values of `add_object` for one row; `file` names its source in what is said of it.

    `by_url` says of which buckets a version is another object: the platform can be told it.
    `place` is where the row stands in another order than that of rows (`order`).
    """
    if isinstance(row, InvalidRow):
        # Lone surrogates stand for bytes that are not UTF-8: only JSON's escapes can hold them.
        cells = _ascii_json(row.cells)
        column = f", column {row.column}" if row.column is not None else ""
        problem = f"{file}, row {row.row}{column}: {row.problem}"
        return (
            row.row, source_id, None, row.bucket, row.key, None, cells, 2 if row.ragged else 1,
            State.REJECTED, Reason.INVALID_ROW, DecidedBy.MANIFEST,
            None, None, None, None, now_ms, problem, place,
        )  # fmt: skip
    version_id = row.version_id if row.version_id and by_url(row.bucket) else None
    object_id = identity(namespace, row.bucket, row.key, version_id)
    state: tuple[object, ...] = _PENDING
    finished_ms: int | None = None
    message: str | None = None
    if row.archived:
        state = (State.REJECTED, Reason.ARCHIVED, DecidedBy.MANIFEST)
        finished_ms = now_ms
        message = f"{file}, row {row.row}: of storage class {row.storage_class} by the inventory"
    listed = row.size_bytes is not None
    return (
        row.row, source_id, object_id, row.bucket, row.key,
        row.version_id, msgspec.json.encode(row.cells).decode() if row.cells else None, 0,
        *state, row.size_bytes, pack_etag(row.etag), row.last_modified_ms,
        now_ms if listed else None, finished_ms, message, place,
    )  # fmt: skip


_PENDING = (State.PENDING.value, None, None)
"""A plain text: what is of another type, sqlite3 looks for an adapter of, row by row."""


def as_duplicate(values: tuple[object, ...], original: int, now_ms: int) -> tuple[object, ...]:
    """The same record as a further row of the object that row `original` has."""
    message = f"the same object as row {original}"
    changed = _skipped(values, Reason.DUPLICATE_ROW, message, now_ms)
    return tuple({**changed, "object_id": None}.values())


def as_imported(values: tuple[object, ...], message: str, now_ms: int) -> tuple[object, ...]:
    """The same record as one of an object that an earlier batch has imported, as `message` says."""
    return tuple(_skipped(values, Reason.ALREADY_IMPORTED, message, now_ms).values())


def as_filtered(values: tuple[object, ...], message: str, now_ms: int) -> tuple[object, ...]:
    """The same record as one that a filter leaves out, as `message` says.

    It gives its object up: a later row of the same object, of which its manifest tells otherwise,
    is no duplicate of it.
    """
    changed = _skipped(values, Reason.FILTERED, message, now_ms)
    return tuple({**changed, "object_id": None}.values())


def stored(state: State, facts: Facts) -> Mapping[str, object]:
    """What is written of the facts that lead to `state`."""
    written: dict[str, object] = {**facts}
    if "video_id" in facts:
        written["video_id"] = pack_id(facts["video_id"])
    if "etag" in facts:
        written["etag"] = pack_etag(facts["etag"])
    if state is State.IMPORTED:
        written["preflighted_ms"] = None
        if all(facts.get(column) == usual for column, usual in _OF_IMPORTED.items()):
            written.update(dict.fromkeys(_OF_IMPORTED))
    return written


class Standing(NamedTuple):
    """Where a row stands, why, and who says so: fields of Transfer, next to each other there."""

    state: State
    reason: Reason | None
    decided_by: str | None
    learned_by: str | None


def standing(
    state: str, reason: str | None, decided_by: str | None, learned_by: str | None
) -> Standing:
    """What the fields of a record say of how its row stands."""
    if state == State.IMPORTED and reason is None:
        return _IMPORTED
    return Standing(_STATES[state], reason_of(state, reason), decided_by, learned_by)


def told(found: Sequence[object]) -> Transfer:
    """The transfer that a record tells of."""
    values: list[Any] = list(found)
    values[_STANDING] = standing(*values[_STANDING])
    values[_VIDEO_ID] = unpack_id(values[_VIDEO_ID])
    values[_ETAG] = unpack_etag(values[_ETAG])
    return Transfer._make(values)


def told_in_part(found: Reported) -> Transfer:
    """The same, of what a report may tell: the other fields are None."""
    return told([None if place is None else found[place] for place in _REPORTED_PLACES])


def reason_of(state: str, reason: str | None) -> Reason | None:
    """The reason of a row in `state`, from the one that is written."""
    if reason is not None:
        return _REASONS[reason]
    return Reason.COPIED if state == State.IMPORTED else None


_STATES: dict[str, State] = {state.value: state for state in State}
_REASONS: dict[str, Reason] = {reason.value: reason for reason in Reason}
"""By their texts: to ask the class itself takes three times as long."""


TEXTS: dict[State, str] = {state: state.value for state in State}
"""The other way round: what is no plain text, sqlite3 looks for an adapter of."""

_OF_IMPORTED = {
    "reason": Reason.COPIED,
    "decided_by": DecidedBy.PLATFORM,
    "learned_by": LearnedBy.LIST,
}
"""What an imported row says where its record gives no reason."""

_IMPORTED = Standing(State.IMPORTED, Reason.COPIED, DecidedBy.PLATFORM, LearnedBy.LIST)

_STATE, _VIDEO_ID, _ETAG = (Transfer._fields.index(name) for name in ("state", "video_id", "etag"))
_STANDING = slice(_STATE, _STATE + len(Standing._fields))

_REPORTED_PLACES = tuple(
    None if name in UNREPORTED else REPORTED.index(name) for name in Transfer._fields
)


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
    "finished_ms", "message", "place",
)  # fmt: skip


def _ascii_json(cells: Sequence[str | None]) -> str:
    import json  # noqa: PLC0415 - msgspec refuses lone surrogates; only invalid rows come here

    return json.dumps(cells)
