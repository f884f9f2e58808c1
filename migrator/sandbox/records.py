"""The video records: what the platform remembers of each, and of the request that made it."""

# ruff: noqa: S608 - the names put into queries are our own columns; every value is bound

import asyncio
import dataclasses
import sqlite3
import uuid
from collections.abc import Collection, Mapping, Sequence

import msgspec

from migrator.sandbox import events
from migrator.sandbox.copies import seal_origin
from migrator.sandbox.database import Database
from migrator.sandbox.events import EventType
from migrator.sandbox.faults import UNTOUCHED, Struck
from migrator.sandbox.keys import masked
from migrator.sandbox.moments import Clock
from migrator.sandbox.origin import SourceObject
from migrator.sandbox.seal import Sealer
from migrator.sandbox.videos import (
    CREATE_COLUMNS,
    NEW_VIDEO_COLUMNS,
    VIDEO_COLUMNS,
    Create,
    NewVideo,
    Video,
    VideoFilter,
)

PART_BYTES = 8 * 1024 * 1024
"""How large the parts of a new copy are; a copy keeps the size it began with."""


_DONE_AT_ONCE = (
    "UPDATE videos SET upload_status = 'DONE', upload_percent = 100, ingestion_status = 'DONE',"
    " ingestion_percent = 100, ingestion_changed_at = created_at WHERE video_number = ?"
)
_TOLD_AT_ONCE: tuple[EventType, ...] = (
    *("video_in.started", "video_in.done"),
    *("video_in_ingestion.started", "video_in_ingestion.done"),
)


class DerivedConflictError(Exception):
    """A video has derived ones that were not expected to be deleted with it."""


