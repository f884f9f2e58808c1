"""What a container and its streams say of a video, and what counting its packets adds.

Every packet of the video is read and none but the first frames are decoded. Names are those of
FFmpeg, except where the API's own examples have others.
"""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from av.container import InputContainer
from av.video.frame import VideoFrame
from msgspec import UNSET, UnsetType

from migrator.sandbox.media.findings import (
    AspectRatio,
    FrameRate,
    Scanning,
    VideoMetadata,
    VideoScanning,
)
from migrator.sandbox.media.frames import moving, rate_of
from migrator.sandbox.media.opening import Opened, opened

Progress = Callable[[float], None]
"""Is told how much of the work is done, from 0 to 1."""

MP4, QUICKTIME_BRAND = "mp4", "qt"

_CONTAINERS = {"matroska,webm": "matroska"}
_CODECS = {"mpeg2video": "mpeg2", "mpeg1video": "mpeg1"}

# AVFieldOrder (libavcodec/codec_par.h), by which field is *displayed* first.
_FIELD_ORDERS: dict[int, Scanning] = {
    1: "PROGRESSIVE",
    2: "INTERLACED_TOP_FIRST",
    3: "INTERLACED_BOTTOM_FIRST",
    4: "INTERLACED_BOTTOM_FIRST",
    5: "INTERLACED_TOP_FIRST",
}

# Code points of ISO/IEC 23091-2, with FFmpeg's names; 2 is "unspecified".
_PRIMARIES = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film",
    9: "bt2020", 10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213",
}  # fmt: skip
_TRANSFERS = {
    1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear",
    9: "log100", 10: "log316", 11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1",
    14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084", 17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip
_SPACES = {
    0: "gbr", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m",
    8: "ycgco", 9: "bt2020nc", 10: "bt2020c", 11: "smpte2085", 12: "chroma-derived-nc",
    13: "chroma-derived-c", 14: "ictcp",
}  # fmt: skip
_RANGES = {1: "tv", 2: "pc"}
_HDR_STANDARDS = {"smpte2084": "HDR10", "arib-std-b67": "HLG"}

LARGEST_IN_A_TAG = 40
"""Ratios of small numbers are written as such (16:9), others as 2.39:1."""


def inspect(path: Path, progress: Progress) -> VideoMetadata:
    """The metadata of the file at `path`. Raises NoVideoError where it holds no video."""
    size_bytes = path.stat().st_size
    with opened(path) as source:
        frame = next(iter(moving(source)))[1]
    with opened(path) as source:
        return _described(source, frame, size_bytes, progress)


def _described(
    source: Opened, frame: VideoFrame, size_bytes: int, progress: Progress
) -> VideoMetadata:
    codec = source.video.codec_context
    packets, stream_bytes, span = _counted(source, size_bytes, progress)
    duration = _duration(source, span)
    rate = source.video.average_rate or source.video.guessed_rate
    if not rate and duration:
        rate = Fraction(packets / duration).limit_denominator(1001)
    name, long_name = _container_names(source.container)
    # The pictures know better than the headers, where these are silent.
    transfer = _name(_TRANSFERS, codec.color_trc, frame.color_trc)
    return VideoMetadata(
        size=size_bytes,
        container_name=name,
        long_container_name=long_name,
        codec_name=_CODECS.get(codec.codec.canonical_name, codec.codec.canonical_name),
        long_codec_name=codec.codec.long_name,
        pixel_format_name=frame.format.name,
        primary_bit_depth=frame.format.components[0].bits,
        frame_width=frame.width,
        frame_height=frame.height,
        display_aspect_ratio=_aspect_ratio(display_ratio(source, frame.width, frame.height)),
        scanning=VideoScanning(metadata=_FIELD_ORDERS.get(codec.field_order, UNSET)),
        average_frame_rate=_frame_rate(rate) if rate else UNSET,
        duration_in_millis=round(duration * 1000) if duration else UNSET,
        total_frames=packets,
        video_stream_size=stream_bytes,
        color_range_name=_name(_RANGES, codec.color_range, frame.color_range),
        color_space_name=_name(_SPACES, codec.colorspace, frame.colorspace),
        color_transfer_name=transfer,
        color_primaries_name=_name(_PRIMARIES, codec.color_primaries, frame.color_primaries),
        hdr_standard_name=_HDR_STANDARDS.get(str(transfer), UNSET),
    )


def _counted(source: Opened, size_bytes: int, progress: Progress) -> tuple[int, int, float]:
    """Packets of the video that are shown, their bytes, and the seconds from first to last."""
    packets = stream_bytes = 0
    first: Fraction | None = None
    last = Fraction(0)
    for packet in source.container.demux(source.video):
        if packet.size == 0:  # the end, for the decoder
            continue
        stream_bytes += packet.size
        packets += not packet.is_discard
        if packet.pts is not None and packet.time_base is not None:
            begins = packet.pts * packet.time_base
            first = begins if first is None else min(first, begins)
            last = max(last, begins + (packet.duration or 0) * packet.time_base)
        if packet.pos is not None and size_bytes:
            progress(min(1.0, packet.pos / size_bytes))
    return (
        packets,
        stream_bytes,
        float(last - first) if first is not None else packets / float(rate_of(source)),
    )


def _duration(source: Opened, span_s: float) -> float:
    """Seconds: as the stream says, else as its packets do, else as the container does."""
    video = source.video
    if video.duration and video.time_base:
        return float(video.duration * video.time_base)
    return span_s or (source.container.duration or 0) / 1_000_000


def _container_names(container: InputContainer) -> tuple[str, str]:
    name, long_name = container.format.name, container.format.long_name
    if name.startswith("mov,"):
        brand = container.metadata.get("major_brand", QUICKTIME_BRAND).strip()
        return ("mov", long_name) if brand == QUICKTIME_BRAND else (MP4, "MPEG-4")
    return _CONTAINERS.get(name, name), long_name


def display_ratio(source: Opened, width: int, height: int) -> Fraction:
    """Width to height as displayed: pixels need not be square."""
    pixels = source.video.sample_aspect_ratio or Fraction(1)
    return Fraction(width, height) * pixels


def _aspect_ratio(ratio: Fraction) -> AspectRatio:
    simple = max(ratio.numerator, ratio.denominator) <= LARGEST_IN_A_TAG
    tag = f"{ratio.numerator}:{ratio.denominator}" if simple else f"{float(ratio):.2f}:1"
    return AspectRatio(ratio=round(float(ratio), 2), tag=tag)


def _frame_rate(rate: Fraction) -> FrameRate:
    whole = rate.denominator == 1
    rational = str(rate.numerator) if whole else f"{rate.numerator}:{rate.denominator}"
    return FrameRate(frame_rate=round(float(rate), 3), rational=rational)


def _name(names: dict[int, str], *codes: int) -> str | UnsetType:
    """The name of the first code point that has one."""
    return next((names[code] for code in codes if code in names), UNSET)
