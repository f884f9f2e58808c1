"""The values that are remembered of a video, its copy and the request that made it."""

from dataclasses import dataclass, fields
from typing import Literal

from migrator.sandbox.source import SourceHead, SourceObject

UploadStatus = Literal["INITIAL", "IN_PROGRESS", "DONE", "FAILED"]


@dataclass(frozen=True, slots=True)
class Video:
    """A video record. The fields are the columns of the table; moments in milliseconds."""

    video_number: int
    video_id: str
    created_at: int
    updated_at: int
    user_id: str
    team_id: str
    project_id: str
    name: str
    description: str | None
    is_clip: int
    clip_id: str | None
    master_video_id: str | None
    full_ingestion: int
    file_name: str | None
    content_type: str | None
    size_bytes: int | None
    modified_at: int | None
    upload_status: UploadStatus | None
    upload_changed_at: int | None
    upload_percent: int
    error_code: str | None
    error_message: str | None
    crc32c: int | None


VIDEO_COLUMNS = ", ".join(field.name for field in fields(Video))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVideo:
    """A master video to be made. `head` is None where the source was not looked at."""

    user_id: str
    team_id: str
    project_id: str
    name: str
    description: str | None
    file_name: str
    content_type: str
    full_ingestion: bool
    source: SourceObject
    head: SourceHead | None
    request_id: str


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy under way: what is copied, what it was when last looked at, and the parts had.

    `source` is None where the keys were not kept; `parts` holds the CRC-32C of each part.
    """

    video_number: int
    video_id: str
    source: SourceObject | None
    head: tuple[int | None, int | None]
    part_bytes: int
    parts: dict[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFilter:
    """Which videos a list shows, and in which order. None: no filter."""

    team_id: str | None = None
    project_id: str | None = None
    master_video_id: str | None = None
    clip_id: str | None = None
    clip_mode: Literal["INCLUDE", "EXCLUDE", "ONLY"] = "INCLUDE"
    sort_by: Literal["createdAt", "updatedAt"] = "createdAt"
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Create:
    """The request that made a record. The secret key is not in it, nor the whole access key."""

    create_number: int
    video_id: str
    created_at: int
    request_id: str
    team_id: str
    project_id: str
    bucket: str
    object_key: str
    name: str
    description: str | None
    file_name: str
    masked_access_key: str


CREATE_COLUMNS = ", ".join(field.name for field in fields(Create))
