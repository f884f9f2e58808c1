"""The checkpoint on real SQLite."""

import sqlite3
import stat

import pytest

from migrator.checkpoint.change import Change
from migrator.checkpoint.lock import batch_lock
from migrator.checkpoint.queries import SQL
from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.values import Calls, PlatformVideo
from migrator.errors import CheckpointError
from migrator.lifecycle import Event, IllegalTransition, State
from migrator.model import InvalidRow, ManifestRow, Reason, identity


@pytest.fixture
def checkpoint(tmp_path):
    made = Checkpoint.create(tmp_path, {"batch": "b" * 13})
    with made.transaction():
        made.add_source(1, "manifest", "m.csv", ["bucket", "key", "asset"], "00")
    yield made
    made.close()


def add(checkpoint, *rows, namespace=""):
    with checkpoint.transaction():
        checkpoint.add_rows(1, rows, namespace, 1)


def test_the_file_is_for_its_owner_alone(tmp_path, checkpoint):
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


def test_rows_come_back_in_order_and_exact(checkpoint):
    keys = ["00123", "NA", " x", "a\nb", "u\u0308", "\u00fc", "100%"]
    add(checkpoint, *(ManifestRow(i, "bucket", k, None, ("c",)) for i, k in enumerate(keys, 1)))
    assert [t.key for t in checkpoint.transfers_after(0, 100)] == keys
    assert [t.row for t in checkpoint.pending_after(2, 2)] == [3, 4]


def test_a_second_row_of_the_same_object_is_skipped_and_names_the_first(checkpoint):
    add(checkpoint, ManifestRow(1, "bucket", "k"), ManifestRow(2, "bucket", "other"))
    add(checkpoint, ManifestRow(3, "bucket", "k"), ManifestRow(4, "bucket", "k"))
    states = [(t.state, t.reason, t.message) for t in checkpoint.transfers_after(2, 10)]
    said = (State.SKIPPED, Reason.DUPLICATE_ROW, "the same object as row 1")
    assert states == [said, said]


def test_duplicates_within_one_batch_of_rows_are_found_too(checkpoint):
    add(checkpoint, *(ManifestRow(i, "bucket", "k") for i in range(1, 4)))
    assert [t.state for t in checkpoint.transfers_after(0, 9)] == [
        State.PENDING,
        State.SKIPPED,
        State.SKIPPED,
    ]


def test_an_invalid_row_keeps_its_bytes_and_says_where_it_is_wrong(checkpoint):
    cells = ("bucket", b"k\xff".decode("utf-8", "surrogateescape"))
    add(checkpoint, InvalidRow(1, "key", "not UTF-8", cells, "bucket", "k\\xff"))
    row = checkpoint.transfer(1)
    assert (row.state, row.reason, row.raw) == (State.REJECTED, Reason.INVALID_ROW, 1)
    assert row.message == "m.csv, row 1, column key: not UTF-8"
    assert row.cells is not None
    assert "\\udcff" in row.cells


def test_a_change_moves_a_row_as_the_table_says_and_keeps_its_facts(checkpoint):
    add(checkpoint, ManifestRow(1, "bucket", "k"))
    with checkpoint.transaction():
        submitting = checkpoint.apply(1, State.PENDING, Change(Event.SUBMIT, {"attempts": 1}))
        checkpoint.apply(1, submitting, Change(Event.ACCEPT, {"video_id": "v"}))
    row = checkpoint.transfer(1)
    assert (row.state, row.attempts, row.video_id) == (State.COPYING, 1, "v")


def test_a_change_of_a_row_that_stands_elsewhere_is_refused(checkpoint):
    add(checkpoint, ManifestRow(1, "bucket", "k"))
    with pytest.raises(CheckpointError, match="expected submitting, found row 1"):
        checkpoint.apply(1, State.SUBMITTING, Change(Event.ACCEPT, {"video_id": "v"}))


def test_the_keys_of_a_bucket_are_asked_for_while_a_row_of_it_may_be_sent_again(checkpoint):
    add(checkpoint, ManifestRow(1, "bucket", "k"))
    checkpoint.apply(1, State.PENDING, Change(Event.SUBMIT))  # and killed then
    assert checkpoint.pending_buckets() == {0: ["bucket"]}
    checkpoint.apply(1, State.SUBMITTING, Change(Event.REJECT))
    assert checkpoint.pending_buckets() == {}


