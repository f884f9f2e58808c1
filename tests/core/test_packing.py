"""What the checkpoint packs comes out as it went in, and what it leaves out is told too."""

import sqlite3
from contextlib import closing
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.checkpoint.census import take_census
from migrator.checkpoint.change import Change
from migrator.checkpoint.packing import pack_etag, pack_id, unpack_etag, unpack_id
from migrator.checkpoint.store import Checkpoint
from migrator.engine.decide import CopyRules, Sight, judge_copy
from migrator.lifecycle import Event, State
from migrator.model import DecidedBy, LearnedBy, ManifestRow, Reason

ID = "0f0e0d0c-0b0a-4908-8706-050403020100"
MD5 = "00112233445566778899aabbccddeeff"


@given(st.uuids())
def test_a_uuid_takes_16_bytes(made):
    assert len(pack_id(str(made))) == 16
    assert unpack_id(pack_id(str(made))) == str(made)


@pytest.mark.parametrize(
    "text", [ID.upper(), ID.replace("-", ""), f"{{{ID}}}", f"{ID}\n", "v1", "", "١" + ID[1:]]
)
def test_an_id_of_another_form_stays_what_it_is(text):
    assert pack_id(text) == text
    assert unpack_id(text) == text


@pytest.mark.parametrize(
    ("text", "length"), [(MD5, 16), (f"{MD5}-1", 19), (f"{MD5}-10000", 19), (f"{MD5}-99999", 19)]
)
def test_an_etag_takes_its_md5_and_its_number_of_parts(text, length):
    assert len(pack_etag(text)) == length
    assert unpack_etag(pack_etag(text)) == text


@pytest.mark.parametrize(
    "text", [f'"{MD5}"', MD5.upper(), f"{MD5}-0", f"{MD5}-01", f"{MD5}-100000", f"{MD5}-", "x", ""]
)
def test_an_etag_of_another_form_stays_what_it_is(text):
    assert pack_etag(text) == text
    assert unpack_etag(text) == text


@given(st.text() | st.from_regex(r"[0-9a-fA-F]{32}(-[0-9]{1,6})?"))
def test_whatever_is_packed_comes_out_as_it_went_in(text):
    assert unpack_id(pack_id(text)) == text
    assert unpack_etag(pack_etag(text)) == text


@pytest.fixture
def checkpoint(tmp_path):
    made = Checkpoint.create(tmp_path, {"batch": "b" * 13})
    with made.transaction():
        made.add_source(1, "manifest", "m.csv", ["bucket", "key"], "00")
        made.add_rows(1, [ManifestRow(1, "bucket", "k"), ManifestRow(2, "bucket", "l")], "", 1)
    yield made
    made.close()


def imported(checkpoint, row, video_id, learned_by=LearnedBy.LIST):
    """Take a row from its look at the source to its import, as a run does."""
    sight = Sight("DONE", 100, 5, None)
    rules = CopyRules(2, until_ingested=False)
    with checkpoint.transaction():
        checkpoint.preflighted(row, 5, MD5, 6, 7)
        state = checkpoint.apply(row, State.PENDING, Change(Event.SUBMIT, {"attempts": 1}))
        state = checkpoint.apply(row, state, Change(Event.ACCEPT, {"video_id": video_id}))
        checkpoint.apply(row, state, judge_copy(state, 0, 5, sight, rules, learned_by, 9))


def test_an_imported_row_tells_all_of_itself(checkpoint):
    imported(checkpoint, 1, ID)
    row = checkpoint.transfer(1)
    assert (row.state, row.reason, row.decided_by, row.learned_by, row.video_id, row.etag) == (
        State.IMPORTED, Reason.COPIED, DecidedBy.PLATFORM, LearnedBy.LIST, ID, MD5,
    )  # fmt: skip
    assert checkpoint.row_of_video(ID) == 1
    (tally,) = [t for t in checkpoint.tallies() if t.state is State.IMPORTED]
    assert tally.reason is Reason.COPIED


def test_how_an_end_was_learned_is_kept_where_no_list_told_it(checkpoint):
    imported(checkpoint, 1, ID, LearnedBy.STATUS)
    assert checkpoint.transfer(1).learned_by == LearnedBy.STATUS


def test_rows_whose_ends_were_learned_in_different_ways_are_counted_together(checkpoint):
    """One writes its reason and the other does not: they are of one kind all the same."""
    imported(checkpoint, 1, ID)
    imported(checkpoint, 2, ID.upper(), LearnedBy.STATUS)
    (tally,) = checkpoint.tallies()
    assert (tally.state, tally.reason, tally.rows) == (State.IMPORTED, Reason.COPIED, 2)
    (told,) = take_census(checkpoint, preflight=True).reasons
    assert (told.reason, told.rows) == (Reason.COPIED, 2)


def test_an_open_row_has_no_reason_and_nobody_who_decided(checkpoint):
    row = checkpoint.transfer(2)
    assert (row.reason, row.decided_by, row.learned_by) == (None, None, None)


def test_one_id_in_two_spellings_of_two_rows_is_two_videos(checkpoint):
    imported(checkpoint, 1, ID)
    imported(checkpoint, 2, ID.upper())
    assert (checkpoint.row_of_video(ID), checkpoint.row_of_video(ID.upper())) == (1, 2)


def test_a_row_that_is_imported_is_no_larger_than_when_it_was_read(tmp_path):
    """Else its page would be split, and be half full from then on."""
    count = 20_000
    checkpoint = Checkpoint.create(tmp_path, {"batch": "b" * 13})
    with checkpoint.transaction():
        checkpoint.add_source(1, "manifest", "m.csv", ["bucket", "key"], "00")
        rows = [ManifestRow(row, "bucket", f"films/{row:08}.mov") for row in range(1, count + 1)]
        checkpoint.add_rows(1, rows, "", 1_790_000_000_000)
    checkpoint.fold_log()
    pages = _pages_of_rows(tmp_path)
    at = 1_790_000_000_000
    for first in range(1, count + 1, 100):
        with checkpoint.transaction():
            for row in range(first, first + 100):
                _import(checkpoint, row, at)
    checkpoint.close()
    assert _pages_of_rows(tmp_path) <= pages
    keys = count * len(b"films/00000000.mov")
    assert ((tmp_path / "checkpoint.db").stat().st_size - keys) / count <= 250


def _import(checkpoint, row, at_ms):
    video = UUID(int=row * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)
    intent = {"attempts": 1, "intent_date_s": at_ms // 1000, "submitted_ms": at_ms}
    accepted = {"video_id": str(video), "http_status": 202}
    checkpoint.preflighted(row, 10**10, f"{row:032x}-1192", at_ms, at_ms)
    state = checkpoint.apply(row, State.PENDING, Change(Event.SUBMIT, intent))
    state = checkpoint.apply(row, state, Change(Event.ACCEPT, accepted))
    rules = CopyRules(2, until_ingested=False)
    sight = Sight("DONE", 100, 10**10, None)
    ended = judge_copy(state, 0, 10**10, sight, rules, LearnedBy.LIST, at_ms)
    checkpoint.apply(row, state, ended)


def _pages_of_rows(directory):
    with closing(sqlite3.connect(directory / "checkpoint.db")) as db:
        return db.execute("SELECT count(*) FROM dbstat WHERE name = 'object'").fetchone()[0]
