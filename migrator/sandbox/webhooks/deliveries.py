"""What is remembered of deliveries: which events are due, what came of each attempt, and lists.

Events are kept for a week after the last attempt, those of tests for a day after they occurred;
those that are still to be delivered are kept for as long as their webhook is there.
"""

# ruff: noqa: S608 - the names put into queries are our own columns; every value is bound

import functools
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields

import msgspec

from migrator.sandbox import events
from migrator.sandbox.database import Database
from migrator.sandbox.events import EventType
from migrator.sandbox.moments import Clock
from migrator.sandbox.webhooks.records import Webhook
from migrator.sandbox.webhooks.values import (
    EVENT_COLUMNS,
    Event,
    EventFilter,
    Response,
    one_event,
    with_responses,
)

DAY_MS = 86_400_000
KEPT_MS = 7 * DAY_MS
TESTS_KEPT_MS = DAY_MS
"""The API's own rule for events of tests."""

TESTS_MAX = 1000
"""How many events of tests a team may have made within a day (the API's own rule)."""

SWEPT_AT_ONCE = 1000
LATEST_OF = 2000
"""Among so many events, those tried last, the latest of each webhook are looked for."""


class TooManyTestsError(Exception):
    """The team has had as many events of tests within a day as it may have."""


class Deliveries:
    """The events of all webhooks and what came of them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def test(self, webhook: Webhook, event_type: EventType, video_id: str) -> Event:
        """Record an event of a test for a webhook. Raises TooManyTestsError."""

        def write(connection: sqlite3.Connection) -> Event:
            since = self._clock.now_ms() - TESTS_KEPT_MS
            query = (
                "SELECT count(*) FROM webhook_events"
                " WHERE team_id = ? AND is_test AND occurred_at > ?"
            )
            if connection.execute(query, (webhook.team_id, since)).fetchone()[0] >= TESTS_MAX:
                raise TooManyTestsError
            made = events.insert(
                *(connection, self._clock, event_type, webhook.team_id, video_id),
                webhook_id=webhook.webhook_id,
                is_test=True,
            )
            event = one_event(connection, made)
            assert event is not None
            return event

        return await self._database.ask(write)

    async def pending(self, webhook_id: str, limit: int) -> Sequence[tuple[Event, int]]:
        """What is still to be delivered to a webhook, and since or from when on, in that order.

        By the machine's clock, and without responses.
        """

        def read(connection: sqlite3.Connection) -> Sequence[tuple[Event, int]]:
            query = (
                f"SELECT {EVENT_COLUMNS} FROM webhook_events"
                " WHERE webhook_id = ? AND due_at NOT NULL ORDER BY due_at, event_number LIMIT ?"
            )
            rows = connection.execute(query, (webhook_id, limit))
            return [(Event(*row), row["due_at"]) for row in rows]

        return await self._database.read(read)

    async def tried(self, event: Event, responses: Sequence[Response], due_at: int | None) -> None:
        """Note an attempt and what came of it; nothing where the event has been removed.

        It is tried again from `due_at` on, by the machine's clock; None: not again.
        """
        is_successful = any(one.is_success for one in responses)

        def write(connection: sqlite3.Connection) -> None:
            noted = connection.execute(
                "UPDATE webhook_events SET updated_at = ?, is_successful = ?, attempts = ?,"
                " first_tried_at = coalesce(first_tried_at, ?), due_at = ?"
                " WHERE event_id = ? RETURNING event_number",
                (
                    *(self._clock.now_ms(), int(is_successful), event.attempts + 1),
                    *(self._clock.machine_ms(), due_at, event.event_id),
                ),
            ).fetchone()
            if noted is not None:
                _insert_responses(connection, noted[0], responses)

        await self._database.ask(write)

    async def put_off(self, event: Event, due_at: int) -> None:
        """Have an event tried only from `due_at` on, by the machine's clock."""
        await self._database.ask(
            lambda connection: connection.execute(
                "UPDATE webhook_events SET due_at = ?, was_put_off = 1 WHERE event_id = ?",
                (due_at, event.event_id),
            )
        )

    async def one(self, event_id: str) -> Event | None:
        """The event of that id."""

        def read(connection: sqlite3.Connection) -> Event | None:
            event = one_event(connection, event_id)
            return None if event is None else with_responses(connection, [event])[0]

        return await self._database.read(read)

    async def page(
        self, wanted: EventFilter, *, limit: int, offset: int
    ) -> tuple[int, Sequence[Event]]:
        """How many events the filter shows in all, and those from `offset` on."""
        where, values = _where(wanted)
        moment = "updated_at" if wanted.by_update else "occurred_at"
        direction = "DESC" if wanted.descending else "ASC"
        order = f"{moment} {direction}, event_number {direction}"

        def read(connection: sqlite3.Connection) -> tuple[int, Sequence[Event]]:
            # All in one transaction, so that the count is of the rows that are shown.
            connection.execute("BEGIN")
            try:
                count = f"SELECT count(*) FROM webhook_events WHERE {where}"
                total: int = connection.execute(count, values).fetchone()[0]
                rows = connection.execute(
                    f"""
                    SELECT {EVENT_COLUMNS} FROM webhook_events WHERE event_number IN (
                        SELECT event_number FROM webhook_events WHERE {where}
                        ORDER BY {order} LIMIT ? OFFSET ?
                    ) ORDER BY {order}
                    """,
                    (*values, limit, offset),
                )
                shown = [Event(*row) for row in rows]
                return total, with_responses(connection, shown)
            finally:
                connection.execute("COMMIT")

        return await self._database.read(read)

    async def latest(self, each: int) -> Mapping[str, Sequence[Event]]:
        """The `each` events of each webhook that were tried or occurred last, newest first.

        Only the newest LATEST_OF of all are looked at: for people, at a glance.
        """

        def read(connection: sqlite3.Connection) -> Mapping[str, Sequence[Event]]:
            rows = connection.execute(
                f"SELECT {EVENT_COLUMNS} FROM webhook_events"
                " ORDER BY updated_at DESC, event_number DESC LIMIT ?",
                (LATEST_OF,),
            )
            found: dict[str, list[Event]] = defaultdict(list)
            for event in (Event(*row) for row in rows):
                if len(found[event.webhook_id]) < each:
                    found[event.webhook_id].append(event)
            return {one: with_responses(connection, shown) for one, shown in found.items()}

        return await self._database.read(read)

    async def sweep(self) -> None:
        """Remove what is kept no longer, and what is left of webhooks that have been deleted."""
        now, after = self._clock.now_ms(), 0
        bounds = {"ended": now - KEPT_MS, "tests": now - TESTS_KEPT_MS, "limit": SWEPT_AT_ONCE}

        def read(connection: sqlite3.Connection) -> list[tuple[int, bool]]:
            query = """
                SELECT event_number, (
                    (updated_at < :ended AND due_at IS NULL)
                    OR (is_test AND occurred_at < :tests)
                    OR webhook_id NOT IN (SELECT webhook_id FROM webhooks)
                ) FROM webhook_events WHERE event_number > :after
                ORDER BY event_number LIMIT :limit
            """
            return [tuple(row) for row in connection.execute(query, bounds | {"after": after})]

        # In steps, and found by the reader: whoever writes beside it waits for none of this long.
        while looked_at := await self._database.read(read):
            after = looked_at[-1][0]
            over = [(number,) for number, is_over in looked_at if is_over]
            if over:
                await self._database.ask(functools.partial(_remove, event_numbers=over))