def test_a_row_is_open_until_it_has_an_outcome(checkpoint):
    assert not checkpoint.has_open_rows()
    add(checkpoint, ManifestRow(1, "bucket", "k"))
    assert checkpoint.has_open_rows()
    checkpoint.apply(1, State.PENDING, Change(Event.REJECT))
    assert not checkpoint.has_open_rows()


@pytest.mark.parametrize(
    "query",
    ["any_open", "pending_after", "pending_of_lane_after", "in_state", "replacing_after"],
)
def test_open_rows_are_found_without_reading_what_has_ended(checkpoint, query):
    values = [0] * SQL[query].count("?")
    plan = checkpoint._db.execute(f"EXPLAIN QUERY PLAN {SQL[query]}", values).fetchall()
    assert ["object_open" in step[-1] for step in plan] == [True]


def test_rows_of_a_source_are_found_without_reading_those_of_sources_before_it(checkpoint):
    for number in (2, 3):
        checkpoint.add_source(number, "listing", f"s3://bucket/{number}", ["bucket", "key"], "")
        rows = [ManifestRow(2 * number + n, "bucket", f"{number}/{n}") for n in (-3, -2)]
        checkpoint.add_rows(number, rows, "", 1)
        checkpoint.complete_source(number, "digest")
    assert [source.row_count for source in checkpoint.sources()] == [0, 2, 2]
    for after, told in ((0, [3, 4]), (3, [4]), (4, [])):
        assert [row for row, _ in checkpoint.listing_facts(3, after, 10)] == told
    for query, values in (("rows_of_source", [3]), ("listing_facts", [3, 0, 10])):
        plan = checkpoint._db.execute(f"EXPLAIN QUERY PLAN {SQL[query]}", values).fetchall()
        assert any("SEARCH source" in step[-1] for step in plan)
        assert not any("SCAN" in step[-1] for step in plan)


def test_an_illegal_move_raises_and_changes_nothing(checkpoint):
    add(checkpoint, ManifestRow(1, "bucket", "k"))
    with pytest.raises(IllegalTransition):
        checkpoint.apply(1, State.PENDING, Change(Event.ACCEPT, {"video_id": "v"}))
    assert checkpoint.transfer(1).state is State.PENDING


def test_one_video_cannot_belong_to_two_rows(checkpoint):
    add(checkpoint, ManifestRow(1, "bucket", "a"), ManifestRow(2, "bucket", "b"))
    with checkpoint.transaction():
        checkpoint.apply(1, State.PENDING, Change(Event.FOUND, {"video_id": "v"}))
    with pytest.raises(sqlite3.IntegrityError), checkpoint.transaction():
        checkpoint.apply(2, State.PENDING, Change(Event.FOUND, {"video_id": "v"}))


def test_a_transaction_that_fails_leaves_nothing_behind(checkpoint):
    def fail():
        checkpoint.set_meta("x", "1")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), checkpoint.transaction():
        fail()
    assert checkpoint.meta("x") is None


def test_carriers_come_by_row_and_oldest_first(checkpoint):
    add(checkpoint, ManifestRow(1, "bucket", "a"), ManifestRow(2, "bucket", "b"))
    ours = identity("", "bucket", "b")
    with checkpoint.transaction():
        count = checkpoint.add_platform_videos(
            [
                PlatformVideo("v2", ours, "x", None, None, 20, "DONE"),
                PlatformVideo("v1", ours, "x", None, None, 10, "FAILED"),
                PlatformVideo("v3", identity("", "bucket", "c"), "x", None, None, 5, "DONE"),
                PlatformVideo("v4", None, None, "a.mp4", 7, 5, "DONE"),
            ]
        )
    assert count == 4
    assert [(c.row, c.video_id) for c in checkpoint.carriers_between(1, 9)] == [
        (2, "v1"),
        (2, "v2"),
    ]
    assert checkpoint.look_alike("a.mp4", 7) == "v4"
    assert checkpoint.look_alike("a.mp4", 8) is None


