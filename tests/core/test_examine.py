"""A checkpoint that is not what it was: refused, or opened as it was left, and never changed."""

import os
import shutil
import sqlite3

import pytest

from migrator.checkpoint import store
from migrator.checkpoint.change import Change
from migrator.checkpoint.examine import unreadable
from migrator.checkpoint.store import SCHEMA_VERSION, Checkpoint
from migrator.checkpoint.values import Calls
from migrator.errors import CheckpointError, RunFailed
from migrator.lifecycle import Event, State
from migrator.model import ManifestRow

ROWS = 300
PAGE = 4096


class Batch:
    """A batch on the disk as runs leave it: begun, worked on, stopped or killed."""

    def __init__(self, directory, name="b" * 13):
        self.directory = directory
        directory.mkdir()
        self.checkpoint = Checkpoint.create(directory, {"batch": name})
        with self.checkpoint.transaction():
            self.checkpoint.add_source(1, "manifest", "m.csv", ["bucket", "key"], "00")
            rows = [ManifestRow(row, "bucket", f"{row:05}.mp4") for row in range(1, ROWS + 1)]
            self.checkpoint.add_rows(1, rows, "", 1)
        self.calls = 0

    def start(self, now_ms):
        with self.checkpoint.transaction():
            self._run = self.checkpoint.start_run(now_ms)
        self.checkpoint.fold_log()
        self.calls = 0

    def submit(self, *rows):
        """The intent of each row, with the counts, as the engine commits it."""
        for row in rows:
            with self.checkpoint.transaction():
                self.checkpoint.apply(row, State.PENDING, Change(Event.SUBMIT, {"attempts": 1}))
                self.calls += 1
                self.checkpoint.count_calls(self._run, Calls(submit=self.calls))

    def stop(self, now_ms):
        with self.checkpoint.transaction():
            self.checkpoint.end_last_run(now_ms, 130)
        self.checkpoint.close()

    def go_on(self, now_ms):
        self.checkpoint = Checkpoint.open(self.directory)
        self.start(now_ms)

    def as_killed_now(self, directory):
        """What SIGKILL would leave behind: the file and its log, copied."""
        directory.mkdir()
        for name in ("checkpoint.db", "checkpoint.db-wal"):
            shutil.copy(self.directory / name, directory)
        return directory


@pytest.fixture
def batch(tmp_path):
    made = Batch(tmp_path / "batch")
    made.start(1_000)
    yield made
    made.checkpoint.close()


def content(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()
            if not path.name.endswith("-shm")}  # fmt: skip


def submitting(directory):
    checkpoint = Checkpoint.open(directory)
    rows = [transfer.row for transfer in checkpoint.in_state(State.SUBMITTING)]
    checkpoint.close()
    return rows


def assert_refused(directory, words):
    before = content(directory)
    with pytest.raises(CheckpointError, match=words) as refused:
        Checkpoint.open(directory)
    assert refused.value.hint
    assert content(directory) == before


# -------------------------------------------------------------------- a write-ahead log


def test_what_a_killed_run_committed_is_there_again(batch, tmp_path):
    batch.submit(*range(1, 20))
    assert submitting(batch.as_killed_now(tmp_path / "killed")) == list(range(1, 20))


def test_a_run_that_is_killed_before_its_first_call_is_gone_on_with(batch, tmp_path):
    batch.stop(2_000)
    batch.checkpoint = Checkpoint.open(batch.directory)
    with batch.checkpoint.transaction():
        batch.checkpoint.start_run(3_000)  # not folded into the file yet
    assert submitting(batch.as_killed_now(tmp_path / "killed")) == []


@pytest.mark.parametrize("garbage", [b"", b"\0" * 32_768, os.urandom(32_768)])
def test_a_shared_memory_file_that_was_left_behind_does_not_matter(batch, tmp_path, garbage):
    batch.submit(1, 2)
    killed = batch.as_killed_now(tmp_path / "killed")
    (killed / "checkpoint.db-shm").write_bytes(garbage)
    assert submitting(killed) == [1, 2]


def test_a_log_that_was_cut_gives_what_was_committed_up_to_there(batch, tmp_path):
    batch.submit(*range(1, 20))
    log = batch.directory / "checkpoint.db-wal"
    seen = set()
    for number, length in enumerate(range(0, log.stat().st_size, 3 * PAGE + 17)):
        killed = batch.as_killed_now(tmp_path / f"cut-{number}")
        os.truncate(killed / log.name, length)
        rows = submitting(killed)
        assert rows == list(range(1, len(rows) + 1))
        seen.add(len(rows))
    assert len(seen) > 3


def test_a_log_of_another_batch_is_refused(batch, tmp_path):
    other = Batch(tmp_path / "other", "c" * 13)
    other.start(1_005)
    other.submit(*range(1, 50))
    foreign = other.as_killed_now(tmp_path / "foreign") / "checkpoint.db-wal"
    batch.submit(1)
    batch.stop(2_000)
    shutil.copy(foreign, batch.directory)
    assert_refused(batch.directory, "not this checkpoint's")
    other.checkpoint.close()


def test_a_log_of_an_earlier_moment_is_refused_beside_a_run_that_ended(batch, tmp_path):
    batch.submit(*range(1, 10))
    earlier = batch.as_killed_now(tmp_path / "earlier") / "checkpoint.db-wal"
    batch.submit(*range(10, 20))
    batch.stop(2_000)
    shutil.copy(earlier, batch.directory)
    assert_refused(batch.directory, "not this checkpoint's")


