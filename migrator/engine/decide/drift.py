"""What is drift: a row of the report beside what the platform and the source show now.

The rule: whatever the report says must still be so. An imported row has one video, done, of the
size of its object; a failed row that names a video has it, and it is no better than it was; any
other row has none; the object is the one that was imported. And in the projects of the batch there
is no video that neither a row, another batch nor the time before this one explains.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from migrator.checkpoint.change import Transfer
from migrator.checkpoint.inventory import ListedVideo
from migrator.engine.decide.copies import DONE, FAILED
from migrator.lifecycle import FINAL, State
from migrator.model import ELSEWHERE, Reason
from migrator.source.answers import ObjectFacts
from migrator.source.preflight import Refusal


class Drift(StrEnum):
    """In what the world differs from the report. The order is that of their gravity."""

    DELETED = "deleted"
    """The report names a video, and the platform does not have it."""
    NOT_DONE = "not_done"
    """The video of an imported row, and its copy is not DONE."""
    SIZE_DIFFERS = "size_differs"
    """The video of an imported row is not of the size of its object."""
    INGESTION_FAILED = "ingestion_failed"
    """The video of an imported row, and the platform could not process it."""
    UNREPORTED = "unreported"
    """A video carries the tag of a row that has none, says the report."""
    DUPLICATE_TAG = "duplicate_tag"
    """A further video carries the tag of a row."""
    LOOK_ALIKE = "look_alike"
    """A further video, without a tag, has the file name and the size of a row's video."""
    ARRIVED = "arrived"
    """The report says failed, and the video is whole now."""
    SOURCE_GONE = "source_gone"
    """The object is not there any more."""
    SOURCE_CHANGED = "source_changed"
    """The object has another ETag, size or version than when it was imported."""
    SOURCE_UNREADABLE = "source_unreadable"
    """S3 does not show the object to the keys that are given now."""
    ORPHAN = "orphan"
    """A video in a project of the batch that no row explains."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that drifted: `expected` is what the report says of it, `found` what is so now.

    Of an orphan there is no row; `video` is the row's video, or the one that should not be there,
    as far as the list showed it; `video_id` the one that the report names.
    """

    drift: Drift
    expected: str
    found: str
    row: Transfer | None = None
    video_id: str | None = None
    video: ListedVideo | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What the platform shows of one row.

    `own` is the video that the row names, `carriers` other masters with its tag (oldest first),
    `alike` untagged masters of the same file name and size. `by_id` says that the platform does not
    know a missing `own` by its id either.
    """

    own: ListedVideo | None
    carriers: Sequence[ListedVideo] = ()
    alike: Sequence[ListedVideo] = ()
    by_id: bool = False


def judge_row(row: Transfer, shown: Shown, source_bytes: int | None) -> list[Finding]:
    """Everything on the platform that is not as the report says of a row.

    `source_bytes` is the size of its object as the report has it, or else as the source shows it
    now. Of a row that is still open only second videos count: the next run settles the rest.
    """
    found = []
    if row.state in FINAL and row.video_id is not None:
        own = _judge_own(row, shown, source_bytes)
        found += [own] if own is not None else []
        if shown.own is not None and _ingestion_failed_later(row, shown.own):
            found.append(
                Finding(
                    Drift.INGESTION_FAILED, "no failed ingestion", "ingestion FAILED", row,
                    row.video_id, shown.own,
                )
            )  # fmt: skip
    return [*found, *_judge_others(row, shown)]


def _judge_own(row: Transfer, shown: Shown, source_bytes: int | None) -> Finding | None:
    own = shown.own
    if own is None:
        if row.reason is Reason.DELETED:
            return None
        why = "404 by its id" if shown.by_id else "not in the team's list"
        return Finding(Drift.DELETED, "a video", why, row, row.video_id)
    sizes = {source_bytes or None, own.size_bytes or None} - {None}
    differs = len(sizes) > 1
    if row.state is State.IMPORTED:
        if own.upload_status != DONE:
            said = f"copy {own.upload_status or 'of no status'}"
            why = f"{said}: {own.error}" if own.error else said
            return Finding(Drift.NOT_DONE, "copy DONE", why, row, row.video_id, own)
        if differs:
            expected, found = f"{source_bytes} bytes", f"{own.size_bytes} bytes"
            return Finding(Drift.SIZE_DIFFERS, expected, found, row, row.video_id, own)
        return None
    whole = own.upload_status == DONE and not differs
    if row.reason is Reason.INGESTION_FAILED:
        whole = whole and own.ingestion_status == DONE
    if row.reason is Reason.SIZE_MISMATCH:
        whole = whole and len(sizes) == 1 and bool(own.size_bytes and source_bytes)
    if whole:
        return Finding(Drift.ARRIVED, f"failed: {row.reason}", "DONE", row, row.video_id, own)
    return None


def _ingestion_failed_later(row: Transfer, own: ListedVideo) -> bool:
    return row.state is State.IMPORTED and own.ingestion_status == FAILED


def _judge_others(row: Transfer, shown: Shown) -> list[Finding]:
    """Videos that are the row's as well: by their tags, or by their looks."""
    carriers = list(shown.carriers)
    found = []
    if shown.own is None and carriers:
        first = carriers.pop(0)  # else it is what the next run, or the batch that made it, knows of
        if row.state in FINAL and row.reason not in ELSEWHERE:
            said = f"no video: {row.reason}" if row.video_id is None else "another video"
            found.append(
                Finding(Drift.UNREPORTED, said, f"video {first.video_id}", row, row.video_id, first)
            )
    found += [
        Finding(
            Drift.DUPLICATE_TAG, "one video with its tag", f"also {video.video_id}", row,
            row.video_id, video,
        )
        for video in carriers
    ]  # fmt: skip
    if row.reason is not Reason.AMBIGUOUS:  # the report speaks of that one itself
        found += [
            Finding(
                Drift.LOOK_ALIKE, "one video of its name and size", f"also {video.video_id}", row,
                row.video_id, video,
            )
            for video in shown.alike
        ]  # fmt: skip
    return found


