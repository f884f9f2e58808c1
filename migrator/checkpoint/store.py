"""The checkpoint file: plain synchronous calls on one SQLite connection.

Whoever holds a `Checkpoint` calls it from one thread at a time; the engine goes through
`writer.Writer`, which groups many calls into one commit. Methods do not commit by themselves:
`transaction` does, and everything that must be durable before something else happens stands
inside one.
"""

import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from migrator.checkpoint import identities, order
from migrator.checkpoint.change import Change, Transfer
from migrator.checkpoint.examine import damaged, examine, unreadable
from migrator.checkpoint.history import History
from migrator.checkpoint.packing import pack_etag, pack_id, unpack_etag, unpack_id
from migrator.checkpoint.records import (
    REPORTED,
    Reported,
    as_duplicate,
    as_filtered,
    as_imported,
    reason_of,
    record,
    stored,
    told,
)
from migrator.checkpoint.values import (
    Calls,
    Carrier,
    Foreseen,
    PlatformVideo,
    PresumedAbsent,
    Run,
    Source,
    Tally,
)
from migrator.errors import CheckpointError, RunFailed
from migrator.lifecycle import IllegalTransition, State, advance
from migrator.model import DecidedBy, InvalidRow, ManifestRow, Reason
from migrator.settings.inputs import OrderBy

SCHEMA_VERSION = 7
"""`PRAGMA user_version` of the files that this program writes; any other is refused."""

LARGE_BYTES = 64_000_000
"""A checkpoint that is larger (some 250,000 rows) gets the quick check after an end in order, so
that a run of a million rows begins within two seconds; any other gets the whole one."""

TRANSFER_COLUMNS = ", ".join(Transfer.__dataclass_fields__)
_REPORTED = ", ".join(REPORTED)


def _load_queries() -> Mapping[str, str]:
    text = resources.files(__package__).joinpath("queries.sql").read_text()
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return {
        name: sql.replace("{transfer}", TRANSFER_COLUMNS).replace("{reported}", _REPORTED).strip()
        for name, sql in pairs
    }


_SQL = _load_queries()


