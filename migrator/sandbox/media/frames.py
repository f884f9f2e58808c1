"""The frames of a video in the order they are displayed, each with its moment."""

from collections import deque
from collections.abc import Iterator
from fractions import Fraction

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame

from migrator.sandbox.media.opening import NoVideoError, Opened

DEFAULT_RATE = Fraction(25)
"""Frames a second where a file says nothing about it (raw streams)."""

MOST_EARLY_SOUND = 1000
"""Frames of sound that are kept until the first picture comes out: some twenty seconds."""


def rate_of(opened: Opened) -> Fraction:
    """Frames a second, as the file says or as FFmpeg guesses."""
    video = opened.video
    return video.average_rate or video.guessed_rate or DEFAULT_RATE


def moving(opened: Opened) -> Iterator[tuple[float, VideoFrame]]:
    """Each frame, with the seconds from the first one to it. Sound is not decoded."""
    for seconds, frame in decoded(opened, None):
        if isinstance(frame, VideoFrame):
            yield seconds, frame


def decoded(
    opened: Opened, audio: AudioStream | None
) -> Iterator[tuple[float, VideoFrame | AudioFrame]]:
    """Frames of the video, and of `audio`, as they come, with the seconds since the first picture.

    Packets that cannot be decoded are passed over, as players do, and so are frames that would go
    back in time. Sound from before the first picture has a negative moment. Raises NoVideoError
    where no frame of the video comes out at all.
    """
    rate = rate_of(opened)
    began_s: float | None = None
    last_s, count = -1.0, 0
    early: deque[AudioFrame] = deque(maxlen=MOST_EARLY_SOUND)
    for packet in opened.container.demux([opened.video, *([audio] if audio else [])]):
        try:
            frames = packet.decode()
        except (av.FFmpegError, ValueError):
            continue
        for frame in frames:
            if isinstance(frame, VideoFrame):
                at_s = float(count / rate) if frame.pts is None else float(frame.time)
                count += 1
                if began_s is None:
                    began_s = at_s
                    yield from ((float(sound.time or 0) - began_s, sound) for sound in early)
                if at_s - began_s > last_s:
                    last_s = at_s - began_s
                    yield last_s, frame
            elif isinstance(frame, AudioFrame) and frame.time is not None:
                if began_s is None:
                    early.append(frame)
                else:
                    yield float(frame.time) - began_s, frame
    if began_s is None:
        raise NoVideoError("none of its frames can be decoded")