def _remove(connection: sqlite3.Connection, event_numbers: Sequence[tuple[int]]) -> None:
    connection.executemany("DELETE FROM webhook_events WHERE event_number = ?", event_numbers)


def _insert_responses(
    connection: sqlite3.Connection, event_number: int, responses: Sequence[Response]
) -> None:
    query = "SELECT count(*) FROM webhook_responses WHERE event_number = ?"
    had: int = connection.execute(query, (event_number,)).fetchone()[0]
    for number, one in enumerate(responses, start=had):
        values = (getattr(one, column.name) for column in fields(one)[:-1])
        headers = msgspec.json.encode(one.headers).decode() if one.headers else None
        connection.execute(
            "INSERT INTO webhook_responses VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (event_number, number, *values, headers),
        )


def _where(wanted: EventFilter) -> tuple[str, tuple[str | int, ...]]:
    named: dict[str, str | int | None] = {
        "team_id = ?": wanted.team_id,
        "occurred_at >= ?": wanted.occurred_from,
        "occurred_at < ?": wanted.occurred_until,
    }
    given = {clause: value for clause, value in named.items() if value is not None}
    clauses = list(given)
    for column, mode in (("is_successful", wanted.successful), ("is_test", wanted.tests)):
        if mode != "INCLUDE":
            clauses.append(f"{column} = {int(mode == 'ONLY')}")
    return " AND ".join(clauses) or "TRUE", tuple(given.values())