class Checkpoint:
    """An open checkpoint file. Close it with `close`. `history` tells how the batch went."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
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
            connection.executemany(_SQL["set_meta"], meta.items())
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

    # -- what the batch is ------------------------------------------------------------------

    def meta(self, name: str) -> str | None:
        """A setting of the batch, or None."""
        found = self._db.execute(_SQL["meta"], (name,)).fetchone()
        return None if found is None else str(found[0])

    def set_meta(self, name: str, value: str) -> None:
        """Write a setting of the batch; never a secret."""
        self._db.execute(_SQL["set_meta"], (name, value))

    def metas(self, beginning: str) -> dict[str, str]:
        """The settings whose names begin so."""
        return dict(self._db.execute(_SQL["metas"], (beginning,)))

    # -- rows in ----------------------------------------------------------------------------

    def add_source(
        self, source_id: int, kind: str, location: str, header: Sequence[str], sha256: str
    ) -> None:
        """Announce a source before its first row."""
        names = msgspec.json.encode(header).decode()
        self._db.execute(_SQL["add_source"], (source_id, kind, location, names, sha256))

    def set_header(self, source_id: int, header: Sequence[str]) -> None:
        """Further columns have turned up behind those that a source was announced with."""
        self._db.execute(_SQL["set_header"], (msgspec.json.encode(header).decode(), source_id))

    def sources(self) -> list[Source]:
        """All sources in the order of reading."""
        return [
            Source(i, kind, where, tuple(msgspec.json.decode(header)), sha256, n, bool(done), out)
            for i, kind, where, header, sha256, n, done, out in self._db.execute(_SQL["sources"])
        ]

    def complete_source(self, source_id: int, sha256: str) -> None:
        """Freeze a source: it was read to its end."""
        count = self._db.execute(_SQL["rows_of_source"], (source_id,)).fetchone()[0]
        self._db.execute(_SQL["complete_source"], (sha256, count, source_id))

    def forget_sources(self) -> None:
        """Drop all that was read, to read it anew: before everything is read nothing is sent."""
        for query in ("forget_rows", "forget_foreseen", "forget_sources", "forget_projects"):
            self._db.execute(_SQL[query])

    def pending_buckets(self) -> list[str]:
        """Every bucket that a row names which is pending, or may be again."""
        return [str(bucket) for (bucket,) in self._db.execute(_SQL["pending_buckets"])]

    def buckets_of_videos(self) -> list[str]:
        """Every bucket of which there is, or was, a video."""
        return [str(bucket) for (bucket,) in self._db.execute(_SQL["buckets_of_videos"])]

    def has_open_rows(self) -> bool:
        """Whether any row has no outcome yet."""
        return self._db.execute(_SQL["any_open"]).fetchone() is not None

    def last_row(self) -> int:
        """The highest row number so far; 0 when there is none."""
        return int(self._db.execute(_SQL["last_row"]).fetchone()[0] or 0)

    def rows_of_source(self, source_id: int) -> int:
        """How many rows of a source are stored."""
        return int(self._db.execute(_SQL["rows_of_source"], (source_id,)).fetchone()[0])

    def listed_to(self, source_id: int) -> str:
        """The last key that a listing has read, wanted or not: where it goes on; "" before it."""
        return str(self._db.execute(_SQL["listed_to"], (source_id,)).fetchone()[0])

    def note_listed(self, source_id: int, last_key: str, filtered: int) -> None:
        """A listing has read up to `last_key`, and left out so many further objects by filters."""
        self._db.execute(_SQL["note_listed"], (last_key, filtered, source_id))

    def listing_facts(self, source_id: int) -> Iterator[tuple[str, ...]]:
        """Bucket, key, size in bytes, ETag and version, if any, of a listing's rows, in order."""
        found = self._db.execute(_SQL["listing_facts"], (source_id,))
        for bucket, key, size_bytes, etag, version_id in found:
            told = (bucket, key, str(size_bytes), unpack_etag(etag) or "")
            yield told if version_id is None else (*told, version_id)

    def add_rows(
        self,
        source_id: int,
        rows: Sequence[ManifestRow | InvalidRow],
        namespace: str,
        now_ms: int,
        imported: Callable[[Sequence[bytes]], Mapping[bytes, str]] = lambda _object_ids: {},
        left_out: Mapping[int, str] = MappingProxyType({}),
        by_url: Callable[[str], bool] = lambda _bucket: False,
    ) -> None:
        """Store rows as they were read; a second row of the same object is skipped and says so.

        So is what `imported` answers, objects with the words of who has imported them already, and
        the rows of `left_out`, with the filter that does it in words. `by_url` says of
        which buckets a version is an object of its own.
        """
        location = self._db.execute(_SQL["location"], (source_id,)).fetchone()[0]
        file = str(location).rpartition("/")[2]
        records = [record(source_id, file, row, namespace, now_ms, by_url) for row in rows]
        self.add_records(rows, records, now_ms, imported, left_out)

    def begin_rows(self) -> None:
        """Before the first row: what finds duplicates is put aside, until `settle_rows`."""
        identities.put_aside(self._db)
        order.forget(self._db)

    def settle_rows(self, now_ms: int, order_by: OrderBy = "manifest") -> None:
        """All rows are there: find those of an object that has one already, and order the rest."""
        identities.settle(self._db, now_ms)
        if order_by != "manifest":
            order.keep(self._db)

    def add_records(
        self,
        rows: Sequence[ManifestRow | InvalidRow],
        records: list[tuple[object, ...]],
        now_ms: int,
        imported: Callable[[Sequence[bytes]], Mapping[bytes, str]],
        left_out: Mapping[int, str],
    ) -> None:
        """Store the `records` of `rows` (`records.record`): what `add_rows` does with them."""
        if left_out:
            records = [
                as_filtered(values, left_out[row.row], now_ms) if row.row in left_out else values
                for values, row in zip(records, rows, strict=True)
            ]
        done = imported([values[2] for values in records if isinstance(values[2], bytes)])
        if done:
            records = [
                as_imported(values, done[values[2]], now_ms)
                if isinstance(values[2], bytes) and values[2] in done
                else values
                for values in records
            ]
        added = self._db.executemany(_SQL["add_object"], records).rowcount
        if added == len(records):
            return
        first, last = records[0][0], records[-1][0]
        present = {row for (row,) in self._db.execute(_SQL["rows_between"], (first, last))}
        if len(present) != added or not identities.is_there(self._db):
            raise CheckpointError(
                f"rows {first} to {last} are taken already",
                "please report this with the checkpoint; nothing was sent",
            )
        for values in records:
            if values[0] not in present:
                original = self._db.execute(_SQL["row_of_object"], (values[2],)).fetchone()[0]
                self._db.execute(_SQL["add_object"], as_duplicate(values, original, now_ms))

    def imported_objects(self, object_ids: Sequence[bytes]) -> dict[bytes, str]:
        """Of these objects those that are imported, in words: by which batch, as which video."""
        marks = ", ".join("?" * len(object_ids))
        sql = _SQL["imported_objects"].replace("(?)", f"({marks})")
        batch = self.meta("batch")
        return {
            object_id: f"imported by batch {batch} as video {unpack_id(video)}"
            if video
            else message
            for object_id, video, message in self._db.execute(sql, object_ids)
        }

    def add_projects(self, project_ids: Iterable[str]) -> None:
        """Remember projects that rows name."""
        self._db.executemany(_SQL["add_project"], ((project,) for project in project_ids))

    def projects(self) -> list[str]:
        """Every project that a row names."""
        return [str(project) for (project,) in self._db.execute(_SQL["projects"])]

    # -- transfers --------------------------------------------------------------------------

    def pending_after(self, row: int, limit: int, lane: int | None = None) -> list[Transfer]:
        """The next `limit` pending rows beyond `row`, in row order; of one lane, or of all."""
        if lane is None:
            return self._transfers("pending_after", (row, limit))
        return self._transfers("pending_of_lane_after", (row, lane, limit))

    def pending_by_place_after(self, row: int, limit: int, lane: int) -> list[Transfer]:
        """The next `limit` pending rows of a lane beyond `row` in the order of their places.

        For a batch whose rows have places (`order`); row 0 is before all others.
        """
        return self._transfers("pending_by_place_after", (row, limit, lane))

    def serve(self, first: int, last: int, lanes: Iterable[tuple[int, str, str]]) -> None:
        """Give the pending rows `first` to `last` to their lanes: (lane, bucket, key prefix).

        The longest prefix counts; what none serves stays with lane 0.
        """
        for lane, bucket, prefix in sorted(lanes, key=lambda each: len(each[2])):
            self._db.execute(_SQL["serve"], (lane, first, last, bucket, prefix))

    def ended_after(self, row: int, limit: int) -> list[Transfer]:
        """The next `limit` rejected, missing or failed rows beyond `row`, in row order."""
        return self._transfers("ended_after", (row, limit))

    def replacing_after(self, row: int, limit: int, lane: int = 0) -> list[Transfer]:
        """The next `limit` rows of a lane whose old video is to be removed, in row order."""
        return self._transfers("replacing_after", (row, lane, limit))

    def in_state(self, state: State) -> list[Transfer]:
        """All rows in one of the open states that a run bounds (never `pending`)."""
        return self._transfers("in_state", (state,))

    def sent_and_ended(self) -> tuple[int, int]:
        """Rows that this batch has sent itself: how many are imported, and how many refused."""
        imported, refused = self._db.execute(_SQL["sent_and_ended"]).fetchone()
        return int(imported), int(refused)

    def sent_and_open(self, limit: int) -> list[int]:
        """The first rows that were sent and have no outcome yet, but for pending ones."""
        return [int(row) for (row,) in self._db.execute(_SQL["sent_and_open"], (limit,))]

    def made_videos(self, limit: int) -> list[tuple[int, str, str, str]]:
        """(row, bucket, key, video id) of the first videos that this batch has made."""
        return [
            (int(row), bucket, key, unpack_id(video) or "")
            for row, bucket, key, video in self._db.execute(_SQL["made_videos"], (limit,))
        ]

    def transfer(self, row: int) -> Transfer:
        """One row."""
        return self._transfers("transfer", (row,))[0]

    def transfers_after(self, row: int, limit: int) -> list[Transfer]:
        """The next `limit` rows beyond `row` in any state."""
        return self._transfers("every_transfer", (row, limit))

    def reported_after(self, row: int, limit: int) -> list[Reported]:
        """The same for a report, which makes no object of each: what it may tell of them."""
        return self._db.execute(_SQL["every_reported"], (row, limit)).fetchall()

    def transfers_of_objects(self, object_ids: Sequence[bytes]) -> list[Transfer]:
        """The rows of these objects that this batch has."""
        marks = ", ".join("?" * len(object_ids))
        sql = _SQL["of_objects"].replace("(?)", f"({marks})")
        return [told(found) for found in self._db.execute(sql, object_ids)]

    def row_of_video(self, video_id: str) -> int | None:
        """The row that a video belongs to, or None when it is none of ours."""
        found = self._db.execute(_SQL["row_of_video"], (pack_id(video_id),)).fetchone()
        return None if found is None else int(found[0])

    def apply(self, row: int, state: State, change: Change) -> State:
        """Let `change` happen to a row that stands in `state`; answers the state that follows.

        Raises lifecycle.IllegalTransition when the table has no such move, and CheckpointError when
        the row is not in `state`: two writers, which the lock forbids.
        """
        try:
            follows = advance(state, change.event)
        except IllegalTransition:
            raise IllegalTransition(state, change.event, self.transfer(row).story) from None
        facts = stored(follows, change.facts)
        values = (follows, *facts.values(), row, state)
        if self._db.execute(_update_statement(tuple(facts)), values).rowcount != 1:
            found = self.transfer(row)
            raise CheckpointError(
                f"the checkpoint disagrees: expected {state}, found {found.story}",
                "please report this with the checkpoint; resuming is safe",
            )
        return follows

    def preflighted(
        self,
        row: int,
        size_bytes: int | None,
        etag: str | None,
        last_modified_ms: int | None,
        now_ms: int,
        foreseen: Foreseen | None = None,
    ) -> None:
        """Keep what the source told about an object, and what is against sending it, if anything.

        The row stays pending: where it would not be sent, a run settles it by what is kept here.
        """
        values = (size_bytes, pack_etag(etag), last_modified_ms, now_ms, row)
        self._db.execute(_SQL["preflighted"], values)
        if foreseen is None:
            self._db.execute(_SQL["foresee_nothing"], (row,))
        else:
            self.foresee(row, foreseen)

    def foresee(self, row: int, foreseen: Foreseen) -> None:
        """Keep what is against sending a row, by what is known of its object already."""
        self._db.execute(
            _SQL["foresee"],
            (row, foreseen.reason, foreseen.decided_by, foreseen.error_code,
             foreseen.http_status, foreseen.message),
        )  # fmt: skip

    def recheck(self) -> None:
        """Forget what preflight has against pending rows: it is asked again."""
        self._db.execute(_SQL["recheck_rows"])
        self._db.execute(_SQL["forget_foreseen"])

    def foreseen_of(self, rows: Sequence[int]) -> dict[int, Foreseen]:
        """What preflight has against some of these rows, by row."""
        marks = ", ".join("?" * len(rows))
        sql = _SQL["foreseen_of"].replace("(?)", f"({marks})")
        return {
            row: Foreseen(Reason(reason), DecidedBy(decided_by), *told)
            for row, reason, decided_by, *told in self._db.execute(sql, rows)
        }

    def add_duplicate_videos(self, row: int, video_ids: Sequence[str]) -> None:
        """Add further videos that carry the tag of a row."""
        transfer = self.transfer(row)
        known = msgspec.json.decode(transfer.duplicate_video_ids or "[]", type=list[str])
        merged = sorted({*known, *video_ids} - {transfer.video_id})
        self._db.execute(_SQL["add_duplicate_videos"], (msgspec.json.encode(merged).decode(), row))

    # -- what the first sweep found -----------------------------------------------------------

    def add_platform_videos(self, videos: Iterable[PlatformVideo]) -> int:
        """Keep videos of the first sweep; answers how many distinct ones are kept by now."""
        self._db.executemany(
            _SQL["add_platform_video"],
            (
                (pack_id(v.video_id), v.object_id, v.batch, v.file_name, v.size_bytes,
                 v.created_ms, v.upload_status)
                for v in videos
            ),
        )  # fmt: skip
        return int(self._db.execute(_SQL["count_platform_videos"]).fetchone()[0])

    def forget_platform_videos(self) -> None:
        """Begin the first sweep anew."""
        self._db.execute(_SQL["forget_platform_videos"])

    def carriers_between(self, first: int, last: int) -> list[Carrier]:
        """Videos that carry a tag of our pending rows `first` to `last`, oldest first in a row."""
        cursor = self._db.execute(_SQL["carriers_of_our_objects"], (first, last))
        return [Carrier(row, unpack_id(video) or "", *rest) for row, video, *rest in cursor]

    def look_alike(self, file_name: str, size_bytes: int) -> str | None:
        """An untagged master that the first sweep saw with this file name and size, or None."""
        found = self._db.execute(_SQL["look_alike"], (file_name, size_bytes)).fetchone()
        return None if found is None else unpack_id(found[0])

    def knows_platform_video(self, video_id: str) -> bool:
        """Whether the first sweep saw this video."""
        found = self._db.execute(_SQL["knows_platform_video"], (pack_id(video_id),))
        return found.fetchone() is not None

    def presumed_absent(self) -> PresumedAbsent:
        """Rows that were sent again, or given up, because no video of theirs was to be seen."""
        rows, posts, since_s = self._db.execute(_SQL["presumed_absent"]).fetchone()
        return PresumedAbsent(rows, int(posts), since_s or None)

    def latest_videos(self, since_s: int, limit: int, lane: int = 0) -> list[tuple[str, int]]:
        """(video id, the platform's clock at the intent) of a lane's last rows sent since then."""
        found = self._db.execute(_SQL["latest_videos"], (since_s, lane, limit))
        return [(unpack_id(video) or "", date_s) for video, date_s in found]

    def looked_back(self) -> bool:
        """Whether videos of such rows have been looked for once more since the last of them."""
        presumed = self.presumed_absent()
        return presumed.rows == 0 or self.meta("looked_back") == presumed.mark

    # -- runs and counts ----------------------------------------------------------------------

    def start_run(self, now_ms: int) -> int:
        """Note a start of the program; answers its id."""
        return int(self._db.execute(_SQL["start_run"], (now_ms,)).fetchone()[0])

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

    def count_calls(self, run_id: int, calls: Calls) -> None:
        """Write the counters of a run."""
        self._db.execute(
            _SQL["count_calls"],
            (calls.submit, calls.list, calls.status, calls.restart, calls.other, calls.throttled,
             calls.retries, calls.announced_per_minute, calls.platform_date_s, run_id),
        )  # fmt: skip

    def count_key_calls(self, run_id: int, calls: Sequence[int]) -> None:
        """Write how many calls a run has made with each of several API keys, by their lanes."""
        values = [(run_id, lane, count) for lane, count in enumerate(calls)]
        self._db.executemany(_SQL["count_key_calls"], values)

    def key_calls(self) -> dict[int, int]:
        """Calls of all runs by lane; empty where there was but one key."""
        return dict(self._db.execute(_SQL["key_calls"]))

    def end_last_run(self, now_ms: int, exit_code: int) -> None:
        """Note how the last run ended, unless that is noted already."""
        self._db.execute(_SQL["end_last_run"], (now_ms, exit_code))

    def correct_last_run(self, exit_code: int) -> None:
        """The last run ended with another code than was noted: its report could not be made."""
        self._db.execute(_SQL["correct_last_run"], (exit_code,))

    def last_platform_date(self) -> int | None:
        """The platform's clock (epoch seconds) when a run on this batch last heard from it."""
        found = self._db.execute(_SQL["last_platform_date"]).fetchone()
        return None if found is None else int(found[0])

    def runs(self) -> list[Run]:
        """All runs, oldest first."""
        return [
            Run(started, ended, code, Calls(*counts))
            for started, ended, code, *counts in self._db.execute(_SQL["runs"])
        ]

    def tallies(self) -> list[Tally]:
        """Rows and known bytes by state and reason."""
        return [
            Tally(State(state), reason_of(state, reason), rows, int(size))
            for state, reason, rows, size in self._db.execute(_SQL["tallies"])
        ]

    def adopted_and_duplicates(self) -> tuple[int, int]:
        """How many rows were adopted, and how many further videos carry tags of our rows."""
        adopted, duplicates = self._db.execute(_SQL["tallies_beyond_rows"]).fetchone()
        return int(adopted), int(duplicates)

    def select(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """The rows of a named query that only reads: for the questions of `census`."""
        yield from self._db.execute(_SQL[query], values)

    def _transfers(self, query: str, values: tuple[object, ...]) -> list[Transfer]:
        return [told(found) for found in self._db.execute(_SQL[query], values)]


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


@lru_cache(maxsize=64)
def _update_statement(columns: tuple[str, ...]) -> str:
    assert set(columns) <= set(Transfer.__dataclass_fields__)
    sets = ", ".join(f"{column} = ?" for column in ("state", *columns))
    return f"UPDATE object SET {sets}, room = NULL WHERE row = ? AND state = ?"  # noqa: S608 - columns of ours