class Records:
    """The videos. `sealer` is None where no bytes are moved.

    No copy then needs what it is copied from, and one that nothing is planned to go wrong with
    is DONE in the same commit that makes it: half the writes, where creates are measured.
    """

    def __init__(self, database: Database, clock: Clock, sealer: Sealer | None) -> None:
        self._database = database
        self._clock = clock
        self._sealer = sealer
        # Until when some record may be hidden from lists; so far, at a start, any may be.
        self._hidden_until_ms: float = float("inf")

    async def load(self) -> None:
        """Find out what is hidden from lists as yet."""

        def read(connection: sqlite3.Connection) -> int:
            row = connection.execute("SELECT max(listed_at) FROM videos WHERE listed_at NOT NULL")
            return int(row.fetchone()[0] or 0)

        self._hidden_until_ms = await self._database.read(read)

    def create(self, new: NewVideo) -> asyncio.Future[Video | None]:
        """Make a master video; the future is done once it is on disk.

        It is as it was made, with its copy INITIAL. None where the project has been deleted
        meanwhile.
        """

        def write(connection: sqlite3.Connection) -> Video | None:
            there = "SELECT EXISTS (SELECT 1 FROM projects WHERE project_id = ?)"
            if not connection.execute(there, (new.project_id,)).fetchone()[0]:
                return None
            # The moment is taken here, so that moments are in the order of commits.
            video = _insert(connection, new, self._clock.now_ms())
            _insert_copy(connection, video, new, self._sealer)
            _insert_create(connection, video, new)
            if self._sealer is None and new.struck.copy is None:
                connection.execute(_DONE_AT_ONCE, (video.video_number,))
                for event_type in _TOLD_AT_ONCE:
                    self._tell(connection, event_type, video)
            return video

        if new.struck.late_s:
            until = self._clock.now_ms() + 1000 * new.struck.late_s + 60_000
            self._hidden_until_ms = max(self._hidden_until_ms, until)
        return self._database.ask(write)

    async def video(self, video_id: str) -> Video | None:
        """The video of that id."""
        return await self._database.read(lambda connection: one_video(connection, video_id))

    async def masters(self, videos: Sequence[Video]) -> Mapping[str, Video]:
        """The masters of those of the videos that are derived from one, by id."""
        wanted = {video.master_video_id for video in videos if video.master_video_id is not None}
        if not wanted:
            return {}

        def read(connection: sqlite3.Connection) -> Mapping[str, Video]:
            found = (one_video(connection, video_id) for video_id in wanted)
            return {video.video_id: video for video in found if video is not None}

        return await self._database.read(read)

    async def page(
        self, wanted: VideoFilter, *, limit: int, offset: int, struck: Struck = UNTOUCHED
    ) -> tuple[int, Sequence[Video]]:
        """How many videos the filter shows in all, and those from `offset` on.

        With ties the moments are rounded down, and those that are equal come in an order that
        the salt decides.
        """
        now = self._clock.now_ms()
        where, values = _where(wanted, now if now < self._hidden_until_ms else None)
        order = _order(wanted, struck)

        def read(connection: sqlite3.Connection) -> tuple[int, Sequence[Video]]:
            # Both in one transaction, so that the count is of the rows that are shown.
            connection.execute("BEGIN")
            try:
                count = f"SELECT count(*) FROM videos WHERE {where}"
                total: int = connection.execute(count, values).fetchone()[0]
                # The inner query skips along an index; only the rows shown are fetched.
                rows = connection.execute(
                    f"""
                    SELECT {VIDEO_COLUMNS} FROM videos WHERE video_number IN (
                        SELECT video_number FROM videos WHERE {where}
                        ORDER BY {order} LIMIT ? OFFSET ?
                    ) ORDER BY {order}
                    """,
                    (*values, limit, offset),
                )
                return total, [_rounded(Video(*row), struck.ties_s) for row in rows]
            finally:
                connection.execute("COMMIT")

        return await self._database.read(read)

    async def change(
        self, video_id: str, *, name: str | None, description: str | None
    ) -> Video | None:
        """Give a video another name or description; None leaves as it is. None: no such video."""

        def write(connection: sqlite3.Connection) -> Video | None:
            connection.execute(
                "UPDATE videos SET name = coalesce(?, name), updated_at = ?,"
                " description = coalesce(?, description) WHERE video_id = ?",
                (name, self._clock.now_ms(), description, video_id),
            )
            return one_video(connection, video_id)

        return await self._database.ask(write)

    async def delete(
        self, video_id: str, *, expected: Collection[str] | None = None, only_failed: bool = False
    ) -> Sequence[Video] | None:
        """Delete a video and all that derives from it; those that were deleted, itself first.

        None where there is no such video. Nothing, and no change, with `only_failed` where its
        copy is not FAILED. Raises DerivedConflictError where one derives from it that is not
        among those `expected`.
        """

        def write(connection: sqlite3.Connection) -> Sequence[Video] | None:
            video = one_video(connection, video_id)
            if video is None:
                return None
            if only_failed and video.upload_status != "FAILED":
                return ()
            where, values = _where(derived_from(video), None)
            derived = connection.execute(
                f"SELECT {VIDEO_COLUMNS} FROM videos WHERE {where} ORDER BY video_number", values
            )
            deleted = [video, *(Video(*row) for row in derived)]
            if expected is not None and {one.video_id for one in deleted[1:]} - set(expected):
                raise DerivedConflictError
            connection.executemany(
                "DELETE FROM videos WHERE video_number = ?",
                [(one.video_number,) for one in deleted],
            )
            for one in deleted:
                self._tell(connection, "video.deleted", one)
            return deleted

        return await self._database.ask(write)

    def _tell(self, connection: sqlite3.Connection, event_type: EventType, video: Video) -> None:
        events.record(connection, self._clock, event_type, video.team_id, video.video_id)

    async def absent(self, video_ids: Sequence[str]) -> Sequence[str]:
        """Those of the ids that no video has."""

        def read(connection: sqlite3.Connection) -> Sequence[str]:
            rows = connection.execute(
                "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT video_id FROM videos)",
                (msgspec.json.encode(video_ids).decode(),),
            )
            return [row[0] for row in rows]

        return await self._database.read(read)

    async def creates(self, *, after: int, limit: int) -> Sequence[Create]:
        """Requests that made a record, in order, beginning after number `after`."""

        def read(connection: sqlite3.Connection) -> Sequence[Create]:
            query = f"SELECT {CREATE_COLUMNS} FROM creates WHERE create_number > ? LIMIT ?"
            return [Create(*row) for row in connection.execute(query, (after, limit))]

        return await self._database.read(read)


