"""What the platform's lists showed, on disk for as long as they are compared with the rows.

A scratch file beside the checkpoint and never in it: it is written without any care for crashes,
and is removed once the comparison has ended. So memory does not grow with the list.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from migrator.errors import RunFailed

SCRATCH_FILE = ".verify.db.tmp"

_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE video (
    video_id TEXT PRIMARY KEY, object_id BLOB, batch TEXT, is_master INTEGER NOT NULL,
    project_id TEXT, name TEXT, file_name TEXT, size_bytes INTEGER, created_ms INTEGER,
    upload_status TEXT, ingestion_status TEXT, error TEXT,
    team INTEGER NOT NULL,                           -- the list that showed it, by its number
    explained INTEGER NOT NULL DEFAULT 0             -- 1: a row or a finding has named it
) STRICT, WITHOUT ROWID;
CREATE INDEX video_object ON video (object_id) WHERE object_id IS NOT NULL;
CREATE INDEX video_look ON video (file_name, size_bytes) WHERE object_id IS NULL;
"""


@dataclass(frozen=True, slots=True)
class ListedVideo:
    """A video as the list showed it.

    `object_id` and `batch` are its tag's, `file_name` and `size_bytes` the copy's, as far as they
    are told; `error` is the platform's word about a failed copy.
    """

    video_id: str
    object_id: bytes | None = None
    batch: str | None = None
    is_master: bool = True
    project_id: str | None = None
    name: str | None = None
    file_name: str | None = None
    size_bytes: int | None = None
    created_ms: int | None = None
    upload_status: str | None = None
    ingestion_status: str | None = None
    error: str | None = None


_COLUMNS = ", ".join(field.name for field in fields(ListedVideo))
_PUT = (
    f"INSERT OR REPLACE INTO video ({_COLUMNS}, team) "  # noqa: S608 - columns of ours
    f"VALUES ({', '.join('?' * len(fields(ListedVideo)))}, ?)"
)
_READ = f"SELECT {_COLUMNS} FROM video WHERE "  # noqa: S608 - columns of ours
_BY_CREATION = " ORDER BY created_ms, video_id"


class Inventory:
    """The videos that the lists of teams showed, one list after the other.

    `count` is how many that of the present team has. Raises RunFailed where the disk takes no more.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._team = 0
        self.count = 0

    def begin(self, team: int) -> None:
        """What is added from now on is of the list of this number."""
        self._team, self.count = team, 0

    def add(self, videos: Sequence[ListedVideo]) -> int:
        """Keep videos, the latest sight of each; answers how many distinct ones there are now."""
        ids = {video.video_id for video in videos}
        with self._writing():
            known = self._db.execute(
                _in("SELECT count(*) FROM video WHERE team = ? AND video_id", ids),
                [self._team, *ids],
            )
            self.count += len(ids) - int(known.fetchone()[0])
            self._db.executemany(_PUT, ((*astuple(video), self._team) for video in videos))
        return self.count

    def forget(self) -> None:
        """The list of the present team has to be read anew."""
        with self._writing():
            self._db.execute("DELETE FROM video WHERE team = ?", (self._team,))
        self.count = 0

    def videos(self, ids: Sequence[str]) -> dict[str, ListedVideo]:
        """Those of these ids that were listed."""
        return {video.video_id: video for video in self._read(_in("video_id", ids), ids)}

    def carriers(self, object_ids: Sequence[bytes]) -> dict[bytes, list[ListedVideo]]:
        """Masters that carry the tags of these objects, the oldest first."""
        found: dict[bytes, list[ListedVideo]] = {}
        condition = _in("is_master AND object_id", object_ids) + _BY_CREATION
        for video in self._read(condition, object_ids):
            assert video.object_id is not None
            found.setdefault(video.object_id, []).append(video)
        return found

    def alike(self, file_name: str, size_bytes: int, team: int = 0) -> list[ListedVideo]:
        """A team's masters without a tag of this name and size that nothing has explained yet."""
        condition = (
            "object_id IS NULL AND is_master AND explained = 0 AND file_name = ? "
            "AND size_bytes = ? AND team = ?" + _BY_CREATION
        )
        return list(self._read(condition, (file_name, size_bytes, team)))

    def explain(self, ids: Iterable[str]) -> None:
        """A row, or what is said of one, names these."""
        with self._writing():
            self._db.executemany(
                "UPDATE video SET explained = 1 WHERE video_id = ?", ((each,) for each in ids)
            )

    def unexplained(self, after_id: str, limit: int) -> list[ListedVideo]:
        """The next masters beyond `after_id`, by id, that nothing has explained."""
        condition = "is_master AND explained = 0 AND video_id > ? ORDER BY video_id LIMIT ?"
        return list(self._read(condition, (after_id, limit)))

    def _read(self, condition: str, values: Sequence[object]) -> Iterator[ListedVideo]:
        for found in self._db.execute(_READ + condition, values):
            video_id, object_id, batch, is_master, *rest = found
            yield ListedVideo(video_id, object_id, batch, bool(is_master), *rest)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN")
            yield
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise _no_room(error) from None


@contextmanager
def open_inventory(directory: Path) -> Iterator[Inventory]:
    """An empty inventory in a scratch file of `directory` (0600), removed at the end of the block.

    What a killed process left behind is overwritten. Raises RunFailed where it cannot be made.
    """
    path = directory / SCRATCH_FILE
    try:
        path.unlink(missing_ok=True)
        path.touch(mode=0o600, exist_ok=False)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise _no_room(error) from None
    try:
        with closing(connection):
            try:
                connection.executescript(_SCHEMA)
            except sqlite3.OperationalError as error:
                raise _no_room(error) from None
            yield Inventory(connection)
    finally:
        path.unlink(missing_ok=True)


def _in(column: str, values: Iterable[object]) -> str:
    return f"{column} IN ({', '.join('?' for _ in values)})"


def _no_room(error: Exception) -> RunFailed:
    return RunFailed(
        f"the platform's list cannot be kept beside the batch: {error}",
        "make room on the disk, about 400 bytes a video, then verify again",
    )
