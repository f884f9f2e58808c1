"""The checkpoint file: plain synchronous calls on one SQLite connection.

Whoever holds a `Checkpoint` calls it from one thread at a time; the engine goes through
`writer.Writer`, which groups many calls into one commit. Methods do not commit by themselves:
`transaction` does, and everything that must be durable before something else happens stands
inside one. What can be asked of the file and changed in it stands in the parts that it is made of.
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from migrator.checkpoint.clips import Clips
from migrator.checkpoint.examine import damaged, examine, unreadable
from migrator.checkpoint.history import History
from migrator.checkpoint.intake import Intake
from migrator.checkpoint.queries import SQL
from migrator.checkpoint.records import reason_of
from migrator.checkpoint.runs import Runs
from migrator.checkpoint.transfers import Transfers
from migrator.checkpoint.values import Tally
from migrator.checkpoint.videos import Videos
from migrator.errors import CheckpointError, RunFailed
from migrator.lifecycle import State

SCHEMA_VERSION = 8
"""`PRAGMA user_version` of the files that this program writes; any other is refused."""

LARGE_BYTES = 64_000_000
"""A checkpoint that is larger (some 250,000 rows) gets the quick check after an end in order, so
that a run of a million rows begins within two seconds; any other gets the whole one."""


class Checkpoint(Intake, Transfers, Videos, Clips, Runs):
    """An open checkpoint file. Close it with `close`. `history` tells how the batch went."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self.history = History(connection)

    @classmethod
    def exists(cls, directory: Path) -> bool:
        """Whether `directory` holds a checkpoint, be it damaged or a link that leads nowhere."""
        return os.path.lexists(directory / "checkpoint.db")

    @classmethod
    def create(cls, directory: Path, meta: Mapping[str, str]) -> "Checkpoint":
        """Make the file with its schema and `meta`, mode 0600: whole, or not at all.

        It is made under another name and renamed, so that a file of the right name was begun
        rightly, and an empty one is damage. Raises CheckpointError beside a stray log.
        """
        path = directory / "checkpoint.db"
        _refuse_stray_log(path)
        draft = directory / "checkpoint.db.new"
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        schema = resources.files(__package__).joinpath("schema.sql").read_text()
        with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(f"BEGIN;\n{schema}\nPRAGMA user_version = {SCHEMA_VERSION};")
            connection.executemany(SQL["set_meta"], meta.items())
            connection.execute("COMMIT")
        draft.rename(path)
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        connection = _connect(path)
        _prepare(connection)
        return cls(connection)

    @classmethod
    def open(cls, directory: Path) -> "Checkpoint":
        """Open the file and check it: every page, and after a run that was killed every index too.

        Raises CheckpointError when it is damaged, of another version of the program, or beside a
        log that is not its own, and RunFailed when the disk has no room or fails.
        """
        path = directory / "checkpoint.db"
        # Before anything is set: what is no checkpoint stays as it is, to the byte.
        in_order = examine(path, SCHEMA_VERSION)
        connection = None
        try:
            is_large = path.stat().st_size > LARGE_BYTES
            check = "quick_check" if in_order and is_large else "integrity_check"
            connection = _connect(path)
            _prepare(connection)
            verdict = connection.execute(f"PRAGMA {check}(1)").fetchone()[0]
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise unreadable(path, error) from None
        if verdict != "ok":
            connection.close()
            raise damaged(path, str(verdict))
        return cls(connection)

    @contextmanager
    def reader(self) -> Iterator["Checkpoint"]:
        """A second connection to the file, which only reads: for another thread."""
        path = Path(self._db.execute("PRAGMA database_list").fetchone()[2])
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with closing(
            sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        ) as connection:
            yield Checkpoint(connection)

    def close(self) -> None:
        """Close the connection; the write-ahead log is folded into the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything in the block becomes durable at its end, or none of it does.

        Raises RunFailed when the file cannot be written (a full disk).
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._db.rollback()
                raise
        except sqlite3.OperationalError as error:
            raise not_written(error) from None

    def fold_log(self) -> None:
        """Write all that is committed from the log into the file: what `examine` compares.

        Raises RunFailed when the file cannot be written.
        """
        try:
            is_busy = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.OperationalError as error:
            raise not_written(error) from None
        if is_busy:
            raise CheckpointError(
                "the checkpoint is being read by another program",
                "end that one, then resume: nothing is lost",
            )

    def tallies(self) -> list[Tally]:
        """Rows and known bytes by state and reason."""
        return self._tallies("tallies")

    def tallies_between(self, first: int, last: int) -> list[Tally]:
        """The same of the rows `first` to `last` alone."""
        return self._tallies("tallies_between", first, last)

    def _tallies(self, query: str, *values: object) -> list[Tally]:
        return [
            Tally(State(state), reason_of(state, reason), rows, int(size))
            for state, reason, rows, size in self._db.execute(SQL[query], values)
        ]

    def adopted_and_duplicates(self) -> tuple[int, int]:
        """How many rows were adopted, and how many further videos carry tags of our rows."""
        adopted, duplicates = self._db.execute(SQL["tallies_beyond_rows"]).fetchone()
        return int(adopted), int(duplicates)

    def select(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """The rows of a named query that only reads: for the questions of `census`."""
        yield from self._db.execute(SQL[query], values)


def not_written(error: sqlite3.Error) -> RunFailed:
    """The checkpoint takes no more changes; nothing may be sent then."""
    if isinstance(error, sqlite3.IntegrityError):
        return RunFailed(
            f"the checkpoint refuses a change that must not be: {error}",
            "please report this with the checkpoint; resuming is safe",
        )
    return RunFailed(
        f"the checkpoint cannot be written: {error}",
        "make room on the disk or mend its permissions, then resume: nothing is lost",
    )


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _refuse_stray_log(path: Path) -> None:
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size > 0:
        raise CheckpointError(
            f"{log}: a write-ahead log without its checkpoint",
            "put checkpoint.db back beside it, or move the log away if it is of no batch of yours",
        )
