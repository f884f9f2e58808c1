"""The platform's JSON, as far as a migration reads or writes it (published document, 2.0.0).

Reading is lenient: fields that are not needed are not named, whatever may be absent is optional,
and statuses are plain strings, because the lists of the document are open. Writing is exact.
"""

import codecs
from datetime import UTC, datetime
from typing import Annotated, TypeVar, get_args

import msgspec

from migrator.settings import UUID_PATTERN

T = TypeVar("T")

MAX_EPOCH_MS = 10**14
"""Beyond the year 5138: no time that anything was made at."""

MIN_EPOCH_MS = 10**11
"""Below this (1973) a number is of seconds, as some writers of JSON have it, with or without
decimals."""

Timestamp = str | int | float | None
"""A point in time as the platform writes it: ISO 8601, or epoch milliseconds (or seconds)."""

MAX_TIME_CHARACTERS = 40
"""Longest text that can be a point in time."""

MAX_ITEMS = 100
"""Videos a page: the API's largest `pageSize`, and what is asked for."""

MAX_COMMAS = 200_000
"""An answer with more of them is none of the platform's, and would take up memory a hundredfold: a
page has 100 videos of some 150 fields, and a description of 511 characters each."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A number of things or bytes, as far as the checkpoint can hold it."""


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
    size: Count | None = None


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
    is_processing: bool | None = None
    is_processed: bool | None = None


class MasterVideo(_Read):
    """The original file behind a video, and the video's id."""

    id: str | None = None
    video_file: VideoFile | None = None


class ProcessingState(_Read):
    """How far a clip is made."""

    processing_status: str | None = None


class Processing(_Read):
    """The making of a clip."""

    processing_state: ProcessingState | None = None


class Video(_Read):
    """An item of `GET /v1/videos`."""

    id: str
    created_at: Timestamp = None
    updated_at: Timestamp = None
    name: str | None = None
    description: str | None = None
    project_id: str | None = None
    flags: VideoFlags | None = None
    upload: Upload | None = None
    ingestion: Ingestion | None = None
    master_video: MasterVideo | None = None
    clip_id: str | None = None
    processing: Processing | None = None

    def __post_init__(self) -> None:
        """A UUID is the same in either case (RFC 9562), and is compared as text here."""
        self.id = self.id.lower()


class VideosPage(_Read):
    """A page of `GET /v1/videos`."""

    total_elements: Count
    items: list[msgspec.Raw]


class _UsualPage(_Read):
    """The same where every item is what it should be."""

    total_elements: Count
    items: list[Video]


class VideoInStatus(_Read):
    """The answer of a POST, of `in/status` and of `in/restart`."""

    video_id: str
    upload: Upload | None = None
    ingestion: Ingestion | None = None

    def __post_init__(self) -> None:
        """As with `Video`: a UUID is the same in either case."""
        self.video_id = self.video_id.lower()


class Identified(_Read):
    """Anything with an id: a team, a user, a project."""

    id: str
    name: str | None = None
    team_id: str | None = None


class Account(_Read):
    """The answer of `GET /v1/account`."""

    user: Identified
    default_team: Identified


class InputLocation(_Read):
    """A bucket and the keys that the platform reads it with, which it never tells."""

    id: str
    name: str
    bucket: str


class InputLocationsPage(_Read):
    """A page of `GET /v1/input-locations/s3`."""

    total_elements: Count
    items: list[InputLocation]


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


class CreateMasterVideoFromInputLocation(
    msgspec.Struct, rename="camel", frozen=True, omit_defaults=True
):
    """The body of `POST /v1/videos/in/s3/{inputLocationId}`."""

    name: str
    object_key: str
    file_name: str
    description: str | None = None
    project_id: str | None = None


class CreateMasterVideoFromHttps(msgspec.Struct, rename="camel", frozen=True, omit_defaults=True):
    """The body of `POST /v1/videos/in/https`. Its URL is a secret: never logged, never kept."""

    name: str
    url: str
    file_name: str
    description: str | None = None
    project_id: str | None = None

    def __repr__(self) -> str:
        return f"CreateMasterVideoFromHttps({self.name!r}, ***)"


class CreateInputLocation(msgspec.Struct, rename="camel", frozen=True):
    """The body of `POST /v1/input-locations/s3`. Never logged, never kept."""

    name: str
    bucket: str
    access_key: str
    secret_access_key: str

    def __repr__(self) -> str:
        return f"CreateInputLocation({self.name!r}, {self.bucket!r}, ***)"


def decode(body: bytes, kind: type[T]) -> T | None:
    """`body` as a `kind`, or None when it is anything else: HTML, cut short, of another shape.

    An optional field of an unexpected type or value counts as absent, and hides nothing beside it:
    a tag counts, whatever the platform says of the size.
    """
    if body.count(b",") > MAX_COMMAS:
        return None
    body = body.removeprefix(codecs.BOM_UTF8)  # a parser may ignore it (RFC 8259, 8.1)
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError:
        return _without_odd_fields(body, kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _without_odd_fields(body: bytes, kind: type[T]) -> T | None:
    """A struct of those fields that are what they should be; None where a needed one is not."""
    kind = next((each for each in (kind, *get_args(kind)) if _is_struct(each)), kind)
    if not _is_struct(kind):
        return None
    try:
        given = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    fields = {}
    for field in msgspec.structs.fields(kind):  # type: ignore[arg-type]  # it is a struct
        raw = given.get(field.encode_name)
        value = None if raw is None else decode(bytes(raw), field.type)
        if value is not None:
            fields[field.name] = value
        elif field.required:
            return None
    return kind(**fields)


def _is_struct(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def decode_page(body: bytes) -> tuple[int, tuple[Video, ...]] | None:
    """(totalElements, videos) of a page of `GET /v1/videos`, or None when it is anything else.

    An id that is no UUID is none of the platform's: it would become part of a path.
    """
    usual = _usual_page(body)
    if usual is not None:
        return usual
    page = decode(body, VideosPage)
    if page is None or len(page.items) > MAX_ITEMS:
        return None
    videos: list[Video] = []
    for raw in page.items:
        video = decode(bytes(raw), Video)
        if video is None or not UUID_PATTERN.fullmatch(video.id):
            return None
        videos.append(video)
    return page.total_elements, tuple(videos)


def _usual_page(body: bytes) -> tuple[int, tuple[Video, ...]] | None:
    """A page in one go, which takes a fifth of the time; None where anything about it is odd."""
    if body.count(b",") > MAX_COMMAS:
        return None
    try:
        page = msgspec.json.decode(body, type=_UsualPage)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    is_odd = len(page.items) > MAX_ITEMS or not all(
        UUID_PATTERN.fullmatch(video.id) for video in page.items
    )
    return None if is_odd else (page.total_elements, tuple(page.items))


def time_ms(value: Timestamp) -> int | None:
    """Epoch milliseconds of a timestamp, or None when there is none or it makes no sense."""
    if isinstance(value, str) and len(value) > MAX_TIME_CHARACTERS:
        return None
    if isinstance(value, str) and value.isdecimal():  # before ISO, which takes it for a date
        value = int(value)
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return int(moment.timestamp() * 1000)
    if isinstance(value, int | float) and 0 <= value < MAX_EPOCH_MS:
        return int(value if value >= MIN_EPOCH_MS else value * 1000)
    return None
