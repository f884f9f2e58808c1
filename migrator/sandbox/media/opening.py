"""Opening a file that nobody can vouch for.

FFmpeg guesses what a file is, and some of what it takes for a video is a list of other files and
URLs to be opened (HLS, concat), or any text at all (tty). Only containers that hold their video
themselves are taken here, and nothing but files is ever opened.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

CONTAINERS = (
    *("mov", "matroska", "mxf", "mpegts", "mpeg", "avi", "asf", "flv", "ogg", "gxf", "dv"),
    *("h264", "hevc", "mpegvideo", "ivf", "yuv4mpegpipe", "nut"),
)
"""The demuxers that are taken, by the first of FFmpeg's names for each."""

OPTIONS = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "file"}


class NoVideoError(Exception):
    """The file holds no video that can be decoded; the message says why."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An open file and its video stream."""

    container: InputContainer
    video: VideoStream


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """The file at `path`, decoded by one thread. Raises NoVideoError where it has no video."""
    try:
        # Tags in a file may be in any encoding, and none of them is worth an ingestion.
        container = av.open(str(path), "r", options=OPTIONS, metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        raise NoVideoError(f"it cannot be opened as a video: {reason(error)}") from error
    with container:
        for stream in container.streams.video:
            codec = stream.codec_context
            # A cover picture is a video stream too, of one frame.
            if codec is None or stream.disposition & Disposition.attached_pic:
                continue
            if codec.width > 0 and codec.height > 0:
                codec.thread_count = 1
                yield Opened(container, stream)
                return
        raise NoVideoError("it holds no video stream that can be decoded")


def sound_of(source: Opened) -> AudioStream | None:
    """The first sound track that can be decoded, if there is one."""
    for stream in source.container.streams.audio:
        if stream.codec_context is not None and stream.codec_context.sample_rate:
            return stream
    return None


def reason(error: Exception) -> str:
    """What FFmpeg says is wrong, without the path."""
    return getattr(error, "strerror", None) or str(error)
