"""What happened to videos, told to the webhooks that listen.

An event is recorded inside the transaction that makes the change it tells of: it survives a crash
exactly as the change does, and one without the other cannot be. Sending it is another's work
(`delivering`), which finds it where it was recorded.
"""

import sqlite3
import uuid
from typing import Literal, get_args

from migrator.sandbox.moments import Clock

EventType = Literal[
    "video_in.started",
    "video_in.done",
    "video_in.failed",
    "video_in_ingestion.started",
    "video_in_ingestion.done",
    "video_in_ingestion.failed",
    "clip_processing.started",
    "clip_processing.done",
    "clip_processing.failed",
    "clip_ingestion.started",
    "clip_ingestion.done",
    "clip_ingestion.failed",
    "video_processing.started",
    "video_processing.done",
    "video_processing.failed",
    "video_processing_ingestion.started",
    "video_processing_ingestion.done",
    "video_processing_ingestion.failed",
    "video_out.started",
    "video_out.done",
    "video_out.failed",
    "video.deleted",
]
"""All that a webhook may ask for, as the API's document lists them; not all of it happens here."""

EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)

_LISTENING = (
    "SELECT webhook_id FROM webhooks WHERE team_id = ? AND is_active"
    " AND EXISTS (SELECT 1 FROM json_each(event_types) WHERE value = ?)"
)


def record(
    connection: sqlite3.Connection, clock: Clock, event_type: EventType, team_id: str, video_id: str
) -> None:
    """Record an event of a video for every active webhook of its team that asked for the type.

    To be called within the transaction that makes the change. Where no webhook listens, it is one
    look into an index.
    """
    for (webhook_id,) in connection.execute(_LISTENING, (team_id, event_type)).fetchall():
        insert(connection, clock, event_type, team_id, video_id, webhook_id=webhook_id)


def insert(
    connection: sqlite3.Connection,
    clock: Clock,
    event_type: EventType,
    team_id: str,
    video_id: str,
    *,
    webhook_id: str,
    is_test: bool = False,
) -> str:
    """Record an event for one webhook, to be delivered at once; the id of the event."""
    event_id, now = str(uuid.uuid4()), clock.now_ms()
    connection.execute(
        "INSERT INTO webhook_events (event_id, webhook_id, team_id, event_type, video_id,"
        " occurred_at, updated_at, is_test, due_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(event_id, webhook_id, team_id, event_type, video_id),
            *(now, now, int(is_test), clock.machine_ms()),
        ),
    )
    return event_id