def test_a_log_of_an_earlier_moment_is_refused_beside_a_file_that_went_further(batch, tmp_path):
    batch.submit(*range(1, 10))
    earlier = batch.as_killed_now(tmp_path / "earlier") / "checkpoint.db-wal"
    batch.submit(*range(10, 20))
    batch.checkpoint.fold_log()
    batch.submit(20)
    later = batch.as_killed_now(tmp_path / "later")
    shutil.copy(earlier, later)
    assert_refused(later, "not this checkpoint's")


def test_a_log_of_an_earlier_run_is_refused(batch, tmp_path):
    batch.submit(*range(1, 10))
    earlier = batch.as_killed_now(tmp_path / "earlier") / "checkpoint.db-wal"
    batch.stop(2_000)
    batch.go_on(3_000)
    batch.submit(*range(10, 20))
    batch.stop(4_000)
    shutil.copy(earlier, batch.directory)
    assert_refused(batch.directory, "not this checkpoint's")


def test_a_file_of_an_earlier_run_is_refused_beside_the_log_of_a_later_one(batch, tmp_path):
    batch.submit(*range(1, 10))
    batch.stop(2_000)
    backup = (batch.directory / "checkpoint.db").read_bytes()
    batch.go_on(3_000)
    batch.submit(*range(10, 20))
    batch.checkpoint.fold_log()
    batch.submit(*range(20, 30))
    killed = batch.as_killed_now(tmp_path / "killed")
    (killed / "checkpoint.db").write_bytes(backup)
    assert_refused(killed, "not this checkpoint's")


# -------------------------------------------------------------------- the file


@pytest.fixture
def stopped(batch):
    """The path of a checkpoint that was closed properly, in the middle of the work."""
    batch.submit(*range(1, 50))
    batch.stop(2_000)
    return batch.directory / "checkpoint.db"


def test_a_file_that_was_cut_anywhere_is_refused(stopped):
    whole = stopped.read_bytes()
    for length in [*range(0, len(whole), 2 * PAGE), 1, 50, 99, 100, 1000, len(whole) - 1]:
        stopped.write_bytes(whole[:length])
        assert_refused(stopped.parent, "damaged or not a checkpoint|cannot be opened")


def test_a_header_with_one_byte_changed_is_refused_or_read_as_it_was(stopped):
    whole = stopped.read_bytes()
    refused = 0
    for place in range(100):
        stopped.write_bytes(whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :])
        try:
            assert submitting(stopped.parent) == list(range(1, 50))
        except CheckpointError:
            refused += 1
    assert refused > 30


def test_a_page_that_was_overwritten_is_noticed(stopped):
    whole = stopped.read_bytes()
    for begin in range(0, len(whole), PAGE):
        stopped.write_bytes(whole[:begin] + b"\xa5" * PAGE + whole[begin + PAGE :])
        assert_refused(stopped.parent, "damaged or not a checkpoint|cannot be opened")


def mix_up_an_index(directory):
    """Every page of it stays sound: only the whole check compares it with its table."""
    with sqlite3.connect(directory / "checkpoint.db") as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute(
            "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema"
            " WHERE name = 'object_presumed_absent') WHERE name = 'object_identity'"
        )
    db.close()


def test_an_index_that_is_not_its_table_s_is_noticed(stopped):
    mix_up_an_index(stopped.parent)
    assert_refused(stopped.parent, "damaged or not a checkpoint")


def test_an_index_that_is_not_its_table_s_is_noticed_in_a_large_one_that_was_killed(
    batch, tmp_path, monkeypatch
):
    monkeypatch.setattr(store, "LARGE_BYTES", 0)
    batch.submit(*range(1, 20))
    killed = batch.as_killed_now(tmp_path / "killed")
    mix_up_an_index(killed)
    with pytest.raises(CheckpointError, match="damaged or not a checkpoint"):
        Checkpoint.open(killed)


def _text(path):
    path.write_text("not a database, but long enough to be looked into\n" * 100)


def _other_database(path):
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE meta (name, value)")
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    db.close()


def _link_to_nothing(path):
    path.symlink_to(path.with_name("gone"))


@pytest.mark.parametrize(
    "make", [_text, _other_database, _link_to_nothing, lambda path: path.mkdir()]
)
def test_what_is_no_checkpoint_is_refused_and_left_alone(tmp_path, make):
    path = tmp_path / "checkpoint.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    assert Checkpoint.exists(tmp_path)  # so that none is begun in its place
    with pytest.raises(CheckpointError):
        Checkpoint.open(tmp_path)
    assert before is None or path.read_bytes() == before


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, RunFailed),
        (sqlite3.SQLITE_IOERR_WRITE, RunFailed),
        (sqlite3.SQLITE_CANTOPEN, CheckpointError),
        (sqlite3.SQLITE_READONLY, CheckpointError),
        (sqlite3.SQLITE_CORRUPT, CheckpointError),
    ],
)
def test_a_full_disk_is_not_called_damage(tmp_path, code, kind):
    error = sqlite3.OperationalError("why")
    error.sqlite_errorcode = code
    told = unreadable(tmp_path / "checkpoint.db", error)
    assert type(told) is kind
    assert ("restore" in told.hint) == (code == sqlite3.SQLITE_CORRUPT)
