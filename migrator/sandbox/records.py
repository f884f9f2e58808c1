"""What the platform remembers, in SQLite: a restart forgets nothing.

Whatever changes goes through the group writer; reading has a connection and a thread of its
own, so that a long list neither waits for writes nor holds up the loop.
"""

# ruff: noqa: S608 - the names put into queries are our own columns; every value is bound

import asyncio
import contextlib
import importlib.resources
import os
import sqlite3
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

from migrator.sandbox import accounts
from migrator.sandbox.errors import SandboxError
from migrator.sandbox.keys import OWNER_FILE, KeyPair, masked
from migrator.sandbox.moments import now_ms
from migrator.sandbox.source import SourceHead, SourceObject
from migrator.sandbox.videos import (
    CREATE_COLUMNS,
    VIDEO_COLUMNS,
    Copy,
    Create,
    NewVideo,
    Video,
    VideoFilter,
)
from migrator.sandbox.writing import GroupWriter, open_database

SCHEMA_VERSION = 1

PART_BYTES = 8 * 1024 * 1024
"""How large the parts of a new copy are; a copy keeps the size it began with."""

Result = TypeVar("Result")


class Records:
    """The records at one path, for one loop. `keep_keys`: whether copies will need them."""

    def __init__(self, path: Path, *, keep_keys: bool) -> None:
        self._keep_keys = keep_keys
        self.accounts = _prepare(path)
        self._writer = GroupWriter(path)
        self._reading = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox-reader")
        self._reader = open_database(path, check_same_thread=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._writer.close()
        await asyncio.to_thread(self._reading.shutdown)
        self._reader.close()

    async def _read(self, read: Callable[[sqlite3.Connection], Result]) -> Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reading, read, self._reader)

    # ---------------------------------------------------------------- videos

    def create(self, new: NewVideo) -> asyncio.Future[Video]:
        """Make a master video with its copy INITIAL; the future is done once it is on disk."""

        def write(connection: sqlite3.Connection) -> Video:
            now = now_ms()  # here, so that the order of moments is the order of commits
            video_id = str(uuid.uuid4())
            head = new.head
            values = (
                *(video_id, now, now, new.user_id, new.team_id, new.project_id),
                *(new.name, new.description, 0, None, None, int(new.full_ingestion)),
                *(new.file_name, new.content_type),
                *((head.size_bytes, head.modified_at_ms) if head else (None, None)),
                *("INITIAL", now, 0, None, None, None),
            )
            number = connection.execute(
                f"INSERT INTO videos ({VIDEO_COLUMNS}) VALUES (NULL{', ?' * len(values)})", values
            ).lastrowid
            assert number is not None
            keys = new.source.keys if self._keep_keys else None
            connection.execute(
                "INSERT INTO copies VALUES (?, ?, ?, ?, ?, ?)",
                (
                    *(number, new.source.bucket, new.source.key),
                    *((keys.access_key, keys.secret_access_key) if keys else (None, None)),
                    PART_BYTES,
                ),
            )
            connection.execute(
                f"INSERT INTO creates ({CREATE_COLUMNS}) VALUES (NULL{', ?' * 11})",
                (
                    *(video_id, now, new.request_id, new.team_id, new.project_id),
                    *(new.source.bucket, new.source.key, new.name, new.description),
                    *(new.file_name, masked(new.source.keys.access_key)),
                ),
            )
            return Video(number, *values)

        return self._writer.ask(write)

    async def video(self, video_id: str) -> Video | None:
        """The video of that id."""

        def read(connection: sqlite3.Connection) -> Video | None:
            return _one(connection, "video_id = ?", video_id)

        return await self._read(read)

    async def page(
        self, wanted: VideoFilter, *, limit: int, offset: int
    ) -> tuple[int, Sequence[Video]]:
        """How many videos the filter shows in all, and those from `offset` on."""
        where, values = _where(wanted)
        column = "created_at" if wanted.sort_by == "createdAt" else "updated_at"
        order = "DESC" if wanted.descending else "ASC"

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
                        ORDER BY {column} {order}, video_number {order} LIMIT ? OFFSET ?
                    ) ORDER BY {column} {order}, video_number {order}
                    """,
                    (*values, limit, offset),
                )
                return total, [Video(*row) for row in rows]
            finally:
                connection.execute("COMMIT")

        return await self._read(read)

    async def creates(self, *, after: int, limit: int) -> Sequence[Create]:
        """Requests that made a record, in order, beginning after number `after`."""

        def read(connection: sqlite3.Connection) -> Sequence[Create]:
            query = f"SELECT {CREATE_COLUMNS} FROM creates WHERE create_number > ? LIMIT ?"
            return [Create(*row) for row in connection.execute(query, (after, limit))]

        return await self._read(read)

    # ---------------------------------------------------------------- copies

    async def begin(self, number: int) -> Copy | None:
        """INITIAL to IN_PROGRESS. None, and no change, where the copy is in another state."""

        def write(connection: sqlite3.Connection) -> Copy | None:
            if not _change(connection, number, "IN_PROGRESS", only_if="INITIAL"):
                return None
            return _copy(connection, number)

        return await self._writer.ask(write)

    async def describe(self, number: int, head: SourceHead) -> None:
        """Note what the source is now, and forget the parts had of what it was."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM parts WHERE video_number = ?", (number,))
            connection.execute(
                "UPDATE videos SET size_bytes = ?, modified_at = ?, content_type = ?,"
                " upload_percent = 0 WHERE video_number = ?",
                (head.size_bytes, head.modified_at_ms, head.content_type, number),
            )

        await self._writer.ask(write)

    async def part_done(self, number: int, part: int, *, crc32c: int, percent: int) -> None:
        """Note a part that is on disk."""

        def write(connection: sqlite3.Connection) -> None:
            now = now_ms()
            connection.execute("INSERT INTO parts VALUES (?, ?, ?)", (number, part, crc32c))
            connection.execute(
                "UPDATE videos SET upload_percent = max(upload_percent, ?),"
                " upload_changed_at = ?, updated_at = ? WHERE video_number = ?",
                (percent, now, now, number),
            )

        await self._writer.ask(write)

    async def forget_parts(self, number: int, parts: Sequence[int]) -> None:
        """Take back parts that turned out to be damaged, to be fetched again."""

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "DELETE FROM parts WHERE video_number = ? AND part_number = ?",
                [(number, part) for part in parts],
            )

        await self._writer.ask(write)

    def done(self, number: int, *, crc32c: int | None) -> asyncio.Future[None]:
        """To DONE; the keys that were handed over, and the parts, are erased."""

        def write(connection: sqlite3.Connection) -> None:
            _change(connection, number, "DONE", percent=100, crc32c=crc32c)
            connection.execute(
                "UPDATE copies SET access_key = NULL, secret_access_key = NULL"
                " WHERE video_number = ? AND access_key IS NOT NULL",
                (number,),
            )
            connection.execute("DELETE FROM parts WHERE video_number = ?", (number,))

        return self._writer.ask(write)

    async def failed(self, number: int, code: str, message: str) -> None:
        """To FAILED, with the reason the API shows."""

        def write(connection: sqlite3.Connection) -> None:
            _change(connection, number, "FAILED", error=(code, message))

        await self._writer.ask(write)

    async def restart(self, video_id: str) -> Video | None:
        """FAILED back to INITIAL, with the parts had. None where the copy is not FAILED."""

        def write(connection: sqlite3.Connection) -> Video | None:
            video = _one(connection, "video_id = ?", video_id)
            if video is None:
                return None
            if not _change(connection, video.video_number, "INITIAL", only_if="FAILED"):
                return None
            return _one(connection, "video_id = ?", video_id)

        return await self._writer.ask(write)


