"""How records fill the shapes of answers."""

import mimetypes
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

import msgspec
from msgspec import UNSET, Struct, UnsetType

from migrator.sandbox.accounts import Project, Team, User
from migrator.sandbox.locations import InputLocation
from migrator.sandbox.media.findings import QualityAssessment, VideoMetadata
from migrator.sandbox.moments import iso
from migrator.sandbox.shapes import (
    IngestionState,
    LocationShape,
    MasterVideo,
    PageShape,
    ProcessingState,
    ProjectShape,
    SourceVideo,
    TeamShape,
    UploadError,
    UploadState,
    UserShape,
    VideoFile,
    VideoFlags,
    VideoIngestion,
    VideoInStatus,
    VideoProcessing,
    VideoShape,
    VideoUpload,
)
from migrator.sandbox.storage import NOTHING, Available
from migrator.sandbox.videos import Video

Availability = Callable[[str], Available]
"""Tells which artefacts the video of an id has, as `storage.Storage.available` does."""

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
    if video.upload_status is None:
        return UNSET
    error: UploadError | UnsetType = UNSET
    if video.error_code is not None:
        error = UploadError(code=video.error_code, message=video.error_message or "")
    return VideoUpload(
        file=_file(video),
        upload_state=UploadState(
            updated_at=iso(video.upload_changed_at or video.updated_at),
            upload_status=video.upload_status,
            progress_percentage=video.upload_percent,
            error=error,
        ),
    )


def _file(video: Video) -> VideoFile:
    """The file of a master."""
    name = video.file_name or ""
    modified_at = video.created_at if video.modified_at is None else video.modified_at
    return VideoFile(
        name=name,
        size=shown_size(video),
        type=video.content_type or guessed_content_type(name),
        container_name=_CONTAINERS.get(PurePosixPath(name).suffix.lower(), "Unknown"),
        last_modified=iso(modified_at),
    )


def ingestion(video: Video, available: Availability) -> VideoIngestion | UnsetType:
    """What was ingested of a video so far, or UNSET where that has not come up yet."""
    if video.ingestion_status is None:
        return UNSET
    there = available(video.video_id) if video.full_ingestion else NOTHING
    state = IngestionState(
        updated_at=iso(video.ingestion_changed_at or video.updated_at),
        eta_seconds=video.ingestion_eta_s,
        ingestion_status=video.ingestion_status,
        web_video_available=there.web_video,
        thumbnails_available=there.thumbnails,
        full_frames_available=there.full_frames,
        video_metadata_available=video.metadata is not None,
        progress_percentage=video.ingestion_percent,
    )
    size = shown_size(video)
    metadata, quality = VideoMetadata(size=size), QualityAssessment()
    if video.metadata is not None:
        found = msgspec.json.decode(video.metadata, type=VideoMetadata)
        metadata = msgspec.structs.replace(found, size=size)
    if video.quality is not None:
        quality = msgspec.json.decode(video.quality, type=QualityAssessment)
    return VideoIngestion(ingestion_state=state, metadata=metadata, quality_assessment=quality)


def _processing(video: Video) -> VideoProcessing | UnsetType:
    if video.processing_status is None or video.master_video_id is None:
        return UNSET
    return VideoProcessing(
        processing_state=ProcessingState(
            updated_at=iso(video.processing_changed_at or video.updated_at),
            eta_seconds=video.processing_eta_s,
            processing_status=video.processing_status,
            progress_percentage=video.processing_percent,
        ),
        source_video=SourceVideo(video_id=video.master_video_id, start_position_milliseconds=0),
    )


def _master(master: Video) -> MasterVideo:
    return MasterVideo(
        id=master.video_id,
        created_at=iso(master.created_at),
        updated_at=iso(master.updated_at),
        video_file=_file(master),
    )


def in_status(video: Video, available: Availability) -> VideoInStatus | None:
    """The copy of a video and its ingestion, or None where no copy was ever started."""
    copy = upload(video)
    if isinstance(copy, UnsetType):
        return None
    return VideoInStatus(
        video_id=video.video_id, upload=copy, ingestion=ingestion(video, available)
    )


def video_shape(video: Video, master: Video | None, available: Availability) -> VideoShape:
    """A video; `master` is that of a derived one."""
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
        ingestion=ingestion(video, available),
        processing=_processing(video),
        master_video=UNSET if master is None else _master(master),
        flags=VideoFlags(
            is_master=video.master_video_id is None and not video.is_clip,
            is_processing=video.processing_status == "IN_PROGRESS",
            is_processed=False,  # the free clip is an original, which nothing was applied to
            is_ingesting=video.ingestion_status == "IN_PROGRESS",
            is_ingested=video.ingestion_status == "DONE",
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
