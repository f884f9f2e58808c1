"""The values that are remembered of an event and of what came of delivering it."""

# ruff: noqa: S608 - the names put into queries are our own columns; every value is bound

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import msgspec

from migrator.sandbox.events import EventType

FilterMode = Literal["INCLUDE", "EXCLUDE", "ONLY"]


@dataclass(frozen=True, slots=True)
class Response:
    """What came of one attempt. The fields are columns; moments in milliseconds.

    `status` is 0 where there was no answer. Whatever the webhook said is cut to a bounded length.
    """

    requested_at: int
    took_ms: int
    status: int
    body: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    retry_at: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_success(self) -> bool:
        """Whether the webhook took the event."""
        return self.status // 100 == 2  # noqa: PLR2004 - any 2xx


@dataclass(frozen=True, slots=True)
class Event:
    """An event for one webhook. The fields are the columns; moments in milliseconds.

    `first_tried_at` and `due_at` are by the machine's clock; `due_at` None: it is not tried again.
    """

    event_number: int
    event_id: str
    webhook_id: str
    team_id: str
    event_type: EventType
    video_id: str
    occurred_at: int
    updated_at: int
    is_test: int
    is_successful: int
    attempts: int
    was_put_off: int
    first_tried_at: int | None
    due_at: int | None
    responses: Sequence[Response] = ()


EVENT_COLUMNS = ", ".join(one.name for one in fields(Event)[:-1])
RESPONSE_COLUMNS = ", ".join(one.name for one in fields(Response))


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events a list shows, and in which order. None: no filter."""

    team_id: str | None = None
    successful: FilterMode = "INCLUDE"
    tests: FilterMode = "INCLUDE"
    occurred_from: int | None = None
    occurred_until: int | None = None
    by_update: bool = False
    descending: bool = False


def one_event(connection: sqlite3.Connection, event_id: str) -> Event | None:
    """The event of that id, without its responses."""
    query = f"SELECT {EVENT_COLUMNS} FROM webhook_events WHERE event_id = ?"
    row = connection.execute(query, (event_id,)).fetchone()
    return None if row is None else Event(*row)


def with_responses(connection: sqlite3.Connection, shown: Sequence[Event]) -> Sequence[Event]:
    """The events, each with what came of its attempts, in order."""
    numbers = msgspec.json.encode([event.event_number for event in shown]).decode()
    rows = connection.execute(
        f"SELECT event_number, {RESPONSE_COLUMNS} FROM webhook_responses"
        " WHERE event_number IN (SELECT value FROM json_each(?))"
        " ORDER BY event_number, response_number",
        (numbers,),
    )
    found: dict[int, list[Response]] = defaultdict(list)
    for number, *values in rows:
        found[number].append(_response(*values))
    return [replace(event, responses=found[event.event_number]) for event in shown]


def _response(*values: Any) -> Response:
    response = Response(*values)
    text = values[-1]
    headers = {} if text is None else msgspec.json.decode(text, type=dict[str, str])
    return replace(response, headers=headers)
