"""Changes through the book: many share a commit, and nobody believes what is not on the disk."""

import asyncio

import pytest

from migrator.checkpoint.change import Change, Move
from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.writer import Writer
from migrator.engine.book import Book
from migrator.errors import CheckpointError, RunFailed
from migrator.lifecycle import Event, IllegalTransition, State
from migrator.model import ManifestRow, Reason

ROWS = 150
VIDEO = "33333333-3333-4333-8333-{:012}"


@pytest.fixture
def checkpoint(tmp_path):
    made = Checkpoint.create(tmp_path, {"batch": "b" * 13})
    with made.transaction():
        made.add_source(1, "manifest", "m.csv", ["bucket", "key"], "00")
        made.add_rows(1, [ManifestRow(n, "bucket", str(n)) for n in range(1, ROWS + 1)], "", 1)
    yield made
    made.close()


@pytest.fixture
async def book(checkpoint):
    writer = Writer(checkpoint, lambda _checkpoint: None)
    yield Book(writer)
    await writer.close()


def submit(row):
    return Move(row, State.PENDING, Change(Event.SUBMIT, {"attempts": 1, "submitted_ms": row}))


def accept(row, video_id, *, instead=None):
    change = Change(Event.ACCEPT, {"video_id": video_id, "http_status": 202, "error_code": None})
    return Move(row, State.SUBMITTING, change, instead)


def states(checkpoint):
    return {row.row: row.state for row in checkpoint.transfers_after(0, ROWS)}


# ------------------------------------------------------------------- many at once


def test_changes_of_many_kinds_and_any_number_are_each_written(checkpoint):
    with checkpoint.transaction():
        moves = [submit(row) for row in range(1, ROWS + 1)]
        moves[7] = Move(8, State.PENDING, Change(Event.SKIP, {"reason": Reason.FOLDER_MARKER}))
        happened = checkpoint.apply_all(moves)
    assert [state for state, _ in happened].count(State.SUBMITTING) == ROWS - 1
    rows = checkpoint.transfers_after(0, ROWS)
    assert [row.submitted_ms for row in rows] == [None if n == 8 else n for n in range(1, ROWS + 1)]
    assert rows[7].reason is Reason.FOLDER_MARKER


@pytest.mark.parametrize("place", [0, 70, ROWS - 1])
def test_one_row_that_stands_elsewhere_refuses_all_of_them(checkpoint, place):
    with checkpoint.transaction():
        checkpoint.apply_all([submit(place + 1)])
    moves = [submit(row) for row in range(1, ROWS + 1)]
    with pytest.raises(CheckpointError, match="expected pending, found row"):  # noqa: SIM117
        with checkpoint.transaction():
            checkpoint.apply_all(moves)
    assert list(states(checkpoint).values()).count(State.PENDING) == ROWS - 1


def test_an_impossible_move_tells_the_story_of_its_row(checkpoint):
    accepted = Move(2, State.PENDING, Change(Event.ACCEPT))
    with pytest.raises(IllegalTransition, match=r"row 2, s3://bucket/'2', pending"):
        checkpoint.apply_all([submit(1), accepted])


def test_a_video_is_given_to_one_row_also_where_two_ask_for_it_at_once(checkpoint):
    def instead(owner):
        return Change(Event.OUTCOME_UNKNOWN, {"message": f"of row {owner}"})

    with checkpoint.transaction():
        checkpoint.apply_all([submit(row) for row in (1, 2, 3)])
        checkpoint.apply_all([accept(1, VIDEO.format(1))])
    with checkpoint.transaction():
        happened = checkpoint.apply_all(
            [
                accept(2, VIDEO.format(2), instead=instead),
                accept(3, VIDEO.format(2), instead=instead),
            ]
        )
        checkpoint.apply_all([submit(4)])
        (taken,) = checkpoint.apply_all([accept(4, VIDEO.format(1), instead=instead)])
    assert [state for state, _ in (*happened, taken)] == [
        State.COPYING, State.UNRESOLVED, State.UNRESOLVED,
    ]  # fmt: skip
    assert [checkpoint.transfer(row).message for row in (2, 3, 4)] == [None, "of row 2", "of row 1"]


# -------------------------------------------------------------------- in the book


async def test_changes_that_come_while_a_commit_is_under_way_share_the_next(checkpoint, book):
    sizes = []
    apply_all = checkpoint.apply_all
    checkpoint.apply_all = lambda moves: (sizes.append(len(moves)), apply_all(moves))[1]
    hold, held = _holding(book)
    await held.wait()
    moves = [submit(row) for row in range(1, ROWS + 1)]
    asked = [asyncio.ensure_future(book.change(m.row, m.state, m.change)) for m in moves]
    await asyncio.sleep(0)
    hold.set()
    assert set(await asyncio.gather(*asked)) == {State.SUBMITTING}
    assert sizes == [ROWS]
    assert set(states(checkpoint).values()) == {State.SUBMITTING}
    assert book.tallies.states[State.SUBMITTING] == ROWS


async def test_when_one_fails_nobody_of_the_commit_believes_to_be_durable(checkpoint, book):
    good = asyncio.ensure_future(book.change(1, State.PENDING, Change(Event.SUBMIT)))
    bad = asyncio.ensure_future(book.change(2, State.COPYING, Change(Event.IMPORT)))
    ends = await asyncio.gather(good, bad, return_exceptions=True)
    assert [type(end) for end in ends] == [CheckpointError, CheckpointError]
    assert states(checkpoint)[1] is State.PENDING
    assert not book.tallies.states[State.SUBMITTING]
    assert await book.change(1, State.PENDING, Change(Event.SUBMIT)) is State.SUBMITTING


async def test_a_commit_that_fails_before_a_change_is_written_fails_it_too(checkpoint, book):
    hold, held = _holding(book)
    await held.wait()
    failing = asyncio.ensure_future(book.run(_full))
    change = asyncio.ensure_future(book.change(1, State.PENDING, Change(Event.SUBMIT)))
    await asyncio.sleep(0)
    hold.set()
    ends = await asyncio.gather(failing, change, return_exceptions=True)
    assert [type(end) for end in ends] == [RunFailed, RunFailed]
    assert states(checkpoint)[1] is State.PENDING
    assert await book.change(1, State.PENDING, Change(Event.SUBMIT)) is State.SUBMITTING


async def test_a_change_whose_caller_is_gone_happens_and_is_counted(checkpoint, book):
    hold, held = _holding(book)
    await held.wait()
    task = asyncio.ensure_future(book.change(1, State.PENDING, Change(Event.SUBMIT)))
    await asyncio.sleep(0)
    task.cancel()
    hold.set()
    await book.change(2, State.PENDING, Change(Event.SUBMIT))
    assert states(checkpoint)[1] is State.SUBMITTING
    assert book.tallies.states[State.SUBMITTING] == 2


def _holding(book):
    """Keep the thread of the checkpoint at work: (set it to let go, is set once it is held)."""
    loop, hold, held = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    def wait(_checkpoint):
        loop.call_soon_threadsafe(held.set)
        asyncio.run_coroutine_threadsafe(hold.wait(), loop).result()

    book.holding = asyncio.ensure_future(book.run(wait))
    return hold, held


def _full(_checkpoint):
    raise RunFailed("the disk is full", "make room")
