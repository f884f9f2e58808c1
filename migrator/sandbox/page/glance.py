"""What is read for one view of the page: so many rows, however many videos there are.

Pages are found by the number of a video and not by counting rows, and counts end at a bound: a view
of a million videos costs what one of ten thousand does.
"""

# ruff: noqa: S608 - the names put into queries are our own; every value is bound

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from migrator.sandbox.database import Database
from migrator.sandbox.videos import VIDEO_COLUMNS, Video

ROWS = 20
"""How many videos stand on one page."""

COUNTED_TO = 10_000

Kind = Literal["masters", "clips", "open", "failed"]

# In the words of the partial indexes, which could not be used otherwise.
_COPYING = "upload_status IN ('INITIAL', 'IN_PROGRESS')"
_MEDIA = (
    "(ingestion_status IN ('INITIAL', 'IN_PROGRESS')"
    " OR processing_status IN ('INITIAL', 'IN_PROGRESS'))"
)
_FAILED = (
    "(upload_status = 'FAILED' OR ingestion_status = 'FAILED' OR processing_status = 'FAILED')"
)

_FROM: dict[Kind, Sequence[str]] = {
    "masters": ("videos WHERE NOT is_clip",),
    "clips": ("videos INDEXED BY videos_clips WHERE is_clip",),
    "open": (
        f"videos INDEXED BY videos_under_way WHERE {_COPYING}",
        f"videos INDEXED BY videos_media WHERE {_MEDIA}",
    ),
    "failed": (f"videos INDEXED BY videos_failed WHERE {_FAILED}",),
}
"""Where the videos of a kind are found: in each of these, by an index that holds no others."""

_COLUMNS = ", ".join(f"videos.{name}" for name in VIDEO_COLUMNS.split(", "))


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Which videos are wanted, newest first: those before a number, or the ones just after it."""

    kind: Kind = "masters"
    before: int | None = None
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A video on the page, and where it was copied from, if it was.

    `relative` is the clip of a master, or the master of a clip.
    """

    video: Video
    relative: Video | None
    bucket: str | None
    object_key: str | None
    url: str | None


@dataclass(frozen=True, slots=True)
class Glance:
    """One view. Newer videos have numbers above `newer`, older ones below `older`.

    None: there are no more.
    """

    counts: dict[Kind, int]
    shown: Sequence[Shown]
    newer: int | None
    older: int | None


class Glances:
    """Reads views of the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def look(self, view: View) -> Glance:
        """What is there at this moment. A count of COUNTED_TO + 1 means: more than COUNTED_TO."""

        def read(connection: sqlite3.Connection) -> Glance:
            connection.execute("BEGIN")  # so that all of it is of one moment
            try:
                return Glance(
                    {kind: _count(connection, kind) for kind in _FROM},
                    *_page(connection, view),
                )
            finally:
                connection.execute("COMMIT")

        return await self._database.read(read)


def _count(connection: sqlite3.Connection, kind: Kind) -> int:
    found = _any_of(kind, "TRUE", f"LIMIT {COUNTED_TO + 1}")
    query = f"SELECT count(*) FROM (SELECT 1 FROM ({found}) LIMIT {COUNTED_TO + 1})"
    count: int = connection.execute(query).fetchone()[0]
    return count


def _page(
    connection: sqlite3.Connection, view: View
) -> tuple[Sequence[Shown], int | None, int | None]:
    """The rows, and the numbers that the newer and the older ones are beyond."""
    forth = view.after is not None
    rows = _rows(connection, view)
    more, shown = len(rows) > ROWS, rows[:ROWS]
    if forth:
        shown.reverse()
    if not shown:
        return (), None, None
    first, last = shown[0].video.video_number, shown[-1].video.video_number
    has_newer = more if forth else view.before is not None
    has_older = forth or more
    return shown, first if has_newer else None, last if has_older else None


def _rows(connection: sqlite3.Connection, view: View) -> list[Shown]:
    """Up to one more than a page holds, the nearest to where the page begins first."""
    if view.after is None:
        bound = "TRUE" if view.before is None else f"video_number < {view.before:d}"
        order = "DESC"
    else:
        bound, order = f"video_number > {view.after:d}", "ASC"
    found = _any_of(view.kind, bound, f"ORDER BY video_number {order} LIMIT {ROWS + 1}")
    rows = connection.execute(
        f"SELECT {_COLUMNS}, bucket, object_key, masked_url"
        " FROM videos LEFT JOIN copies USING (video_number) LEFT JOIN creates USING (create_number)"
        f" WHERE videos.video_number IN ({found})"
        f" ORDER BY videos.video_number {order} LIMIT {ROWS + 1}"
    ).fetchall()
    videos = [Video(*row[:-3]) for row in rows]
    relatives = _clips(connection, videos) | _masters(connection, videos)
    return [
        Shown(video, relatives.get(video.video_id), *row[-3:])
        for video, row in zip(videos, rows, strict=True)
    ]


def _any_of(kind: Kind, bound: str, limit: str) -> str:
    """A query for the numbers of the videos of a kind."""
    return " UNION ".join(
        f"SELECT * FROM (SELECT video_number FROM {one} AND {bound} {limit})" for one in _FROM[kind]
    )


def _clips(connection: sqlite3.Connection, videos: Sequence[Video]) -> dict[str, Video]:
    """The clips of those that have one, by the ids of their masters."""
    rows = connection.execute(
        f"SELECT {VIDEO_COLUMNS} FROM videos WHERE is_clip"
        " AND master_video_id IN (SELECT value FROM json_each(?))",
        (_json([video.video_id for video in videos]),),
    )
    clips = [Video(*row) for row in rows]
    return {clip.master_video_id: clip for clip in clips if clip.master_video_id is not None}


def _masters(connection: sqlite3.Connection, videos: Sequence[Video]) -> dict[str, Video]:
    """The masters of those that are clips, by the ids of the clips."""
    clips = {video.master_video_id: video.video_id for video in videos if video.is_clip}
    rows = connection.execute(
        f"SELECT {VIDEO_COLUMNS} FROM videos WHERE video_id IN (SELECT value FROM json_each(?))",
        (_json(list(clips)),),
    )
    return {clips[master.video_id]: master for master in (Video(*row) for row in rows)}


def _json(ids: Sequence[str | None]) -> str:
    return msgspec.json.encode(ids).decode()
