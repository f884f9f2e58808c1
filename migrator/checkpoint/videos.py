"""What the platform's list has shown: videos of the first sweep, and those of rows sent before."""

from collections.abc import Iterable

from migrator.checkpoint.packing import pack_id, unpack_id
from migrator.checkpoint.queries import SQL, Tables
from migrator.checkpoint.values import Carrier, PlatformVideo, PresumedAbsent


class Videos(Tables):
    """Videos on the platform, as far as the batch must know them."""

    def add_platform_videos(self, videos: Iterable[PlatformVideo]) -> int:
        """Keep videos of the first sweep; answers how many distinct ones are kept by now."""
        self.keep_platform_videos(videos)
        return int(self._db.execute(SQL["count_platform_videos"]).fetchone()[0])

    def keep_platform_videos(self, videos: Iterable[PlatformVideo]) -> None:
        """Keep videos that may be of rows to come, beside those of the first sweep."""
        self._db.executemany(
            SQL["add_platform_video"],
            (
                (pack_id(v.video_id), v.object_id, v.batch, v.file_name, v.size_bytes,
                 v.created_ms, v.upload_status)
                for v in videos
            ),
        )  # fmt: skip

    def forget_platform_videos(self) -> None:
        """Begin the first sweep anew."""
        self._db.execute(SQL["forget_platform_videos"])

    def carriers_between(self, first: int, last: int) -> list[Carrier]:
        """Videos that carry a tag of our pending rows `first` to `last`, oldest first in a row."""
        cursor = self._db.execute(SQL["carriers_of_our_objects"], (first, last))
        return [Carrier(row, unpack_id(video) or "", *rest) for row, video, *rest in cursor]

    def saw_untagged(self) -> bool:
        """Whether the first sweep saw any master without a tag that `look_alike` might answer."""
        return self._db.execute(SQL["any_untagged"]).fetchone() is not None

    def look_alike(self, file_name: str, size_bytes: int) -> str | None:
        """An untagged master that the first sweep saw with this file name and size, or None."""
        found = self._db.execute(SQL["look_alike"], (file_name, size_bytes)).fetchone()
        return None if found is None else unpack_id(found[0])

    def knows_platform_video(self, video_id: str) -> bool:
        """Whether the first sweep saw this video."""
        found = self._db.execute(SQL["knows_platform_video"], (pack_id(video_id),))
        return found.fetchone() is not None

    def presumed_absent(self) -> PresumedAbsent:
        """Rows that were sent again, or given up, because no video of theirs was to be seen."""
        rows, posts, since_s = self._db.execute(SQL["presumed_absent"]).fetchone()
        return PresumedAbsent(rows, int(posts), since_s or None)

    def latest_videos(self, since_s: int, limit: int, lane: int = 0) -> list[tuple[str, int]]:
        """(video id, the platform's clock at the intent) of a lane's last rows sent since then."""
        found = self._db.execute(SQL["latest_videos"], (since_s, lane, limit))
        return [(unpack_id(video) or "", date_s) for video, date_s in found]

    def looked_back(self) -> bool:
        """Whether videos of such rows have been looked for once more since the last of them."""
        presumed = self.presumed_absent()
        return presumed.rows == 0 or self.meta("looked_back") == presumed.mark
