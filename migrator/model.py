"""The frozen values that every room speaks.

Nothing here reads a clock, a file or the network, and nothing of the project is imported.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import msgspec

MAX_KEY_BYTES = 1024
"""Longest object key in UTF-8 bytes (Amazon S3 user guide; the platform's `objectKey` has the
same bound in characters)."""

MAX_NAME_CHARACTERS = 255
"""Longest `name` of a video (platform document, `VideoName`)."""

MAX_DESCRIPTION_UNITS = 511
"""Longest `description` (platform document, `VideoDescription`), counted in UTF-16 units: the
strictest reading of "characters", and the one that a JVM applies."""

CERTAINLY_TOO_LARGE_BYTES = 500 * 2**30
"""Above this an object exceeds the platform's 500 GB in every reading of GB. Between 500 * 10**9
and this number the platform itself is asked."""


class Outcome(StrEnum):
    """How a manifest row ended. Every row has exactly one."""

    IMPORTED = "imported"
    REJECTED = "rejected"
    MISSING = "missing"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNFINISHED = "unfinished"


class Reason(StrEnum):
    """Why a row has its outcome; each reason belongs to one outcome (`OUTCOME_OF`)."""

    COPIED = "copied"
    TOO_LARGE = "too_large"
    BAD_CREDENTIALS = "bad_credentials"
    ACCESS_DENIED = "access_denied"
    INVALID_ROW = "invalid_row"
    INVALID_REQUEST = "invalid_request"
    UNSUPPORTED_CONTENT = "unsupported_content"
    EMPTY_OBJECT = "empty_object"
    ARCHIVED = "archived"
    VERSION_NOT_CURRENT = "version_not_current"
    BUCKET_NOT_FOUND = "bucket_not_found"
    OBJECT_NOT_FOUND = "object_not_found"
    COPY_FAILED = "copy_failed"
    INGESTION_FAILED = "ingestion_failed"
    SIZE_MISMATCH = "size_mismatch"
    GAVE_UP = "gave_up"
    STUCK = "stuck"
    AMBIGUOUS = "ambiguous"
    DELETED = "deleted"
    DUPLICATE_ROW = "duplicate_row"
    FILTERED = "filtered"
    FOLDER_MARKER = "folder_marker"
    ALREADY_IMPORTED = "already_imported"
    NOT_STARTED = "not_started"
    IN_FLIGHT = "in_flight"
    UNRESOLVED = "unresolved"


ELSEWHERE = frozenset({Reason.ALREADY_IMPORTED, Reason.FILTERED})
"""Reasons of rows whose objects this batch leaves to others: a video of theirs is no conflict."""

OUTCOME_OF: dict[Reason, Outcome] = {
    Reason.COPIED: Outcome.IMPORTED,
    Reason.TOO_LARGE: Outcome.REJECTED,
    Reason.BAD_CREDENTIALS: Outcome.REJECTED,
    Reason.ACCESS_DENIED: Outcome.REJECTED,
    Reason.INVALID_ROW: Outcome.REJECTED,
    Reason.INVALID_REQUEST: Outcome.REJECTED,
    Reason.UNSUPPORTED_CONTENT: Outcome.REJECTED,
    Reason.EMPTY_OBJECT: Outcome.REJECTED,
    Reason.ARCHIVED: Outcome.REJECTED,
    Reason.VERSION_NOT_CURRENT: Outcome.REJECTED,
    Reason.BUCKET_NOT_FOUND: Outcome.MISSING,
    Reason.OBJECT_NOT_FOUND: Outcome.MISSING,
    Reason.COPY_FAILED: Outcome.FAILED,
    Reason.INGESTION_FAILED: Outcome.FAILED,
    Reason.SIZE_MISMATCH: Outcome.FAILED,
    Reason.GAVE_UP: Outcome.FAILED,
    Reason.STUCK: Outcome.FAILED,
    Reason.AMBIGUOUS: Outcome.FAILED,
    Reason.DELETED: Outcome.FAILED,
    Reason.DUPLICATE_ROW: Outcome.SKIPPED,
    Reason.FILTERED: Outcome.SKIPPED,
    Reason.FOLDER_MARKER: Outcome.SKIPPED,
    Reason.ALREADY_IMPORTED: Outcome.SKIPPED,
    Reason.NOT_STARTED: Outcome.UNFINISHED,
    Reason.IN_FLIGHT: Outcome.UNFINISHED,
    Reason.UNRESOLVED: Outcome.UNFINISHED,
}
"""The outcome that each reason belongs to."""


class DecidedBy(StrEnum):
    """Who settled a row."""

    MANIFEST = "manifest"
    PREFLIGHT = "preflight"
    PLATFORM = "platform"
    BREAKER = "breaker"


class LearnedBy(StrEnum):
    """Where the end of a copy was read; `webhook`: a delivery told of it, a look confirmed it."""

    LIST = "list"
    STATUS = "status"
    SWEEP = "sweep"
    WEBHOOK = "webhook"


class ManifestRow(msgspec.Struct, frozen=True, gc=False):  # made a million times, in C
    """One usable row of a manifest or a listing.

    `row` counts from 1 within the batch (the header of a CSV file is not counted). `cells` are the
    texts of the columns other than bucket, key and version_id, in the source's column order, None
    where the source holds null. `left_out` says in words why the row is not wanted, as its source
    tells; None where it is. `archived` is true where the source says that the object, of this
    `storage_class`, must be restored before it can be read. `size_bytes`, `etag`,
    `last_modified_ms` (epoch, UTC) and any other `storage_class` are set only when a listing of
    this run has just told them.
    """

    row: int
    bucket: str
    key: str
    version_id: str | None = None
    cells: tuple[str | None, ...] = ()
    size_bytes: int | None = None
    etag: str | None = None
    last_modified_ms: int | None = None
    storage_class: str | None = None
    archived: bool = False
    left_out: str | None = None


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """A row that cannot become a request: the report's `rejected/invalid_row`.

    `column` names the offending column, or is None where the row as a whole is at fault. `cells`
    are all cells of the row in column order as raw text, where bytes that are not UTF-8 stand as
    lone surrogates (`surrogateescape`), so that the original bytes can be written back; a ragged
    row is one cell that holds the whole line, marked by `ragged`. `bucket` and `key` are for
    showing only: bytes that are not UTF-8 are written as backslash escapes.
    """

    row: int
    column: str | None
    problem: str
    cells: tuple[str | None, ...]
    bucket: str | None = None
    key: str | None = None
    ragged: bool = False


def identity(namespace: str, bucket: str, key: str, version_id: str | None = None) -> bytes:
    """The identity of an object: 16 bytes that differ when namespace, bucket or key differ.

    BLAKE2b over the three as raw UTF-8, each preceded by its length, so that no two triples read
    the same and no Unicode normalisation takes place. `version_id` is a part of it, the fourth,
    where the platform can be told the version: elsewhere it is a precondition.
    """
    raw = key.encode()
    told = _place(namespace, bucket) + len(raw).to_bytes(4, "big") + raw
    if version_id is not None:
        version = version_id.encode()
        told += len(version).to_bytes(4, "big") + version
    return hashlib.blake2b(told, digest_size=16).digest()


@lru_cache(maxsize=256)
def _place(namespace: str, bucket: str) -> bytes:
    parts = [part.encode() for part in (namespace, bucket)]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def utf16_units(text: str) -> int:
    """The length of `text` in UTF-16 code units: characters beyond the BMP count two."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut_to_units(text: str, units: int) -> str:
    """The longest start of `text` of at most `units` UTF-16 units, cut between code points."""
    if utf16_units(text) <= units:
        return text
    used = 0
    for position, character in enumerate(text):
        used += 2 if character > "\uffff" else 1
        if used > units:
            return text[:position]
    return text


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a source of rows.

    `header` are all column names in order. `bucket` and `key` are their indices, `version_id` its
    index or None. `other` are the indices of the rest, in order: the layout of
    `ManifestRow.cells`.
    """

    header: tuple[str, ...]
    bucket: int
    key: int
    version_id: int | None
    other: tuple[int, ...]

    @classmethod
    def of(cls, header: Sequence[str]) -> "Columns":
        """Index `header`; raises KeyError with the missing name when bucket or key is absent."""
        places = {name: index for index, name in enumerate(header)}
        for needed in ("bucket", "key"):
            if needed not in places:
                raise KeyError(needed)
        identity_columns = {places["bucket"], places["key"], places.get("version_id")}
        return cls(
            header=tuple(header),
            bucket=places["bucket"],
            key=places["key"],
            version_id=places.get("version_id"),
            other=tuple(index for index in range(len(header)) if index not in identity_columns),
        )

    @property
    def other_names(self) -> tuple[str, ...]:
        """The names of the columns in `ManifestRow.cells`."""
        return tuple(self.header[index] for index in self.other)
