"""The shapes of answers, as the API documents them, and how records fill them."""

import mimetypes
from collections.abc import Sequence
from pathlib import PurePosixPath

import msgspec
from msgspec import UNSET, Struct, UnsetType

from migrator.sandbox.accounts import Project, Team, User
from migrator.sandbox.moments import iso
from migrator.sandbox.videos import UploadStatus, Video

_CONTAINERS = {
    ".avi": "AVI",
    ".m4v": "MPEG-4",
    ".mkv": "Matroska",
    ".mov": "QuickTime",
    ".mp4": "MPEG-4",
    ".mpg": "MPEG-PS",
    ".mxf": "MXF",
    ".ts": "MPEG-2 Transport Stream",
    ".webm": "WebM",
}


class _Shape(Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """The base: camelCase names, and nothing at all for what is unset."""


class VideoFile(_Shape, frozen=True):
    """A file; `size` is in bytes, and 0 while it is not known."""

    name: str
    size: int
    type: str
    container_name: str
    last_modified: str


class UploadError(_Shape, frozen=True):
    """Why a copy failed."""

    code: str
    message: str


class UploadState(_Shape, frozen=True):
    """How far a copy is."""

    updated_at: str
    upload_status: UploadStatus
    progress_percentage: int
    error: UploadError | UnsetType = UNSET


class VideoUpload(_Shape, frozen=True):
    """The file of a master video and its copy."""

    file: VideoFile
    upload_state: UploadState


class IngestionState(_Shape, frozen=True):
    """How far the ingestion is."""

    updated_at: str
    eta_seconds: int
    ingestion_status: UploadStatus
    web_video_available: bool
    thumbnails_available: bool
    full_frames_available: bool
    video_metadata_available: bool
    progress_percentage: int


class VideoMetadata(_Shape, frozen=True):
    """What is known of the content: its size in bytes, and nothing else as yet."""

    size: int


class QualityAssessment(_Shape, frozen=True):
    """Nothing is assessed here; the API requires the object, and no field of it."""


class VideoIngestion(_Shape, frozen=True):
    """The ingestion, shown once a copy is DONE."""

    ingestion_state: IngestionState
    metadata: VideoMetadata
    quality_assessment: QualityAssessment


class VideoInStatus(_Shape, frozen=True):
    """A copy and what followed it."""

    video_id: str
    upload: VideoUpload
    ingestion: VideoIngestion | UnsetType = UNSET


class VideoFlags(_Shape, frozen=True):
    """What a video is, and what is being done with it."""

    is_master: bool
    is_processing: bool
    is_processed: bool
    is_ingesting: bool
    is_ingested: bool
    is_clip: bool
    is_sample: bool


class VideoShape(_Shape, frozen=True):
    """A video as lists show it."""

    id: str
    created_at: str
    updated_at: str
    user_id: str
    name: str
    team_id: str
    project_id: str
    flags: VideoFlags
    description: str | UnsetType = UNSET
    clip_id: str | UnsetType = UNSET
    upload: VideoUpload | UnsetType = UNSET
    ingestion: VideoIngestion | UnsetType = UNSET


class UserShape(_Shape, frozen=True):
    """A user."""

    id: str
    created_at: str
    updated_at: str
    email: str
    name: str
    has_confirmed_email: bool


class TeamShape(_Shape, frozen=True):
    """A team."""

    id: str
    created_at: str
    updated_at: str
    name: str
    api_enabled: bool


class ProjectShape(_Shape, frozen=True):
    """A project."""

    id: str
    created_at: str
    updated_at: str
    name: str
    team_id: str
    is_sample: bool


class AccountShape(_Shape, frozen=True):
    """The user of a key, and the team that is taken where none is named."""

    user: UserShape
    default_team: TeamShape


class PageShape(_Shape, frozen=True):
    """A page of a list; pages are numbered from 0."""

    page_number: int
    page_size: int
    number_of_elements: int
    total_pages: int
    total_elements: int
    items: Sequence[Struct]


def encoded(shape: Struct) -> bytes:
    """The shape as JSON."""
    return msgspec.json.encode(shape)


def page(items: Sequence[Struct], *, number: int, size: int, total: int) -> PageShape:
    """A page with `items` on it, of `total` in the whole list."""
    return PageShape(
        page_number=number,
        page_size=size,
        number_of_elements=len(items),
        total_pages=-(-total // size),
        total_elements=total,
        items=items,
    )


def guessed_content_type(file_name: str) -> str:
    """The MIME type that the extension of a file suggests."""
    return mimetypes.guess_type(file_name)[0] or "application/octet-stream"


def upload(video: Video) -> VideoUpload | UnsetType:
    """The copy of a video, or UNSET where none was ever started."""
    if video.upload_status is None or video.file_name is None:
        return UNSET
    error: UploadError | UnsetType = UNSET
    if video.error_code is not None:
        error = UploadError(code=video.error_code, message=video.error_message or "")
    modified_at = video.created_at if video.modified_at is None else video.modified_at
    extension = PurePosixPath(video.file_name).suffix.lower()
    return VideoUpload(
        file=VideoFile(
            name=video.file_name,
            size=video.size_bytes or 0,
            type=video.content_type or guessed_content_type(video.file_name),
            container_name=_CONTAINERS.get(extension, "Unknown"),
            last_modified=iso(modified_at),
        ),
        upload_state=UploadState(
            updated_at=iso(video.upload_changed_at or video.updated_at),
            upload_status=video.upload_status,
            progress_percentage=video.upload_percent,
            error=error,
        ),
    )


def ingestion(video: Video) -> VideoIngestion | UnsetType:
    """What was ingested of a copied video.

    The content is not opened yet, so all that is known is the size: the ingestion is DONE,
    and no artefact is said to be available.
    """
    if video.upload_status != "DONE":
        return UNSET
    state = IngestionState(
        updated_at=iso(video.upload_changed_at or video.updated_at),
        eta_seconds=0,
        ingestion_status="DONE",
        web_video_available=False,
        thumbnails_available=False,
        full_frames_available=False,
        video_metadata_available=False,
        progress_percentage=100,
    )
    return VideoIngestion(
        ingestion_state=state,
        metadata=VideoMetadata(size=video.size_bytes or 0),
        quality_assessment=QualityAssessment(),
    )


def in_status(video: Video) -> VideoInStatus | None:
    """The copy of a video and its ingestion, or None where no copy was ever started."""
    copy = upload(video)
    if isinstance(copy, UnsetType):
        return None
    return VideoInStatus(video_id=video.video_id, upload=copy, ingestion=ingestion(video))


def video_shape(video: Video) -> VideoShape:
    """A video."""
    ingested = ingestion(video)
    return VideoShape(
        id=video.video_id,
        created_at=iso(video.created_at),
        updated_at=iso(video.updated_at),
        user_id=video.user_id,
        name=video.name,
        team_id=video.team_id,
        project_id=video.project_id,
        description=UNSET if video.description is None else video.description,
        clip_id=UNSET if video.clip_id is None else video.clip_id,
        upload=upload(video),
        ingestion=ingested,
        flags=VideoFlags(
            is_master=video.master_video_id is None and not video.is_clip,
            is_processing=False,
            is_processed=False,
            is_ingesting=False,
            is_ingested=ingested is not UNSET,
            is_clip=bool(video.is_clip),
            is_sample=False,
        ),
    )


def user_shape(user: User) -> UserShape:
    """The user."""
    created_at = iso(user.created_at_ms)
    return UserShape(
        id=user.user_id,
        created_at=created_at,
        updated_at=created_at,
        email=user.email,
        name=user.name,
        has_confirmed_email=True,
    )


def team_shape(team: Team) -> TeamShape:
    """A team."""
    created_at = iso(team.created_at_ms)
    return TeamShape(
        id=team.team_id,
        created_at=created_at,
        updated_at=created_at,
        name=team.name,
        api_enabled=True,
    )


def project_shape(project: Project) -> ProjectShape:
    """A project."""
    created_at = iso(project.created_at_ms)
    return ProjectShape(
        id=project.project_id,
        created_at=created_at,
        updated_at=created_at,
        name=project.name,
        team_id=project.team_id,
        is_sample=False,
    )
