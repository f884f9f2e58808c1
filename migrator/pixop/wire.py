"""The platform's JSON, as far as a migration reads or writes it (published document, 2.0.0).

Reading is lenient: fields that are not needed are not named, whatever may be absent is optional,
and statuses are plain strings, because the lists of the document are open. Writing is exact.
"""

from datetime import UTC, datetime
from typing import TypeVar

import msgspec

T = TypeVar("T")

MAX_EPOCH_MS = 10**14
"""Beyond the year 5138: no time that anything was made at."""

Timestamp = str | int | float | None
"""A point in time as the platform writes it: ISO 8601, or epoch milliseconds."""


class _Read(msgspec.Struct, rename="camel", gc=False):
    """What the platform answers."""


class UploadError(_Read):
    """Why a copy failed, in the platform's words."""

    code: str | None = None
    message: str | None = None


class UploadState(_Read):
    """How far the copy is."""

    updated_at: Timestamp = None
    upload_status: str | None = None
    progress_percentage: int | float | None = None
    error: UploadError | None = None


class VideoFile(_Read):
    """The file that was copied; `size` in bytes."""

    name: str | None = None
    size: int | None = None


class Upload(_Read):
    """The copy of a master video."""

    file: VideoFile | None = None
    upload_state: UploadState | None = None


class IngestionState(_Read):
    """How far the ingestion is."""

    ingestion_status: str | None = None
    progress_percentage: int | float | None = None


class Ingestion(_Read):
    """The ingestion of a video."""

    ingestion_state: IngestionState | None = None


class VideoFlags(_Read):
    """What kind of video it is."""

    is_master: bool | None = None
    is_clip: bool | None = None
    is_processed: bool | None = None


class MasterVideo(_Read):
    """The original file behind a video."""

    video_file: VideoFile | None = None


class Video(_Read):
    """An item of `GET /v1/videos`."""

    id: str
    created_at: Timestamp = None
    description: str | None = None
    flags: VideoFlags | None = None
    upload: Upload | None = None
    ingestion: Ingestion | None = None
    master_video: MasterVideo | None = None


class VideosPage(_Read):
    """A page of `GET /v1/videos`."""

    total_elements: int
    items: list[msgspec.Raw]


class VideoInStatus(_Read):
    """The answer of a POST, of `in/status` and of `in/restart`."""

    video_id: str
    upload: Upload | None = None
    ingestion: Ingestion | None = None


class Identified(_Read):
    """Anything with an id: a team, a user, a project."""

    id: str
    name: str | None = None
    team_id: str | None = None


class Account(_Read):
    """The answer of `GET /v1/account`."""

    user: Identified
    default_team: Identified


class ApiError(_Read):
    """The platform's error form, as far as a report repeats it."""

    error_code: str | None = None
    message: str | None = None


class S3Bucket(msgspec.Struct, rename="camel", frozen=True):
    """The bucket and the keys that the platform copies with. Never logged, never kept."""

    bucket: str
    access_key: str
    secret_access_key: str

    def __repr__(self) -> str:
        return f"S3Bucket({self.bucket!r}, ***)"


class CreateMasterVideoFromS3Bucket(
    msgspec.Struct, rename="camel", frozen=True, omit_defaults=True
):
    """The body of `POST /v1/videos/in/s3`."""

    name: str
    object_key: str
    s3_bucket: S3Bucket
    file_name: str
    description: str | None = None
    project_id: str | None = None


def decode(body: bytes, kind: type[T]) -> T | None:
    """`body` as a `kind`, or None when it is anything else: HTML, cut short, of another shape."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def decode_page(body: bytes) -> tuple[int, tuple[Video, ...]] | None:
    """(totalElements, videos) of a page of `GET /v1/videos`, or None when it is anything else.

    A video with a field of an unexpected type keeps its id: one odd video of somebody else must not
    hide the ninety-nine beside it.
    """
    page = decode(body, VideosPage)
    if page is None:
        return None
    videos: list[Video] = []
    for raw in page.items:
        video = decode(bytes(raw), Video)
        if video is None:
            known = decode(bytes(raw), Identified)
            if known is None:
                return None
            video = Video(id=known.id)
        videos.append(video)
    return page.total_elements, tuple(videos)


def time_ms(value: Timestamp) -> int | None:
    """Epoch milliseconds of a timestamp, or None when there is none or it makes no sense."""
    if isinstance(value, str) and value.isdecimal():  # before ISO, which takes it for a date
        return int(value) if int(value[:20]) < MAX_EPOCH_MS else None
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return int(moment.timestamp() * 1000)
    if isinstance(value, int | float) and 0 <= value < MAX_EPOCH_MS:
        return int(value)
    return None
