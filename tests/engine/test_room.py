"""Room in flight: places and bytes, who goes next, and that nobody waits for ever."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.engine import room as rooms
from migrator.engine import status
from migrator.engine.room import Room
from migrator.source.answers import ObjectFacts


def test_bytes_are_bounded_and_come_free_again():
    room = Room(10, 100)
    first, second = room.wish(60), room.wish(41)
    assert room.enters(first)
    assert not room.enters(second)
    assert room.is_crowded
    room.give_back(60)
    assert room.enters(second)
    assert (room.taken, room.taken_bytes) == (1, 41)


def test_what_is_larger_than_the_bound_goes_alone():
    room = Room(10, 100)
    small, large = room.wish(1), room.wish(500)
    assert room.enters(small)
    assert not room.enters(large)
    room.give_back(1)
    assert room.enters(large)
    assert not room.enters(room.wish(1))
    room.give_back(500)
    assert room.taken_bytes == 0


def test_an_unknown_size_counts_as_the_whole_bound():
    room = Room(10, 100)
    assert room.enters(room.wish(None))
    assert not room.enters(room.wish(1))


def test_without_a_bound_only_places_count():
    room = Room(2)
    assert room.enters(room.wish(None))
    assert room.enters(room.wish(10**15))
    assert not room.enters(room.wish(1))
    assert not room.is_crowded


def test_small_rows_pass_a_waiting_one_by_no_more_than_the_bound():
    room = Room(1000, 100)
    assert room.enters(room.wish(90))
    large = room.wish(80)
    passed = 0
    while not room.enters(large):
        assert passed <= 100
        wish = room.wish(10)
        if room.enters(wish):  # and ends at once
            passed += 10
            room.give_back(10)
        else:
            room.leaves(wish)
            room.give_back(90)
    assert passed == 100


def test_rows_of_next_to_no_bytes_do_not_pass_for_ever(monkeypatch):
    monkeypatch.setattr(rooms, "MOST_PASSED", 3)
    room = Room(1000, 100)
    assert room.enters(room.wish(90))
    room.wish(80)
    assert [room.enters(room.wish(1)) for _ in range(5)] == [True, True, True, False, False]


def test_nobody_steps_before_a_row_that_fits():
    room = Room(10, 100)
    waiting, late = room.wish(50), room.wish(50)
    assert not room.enters(late)
    assert room.enters(waiting)
    assert room.enters(late)


@given(
    st.lists(st.one_of(st.none(), st.integers(0, 300)), min_size=1, max_size=60),
    st.integers(1, 150),
    st.randoms(use_true_random=False),
)
def test_the_bound_holds_and_every_row_goes_in_the_end(sizes, limit, chance):
    room, waiting, running, left = Room(5, limit), [], [], list(sizes)
    while left or waiting or running:
        if left and len(waiting) < 4:
            waiting.append(room.wish(left.pop(0)))
        went = [wish for wish in waiting if room.enters(wish)]
        waiting = [wish for wish in waiting if wish not in went]
        running += [wish.weight for wish in went]
        assert len(running) <= 5
        assert sum(running) <= limit or sum(weight > 0 for weight in running) == 1
        assert room.taken_bytes == sum(running)
        assert went or running or not waiting  # with nothing in flight somebody goes
        if running and (not went or chance.random() < 0.5):
            room.give_back(running.pop(chance.randrange(len(running))))


class Source:
    """Objects whose size stands in their key."""

    async def head(self, _bucket, key, *_asked):
        await asyncio.sleep(0)
        return ObjectFacts(int(key.partition(".")[0].rpartition("-")[2]), "etag", 0)


@pytest.fixture
def bounded(bench, monkeypatch):
    """A bench that may have a hundred bytes in flight."""
    monkeypatch.setattr(status, "INTERVAL_S", 0.002)
    bench.settings = replace(
        bench.settings,
        source=replace(bench.settings.source, preflight=True),
        pace=replace(bench.settings.pace, max_in_flight_bytes=100),
    )
    bench.platform.size = None
    return bench


async def test_a_run_keeps_to_the_bound_and_says_what_it_waits_for(bounded):
    bounded.platform.looks_to_done = 3
    bounded.manifest(*(f"{n}-60.mp4" for n in range(4)), "large-500.mp4")
    rows = await bounded.run(Source())
    assert {str(row.state) for row in rows.values()} == {"imported"}
    assert {shown.in_flight_bytes for shown in bounded.shown} == {0, 60, 500}
    assert {shown.max_in_flight_bytes for shown in bounded.shown} == {None, 100}
    waited = {shown.waiting_on: shown.waiting_for for shown in bounded.shown}
    assert waited["in_flight_bytes"] in {
        "bytes in flight: 60 of 100 are taken (--max-in-flight-bytes)",
        "bytes in flight: 500 of 100 are taken (--max-in-flight-bytes)",
    }


async def test_what_an_earlier_run_left_in_flight_counts(bounded):
    bounded.platform.looks_to_done = 10**6
    bounded.manifest("1-60.mp4", "2-60.mp4")

    def stop_once_one_runs(platform, operation):
        if operation == "list" and platform.creates.total() == 1:
            bounded.stop.interrupt()

    bounded.platform.on_call = stop_once_one_runs
    rows = await bounded.run(Source())
    assert sorted(str(row.state) for row in rows.values()) == ["copying", "pending"]
    bounded.shown.clear()
    bounded.platform.on_call = None
    bounded.platform.looks_to_done = 3
    rows = await bounded.run(Source())
    assert {str(row.state) for row in rows.values()} == {"imported"}
    assert max(shown.in_flight_bytes for shown in bounded.shown) == 60


async def test_a_row_whose_answer_was_lost_counts_until_it_is_settled(bounded):
    bounded.care(settle_seconds=0.2)
    bounded.manifest("1-60.mp4", "2-60.mp4")
    bounded.platform.submits = {"1-60.mp4": ["lost_before"]}
    lists = []

    def look(platform, operation):
        if operation == "submit":
            lists.append(platform.calls["list"])

    bounded.platform.on_call = look
    rows = await bounded.run(Source())
    assert {str(row.state) for row in rows.values()} == {"imported"}
    assert len(lists) == 3
    assert lists[1] >= lists[0] + 2  # the sweeps that settle the first
