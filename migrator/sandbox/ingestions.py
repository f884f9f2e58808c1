"""What is remembered of ingestions and clips: what is to be done, how far it is, how it ended.

Each change of a state is one transaction, and the event that tells of it is recorded in it. The
free clip of a master is made a record in the very transaction that ends the master's ingestion:
however often a kill has work done again, there is never a second one.
"""

import sqlite3
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from migrator.sandbox import events
from migrator.sandbox.database import Database
from migrator.sandbox.events import EventType
from migrator.sandbox.moments import Clock
from migrator.sandbox.videos import Status

Stage = Literal["processing", "ingestion"]
"""A clip is made first (its processing) and then ingested; a master is ingested."""

_TOLD: dict[tuple[Stage, bool, Status], EventType] = {
    ("ingestion", False, "IN_PROGRESS"): "video_in_ingestion.started",
    ("ingestion", False, "DONE"): "video_in_ingestion.done",
    ("ingestion", False, "FAILED"): "video_in_ingestion.failed",
    ("processing", True, "IN_PROGRESS"): "clip_processing.started",
    ("processing", True, "DONE"): "clip_processing.done",
    ("processing", True, "FAILED"): "clip_processing.failed",
    ("ingestion", True, "IN_PROGRESS"): "clip_ingestion.started",
    ("ingestion", True, "DONE"): "clip_ingestion.done",
    ("ingestion", True, "FAILED"): "clip_ingestion.failed",
}
"""What webhooks are told when a stage of a master, or of a clip, comes to be so."""

_WAITING = (
    "(ingestion_status IN ('INITIAL', 'IN_PROGRESS')"
    " OR processing_status IN ('INITIAL', 'IN_PROGRESS'))"
)
"""As the partial index `videos_media` has it: otherwise SQLite would not use it."""

CLIP_OF_MASTER = """
INSERT INTO videos (
    video_id, created_at, updated_at, user_id, team_id, project_id, name, description, is_clip,
    clip_id, master_video_id, full_ingestion, processing_status, processing_changed_at
)
SELECT :clip_id, :now, :now, user_id, team_id, project_id, name,
    CASE WHEN :repeats THEN description END, 1, :clip_id, video_id, full_ingestion, 'INITIAL', :now
FROM videos WHERE video_number = :number AND NOT is_clip
"""


