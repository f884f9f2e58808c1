"""What is remembered of copies: from where, how far, and how they ended."""

import sqlite3
from collections.abc import Sequence

import msgspec

from migrator.sandbox import events, ingestions
from migrator.sandbox.database import Database
from migrator.sandbox.events import EventType
from migrator.sandbox.moments import Clock
from migrator.sandbox.origin import Origin, SourceHead
from migrator.sandbox.plan import CopyFails, CopyFault
from migrator.sandbox.seal import Sealer
from migrator.sandbox.videos import Copy, Status

INTERRUPTED = "COPY_INTERRUPTED"

TOLD: dict[Status, EventType] = {
    "IN_PROGRESS": "video_in.started",
    "DONE": "video_in.done",
    "FAILED": "video_in.failed",
}
"""What webhooks are told when a copy comes to be so."""


class Copies:
    """The copies of all videos; `sealer` opens what they are copied from.

    With `looks_inside` False no ingestion waits for a copy: it is DONE together with it.
    """

    def __init__(
        self, database: Database, clock: Clock, sealer: Sealer, *, looks_inside: bool
    ) -> None:
        self._database = database
        self._clock = clock
        self._sealer = sealer
        self._looks_inside = looks_inside

    async def begin(self, number: int) -> Copy | None:
        """INITIAL to IN_PROGRESS. None, and no change, where the copy is in another state."""

        def write(connection: sqlite3.Connection) -> Copy | None:
            if not self._change(connection, number, "IN_PROGRESS", only_if="INITIAL"):
                return None
            return self._copy(connection, number)

        return await self._database.ask(write)

    async def go_on(self, number: int) -> Copy | None:
        """Take up a copy that stalls as planned, and spare it from now on.

        None where it is no longer under way.
        """

        def write(connection: sqlite3.Connection) -> Copy | None:
            if not self._change(connection, number, "IN_PROGRESS", only_if="IN_PROGRESS"):
                return None
            connection.execute("UPDATE copies SET fault = NULL WHERE video_number = ?", (number,))
            return self._copy(connection, number)

        return await self._database.ask(write)

    async def describe(self, number: int, head: SourceHead) -> None:
        """Note what the source is now, and forget the parts had of what it was."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM parts WHERE video_number = ?", (number,))
            connection.execute(
                "UPDATE videos SET size_bytes = ?, modified_at = ?, upload_percent = 0,"
                " content_type = coalesce(nullif(?, ''), content_type) WHERE video_number = ?",
                (head.size_bytes, head.modified_at_ms, head.content_type, number),
            )

        await self._database.ask(write)

    async def part_done(self, number: int, part: int, *, crc32c: int, percent: int) -> None:
        """Note a part that is on disk; nothing where the video has been deleted."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO parts SELECT video_number, ?, ? FROM copies WHERE video_number = ?",
                (part, crc32c, number),
            )
            self._progress(connection, number, percent)

        await self._database.ask(write)

    async def progressed(self, number: int, percent: int) -> None:
        """Show so much progress, if it is more than is shown."""
        await self._database.ask(lambda connection: self._progress(connection, number, percent))

    def _progress(self, connection: sqlite3.Connection, number: int, percent: int) -> None:
        now = self._clock.now_ms()
        connection.execute(
            "UPDATE videos SET upload_percent = max(upload_percent, ?),"
            " upload_changed_at = ?, updated_at = ? WHERE video_number = ?",
            (percent, now, now, number),
        )

    async def forget_parts(self, number: int, parts: Sequence[int]) -> None:
        """Take back parts that turned out to be damaged, to be fetched again."""

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "DELETE FROM parts WHERE video_number = ? AND part_number = ?",
                [(number, part) for part in parts],
            )

        await self._database.ask(write)

    async def done(self, number: int, *, crc32c: int | None) -> None:
        """To DONE; what it was copied from, and the parts, are erased."""

        def write(connection: sqlite3.Connection) -> None:
            if self._change(connection, number, "DONE", percent=100, crc32c=crc32c):
                ingestions.copied(connection, self._clock, number, looks_inside=self._looks_inside)
            connection.execute(
                "UPDATE copies SET sealed_origin = NULL"
                " WHERE video_number = ? AND sealed_origin IS NOT NULL",
                (number,),
            )
            connection.execute("DELETE FROM parts WHERE video_number = ?", (number,))

        await self._database.ask(write)

    async def failed(self, number: int, code: str, message: str) -> None:
        """To FAILED, with the reason the API shows."""

        def write(connection: sqlite3.Connection) -> None:
            self._change(connection, number, "FAILED", error=(code, message))

        await self._database.ask(write)

    async def failed_on_purpose(self, number: int, fault: CopyFails) -> None:
        """To FAILED, as planned; unless it is planned for always, the next try is spared."""

        def write(connection: sqlite3.Connection) -> None:
            self._progress(connection, number, fault.at_percent)
            self._change(connection, number, "FAILED", error=(fault.code, "Failed as planned"))
            if not fault.always:
                connection.execute(
                    "UPDATE copies SET fault = NULL WHERE video_number = ?", (number,)
                )

        await self._database.ask(write)

    async def restart(self, number: int, *, skip_checksum: bool) -> bool:
        """FAILED back to INITIAL, with the parts had. False where the copy is not FAILED.

        With `skip_checksum` the whole is no longer held against the checksum that was given.
        """

        def write(connection: sqlite3.Connection) -> bool:
            if not self._change(connection, number, "INITIAL", only_if="FAILED"):
                return False
            if skip_checksum:
                connection.execute(
                    "UPDATE copies SET expected_crc32c = NULL WHERE video_number = ?", (number,)
                )
            return True

        return await self._database.ask(write)

    def _change(
        self,
        connection: sqlite3.Connection,
        number: int,
        status: Status,
        *,
        only_if: Status | None = None,
        percent: int | None = None,
        crc32c: int | None = None,
        error: tuple[str, str] = ("", ""),
    ) -> bool:
        """Set the status of a copy, and with it all that depends on it. False: it was not so.

        Webhooks are told of what the status became; of an IN_PROGRESS only where it was not so.
        """
        changed = connection.execute(
            """
            UPDATE videos SET upload_status = :status, upload_changed_at = :now,
                updated_at = :now, upload_percent = coalesce(:percent, upload_percent),
                crc32c = :crc32c,
                error_code = nullif(:code, ''), error_message = nullif(:message, '')
            WHERE video_number = :number AND (:only_if IS NULL OR upload_status = :only_if)
            RETURNING team_id, video_id
            """,
            {
                "status": status,
                "now": self._clock.now_ms(),
                "percent": percent,
                "crc32c": crc32c,
                "code": error[0],
                "message": error[1],
                "number": number,
                "only_if": only_if,
            },
        ).fetchone()
        if changed is None:
            return False
        if status in TOLD and status != only_if:
            events.record(connection, self._clock, TOLD[status], *changed)
        return True

    def _copy(self, connection: sqlite3.Connection, number: int) -> Copy:
        row = connection.execute(
            "SELECT * FROM copies JOIN videos USING (video_number) WHERE video_number = ?",
            (number,),
        ).fetchone()
        parts = connection.execute(
            "SELECT part_number, crc32c FROM parts WHERE video_number = ?", (number,)
        )
        fault = row["fault"]
        return Copy(
            video_number=number,
            video_id=row["video_id"],
            origin=_open_origin(self._sealer, row["sealed_origin"], row["video_id"]),
            head=(row["size_bytes"], row["modified_at"]),
            part_bytes=row["part_bytes"],
            connections=row["connections"],
            expected_crc32c=row["expected_crc32c"],
            fault=None if fault is None else msgspec.json.decode(fault, type=CopyFault),
            parts=dict(parts.fetchall()),
        )


def seal_origin(sealer: Sealer, origin: Origin, video_id: str) -> bytes:
    """What a video is copied from, sealed as being about that video."""
    return sealer.seal(msgspec.json.encode(origin), f"video {video_id}")


def _open_origin(sealer: Sealer, sealed: bytes | None, video_id: str) -> Origin | None:
    content = None if sealed is None else sealer.open(sealed, f"video {video_id}")
    return None if content is None else msgspec.json.decode(content, type=Origin)


def interrupt(connection: sqlite3.Connection, clock: Clock) -> None:
    """At a start: whatever was under way when the platform ended is FAILED."""
    now = clock.now_ms()
    interrupted = connection.execute(
        "UPDATE videos SET upload_status = 'FAILED', upload_changed_at = ?, updated_at = ?,"
        " error_code = ?, error_message = 'The platform was stopped'"
        " WHERE upload_status IN ('INITIAL', 'IN_PROGRESS') RETURNING team_id, video_id",
        (now, now, INTERRUPTED),
    )
    for team_id, video_id in interrupted.fetchall():
        events.record(connection, clock, "video_in.failed", team_id, video_id)
