"""Where the platform keeps the files of its videos: copies, and what was made of them.

    videos/VIDEO_ID                       the copied file of a master, or the file of a clip
    artefacts/VIDEO_ID/web.mp4            the web video
    artefacts/VIDEO_ID/thumbnails/N.jpg   pictures that fit into 320 x 180 pixels, N from 0001
    artefacts/VIDEO_ID/full_frames/N.jpg  the same moments in full size
    scratch/VIDEO_ID/                     what media work under way has made so far

Artefacts come all at once: they are made in `scratch` and renamed when they are durable. Whether
they are there is always read from here and never remembered, so that an answer of the platform
cannot say otherwise than its storage, whatever was deleted by hand.
"""

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from migrator.sandbox.keys import private_directory

WEB_VIDEO = "web.mp4"
THUMBNAILS = "thumbnails"
FULL_FRAMES = "full_frames"


@dataclass(frozen=True, slots=True)
class Available:
    """Which artefacts of a video there are."""

    web_video: bool
    thumbnails: bool
    full_frames: bool


NOTHING = Available(web_video=False, thumbnails=False, full_frames=False)


@dataclass(frozen=True, slots=True)
class Storage:
    """The files of all videos, named by the videos' ids."""

    videos: Path
    artefacts: Path
    scratch: Path

    @classmethod
    def under(cls, directory: Path) -> Self:
        """The storage in `directory`, made where it is absent. Raises OSError."""
        return cls(
            *(private_directory(directory / name) for name in ("videos", "artefacts", "scratch"))
        )

    def video(self, video_id: str) -> Path:
        """The file of a master or of a clip, whether it is there or not."""
        return self.videos / video_id

    def web_video(self, video_id: str) -> Path:
        """The web video (H.264 in MP4), whether it is there or not."""
        return self.artefacts / video_id / WEB_VIDEO

    def thumbnails(self, video_id: str) -> Sequence[Path]:
        """The thumbnails that there are (JPEG), in the order of their moments."""
        return sorted((self.artefacts / video_id / THUMBNAILS).glob("*.jpg"))

    def full_frames(self, video_id: str) -> Sequence[Path]:
        """The full frames that there are (JPEG), in the order of their moments."""
        return sorted((self.artefacts / video_id / FULL_FRAMES).glob("*.jpg"))

    def available(self, video_id: str) -> Available:
        """Which artefacts there are at this moment."""
        made = self.artefacts / video_id
        return Available(
            web_video=(made / WEB_VIDEO).is_file(),
            thumbnails=_holds_files(made / THUMBNAILS),
            full_frames=_holds_files(made / FULL_FRAMES),
        )

    def scratch_of(self, video_id: str) -> Path:
        """The directory for work on a video."""
        return self.scratch / video_id

    def begin(self, video_id: str) -> None:
        """Make the directory for work on a video, empty of what earlier work left there."""
        self.tidy(video_id)
        private_directory(self.scratch_of(video_id))

    def tidy(self, video_id: str) -> None:
        """Remove what work on a video has left."""
        shutil.rmtree(self.scratch_of(video_id), ignore_errors=True)

    def publish(self, video_id: str) -> None:
        """Put what was made in the scratch of a video in the place of its artefacts."""
        place = self.artefacts / video_id
        shutil.rmtree(place, ignore_errors=True)
        (self.scratch / video_id).rename(place)
        _settle(self.artefacts)

    def publish_video(self, video_id: str, made: Path) -> int:
        """Put the file `made` in the place of a video's file; its size in bytes."""
        place = self.video(video_id)
        made.replace(place)
        _settle(self.videos)
        return place.stat().st_size

    def remove(self, video_ids: Iterable[str]) -> None:
        """Remove all that there is of videos."""
        for video_id in video_ids:
            self.video(video_id).unlink(missing_ok=True)
            shutil.rmtree(self.artefacts / video_id, ignore_errors=True)
            shutil.rmtree(self.scratch / video_id, ignore_errors=True)

    def kept(self) -> Sequence[str]:
        """The ids of all videos that there is anything of."""
        places = (self.videos, self.artefacts, self.scratch)
        return sorted({path.name for place in places for path in place.iterdir()})


def _holds_files(directory: Path) -> bool:
    try:
        with os.scandir(directory) as entries:
            return any(entries)
    except FileNotFoundError:
        return False


def _settle(directory: Path) -> None:
    """Wait until the names in a directory are on disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