def test_further_carriers_are_added_once_and_never_the_row_s_own_video(checkpoint):
    add(checkpoint, ManifestRow(1, "bucket", "a"))
    with checkpoint.transaction():
        checkpoint.apply(1, State.PENDING, Change(Event.FOUND, {"video_id": "v1"}))
        checkpoint.add_duplicate_videos(1, ["v2", "v1"])
        checkpoint.add_duplicate_videos(1, ["v2", "v3"])
    assert checkpoint.transfer(1).duplicate_video_ids == '["v2","v3"]'
    assert checkpoint.adopted_and_duplicates() == (0, 2)


def test_runs_keep_their_calls_and_a_run_that_ended_is_not_ended_again(checkpoint):
    with checkpoint.transaction():
        run = checkpoint.start_run(5)
        checkpoint.count_calls(run, Calls(submit=3, list=2, announced_per_minute=60))
        checkpoint.end_last_run(9, 3)
        checkpoint.end_last_run(99, 0)
    (only,) = checkpoint.runs()
    assert (only.started_ms, only.ended_ms, only.exit_code) == (5, 9, 3)
    assert only.calls == Calls(submit=3, list=2, announced_per_minute=60)


def test_what_was_committed_is_there_after_opening_again(tmp_path, checkpoint):
    add(checkpoint, ManifestRow(1, "bucket", "k"))
    again = Checkpoint.open(tmp_path)
    assert [t.key for t in again.pending_after(0, 9)] == ["k"]
    again.close()


@pytest.mark.parametrize("damage", ["noise", "header", "page", "empty_tables"])
def test_a_damaged_file_is_refused_and_left_as_it_is(tmp_path, checkpoint, damage):
    add(checkpoint, *(ManifestRow(i, "bucket", f"key-{i}" * 20) for i in range(1, 500)))
    checkpoint.close()
    path = tmp_path / "checkpoint.db"
    content = bytearray(path.read_bytes())
    if damage == "noise":
        content = bytearray(b"no database at all" * 100)
    elif damage == "header":
        content[:16] = b"\0" * 16
    elif damage == "page":
        content[-8192:] = b"\x5a" * 8192
    else:
        content = content[:4096]
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.open(tmp_path)
    assert "checkpoint.db" in caught.value.message
    assert path.read_bytes() == content


def test_a_file_of_another_version_is_refused(tmp_path, checkpoint):
    checkpoint.close()
    with sqlite3.connect(tmp_path / "checkpoint.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(CheckpointError, match="schema version 99"):
        Checkpoint.open(tmp_path)


def test_a_log_without_its_checkpoint_is_not_started_over(tmp_path):
    (tmp_path / "checkpoint.db-wal").write_bytes(b"something")
    with pytest.raises(CheckpointError, match="write-ahead log"):
        Checkpoint.create(tmp_path, {})


def test_one_process_holds_a_batch_and_the_other_is_told_which(tmp_path):
    second = batch_lock(tmp_path)
    with batch_lock(tmp_path), pytest.raises(CheckpointError, match=r"process \d+ on "):
        second.__enter__()
    with batch_lock(tmp_path):
        pass


def test_a_lock_file_that_a_killed_process_left_locks_nothing(tmp_path):
    (tmp_path / "lock").write_text('{"pid": 1, "host": "elsewhere"}')
    with batch_lock(tmp_path):
        assert '"pid": 1,' not in (tmp_path / "lock").read_text()


@pytest.mark.parametrize(
    ("attempts", "decided_by", "presumed"),
    [(0, "preflight", 0), (1, "platform", 0), (1, "preflight", 1), (1, "breaker", 1),
     (2, "platform", 1)],
)  # fmt: skip
def test_a_row_that_was_refused_by_others_after_a_post_was_once_presumed_absent(
    checkpoint, attempts, decided_by, presumed
):
    add(checkpoint, ManifestRow(1, "bucket", "k"))
    refusal = {"reason": Reason.ACCESS_DENIED, "decided_by": decided_by, "attempts": attempts}
    with checkpoint.transaction():
        checkpoint.apply(1, State.PENDING, Change(Event.REJECT, refusal))
    assert checkpoint.presumed_absent().rows == presumed
    assert checkpoint.looked_back() is not bool(presumed)