def _one(connection: sqlite3.Connection, where: str, value: str | int) -> Video | None:
    query = f"SELECT {VIDEO_COLUMNS} FROM videos WHERE {where}"
    row = connection.execute(query, (value,)).fetchone()
    return None if row is None else Video(*row)


def _change(
    connection: sqlite3.Connection,
    number: int,
    status: str,
    *,
    only_if: str | None = None,
    percent: int | None = None,
    crc32c: int | None = None,
    error: tuple[str, str] = ("", ""),
) -> bool:
    """Set the status of a copy, and with it all that depends on it. False: it was not so."""
    now = now_ms()
    changed = connection.execute(
        """
        UPDATE videos SET upload_status = :status, upload_changed_at = :now, updated_at = :now,
            upload_percent = coalesce(:percent, upload_percent), crc32c = :crc32c,
            error_code = nullif(:code, ''), error_message = nullif(:message, '')
        WHERE video_number = :number AND (:only_if IS NULL OR upload_status = :only_if)
        """,
        {
            "status": status,
            "now": now,
            "percent": percent,
            "crc32c": crc32c,
            "code": error[0],
            "message": error[1],
            "number": number,
            "only_if": only_if,
        },
    )
    return changed.rowcount == 1


def _copy(connection: sqlite3.Connection, number: int) -> Copy:
    row = connection.execute(
        "SELECT * FROM copies JOIN videos USING (video_number) WHERE video_number = ?", (number,)
    ).fetchone()
    source = None
    if row["access_key"] is not None:
        keys = KeyPair(row["access_key"], row["secret_access_key"])
        source = SourceObject(row["bucket"], row["object_key"], keys)
    parts = connection.execute(
        "SELECT part_number, crc32c FROM parts WHERE video_number = ?", (number,)
    )
    head = (row["size_bytes"], row["modified_at"])
    return Copy(number, row["video_id"], source, head, row["part_bytes"], dict(parts.fetchall()))


