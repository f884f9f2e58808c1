"""How the page spells things: pure functions from values to text."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import UNSET

from migrator.sandbox.media.findings import VideoMetadata
from migrator.sandbox.origin import SourceUrl
from migrator.sandbox.page.glance import COUNTED_TO, Shown
from migrator.sandbox.videos import Video
from migrator.sandbox.webhooks.values import Event, Response
from migrator.sandbox.wire import shown_size

_UNITS = ("kB", "MB", "GB", "TB")
_STEP = 1000

TENTHS_UNDER_MS = 9_950
"""A duration that would round to ten seconds is told without tenths."""


def size_in_words(size_bytes: int) -> str:
    """`1.4 TB`: three significant digits in decimal units, the ones that storage is sold in."""
    if size_bytes < _STEP:
        return f"{size_bytes} bytes"
    size, step = size_bytes / _STEP, 0
    while size >= _STEP - 0.5 and step < len(_UNITS) - 1:
        size, step = size / _STEP, step + 1
    return f"{size:.3g} {_UNITS[step]}"


def duration_in_words(milliseconds: int) -> str:
    """`1:02:03`, `0:07`; under ten seconds with a tenth: `4.2 s`."""
    if milliseconds < TENTHS_UNDER_MS:
        return f"{milliseconds / 1000:.1f} s"
    minutes, rest = divmod(round(milliseconds / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def clock_time(moment_ms: int) -> str:
    """`2026-01-31 12:00:00`, in UTC, to the second."""
    return f"{datetime.fromtimestamp(moment_ms // 1000, UTC):%Y-%m-%d %H:%M:%S}"


def counted(count: int) -> str:
    """A count as a view has it: `1,234`, or `10,000+` where it was not counted on."""
    return f"{COUNTED_TO:,}+" if count > COUNTED_TO else f"{count:,}"


def source_of(shown: Shown) -> str:
    """Where a video was copied from; nothing where it was not."""
    if shown.bucket is not None:
        return f"s3://{shown.bucket}/{shown.object_key}"
    return shown.url or ""


def address_of(url: str) -> str:
    """The URL of a webhook without its query, which may be a secret."""
    return SourceUrl(url).shown


def outcome_of(event: Event, machine_ms: int) -> str:
    """What became of an event so far; `machine_ms` is now, by the machine's clock."""
    if event.is_successful:
        return "delivered"
    if event.due_at is None:
        return "given up"
    wait_s = -(-(event.due_at - machine_ms) // 1000)
    return "due" if wait_s <= 0 else f"due in {wait_s:,} s"


def answer_of(response: Response) -> str:
    """What came of an attempt; the body of an answer is a stranger's text."""
    if not response.status:
        return f"{response.error_message or response.error_code} ({response.took_ms:,} ms)"
    said = " ".join((response.body or "").split())
    return f"{response.status} after {response.took_ms:,} ms" + (f": {said}" if said else "")


def facts_of(video: Video) -> Sequence[str]:
    """What is known of the file, in the order in which one asks."""
    facts = [size_in_words(shown_size(video))] if video.size_bytes is not None else []
    if video.metadata is None:
        return facts
    known = msgspec.json.decode(video.metadata, type=VideoMetadata)
    if known.duration_in_millis is not UNSET:
        facts.append(duration_in_words(known.duration_in_millis))
    if known.frame_width is not UNSET and known.frame_height is not UNSET:
        facts.append(f"{known.frame_width} × {known.frame_height}")
    if known.average_frame_rate is not UNSET:
        facts.append(f"{known.average_frame_rate.frame_rate:g} fps")
    if known.codec_name is not UNSET:
        facts.append(known.codec_name)
    return facts
