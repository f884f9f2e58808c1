"""Whether a file may be opened as a checkpoint, found out without changing a byte of it.

SQLite takes any write-ahead log of the right name for the file's own: one of another batch, or of
another day, is applied without a word, and the result may even be sound to `integrity_check`. So
the file alone is compared with the file under its log. Every commit of a run writes that run's
counters, and the start of a run is folded into the file before anything else happens: a log that
is the file's own knows the same runs, as far along or further.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from migrator.errors import CheckpointError, MigratorError, RunFailed

TABLES = frozenset(
    {"meta", "source", "object", "foreseen", "project", "platform_video", "run", "sample"},
)

_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_NO_ROOM = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
_LENGTH = ("page_count", "page_size")
_PRIMARY = 0xFF
"""The primary result code of an extended one (https://sqlite.org/rescode.html)."""

RESTORE = (
    "restore it from a copy, or begin in a new --out directory: the platform is swept first, "
    "so that nothing is imported twice; nothing was changed"
)


@dataclass(frozen=True, slots=True)
class _Run:
    """A start of the program: when, whether it has ended, and its calls so far."""

    started_ms: int
    ended_ms: int | None
    calls: int


@dataclass(frozen=True, slots=True)
class _View:
    """What one way of reading the file shows."""

    batch: str | None
    runs: tuple[_Run, ...]


def examine(path: Path, version: int) -> bool:
    """Raises CheckpointError unless `path` is a checkpoint of this schema version, with its log.

    Answers whether its last run ended in order: it says so, and has left no log. Raises RunFailed
    where the disk is at fault and not the file.
    """
    log = path.with_name(path.name + "-wal")
    try:
        logged = log.stat().st_size > 0
    except OSError:
        logged = False
    stored = _alone(path, version) if logged else None
    try:
        seen = _view(path, "mode=ro" if logged else "immutable=1", version)
    except sqlite3.Error as error:
        if stored is not None and _code(error) in _DAMAGE:  # sound without its log
            raise _stray(log) from None
        raise unreadable(path, error) from None
    if stored is not None and not _continues(stored, seen):
        raise _stray(log)
    return not logged and bool(seen.runs) and seen.runs[-1].ended_ms is not None


def _alone(path: Path, version: int) -> _View | None:
    """The file without its log; None where it is no whole file without it: killed while folding."""
    try:
        return _view(path, "immutable=1", version)
    except (sqlite3.Error, CheckpointError):
        return None


def _stray(log: Path) -> CheckpointError:
    return CheckpointError(
        f"{log}: a write-ahead log that is not this checkpoint's (of another batch or time)",
        "move it away, or put the checkpoint.db back that it belongs to; nothing was changed",
    )


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & _PRIMARY


def unreadable(path: Path, error: sqlite3.Error) -> MigratorError:
    """The error of this program that an error of SQLite's on opening `path` means."""
    code = _code(error)
    if code in _NO_ROOM:
        return RunFailed(
            f"{path}: cannot be read or written ({error})", "make room on the disk, then resume"
        )
    if code in _DAMAGE:
        return damaged(path, str(error))
    return CheckpointError(
        f"{path}: cannot be opened as a checkpoint ({error})",
        "it must be a file that migrator made and that you may read and write; nothing was changed",
    )


def damaged(path: Path, detail: str) -> CheckpointError:
    """The file is no checkpoint any more, or never was one."""
    return CheckpointError(f"{path}: damaged or not a checkpoint ({detail})", RESTORE)


def _view(path: Path, how: str, version: int) -> _View:
    # `immutable` reads the file alone; `mode=ro` reads it under its log, and folds nothing in.
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)) as db:
        found = db.execute("PRAGMA user_version").fetchone()[0]
        pages, page_size = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in _LENGTH)
        if "immutable" in how and path.stat().st_size < pages * page_size:
            raise damaged(path, "it was cut")
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
        if found in {0, version} and not tables >= TABLES:
            raise damaged(path, "it has no schema" if not tables else "it is of another program")
        if found != version:
            raise CheckpointError(
                f"{path}: schema version {found}, and this program reads {version}",
                "use the version of migrator that began this batch; nothing was changed",
            )
        batch = db.execute("SELECT value FROM meta WHERE name = 'batch'").fetchone()
        runs = db.execute(
            "SELECT started_ms, ended_ms, submit + list + status + restart + other"
            " FROM run ORDER BY id"
        )
        return _View(None if batch is None else batch[0], tuple(_Run(*run) for run in runs))


def _continues(stored: _View, seen: _View) -> bool:
    """Whether `seen`, the file under its log, is what `stored`, the file alone, became."""
    begun = seen.runs[len(stored.runs) :]
    # Nothing is called before the start of a run is in the file itself.
    if stored.batch != seen.batch or any(run.calls for run in begun):
        return False
    if len(seen.runs) < len(stored.runs):
        return False
    return all(
        after.started_ms == before.started_ms
        and after.calls >= before.calls
        and before.ended_ms in {None, after.ended_ms}
        for before, after in zip(stored.runs, seen.runs, strict=False)
    )