def _where(wanted: VideoFilter) -> tuple[str, tuple[str, ...]]:
    named = {
        "team_id": wanted.team_id,
        "project_id": wanted.project_id,
        "master_video_id": wanted.master_video_id,
        "clip_id": wanted.clip_id,
    }
    given = {column: value for column, value in named.items() if value is not None}
    clauses = [f"{column} = ?" for column in given]
    if wanted.clip_mode != "INCLUDE":
        clauses.append(f"is_clip = {int(wanted.clip_mode == 'ONLY')}")
    return " AND ".join(clauses) or "TRUE", tuple(given.values())


def _prepare(path: Path) -> accounts.Accounts:
    """Make the database where it is absent, and settle what a crash left under way."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, OWNER_FILE))  # SQLite's own would be wider
    try:
        with contextlib.closing(open_database(path)) as connection:
            return _settled(connection, path)
    except sqlite3.DatabaseError as error:
        raise SandboxError(f"{path} cannot be used: {error}; use another --dir") from error


def _settled(connection: sqlite3.Connection, path: Path) -> accounts.Accounts:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        schema = importlib.resources.files(__package__).joinpath("schema.sql").read_text()
        # executescript would commit before it starts: the transaction must be in the script.
        connection.executescript(f"BEGIN; {schema} COMMIT;")
    elif version != SCHEMA_VERSION:
        message = f"{path} is of another version ({version}); use another --dir"
        raise SandboxError(message)
    if not connection.execute("SELECT count(*) FROM users").fetchone()[0]:
        connection.execute("BEGIN")
        accounts.seed(connection)
        connection.execute("COMMIT")
    now = now_ms()
    connection.execute(
        "UPDATE videos SET upload_status = 'FAILED', upload_changed_at = ?, updated_at = ?,"
        " error_code = 'COPY_INTERRUPTED', error_message = 'The platform was stopped'"
        " WHERE upload_status IN ('INITIAL', 'IN_PROGRESS')",
        (now, now),
    )
    return accounts.load(connection)
