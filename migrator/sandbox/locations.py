"""Input locations: a bucket and the keys to read it with, kept under a name.

There are few of them: they are kept in memory, and changed there once the change is on disk.
Only the masked forms of the keys are ever shown; the keys themselves are kept sealed.
"""

# ruff: noqa: S608 - the names put into queries are our own columns; every value is bound

import sqlite3
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import msgspec

from migrator.sandbox.accounts import Team
from migrator.sandbox.database import Database
from migrator.sandbox.keys import KeyPair, masked
from migrator.sandbox.moments import Clock
from migrator.sandbox.seal import Sealer


@dataclass(frozen=True, slots=True)
class InputLocation:
    """An input location of a team. The fields are the columns of the table."""

    location_id: str
    created_at: int
    updated_at: int
    team_id: str
    name: str
    bucket: str
    masked_access_key: str
    masked_secret: str
    sealed_keys: bytes


_COLUMNS = ", ".join(field.name for field in fields(InputLocation))


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationChange:
    """What is to be another; None leaves as it is."""

    name: str | None
    bucket: str | None
    access_key: str | None
    secret_access_key: str | None


class Locations:
    """All input locations, oldest first."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        sealer: Sealer,
        locations: Sequence[InputLocation],
    ) -> None:
        self._database = database
        self._clock = clock
        self._sealer = sealer
        self._locations = {location.location_id: location for location in locations}

    @classmethod
    async def load(cls, database: Database, clock: Clock, sealer: Sealer) -> Self:
        """The input locations as they were left."""

        def read(connection: sqlite3.Connection) -> list[InputLocation]:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM input_locations ORDER BY created_at, rowid"
            )
            return [InputLocation(*row) for row in rows]

        return cls(database, clock, sealer, await database.read(read))

    def all(self) -> Sequence[InputLocation]:
        """All of them."""
        return tuple(self._locations.values())

    def get(self, location_id: str) -> InputLocation | None:
        """The input location of that id."""
        return self._locations.get(location_id)

    def keys(self, location: InputLocation) -> KeyPair | None:
        """The keys of an input location; None where they can no longer be opened."""
        content = self._sealer.open(location.sealed_keys, _about(location.location_id))
        return None if content is None else msgspec.json.decode(content, type=KeyPair)

    async def make(self, team: Team, name: str, bucket: str, keys: KeyPair) -> InputLocation:
        """A new input location of a team."""
        location_id = str(uuid.uuid4())
        now = self._clock.now_ms()
        location = InputLocation(
            location_id=location_id,
            created_at=now,
            updated_at=now,
            team_id=team.team_id,
            name=name,
            bucket=bucket,
            masked_access_key=masked(keys.access_key),
            masked_secret=masked(keys.secret_access_key),
            sealed_keys=self._sealed(location_id, keys),
        )

        def write(connection: sqlite3.Connection) -> None:
            values = tuple(getattr(location, field.name) for field in fields(location))
            marks = ", ".join("?" * len(values))
            connection.execute(f"INSERT INTO input_locations VALUES ({marks})", values)

        await self._database.ask(write)
        self._locations[location_id] = location
        return location

    async def change(self, location_id: str, wanted: LocationChange) -> InputLocation | None:
        """Change what is given of an input location. None: there is no such location."""

        def write(connection: sqlite3.Connection) -> InputLocation | None:
            # Read here, where all writes are one after another: no change gets lost.
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM input_locations WHERE location_id = ?",
                (location_id,),
            ).fetchone()
            return None if row is None else self._changed(connection, InputLocation(*row), wanted)

        changed = await self._database.ask(write)
        if changed is not None:
            self._locations[location_id] = changed
        return changed

    def _changed(
        self, connection: sqlite3.Connection, old: InputLocation, wanted: LocationChange
    ) -> InputLocation:
        kept = self.keys(old) or KeyPair("", "")
        keys = KeyPair(
            _either(wanted.access_key, kept.access_key),
            _either(wanted.secret_access_key, kept.secret_access_key),
        )
        new = replace(
            old,
            updated_at=self._clock.now_ms(),
            name=_either(wanted.name, old.name),
            bucket=_either(wanted.bucket, old.bucket),
            masked_access_key=masked(keys.access_key),
            masked_secret=masked(keys.secret_access_key),
            sealed_keys=self._sealed(old.location_id, keys),
        )
        connection.execute(
            "UPDATE input_locations SET updated_at = ?, name = ?, bucket = ?,"
            " masked_access_key = ?, masked_secret = ?, sealed_keys = ? WHERE location_id = ?",
            (
                *(new.updated_at, new.name, new.bucket),
                *(new.masked_access_key, new.masked_secret, new.sealed_keys, new.location_id),
            ),
        )
        return new

    async def delete(self, location_id: str) -> bool:
        """Delete an input location; copies that it was used for keep what they need.

        False: there is no such location.
        """

        def write(connection: sqlite3.Connection) -> bool:
            statement = "DELETE FROM input_locations WHERE location_id = ?"
            return connection.execute(statement, (location_id,)).rowcount == 1

        gone = await self._database.ask(write)
        self._locations.pop(location_id, None)
        return gone

    def _sealed(self, location_id: str, keys: KeyPair) -> bytes:
        return self._sealer.seal(msgspec.json.encode(keys), _about(location_id))


def _either(wanted: str | None, old: str) -> str:
    return old if wanted is None else wanted


def _about(location_id: str) -> str:
    return f"input location {location_id}"