@dataclass(frozen=True, slots=True)
class ClipRules:
    """Whether masters get a free clip, and whether it repeats their description."""

    makes: bool
    repeats_description: bool


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done next with a video. `source_id` is the video whose file is read."""

    video_number: int
    video_id: str
    source_id: str
    stage: Stage
    is_full: bool


class Ingestions:
    """The ingestions of all videos, and the making of clips."""

    def __init__(self, database: Database, clock: Clock, clips: ClipRules) -> None:
        self._database = database
        self._clock = clock
        self._clips = clips

    async def waiting(self) -> Sequence[int]:
        """The numbers of all videos that work waits for, or that a stop interrupted, in order."""

        def read(connection: sqlite3.Connection) -> Sequence[int]:
            query = f"SELECT video_number FROM videos WHERE {_WAITING} ORDER BY video_number"  # noqa: S608 - our own text
            return [row[0] for row in connection.execute(query)]

        return await self._database.read(read)

    async def begin(self, number: int) -> Work | None:
        """Take up the work that waits for a video, or that was interrupted. None: there is none."""

        def write(connection: sqlite3.Connection) -> Work | None:
            query = (
                "SELECT video_id, master_video_id, full_ingestion, processing_status"  # noqa: S608 - our own text
                f" FROM videos WHERE video_number = ? AND {_WAITING}"
            )
            row = connection.execute(query, (number,)).fetchone()
            if row is None:
                return None
            video_id, master_id, is_full, processing = row
            stage: Stage = "processing" if processing in {"INITIAL", "IN_PROGRESS"} else "ingestion"
            # One that was interrupted has been told of as started already.
            change(connection, self._clock, number, stage, "IN_PROGRESS", only_if="INITIAL")
            source_id = master_id if stage == "processing" else video_id
            return Work(number, video_id, source_id, stage, bool(is_full))

        return await self._database.ask(write)

    async def progressed(self, work: Work, percent: int, eta_s: int) -> None:
        """Show so much progress of work under way, and the seconds it may yet take."""

        def write(connection: sqlite3.Connection) -> None:
            now, stage = self._clock.now_ms(), work.stage
            connection.execute(
                f"UPDATE videos SET {stage}_percent = max({stage}_percent, ?), {stage}_eta_s = ?,"  # noqa: S608 - our own names
                f" {stage}_changed_at = ?, updated_at = ?"
                f" WHERE video_number = ? AND {stage}_status = 'IN_PROGRESS'",
                (percent, eta_s, now, now, work.video_number),
            )

        await self._database.ask(write)

    async def inspected(self, work: Work, metadata: bytes) -> None:
        """Keep the metadata (JSON) of a video; the ingestion goes on."""
        await self._database.ask(
            lambda connection: _keep(connection, work.video_number, "metadata", metadata)
        )

    async def ingested(
        self, work: Work, metadata: bytes, quality: bytes | None = None
    ) -> int | None:
        """To DONE. Where a clip of the video is now to be made, the number of its record."""

        def write(connection: sqlite3.Connection) -> int | None:
            number = work.video_number
            _keep(connection, number, "metadata", metadata)
            if quality is not None:
                _keep(connection, number, "quality", quality)
            if not change(connection, self._clock, number, "ingestion", "DONE"):
                return None
            return self._clip_of(connection, number) if self._clips.makes else None

        return await self._database.ask(write)

    def _clip_of(self, connection: sqlite3.Connection, number: int) -> int | None:
        made = connection.execute(
            CLIP_OF_MASTER,
            {
                "clip_id": str(uuid.uuid4()),
                "now": self._clock.now_ms(),
                "repeats": self._clips.repeats_description,
                "number": number,
            },
        )
        return made.lastrowid if made.rowcount else None

    async def clip_made(self, work: Work, size_bytes: int) -> None:
        """The processing of a clip to DONE, with its file in storage; its ingestion begins."""

        def write(connection: sqlite3.Connection) -> None:
            number = work.video_number
            if change(connection, self._clock, number, "processing", "DONE"):
                change(connection, self._clock, number, "ingestion", "INITIAL", only_if=None)
                connection.execute(
                    "UPDATE videos SET size_bytes = ? WHERE video_number = ?", (size_bytes, number)
                )

        await self._database.ask(write)

    async def failed(self, work: Work, reason: str) -> None:
        """To FAILED. The API has no field for the reason; it is kept for whoever rehearses."""

        def write(connection: sqlite3.Connection) -> None:
            change(connection, self._clock, work.video_number, work.stage, "FAILED", reason=reason)

        await self._database.ask(write)


def copied(
    connection: sqlite3.Connection, clock: Clock, number: int, *, looks_inside: bool
) -> None:
    """A copy is DONE: its ingestion waits, or is DONE at once where nothing looks inside videos.

    To be called in the transaction that makes it so.
    """
    if looks_inside:
        change(connection, clock, number, "ingestion", "INITIAL", only_if=None)
    else:
        change(connection, clock, number, "ingestion", "IN_PROGRESS", only_if=None)
        change(connection, clock, number, "ingestion", "DONE")


def change(
    connection: sqlite3.Connection,
    clock: Clock,
    number: int,
    stage: Stage,
    status: Status,
    *,
    only_if: Status | None = "IN_PROGRESS",
    reason: str | None = None,
) -> bool:
    """Set the status of a stage where it was `only_if`, and tell of it. False: it was not so."""
    now = clock.now_ms()
    changed = connection.execute(
        f"UPDATE videos SET {stage}_status = :status, {stage}_changed_at = :now, updated_at = :now,"  # noqa: S608 - our own names
        f" {stage}_eta_s = 0, media_error = :reason,"
        f" {stage}_percent = CASE :status WHEN 'DONE' THEN 100 ELSE {stage}_percent END"
        f" WHERE video_number = :number AND {stage}_status IS :only_if"
        " RETURNING team_id, video_id, is_clip",
        {"status": status, "now": now, "reason": reason, "number": number, "only_if": only_if},
    ).fetchone()
    if changed is None:
        return False
    team_id, video_id, is_clip = changed
    told = _TOLD.get((stage, bool(is_clip), status))
    if told is not None:
        events.record(connection, clock, told, team_id, video_id)
    return True


def _keep(connection: sqlite3.Connection, number: int, column: str, found: bytes) -> None:
    connection.execute(
        f"UPDATE videos SET {column} = ? WHERE video_number = ?",  # noqa: S608 - our own names
        (found.decode(), number),
    )
