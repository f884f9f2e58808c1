"""Thumbnails and full frames: JPEG pictures of moments spread evenly over a video."""

import os
from fractions import Fraction
from pathlib import Path

from av import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

MOMENTS = 10
"""So many pictures of a video, or as many as it has frames where these are fewer."""

THUMBNAIL_BOX = (320, 180)
"""The width and height that a thumbnail fits into."""

JPEG_QUANTISER = 3
"""FFmpeg's scale for MJPEG, from 2 (best) to 31."""


def spread(duration_s: float, count: int) -> list[float]:
    """So many moments (seconds), each in the middle of its share of the duration."""
    return [duration_s * (number + 0.5) / count for number in range(count)]


def fitted(ratio: Fraction, box: tuple[int, int], height: int) -> tuple[int, int]:
    """Width and height of a picture of that ratio that fits into `box`, no higher than `height`."""
    width, height = box[0], min(height, box[1])
    if height * ratio > width:
        return width, max(1, round(width / ratio))
    return max(1, round(height * ratio)), height


class Pictures:
    """Writes the pictures of one video into two directories, which it makes."""

    def __init__(self, thumbnails: Path, full_frames: Path, ratio: Fraction) -> None:
        self._thumbnails, self._full_frames = thumbnails, full_frames
        self._ratio = ratio
        self._count = 0
        thumbnails.mkdir()
        full_frames.mkdir()

    def add(self, frame: VideoFrame) -> None:
        """Write the thumbnail and the full frame of a moment."""
        self._count += 1
        name = f"{self._count:04}.jpg"
        thumbnail = fitted(self._ratio, THUMBNAIL_BOX, frame.height)
        # As displayed: where pixels are not square, the width is what changes.
        full = max(1, round(frame.height * self._ratio)), frame.height
        (self._thumbnails / name).write_bytes(jpeg(frame, thumbnail))
        (self._full_frames / name).write_bytes(jpeg(frame, full))


def jpeg(frame: VideoFrame, size: tuple[int, int]) -> bytes:
    """The frame as a JPEG of that width and height."""
    picture = frame.reformat(*size, "yuvj420p", dst_color_range="JPEG")
    encoder = CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height = size
    encoder.pix_fmt, encoder.time_base = "yuvj420p", Fraction(1, 25)
    encoder.qmin = encoder.qmax = JPEG_QUANTISER
    encoder.thread_count = 1
    picture.pts = None
    packets = [*encoder.encode(picture), *encoder.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


def settle(directory: Path) -> None:
    """Wait until all files and directories under `directory`, itself too, are on disk."""
    for place, _, names in os.walk(directory):
        for path in (place, *(os.path.join(place, name) for name in names)):  # noqa: PTH118
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
