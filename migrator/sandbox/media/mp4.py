"""Writing H.264 in MP4 that browsers play: 8 bits, 4:2:0, the index at the beginning."""

from fractions import Fraction
from pathlib import Path
from typing import Self

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

TICKS = Fraction(1, 90_000)
"""The unit of moments: every common frame rate is a whole number of them."""

SOUND_RATE = 48_000
SOUND_LAYOUT = "stereo"


class Mp4:
    """A file under way. Frames go in with their moments in seconds; `close` completes it.

    `rate` is what the encoder plans with; the moments are kept as they are. With `sound` it has a
    stereo track (AAC). Pixels have the shape `pixels`.
    """

    def __init__(
        self,
        path: Path,
        *,
        size: tuple[int, int],
        rate: Fraction,
        crf: int,
        sound: bool,
        pixels: Fraction = Fraction(1),
    ) -> None:
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        options = {"preset": "veryfast", "crf": str(crf), "threads": "1"}
        self._video: VideoStream = self._container.add_stream("libx264", rate, options)
        self._video.width, self._video.height = size
        self._video.pix_fmt = "yuv420p"
        self._video.sample_aspect_ratio = pixels
        self._video.codec_context.time_base = TICKS
        self._size = size
        self._frame_ticks = max(1, round(1 / rate / TICKS))
        self._last_ticks = -1
        self._sound: AudioStream | None = None
        self._resampler = AudioResampler("fltp", SOUND_LAYOUT, SOUND_RATE)
        self._samples: int | None = None
        if sound:
            self._sound = self._container.add_stream("aac", SOUND_RATE)
            self._sound.layout = SOUND_LAYOUT

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        if failed is None:
            self._finish()
        self._container.close()

    def add(self, seconds: float, frame: VideoFrame | AudioFrame) -> None:
        """The frame of that moment. Sound from before 0 is left out."""
        if isinstance(frame, VideoFrame):
            self._add_picture(seconds, frame)
        elif self._sound is not None and seconds >= 0:
            self._add_sound(self._sound, seconds, frame)

    def _add_picture(self, seconds: float, frame: VideoFrame) -> None:
        width, height = self._size
        picture = frame.reformat(width, height, "yuv420p")
        ticks = round(seconds / TICKS)
        if ticks <= self._last_ticks:
            return
        self._last_ticks = ticks
        picture.pts, picture.time_base = ticks, TICKS
        picture.duration = self._frame_ticks
        picture.pict_type = 0  # the encoder chooses, whatever the source had here
        self._container.mux(self._video.encode(picture))

    def _add_sound(self, stream: AudioStream, seconds: float, frame: AudioFrame) -> None:
        if self._samples is None:
            self._samples = round(seconds * SOUND_RATE)
        frame.pts = None
        for part in self._resampler.resample(frame):
            part.pts, part.time_base = self._samples, Fraction(1, SOUND_RATE)
            self._samples += part.samples
            self._container.mux(stream.encode(part))

    def _finish(self) -> None:
        self._container.mux(self._video.encode())
        if self._sound is not None:
            self._container.mux(self._sound.encode())


def even(pixels: float) -> int:
    """A length that 4:2:0 can have: the nearest even one that is not longer, and 2 at least."""
    whole = int(pixels)
    return max(2, whole - whole % 2)
