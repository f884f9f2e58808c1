"""Free clips of imported videos, where `--with-clips` asks for them."""

from collections.abc import Iterable
from typing import NamedTuple

from migrator.checkpoint.packing import pack_id, unpack_id
from migrator.checkpoint.queries import SQL, Tables


class Clip(NamedTuple):
    """The clip of a master, and how far it is. `clip_id` None: it has none.

    `state` is one of engine.decide.clips; `created_ms` the platform's createdAt.
    """

    video_id: str
    clip_id: str | None
    state: str
    created_ms: int | None = None


class WaitingClips(NamedTuple):
    """Imported rows whose clip is not known, or has not ended; when the oldest video was made.

    `unknown` of them have no clip that is known. `made_ms` is None where that is not known of all.
    """

    rows: int
    unknown: int
    made_ms: int | None


class Clips(Tables):
    """Clips by the master that they are made of: what replaces a video has a clip of its own."""

    def add_clips(self, clips: Iterable[Clip]) -> None:
        """Keep those of our videos; of several of one video the oldest is the free one."""
        self._db.executemany(
            SQL["add_clip"],
            (
                {
                    "video_id": pack_id(clip.video_id),
                    "clip_id": clip.clip_id and pack_id(clip.clip_id),
                    "state": clip.state,
                    "created_ms": clip.created_ms,
                }
                for clip in clips
            ),
        )

    def clips_waiting(self) -> WaitingClips:
        """What is still to be learned."""
        rows, unknown, undated, made_ms = self._db.execute(SQL["clips_waiting"]).fetchone()
        return WaitingClips(rows, unknown, None if undated else made_ms)

    def without_clip(self, limit: int) -> list[tuple[str, int]]:
        """(video id, lane) of imported rows of whose clip nothing is known."""
        found = self._db.execute(SQL["without_clip"], (limit,))
        return [(unpack_id(video) or "", lane) for video, lane in found]

    def note_no_clips(self, state: str) -> None:
        """Nothing was to be seen of the clips of all others: say so of each."""
        self._db.execute(SQL["note_no_clips"], (state,))

    def clips_between(self, first: int, last: int) -> dict[int, tuple[str | None, str]]:
        """(clip id, state) by row."""
        found = self._db.execute(SQL["clips_between"], (first, last))
        return {row: (unpack_id(clip), state) for row, clip, state in found}

    def clip_states(self) -> dict[str, int]:
        """How many imported rows have a clip in each state."""
        return dict(self._db.execute(SQL["clip_states"]))
