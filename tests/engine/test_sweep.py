"""What makes a sweep complete: a list that moves while it is read."""

import asyncio
import random
from operator import methodcaller

from hypothesis import given, settings
from hypothesis import strategies as st
from simulation.loop import VirtualLoop

from migrator.engine.sweep import FRUITFUL_PASSES, SORTED_BY_MS, Beginning, Page, Pass, sweep
from migrator.pixop import wire

EPOCH_MS = 1_764_000_000_000


class MovingList:
    """A team's list, newest first, that changes before each page but the very first.

    It is sorted by `unit_ms`, and what ties comes in the order of `videos`. What is added is made
    now: as many milliseconds after the latest of the first videos as have passed.
    """

    def __init__(self, videos, move, size, unit_ms=1):
        self.videos = list(videos)  # (created_ms, id)
        self.size = size
        self.latest_ms = max((made for made, _ in videos), default=0)
        self.passed_ms = 0
        self._move = move
        self._unit_ms = unit_ms
        self._begun = False

    @property
    def now_ms(self):
        loop_ms = round(asyncio.get_running_loop().time() * 1000)
        return self.latest_ms + self.passed_ms + loop_ms

    def add(self, name):
        self.videos.append((self.now_ms, name))

    async def pages(self, _size):
        number = 0
        while True:
            if self._begun:
                self._move(self)
            self._begun = True
            order = sorted(self.videos, key=lambda video: -(video[0] // self._unit_ms))
            part = order[number * self.size : (number + 1) * self.size]
            listed = tuple(wire.Video(id=name, created_at=EPOCH_MS + made) for made, name in part)
            yield Page(number * self.size, len(order), listed, 1.0)
            number += 1
            if not part or number * self.size >= len(order):
                return


def run(moving, horizon_ms, passes):
    seen = set()

    async def keep(_page, videos):
        seen.update(video.id for video in videos)
        return len(seen)

    async def forget():
        seen.clear()

    horizon_ms = None if horizon_ms is None else EPOCH_MS + horizon_ms
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(sweep(moving, horizon_ms, keep, forget, passes)), seen
    finally:
        loop.close()


def still(_list):
    pass


def test_a_list_that_stands_still_is_complete_at_once():
    videos = [(n, f"v{n}") for n in range(25)]
    swept, seen = run(MovingList(videos, still, 10), None, 1)
    assert swept.complete
    assert len(seen) == 25


def test_only_what_is_newer_than_the_horizon_is_read():
    videos = [(n * 1000, f"v{n}") for n in range(100)]
    swept, seen = run(MovingList(videos, still, 10), 85_000, 1)
    assert swept.complete
    assert seen == {f"v{n}" for n in range(85, 100)}


def test_an_empty_list_is_complete():
    swept, seen = run(MovingList([], still, 10), None, 1)
    assert swept.complete
    assert not seen


def test_videos_that_are_added_meanwhile_do_not_make_it_incomplete():
    def add(moving):
        moving.videos.append((1000 + len(moving.videos), f"new{len(moving.videos)}"))

    swept, seen = run(MovingList([(n, f"v{n}") for n in range(35)], add, 10), None, 1)
    assert swept.complete
    assert {f"v{n}" for n in range(35)} <= seen


def test_a_deletion_that_pulls_a_video_past_the_reader_is_noticed():
    def delete_newest(moving):
        moving.videos.remove(max(moving.videos))

    moving = MovingList([(n, f"v{n}") for n in range(35)], delete_newest, 10)
    swept, _ = run(moving, None, 1)
    assert not swept.complete


def test_a_list_that_has_come_to_rest_after_a_deletion_is_complete_in_a_later_pass():
    left = [2]

    def delete_twice(moving):
        if left[0]:
            left[0] -= 1
            moving.videos.remove(max(moving.videos))

    moving = MovingList([(n, f"v{n}") for n in range(35)], delete_twice, 10)
    swept, seen = run(moving, None, 4)
    assert swept.complete
    assert {name for _, name in moving.videos} <= seen


def test_ties_that_change_places_are_read_again_and_what_was_seen_is_kept():
    chance = random.Random(5)

    def shuffle(moving):
        chance.shuffle(moving.videos)

    moving = MovingList([(1, f"v{n}") for n in range(25)], shuffle, 10)
    swept, seen = run(moving, None, 200)
    assert swept.complete
    assert len(seen) == 25


def test_a_pass_that_shows_something_new_earns_another():
    chance = random.Random(5)

    def shuffle(moving):
        chance.shuffle(moving.videos)

    # 150 videos of one second in pages of 10, in an order drawn anew for each page: five passes
    # show nearly all.
    swept, seen = run(MovingList([(1, f"v{n}") for n in range(150)], shuffle, 10), None, 5)
    assert swept.complete
    assert len(seen) == 150


def test_what_was_seen_counts_no_more_once_something_may_have_been_deleted():
    # 30 videos of one second, in an order drawn anew for each page, and before each page but the
    # first one of them is deleted and another added: the list keeps its length for ever.
    chance = random.Random(5)
    stood = {f"v{n}" for n in range(30)}

    def change(moving):
        victim = chance.choice(moving.videos)
        moving.videos.remove(victim)
        stood.discard(victim[1])
        moving.add(f"new{len(stood)}-{moving.now_ms}")
        moving.passed_ms += 5000
        chance.shuffle(moving.videos)

    swept, seen = run(MovingList([(1, name) for name in stood], change, 10), None, 5)
    assert not swept.complete or stood <= seen


def moves(*each):
    """Before the second page and each one after it the next of these happens, and then nothing."""
    coming = iter(each)

    def move(moving):
        next(coming, still)(moving)

    return move


def newest_and_ties():
    """Five that come one after the other, and behind them seven of one second."""
    newest = [(100_000 - n * 5000, f"new{n}") for n in range(5)]
    return newest + [(5000, f"t{n}") for n in range(7)]


def last_tie_first(moving):
    """The last of them comes first now: behind the first page's edge it was shown to nobody."""
    moving.videos.sort(key=lambda video: video[1] != "t6")


def last_tie_last(moving):
    moving.videos.sort(key=lambda video: video[1] == "t6")


def test_what_is_made_meanwhile_stands_for_none_that_was_not_shown():
    def add_more_than_a_page(moving):
        for n in range(6):
            moving.add(f"added{n}")

    moving = MovingList(
        newest_and_ties(), moves(add_more_than_a_page, still, last_tie_first), 5, SORTED_BY_MS
    )
    swept, seen = run(moving, None, 1)
    assert "added0" in seen or "added5" in seen
    assert "t6" not in seen
    assert not swept.complete


def test_what_was_deleted_between_two_passes_stands_for_none_that_was_not_shown():
    def replace_one(moving):
        moving.videos.remove((80_000, "new4"))
        moving.passed_ms += 5000
        moving.add("added")
        last_tie_last(moving)

    moving = MovingList(
        newest_and_ties(),
        moves(still, last_tie_first, replace_one, still, last_tie_first),
        5,
        SORTED_BY_MS,
    )
    swept, seen = run(moving, None, 2)
    assert "t6" not in seen
    assert not swept.complete


def test_what_is_made_in_the_same_second_is_waited_for_where_a_first_page_holds_only_ties():
    def last_first(moving):
        moving.videos.insert(0, moving.videos.pop(11))

    videos = [(5000, f"v{n}") for n in range(12)]
    add = methodcaller("add", "added")
    moving = MovingList(videos, moves(still, add, last_first), 5, SORTED_BY_MS)
    swept, seen = run(moving, None, 1)
    assert "v11" not in seen
    assert not swept.complete


def test_a_video_made_within_the_second_of_the_newest_one_and_shown_later_was_made_since():
    beginning = Beginning.of(page_of(EPOCH_MS + 9000, EPOCH_MS))
    late = [wire.Video(id="late", created_at=EPOCH_MS + ms) for ms in (7999, 8500, 9500)]
    assert [beginning.is_before(video) for video in late] == [True, False, False]
    assert beginning.is_before(wire.Video(id="untold"))


def test_a_pass_in_which_the_total_falls_does_not_count():
    reading = Pass(Beginning.of(Page(0, 2, (), 1.0)))
    for total in (2, 3, 2):
        reading.take(Page(0, total, (), 1.0), (wire.Video(id="v"),) * 2)
    assert not reading.is_complete(2)


def test_a_list_that_never_adds_up_ends_after_so_many_passes_without_news():
    passes = []

    class Short(MovingList):
        async def pages(self, size):
            passes.append(size)
            async for page in super().pages(size):
                yield Page(page.first, page.total + 1, page.videos, page.began_s)

    swept, _ = run(Short([(n * 5000, f"v{n}") for n in range(25)], still, 10), None, 5)
    assert not swept.complete
    assert len(passes) == 5


def test_a_list_that_shows_something_new_for_ever_ends_too():
    passes = []

    class Endless(MovingList):
        async def pages(self, size):
            passes.append(size)
            self.videos[-1] = (1, f"new{len(passes)}")
            async for page in super().pages(size):
                yield Page(page.first, page.total + 1000, page.videos, page.began_s)

    swept, _ = run(Endless([(n, f"v{n}") for n in range(25)], still, 10), None, 5)
    assert not swept.complete
    assert len(passes) <= FRUITFUL_PASSES + 5


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_happens_a_complete_sweep_has_seen_all_that_stood_there_throughout(data):
    spread_ms = data.draw(st.sampled_from([1, 400, 5000]))
    count = data.draw(st.integers(0, 30))
    videos = [(data.draw(st.integers(0, 8)) * spread_ms, f"v{n}") for n in range(count)]
    kinds = st.sampled_from(["add", "delete", "shuffle", "pass", "rest"])
    events = data.draw(st.lists(st.lists(kinds, max_size=3), max_size=12))
    chance = random.Random(data.draw(st.integers(0, 99)))
    horizon_ms = data.draw(st.none() | st.integers(0, 9).map(lambda n: n * spread_ms))
    deleted = set()

    def move(moving):
        for event in events.pop() if events else ():
            if event == "add":
                moving.add(f"n{len(events)}-{len(moving.videos)}")
            elif event == "delete" and moving.videos:
                victim = chance.choice(moving.videos)
                moving.videos.remove(victim)
                deleted.add(victim[1])
            elif event == "shuffle":
                chance.shuffle(moving.videos)
            elif event == "pass":
                moving.passed_ms += chance.choice((1, 999, 1001, 5000))

    unit_ms = data.draw(st.sampled_from([1, SORTED_BY_MS]))
    swept, seen = run(MovingList(videos, move, 5, unit_ms), horizon_ms, 3)
    if swept.complete:
        from_ms = horizon_ms or 0
        stood = {name for made, name in videos if made >= from_ms}
        assert stood - deleted <= seen


def page_of(*made):
    return Page(0, len(made), tuple(wire.Video(id=str(n), created_at=n) for n in made), 1.0)


def test_a_page_that_is_not_newest_first_ends_no_window():
    old, new = EPOCH_MS, EPOCH_MS + 60_000
    assert page_of(new, old, old).first_before(new) == 1
    assert page_of(old, new, new).first_before(new) is None
    assert page_of(old, new, old).first_before(new) is None


def test_a_list_that_is_sorted_by_whole_seconds_is_sorted():
    assert page_of(EPOCH_MS + 9_200, EPOCH_MS + 9_900, EPOCH_MS).first_before(EPOCH_MS + 1) == 2
