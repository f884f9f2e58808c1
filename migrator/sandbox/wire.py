"""How records fill the shapes of answers."""

import mimetypes
from collections.abc import Sequence
from pathlib import PurePosixPath

import msgspec
from msgspec import UNSET, Struct, UnsetType

from migrator.sandbox.accounts import Project, Team, User
from migrator.sandbox.locations import InputLocation
from migrator.sandbox.moments import iso
from migrator.sandbox.shapes import (
    IngestionState,
    LocationShape,
    PageShape,
    ProjectShape,
    QualityAssessment,
    TeamShape,
    UploadError,
    UploadState,
    UserShape,
    VideoFile,
    VideoFlags,
    VideoIngestion,
    VideoInStatus,
    VideoMetadata,
    VideoShape,
    VideoUpload,
)
from migrator.sandbox.videos import Video

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


def shown_size(video: Video) -> int:
    """The size of a video in bytes as answers show it: 0 while it is not known."""
    return 0 if video.size_bytes is None else max(0, video.size_bytes + video.size_off_bytes)


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
            size=shown_size(video),
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
        metadata=VideoMetadata(size=shown_size(video)),
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
    created_at = iso(user.created_at)
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
    created_at = iso(team.created_at)
    return TeamShape(
        id=team.team_id,
        created_at=created_at,
        updated_at=created_at,
        name=team.name,
        api_enabled=True,
    )


def project_shape(project: Project) -> ProjectShape:
    """A project."""
    return ProjectShape(
        id=project.project_id,
        created_at=iso(project.created_at),
        updated_at=iso(project.updated_at),
        name=project.name,
        team_id=project.team_id,
        is_sample=False,
    )


def location_shape(location: InputLocation) -> LocationShape:
    """An input location, with its keys masked."""
    return LocationShape(
        id=location.location_id,
        created_at=iso(location.created_at),
        updated_at=iso(location.updated_at),
        name=location.name,
        bucket=location.bucket,
        access_key_hidden=location.masked_access_key,
        secret_access_key_hidden=location.masked_secret,
    )
