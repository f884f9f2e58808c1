"""The values that are remembered of a video, its copy and the request that made it."""

from dataclasses import MISSING, dataclass, fields
from typing import Literal

from migrator.sandbox.faults import UNTOUCHED, Struck
from migrator.sandbox.origin import Origin, SourceHead
from migrator.sandbox.plan import CopyFault

Status = Literal["INITIAL", "IN_PROGRESS", "DONE", "FAILED"]
"""Of a copy, an ingestion, or the making of a clip."""

S3_CONNECTIONS = 4
"""How many parts of a copy from S3 are fetched at once."""


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
    upload_status: Status | None
    upload_changed_at: int | None
    upload_percent: int
    error_code: str | None
    error_message: str | None
    crc32c: int | None
    size_off_bytes: int
    listed_at: int | None
    ingestion_status: Status | None = None
    ingestion_changed_at: int | None = None
    ingestion_percent: int = 0
    ingestion_eta_s: int = 0
    metadata: str | None = None
    quality: str | None = None
    processing_status: Status | None = None
    processing_changed_at: int | None = None
    processing_percent: int = 0
    processing_eta_s: int = 0
    media_error: str | None = None


VIDEO_COLUMNS = ", ".join(field.name for field in fields(Video))
NEW_VIDEO_COLUMNS = ", ".join(field.name for field in fields(Video) if field.default is MISSING)
"""Those that are known as a master is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVideo:
    """A master video to be made, and the request that asks for it.

    `head` is None where the source was not looked at; `struck` is what goes wrong on purpose.
    """

    user_id: str
    team_id: str
    project_id: str
    name: str
    description: str | None
    file_name: str
    content_type: str
    full_ingestion: bool
    origin: Origin
    head: SourceHead | None
    request_id: str
    operation: str
    location_id: str | None = None
    expected_crc32c: int | None = None
    connections: int = S3_CONNECTIONS
    struck: Struck = UNTOUCHED


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy under way: what is copied, what it was when last looked at, and the parts had.

    `origin` is None where it was not kept; `parts` holds the CRC-32C of each part.
    """

    video_number: int
    video_id: str
    origin: Origin | None
    head: tuple[int | None, int | None]
    part_bytes: int
    connections: int
    expected_crc32c: int | None
    fault: CopyFault | None
    parts: dict[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFilter:
    """Which videos a list shows, and in which order. None: no filter."""

    team_id: str | None = None
    project_id: str | None = None
    master_video_id: str | None = None
    clip_id: str | None = None
    not_video_id: str | None = None
    clip_mode: Literal["INCLUDE", "EXCLUDE", "ONLY"] = "INCLUDE"
    sort_by: Literal["createdAt", "updatedAt"] = "createdAt"
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Create:
    """The request that made a record, with no secret in it. The fields are the columns."""

    create_number: int
    video_id: str
    created_at: int
    request_id: str
    operation: str
    team_id: str
    project_id: str
    name: str
    description: str | None
    file_name: str
    full_ingestion: int
    bucket: str | None
    object_key: str | None
    masked_access_key: str | None
    location_id: str | None
    masked_url: str | None
    expected_crc32c: int | None
    connections: int | None


CREATE_COLUMNS = ", ".join(field.name for field in fields(Create))