def one_video(connection: sqlite3.Connection, video_id: str) -> Video | None:
    """The video of that id."""
    query = f"SELECT {VIDEO_COLUMNS} FROM videos WHERE video_id = ?"
    row = connection.execute(query, (video_id,)).fetchone()
    return None if row is None else Video(*row)


def derived_from(video: Video) -> VideoFilter:
    """What derives from a video: all that has it as its master, or as its clip."""
    if video.is_clip:
        return VideoFilter(clip_id=video.video_id, not_video_id=video.video_id)
    return VideoFilter(master_video_id=video.video_id)


def _insert(connection: sqlite3.Connection, new: NewVideo, now: int) -> Video:
    head, late_ms = new.head, round(new.struck.late_s * 1000)
    values = (
        *(str(uuid.uuid4()), now, now, new.user_id, new.team_id, new.project_id),
        *(new.name, new.description, 0, None, None, int(new.full_ingestion)),
        *(new.file_name, new.content_type),
        *((head.size_bytes, head.modified_at_ms) if head else (None, None)),
        *("INITIAL", now, 0, None, None, None),
        *(new.struck.size_off_bytes, now + late_ms if late_ms else None),
    )
    number = connection.execute(
        f"INSERT INTO videos ({NEW_VIDEO_COLUMNS}) VALUES (NULL{', ?' * len(values)})", values
    ).lastrowid
    assert number is not None
    return Video(number, *values)


def _insert_copy(
    connection: sqlite3.Connection, video: Video, new: NewVideo, sealer: Sealer | None
) -> None:
    fault = new.struck.copy
    connection.execute(
        "INSERT INTO copies VALUES (?, ?, ?, ?, ?, ?)",
        (
            video.video_number,
            None if sealer is None else seal_origin(sealer, new.origin, video.video_id),
            *(PART_BYTES, new.connections, new.expected_crc32c),
            None if fault is None else msgspec.json.encode(fault).decode(),
        ),
    )


def _insert_create(connection: sqlite3.Connection, video: Video, new: NewVideo) -> None:
    origin = new.origin
    asked: tuple[str | int | None, ...]
    if isinstance(origin, SourceObject):
        asked = (origin.bucket, origin.key, masked(origin.keys.access_key), new.location_id)
        asked += (None, None, None)
    else:
        asked = (None, None, None, None)
        asked += (origin.shown, new.expected_crc32c, new.connections)
    values = (
        *(video.video_id, video.created_at, new.request_id, new.operation),
        *(new.team_id, new.project_id, new.name, new.description, new.file_name),
        *(int(new.full_ingestion), *asked),
    )
    connection.execute(
        f"INSERT INTO creates ({CREATE_COLUMNS}) VALUES (NULL{', ?' * len(values)})", values
    )


def _where(wanted: VideoFilter, listed_by_ms: int | None) -> tuple[str, tuple[str | int, ...]]:
    named: dict[str, str | int | None] = {
        "team_id = ?": wanted.team_id,
        "project_id = ?": wanted.project_id,
        "master_video_id = ?": wanted.master_video_id,
        "clip_id = ?": wanted.clip_id,
        "video_id <> ?": wanted.not_video_id,
        "coalesce(listed_at, 0) <= ?": listed_by_ms,
    }
    given = {clause: value for clause, value in named.items() if value is not None}
    clauses = list(given)
    if wanted.clip_mode != "INCLUDE":
        clauses.append(f"is_clip = {int(wanted.clip_mode == 'ONLY')}")
    return " AND ".join(clauses) or "TRUE", tuple(given.values())


def _order(wanted: VideoFilter, struck: Struck) -> str:
    column = "created_at" if wanted.sort_by == "createdAt" else "updated_at"
    order = "DESC" if wanted.descending else "ASC"
    if struck.ties_s:
        moment = f"{column} / {struck.ties_s * 1000} {order}"
        return f"{moment}, (video_number * {struck.salt}) % 1000003 {order}"
    return f"{column} {order}, video_number {order}"


def _rounded(video: Video, seconds: int) -> Video:
    if not seconds:
        return video
    step = seconds * 1000
    return dataclasses.replace(
        video,
        created_at=video.created_at // step * step,
        updated_at=video.updated_at // step * step,
    )
