"""The shapes of answers, as the API documents them."""

from collections.abc import Sequence

from msgspec import UNSET, Struct, UnsetType

from migrator.sandbox.media.findings import QualityAssessment, VideoMetadata
from migrator.sandbox.videos import Status


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
    upload_status: Status
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
    ingestion_status: Status
    web_video_available: bool
    thumbnails_available: bool
    full_frames_available: bool
    video_metadata_available: bool
    progress_percentage: int


class VideoIngestion(_Shape, frozen=True):
    """The ingestion, shown once a copy is DONE."""

    ingestion_state: IngestionState
    metadata: VideoMetadata
    quality_assessment: QualityAssessment


class ProcessingState(_Shape, frozen=True):
    """How far the making of a clip is."""

    updated_at: str
    eta_seconds: int
    processing_status: Status
    progress_percentage: int


class SourceVideo(_Shape, frozen=True):
    """The video that a clip is made of, and from where on."""

    video_id: str
    start_position_milliseconds: int


class VideoProcessing(_Shape, frozen=True):
    """The making of a clip."""

    processing_state: ProcessingState
    source_video: SourceVideo


class MasterVideo(_Shape, frozen=True):
    """The master of a derived video."""

    id: str
    created_at: str
    updated_at: str
    video_file: VideoFile


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
    processing: VideoProcessing | UnsetType = UNSET
    master_video: MasterVideo | UnsetType = UNSET


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


class LocationShape(_Shape, frozen=True):
    """An input location; its keys are shown masked, and in no other way."""

    id: str
    created_at: str
    updated_at: str
    name: str
    bucket: str
    access_key_hidden: str
    secret_access_key_hidden: str


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