def judge_source(
    row: Transfer, facts: ObjectFacts | None, refusal: Refusal | None
) -> Finding | None:
    """What the source shows of the object of a row now, beside what it showed before the import."""
    if facts is not None:
        expected, found = _differences(row, facts, refusal)
        if not expected:
            return None
        return Finding(
            Drift.SOURCE_CHANGED, ", ".join(expected), ", ".join(found), row, row.video_id
        )
    if refusal is None:
        return Finding(Drift.SOURCE_UNREADABLE, "the object", "no clear answer", row, row.video_id)
    said = ": ".join(filter(None, (refusal.code or str(refusal.reason), refusal.message)))
    gone = refusal.reason in {Reason.OBJECT_NOT_FOUND, Reason.BUCKET_NOT_FOUND}
    drift = Drift.SOURCE_GONE if gone else Drift.SOURCE_UNREADABLE
    return Finding(drift, "the object", said, row, row.video_id)


def _differences(
    row: Transfer, facts: ObjectFacts, refusal: Refusal | None
) -> tuple[list[str], list[str]]:
    """What was, and what is. A time alone is none: the same bytes may be written again."""
    expected, found = [], []
    if row.size_bytes is not None and row.size_bytes != facts.size_bytes:
        expected.append(f"{row.size_bytes} bytes")
        found.append(f"{facts.size_bytes} bytes")
    if row.etag and facts.etag and row.etag != facts.etag:
        expected.append(f"ETag {row.etag}")
        found.append(f"ETag {facts.etag}")
    if refusal is not None and refusal.reason is Reason.VERSION_NOT_CURRENT:
        expected.append(f"version {row.version_id}")
        found.append(f"version {facts.version_id}")
    return expected, found


class Stray(StrEnum):
    """Why a video that no row names is none of this batch's business."""

    ELSEWHERE = "elsewhere"
    """In a project that this batch has nothing to do with."""
    OTHER_BATCHES = "other_batches"
    """It carries the tag of another batch, of an object that is not in this catalogue."""
    BEFORE = "before"
    """It was there before the first POST of this batch."""


def judge_stray(
    video: ListedVideo, batch: str, projects: Collection[str], *, was_there_before: bool
) -> Finding | Stray:
    """A master that no row names: an orphan, or why it is none."""
    if video.batch == batch:
        return Finding(Drift.ORPHAN, "no video", "carries a tag of this batch", video=video)
    if video.batch is not None:
        return Stray.OTHER_BATCHES
    if video.project_id is not None and video.project_id not in projects:
        return Stray.ELSEWHERE
    if was_there_before:
        return Stray.BEFORE
    return Finding(Drift.ORPHAN, "no video", "carries no tag", video=video)


def is_verified_at_source(row: Transfer) -> bool:
    """Whether the object of a row matters still: there is, or was, a video of it."""
    return row.state in FINAL and row.video_id is not None
