"""The free clip: the first ten seconds of a video, or all of it where it is shorter."""

from fractions import Fraction
from pathlib import Path

from av.video.frame import VideoFrame

from migrator.sandbox.media.frames import decoded, rate_of
from migrator.sandbox.media.metadata import Progress
from migrator.sandbox.media.mp4 import Mp4, even
from migrator.sandbox.media.opening import opened, sound_of

CLIP_S = 10.0

CRF = 16
"""Close to the source: a clip is what a team tries the platform's processing on."""


def make_clip(source: Path, into: Path, progress: Progress) -> None:
    """Write the clip of `source` to `into`, in the size of the source, with its sound.

    Raises NoVideoError.
    """
    with opened(source) as original:
        codec = original.video.codec_context
        sound = sound_of(original)
        pixels = original.video.sample_aspect_ratio or Fraction(1)
        size = even(codec.width), even(codec.height)
        with Mp4(
            into,
            size=size,
            rate=rate_of(original),
            crf=CRF,
            sound=sound is not None,
            pixels=pixels,
        ) as clip:
            for seconds, frame in decoded(original, sound):
                if seconds < CLIP_S:
                    clip.add(seconds, frame)
                    progress(max(0.0, seconds) / CLIP_S)
                elif isinstance(frame, VideoFrame):  # sound runs ahead of pictures
                    break
