"""Full ingestion: one way through a video, in which all that is to be made of it is made."""

from fractions import Fraction
from pathlib import Path

from av.video.frame import VideoFrame

from migrator.sandbox.media import pictures, scan
from migrator.sandbox.media.findings import Rendered
from migrator.sandbox.media.frames import decoded, rate_of
from migrator.sandbox.media.metadata import Progress, display_ratio
from migrator.sandbox.media.mp4 import Mp4, even
from migrator.sandbox.media.opening import Opened, opened, sound_of
from migrator.sandbox.media.pictures import Pictures, fitted, settle, spread
from migrator.sandbox.media.quality import Quality
from migrator.sandbox.media.scan import Scan

WEB_VIDEO_BOX = (1280, 720)
"""The width and height that a web video fits into."""

WEB_VIDEO_CRF = 26


def render(
    source: Path,
    *,
    web_video: Path,
    thumbnails: Path,
    full_frames: Path,
    duration_s: float,
    frames: int,
    progress: Progress,
) -> Rendered:
    """Make all artefacts of a video of that duration and of so many frames, durably.

    The three paths lie in one directory, which is empty. Raises NoVideoError.
    """
    with opened(source) as original:
        looking = _Looking(
            Pictures(thumbnails, full_frames, _ratio(original)),
            spread(duration_s, max(1, min(pictures.MOMENTS, frames))),
            spread(duration_s, scan.MOMENTS),
        )
        sound = sound_of(original)
        with _web_video(original, web_video, sound=sound is not None) as written:
            for seconds, frame in decoded(original, sound):
                written.add(seconds, frame)
                if isinstance(frame, VideoFrame):
                    looking.add(seconds, frame)
                    progress(min(1.0, seconds / duration_s) if duration_s else 0.0)
            looking.end()
    settle(web_video.parent)
    return Rendered(looking.quality.assessment(), looking.scan.verdict())


class _Looking:
    """Looks at the frames that are shown at moments of a list, and at the one after each."""

    def __init__(
        self, pictures_made: Pictures, picture_moments: list[float], scan_moments: list[float]
    ) -> None:
        self.quality = Quality()
        self.scan = Scan()
        self._pictures = pictures_made
        self._picture_moments = picture_moments[::-1]
        self._scan_moments = scan_moments[::-1]
        self._shown: VideoFrame | None = None

    def add(self, seconds: float, frame: VideoFrame) -> None:
        """The frame that is shown from that moment on."""
        if self._shown is not None:
            if _has_passed(self._picture_moments, seconds):
                self._picture(self._shown)
            if _has_passed(self._scan_moments, seconds):
                self.scan.add(self._shown, frame)
        self._shown = frame

    def end(self) -> None:
        """The last frame is shown at all moments that are left."""
        if self._picture_moments and self._shown is not None:
            self._picture(self._shown)

    def _picture(self, frame: VideoFrame) -> None:
        self._pictures.add(frame)
        self.quality.add(frame)


def _has_passed(moments: list[float], seconds: float) -> bool:
    """Whether the next of the moments (the last of the list) has passed; it is taken off then."""
    passed = False
    while moments and moments[-1] < seconds:
        moments.pop()
        passed = True
    return passed


def _ratio(original: Opened) -> Fraction:
    codec = original.video.codec_context
    return display_ratio(original, codec.width, codec.height)


def _web_video(original: Opened, path: Path, *, sound: bool) -> Mp4:
    width, height = fitted(_ratio(original), WEB_VIDEO_BOX, original.video.codec_context.height)
    return Mp4(
        path,
        size=(even(width), even(height)),
        rate=rate_of(original),
        crf=WEB_VIDEO_CRF,
        sound=sound,
    )
