"""What is found out about a video, in the shapes and words of the API.

A field that the file does not answer is absent.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

Scanning = Literal["PROGRESSIVE", "INTERLACED_TOP_FIRST", "INTERLACED_BOTTOM_FIRST"]


class _Finding(Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """The base: camelCase names, and nothing at all for what is unset."""


class AspectRatio(_Finding, frozen=True):
    """Width to height as displayed: `ratio` with two decimals, and a `tag` such as 16:9."""

    ratio: float
    tag: str


class FrameRate(_Finding, frozen=True):
    """Frames a second, with three decimals, and as `30000:1001` or `25`."""

    frame_rate: float
    rational: str


class VideoScanning(_Finding, frozen=True):
    """Progressive or interlaced: as the file says, and as its pictures look."""

    metadata: Scanning | UnsetType = UNSET
    heuristics: Scanning | UnsetType = UNSET


class VideoMetadata(_Finding, frozen=True):
    """What a file holds. Sizes are in bytes; without ingestion only `size` is known."""

    size: int
    container_name: str | UnsetType = UNSET
    long_container_name: str | UnsetType = UNSET
    codec_name: str | UnsetType = UNSET
    long_codec_name: str | UnsetType = UNSET
    pixel_format_name: str | UnsetType = UNSET
    primary_bit_depth: int | UnsetType = UNSET
    frame_width: int | UnsetType = UNSET
    frame_height: int | UnsetType = UNSET
    display_aspect_ratio: AspectRatio | UnsetType = UNSET
    scanning: VideoScanning | UnsetType = UNSET
    average_frame_rate: FrameRate | UnsetType = UNSET
    duration_in_millis: int | UnsetType = UNSET
    total_frames: int | UnsetType = UNSET
    video_stream_size: int | UnsetType = UNSET
    color_range_name: str | UnsetType = UNSET
    color_space_name: str | UnsetType = UNSET
    color_transfer_name: str | UnsetType = UNSET
    color_primaries_name: str | UnsetType = UNSET
    hdr_standard_name: str | UnsetType = UNSET


class QualityMetric(_Finding, frozen=True):
    """One measure: its mean over the sampled frames, and what we make of it (0 to 5)."""

    name: str
    sample_mean: float
    subjective_label: str
    subjective_score: float


class QualityAssessment(_Finding, frozen=True):
    """All measures, and their mean score (0 to 5). Empty where nothing was assessed."""

    metrics: Sequence[QualityMetric] | UnsetType = UNSET
    overall_subjective_score: float | UnsetType = UNSET


class Rendered(Struct, frozen=True):
    """What looking at the pictures of a video came to; `scanning` is None where nothing moves."""

    quality: QualityAssessment
    scanning: Scanning | None
