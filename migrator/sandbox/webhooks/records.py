"""Webhooks: where a team wants to be told what happens to its videos.

There are few of them: they are kept in memory, and changed there once the change is on disk.
"""

# ruff: noqa: S608 - the names put into queries are our own columns; every value is bound

import sqlite3
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import msgspec

from migrator.sandbox.accounts import Team
from migrator.sandbox.database import Database
from migrator.sandbox.events import EventType
from migrator.sandbox.moments import Clock

ACTIVE_MAX = 10
"""How many webhooks of a team may be active at once."""


class TooManyActiveError(Exception):
    """The team has as many active webhooks as it may have."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook of a team. The fields are the columns of the table."""

    webhook_id: str
    created_at: int
    updated_at: int
    team_id: str
    is_active: bool
    name: str
    description: str | None
    url: str
    rate_limit_per_second: int
    max_total_retry_delay_minutes: int
    event_types: tuple[EventType, ...]


_COLUMNS = ", ".join(field.name for field in fields(Webhook))
_MARKS = ", ".join("?" for _ in fields(Webhook))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWebhook:
    """A webhook to be made."""

    is_active: bool
    name: str
    description: str | None
    url: str
    rate_limit_per_second: int
    max_total_retry_delay_minutes: int
    event_types: tuple[EventType, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookChange:
    """What is to be another; None leaves as it is."""

    is_active: bool | None = None
    name: str | None = None
    description: str | None = None
    url: str | None = None
    rate_limit_per_second: int | None = None
    max_total_retry_delay_minutes: int | None = None
    event_types: tuple[EventType, ...] | None = None


class Webhooks:
    """All webhooks, oldest first. `when_changed` is called with the id of each that changed."""

    def __init__(self, database: Database, clock: Clock, webhooks: Sequence[Webhook]) -> None:
        self.when_changed: Callable[[str], None] = lambda _webhook_id: None
        self._database = database
        self._clock = clock
        self._webhooks = {webhook.webhook_id: webhook for webhook in webhooks}

    @classmethod
    async def load(cls, database: Database, clock: Clock) -> Self:
        """The webhooks as they were left."""

        def read(connection: sqlite3.Connection) -> list[Webhook]:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM webhooks ORDER BY created_at, rowid")
            return [_webhook(row) for row in rows]

        return cls(database, clock, await database.read(read))

    def all(self) -> Sequence[Webhook]:
        """All of them."""
        return tuple(self._webhooks.values())

    def get(self, webhook_id: str) -> Webhook | None:
        """The webhook of that id."""
        return self._webhooks.get(webhook_id)

    async def make(self, team: Team, new: NewWebhook) -> Webhook:
        """A new webhook of a team. Raises TooManyActiveError where it is to be active."""

        def write(connection: sqlite3.Connection) -> Webhook:
            now = self._clock.now_ms()
            webhook = Webhook(
                webhook_id=str(uuid.uuid4()),
                created_at=now,
                updated_at=now,
                team_id=team.team_id,
                **{field.name: getattr(new, field.name) for field in fields(new)},
            )
            if webhook.is_active:
                _require_room(connection, team.team_id)
            connection.execute(f"INSERT INTO webhooks VALUES ({_MARKS})", _values(webhook))
            return webhook

        return self._noted(await self._database.ask(write))

    async def change(self, webhook_id: str, wanted: WebhookChange) -> Webhook | None:
        """Change what is given of a webhook. None: there is no such webhook.

        Raises TooManyActiveError where it is to become active.
        """
        given = {field.name: getattr(wanted, field.name) for field in fields(wanted)}
        given = {name: value for name, value in given.items() if value is not None}

        def write(connection: sqlite3.Connection) -> Webhook | None:
            # Read here, where all writes are one after another: no change gets lost.
            query = f"SELECT {_COLUMNS} FROM webhooks WHERE webhook_id = ?"
            row = connection.execute(query, (webhook_id,)).fetchone()
            if row is None:
                return None
            old = _webhook(row)
            new = replace(old, **given)
            if new == old:
                return old
            if new.is_active and not old.is_active:
                _require_room(connection, old.team_id)
            new = replace(new, updated_at=self._clock.now_ms())
            connection.execute(
                f"UPDATE webhooks SET ({_COLUMNS}) = ({_MARKS}) WHERE webhook_id = ?",
                (*_values(new), webhook_id),
            )
            return new

        changed = await self._database.ask(write)
        return None if changed is None else self._noted(changed)

    async def delete(self, webhook_id: str) -> bool:
        """Delete a webhook; nothing more is sent to it. False: there is no such webhook."""

        def write(connection: sqlite3.Connection) -> bool:
            statement = "DELETE FROM webhooks WHERE webhook_id = ?"
            return connection.execute(statement, (webhook_id,)).rowcount == 1

        gone = await self._database.ask(write)
        self._webhooks.pop(webhook_id, None)
        self.when_changed(webhook_id)
        return gone

    def _noted(self, webhook: Webhook) -> Webhook:
        self._webhooks[webhook.webhook_id] = webhook
        self.when_changed(webhook.webhook_id)
        return webhook


def _require_room(connection: sqlite3.Connection, team_id: str) -> None:
    query = "SELECT count(*) FROM webhooks WHERE team_id = ? AND is_active"
    if connection.execute(query, (team_id,)).fetchone()[0] >= ACTIVE_MAX:
        raise TooManyActiveError


def _webhook(row: sqlite3.Row) -> Webhook:
    types = msgspec.json.decode(row["event_types"], type=tuple[EventType, ...])
    return replace(Webhook(*row), is_active=bool(row["is_active"]), event_types=types)


def _values(webhook: Webhook) -> tuple[str | int | None, ...]:
    types = msgspec.json.encode(webhook.event_types).decode()
    named = {field.name: getattr(webhook, field.name) for field in fields(webhook)}
    return tuple((named | {"event_types": types}).values())
