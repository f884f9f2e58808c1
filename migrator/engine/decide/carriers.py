"""What it means that a sweep shows videos of a row, or none."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from migrator.checkpoint.change import Change, Facts
from migrator.engine.decide.changes import failed
from migrator.engine.decide.copies import DONE
from migrator.lifecycle import Event
from migrator.model import Reason

COMPLETE_SWEEPS_TO_PRESUME = 2
"""Complete sweeps in a row that must not show a video before it is presumed absent."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A video as a sweep saw it, as far as it can be a row's; `size_bytes` is the copy's."""

    video_id: str
    created_ms: int | None
    upload_status: str | None
    size_bytes: int | None = None


def choose_carrier(carriers: Iterable[Seen]) -> tuple[Seen, tuple[str, ...]]:
    """Of several videos that carry one tag: the oldest DONE, else the oldest; and the others."""
    order = sorted(
        carriers,
        key=lambda seen: (seen.upload_status != DONE, seen.created_ms or 0, seen.video_id),
    )
    return order[0], tuple(sorted(seen.video_id for seen in order[1:]))


def found(carriers: Iterable[Seen], *, adopted: bool) -> Change:
    """A row's video was found on the platform."""
    chosen, others = choose_carrier(carriers)
    facts: Facts = {
        "video_id": chosen.video_id,
        "video_created_ms": chosen.created_ms,
        "adopted": adopted,
        "error_code": None,
        "http_status": None,
        "message": None,
        "duplicate_video_ids": msgspec.json.encode(others).decode() if others else None,
    }
    return Change(Event.FOUND, facts)


def absent() -> Change:
    """Two complete sweeps in a row did not show the row's video: it may be sent again."""
    return Change(Event.ABSENCE_PRESUMED)


def ambiguous(video_id: str, now_ms: int) -> Change:
    """An untagged master looks like the row's object: it is not sent."""
    return failed(
        Reason.AMBIGUOUS,
        now_ms,
        message=f"video {video_id} without a tag has the same file name and size: it may be this "
        "object",
    )
