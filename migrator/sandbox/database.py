"""The platform's database: one writer, one reader, and what a start has to settle.

Whatever changes goes through the group writer; reading has a connection and a thread of its
own, so that a long list neither waits for writes nor holds up the loop.
"""

import asyncio
import contextlib
import importlib.resources
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

from migrator.sandbox.errors import SandboxError
from migrator.sandbox.keys import OWNER_FILE
from migrator.sandbox.moments import Clock
from migrator.sandbox.writing import GroupWriter, open_database

SCHEMA_VERSION = 3

Result = TypeVar("Result")
Settle = Callable[[sqlite3.Connection, Clock], None]
"""What has to be put in order at a start."""


class Database:
    """The database at one path, for one loop."""

    def __init__(self, path: Path) -> None:
        self._writer = GroupWriter(path)
        self._reading = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox-reader")
        self._reader = open_database(path, check_same_thread=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._writer.close()
        await asyncio.to_thread(self._reading.shutdown)
        self._reader.close()

    def ask(self, write: Callable[[sqlite3.Connection], Result]) -> asyncio.Future[Result]:
        """Have `write` done; the future is done once it is on disk."""
        return self._writer.ask(write)

    def when_committed(self, call: Callable[[], None]) -> None:
        """Have `call` called after each commit."""
        self._writer.when_committed = call

    async def read(self, read: Callable[[sqlite3.Connection], Result]) -> Result:
        """What `read` finds, of all that is on disk."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reading, read, self._reader)


def prepare(path: Path, clock: Clock, settles: Sequence[Settle]) -> None:
    """Make the database where it is absent, and settle what a crash left under way.

    Raises SandboxError where the file is not a database of ours.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, OWNER_FILE))  # SQLite's own would be wider
    try:
        with contextlib.closing(open_database(path)) as connection:
            _make(connection, path)
            connection.execute("BEGIN")
            for settle in settles:
                settle(connection, clock)
            connection.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        raise SandboxError(f"{path} cannot be used: {error}; use another --dir") from error


def _make(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        schema = importlib.resources.files(__package__).joinpath("schema.sql").read_text()
        # executescript would commit before it starts: the transaction must be in the script.
        connection.executescript(f"BEGIN; {schema} COMMIT;")
    elif version != SCHEMA_VERSION:
        message = f"{path} is of another version ({version}); use another --dir"
        raise SandboxError(message)
