"""Copies are followed by the list of latest changes, where the platform keeps one."""

import json
import uuid
from collections import Counter
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from migrator.checkpoint.change import Transfer
from migrator.engine import decide
from migrator.engine.changes import (
    CHECKED,
    CHECKED_S,
    QUIET_CHECKED_S,
    SLACK_MS,
    Changes,
    Reading,
    changed_ms,
)
from migrator.engine.flights import Flights
from migrator.engine.follow import Follower
from migrator.engine.observe import Observer
from migrator.engine.stop import Stop
from migrator.engine.sweep import ListReader
from migrator.lifecycle import State, advance
from migrator.pixop import wire
from migrator.pixop.client import Answer
from migrator.pixop.quota import Quota

T0_MS = 1_790_000_000_000
STUCK_S = 6 * 3600.0


# -------------------------------------------------------------------- the arithmetic


def videos(*updated):
    """Videos that were changed so many milliseconds after a certain moment."""
    return [
        wire.Video(str(number), updated_at=None if at is None else T0_MS + at)
        for number, at in enumerate(updated)
    ]


@pytest.mark.parametrize(
    ("updated", "known"),
    [
        ((3000, 2000, 2000), [3000, 2000, 2000]),
        ((), []),
        ((3000, None, 2000), None),
        ((2000, 3000), [2000, 3000]),  # sorted by whole seconds
        ((2000, 3001), None),
    ],
)
def test_a_page_of_latest_changes_tells_each_and_is_sorted(updated, known):
    found = changed_ms(videos(*updated))
    assert (None if found is None else [at - T0_MS for at in found]) == known


def test_the_first_reading_is_one_page_that_shows_no_window():
    reading = Reading(None, 9)
    reading.take(videos(5000, 4000), 500, 2)
    assert (reading.is_over, reading.is_whole, reading.latest_ms) == (True, False, T0_MS + 5000)


def test_a_reading_goes_on_until_it_has_shown_all_since_the_one_before():
    reading = Reading(T0_MS + 2000, 9)
    reading.take(videos(5000, 2000), 500, 2)
    assert not reading.is_over
    reading.take(videos(2000, 1999), 500, 2)
    assert (reading.is_over, reading.is_whole, reading.latest_ms) == (True, True, T0_MS + 5000)


def test_a_reading_ends_with_the_list():
    reading = Reading(0, 9)
    reading.take(videos(5000, 4000), 2, 2)
    assert (reading.is_over, reading.is_whole) == (True, True)


def test_a_reading_that_gets_too_long_is_given_up():
    reading = Reading(0, 2)
    for at in (5000, 4000):
        reading.take(videos(at, at), 500, 2)
    assert (reading.is_over, reading.is_whole) == (True, False)


def test_the_first_reading_goes_back_to_the_first_command_where_all_copies_are_this_run_s():
    assert Changes(STUCK_S).reach_ms([T0_MS + 9, T0_MS + 5]) is None
    everyone = Changes(STUCK_S).reach_ms([T0_MS + 9, T0_MS + 5], everyone=True)
    assert everyone == T0_MS + 5 - SLACK_MS[0]
    assert Changes(STUCK_S, latest_ms=T0_MS).reach_ms([T0_MS + 9]) == T0_MS - SLACK_MS[0]


def test_what_is_added_while_it_is_read_makes_no_reading_too_long():
    reading = Reading(T0_MS + 1000, 2)
    reading.take(videos(5000, 4000), 500, 2)
    reading.take(videos(4000, 3000), 503, 2)
    assert not reading.is_over
    reading.take(videos(3000, 2000), 503, 2)
    reading.take(videos(2000, 500), 503, 2)
    assert (reading.is_over, reading.is_whole) == (True, True)


def test_a_reading_from_which_something_was_deleted_may_have_skipped_a_video():
    reading = Reading(T0_MS + 3000, 9)
    reading.take(videos(5000, 4000), 500, 2)
    reading.take(videos(3000, 2000), 499, 2)
    assert (reading.is_over, reading.is_whole) == (True, False)


def test_a_list_that_is_not_as_it_was_asked_for_is_no_reading():
    reading = Reading(0, 9)
    reading.take(videos(1000, 9000), 500, 2)
    assert (reading.is_sorted, reading.is_whole, reading.is_over) == (False, False, True)


def test_a_reading_reaches_behind_the_one_before_and_behind_what_was_commanded_since():
    changes = Changes(STUCK_S)
    assert changes.reach_ms([]) is None
    changes.read(T0_MS, 10.0)
    assert changes.reach_ms([]) == T0_MS - SLACK_MS[0]
    assert changes.reach_ms([T0_MS - 5000, T0_MS + 5000]) == T0_MS - 5000 - SLACK_MS[0]


def test_checks_are_rarer_as_long_as_nothing_was_missed_but_for_the_last_copies():
    changes = Changes(STUCK_S)
    changes.read(T0_MS, 100.0)
    assert changes.check_after_s(159.0, quiet=False) is None
    assert changes.check_after_s(160.0, quiet=False) == 60.0
    assert changes.checked(0, 160.0, everyone=True)
    assert changes.check_after_s(279.0, quiet=False) is None
    for _ in range(20):
        changes.checked(0, 160.0, everyone=True)
    assert changes.check_after_s(160.0 + CHECKED_S[1], quiet=False) == CHECKED_S[1]
    assert changes.check_after_s(160.0 + QUIET_CHECKED_S, quiet=False) is None
    assert changes.check_after_s(160.0 + QUIET_CHECKED_S, quiet=True) == QUIET_CHECKED_S


def test_a_check_is_of_a_page_and_once_an_hour_of_all_not_seen_for_an_hour():
    changes = Changes(STUCK_S)
    changes.read(T0_MS, 0.0)
    unseen_s = [CHECKED_S[1]] * 50 + [QUIET_CHECKED_S] * 500
    assert changes.how_many(unseen_s, CHECKED_S[1] - 1) is None
    assert changes.how_many(unseen_s[:CHECKED], CHECKED_S[1] - 1) == CHECKED
    changes.checked(0, CHECKED_S[1] - 1, everyone=False)
    assert changes.how_many(unseen_s, CHECKED_S[1]) == 50
    assert changes.how_many(unseen_s[50:], CHECKED_S[1]) == CHECKED
    changes.checked(0, CHECKED_S[1], everyone=True)
    assert changes.how_many(unseen_s, CHECKED_S[1] + 1) is None


def test_a_copy_is_looked_at_several_times_before_it_would_be_stuck():
    changes = Changes(400.0)
    changes.read(T0_MS, 0.0)
    for _ in range(5):
        changes.checked(0, 0.0, everyone=True)
    assert changes.check_after_s(100.0, quiet=False) == 100.0


def test_an_end_that_was_missed_makes_readings_longer_and_in_the_end_useless():
    changes = Changes(STUCK_S)
    changes.read(T0_MS, 0.0)
    assert changes.is_missed(T0_MS - SLACK_MS[0] - 1)
    assert changes.is_missed(None)
    assert not changes.is_missed(T0_MS - SLACK_MS[0])
    trusted = [changes.checked(1, 0.0, everyone=True) for _ in range(6)]
    assert trusted == [True] * 5 + [False]
    assert changes.reach_ms([]) <= T0_MS - SLACK_MS[1]


# -------------------------------------------------------------------- rounds


@dataclass
class Copy:
    id: str
    created_ms: int
    updated_ms: int
    status: str = "IN_PROGRESS"
    is_listed: bool = True

    def json(self, *, tells):
        upload = {"uploadState": {"uploadStatus": self.status, "updatedAt": self.updated_ms}}
        told = {"updatedAt": self.updated_ms} if tells else {}
        return {"id": self.id, "createdAt": self.created_ms, "upload": upload, **told,
                "flags": {"isMaster": True}}  # fmt: skip


@dataclass
class World:
    """The platform, the clock, and a follower between them. `sorts` and `tells`: how honest the
    list of latest changes is."""

    sorts: bool = True
    tells: bool = True
    hinted: bool = False
    now: float = 0.0
    copies: list = field(default_factory=list)
    calls: Counter = field(default_factory=Counter)
    listed_by: list = field(default_factory=list)
    read_pages: list = field(default_factory=list)

    def __post_init__(self):
        self.flights = Flights(10_000, Stop())
        rules = decide.CopyRules(2, until_ingested=False)
        observer = Observer(self, self.flights, Stop(), "b" * 13, rules)
        self.date_s = None
        self.follower = Follower(
            self.flights, self, ListReader(self, "team"), ListReader(self, "team", "updatedAt"),
            observer, STUCK_S, settle_s=30.0, hinted=self.hinted,
        )  # fmt: skip

    # what the follower sees of the gateway and of the book

    def now_s(self):
        return self.now

    @property
    def counts(self):
        return SimpleNamespace(list=self.calls["list"], status=self.calls["status"])

    def platform_s(self):
        return self.now_ms() / 1000

    def now_ms(self):
        return T0_MS + int(self.now * 1000)

    async def changing(self, _row, state, change, *, size_bytes=None):
        return advance(state, change.event)

    async def run(self, _work):
        return [], []

    async def read(self, operation, _method, path, params=None, sensible=bool):
        self.calls[operation] += 1
        began_s, self.now = self.now, self.now + 0.01
        if operation == "list":
            body = self.page(params)
        else:
            copy = next(copy for copy in self.copies if copy.id in path)
            body = {"videoId": copy.id, "upload": copy.json(tells=True)["upload"]}
        answer = Answer(200, json.dumps(body).encode(), Quota(), None)
        assert sensible(answer)
        return SimpleNamespace(answer=answer, began_s=began_s)

    def page(self, params):
        self.listed_by.append(params["sortBy"])
        self.read_pages.append(int(params["pageNumber"]))
        by_change = params["sortBy"] == "updatedAt" and self.sorts
        order = sorted(
            (copy for copy in self.copies if copy.is_listed),
            key=lambda copy: -(copy.updated_ms if by_change else copy.created_ms),
        )
        first = int(params["pageNumber"]) * int(params["pageSize"])
        shown = order[first : first + int(params["pageSize"])]
        items = [copy.json(tells=self.tells) for copy in shown]
        return {"totalElements": len(order), "items": items}

    # what a test does

    def submit(self, count, *, answered_s=0.0):
        """So many POSTs, whose answers come so much later."""
        made = []
        for _ in range(count):
            self.now += 0.05
            copy = Copy(str(uuid.uuid4()), self.now_ms(), self.now_ms())
            self.copies.append(copy)
            transfer = Transfer(*[None] * 29)._replace(object_id=b"o", restarts=0)
            flight = self.flights.add(
                transfer, copy.id, copy.created_ms, State.COPYING, self.now + answered_s
            )
            flight.changed_ms, flight.overlooked = copy.created_ms, False
            made.append(copy)
        return made

    def end(self, copy, *, ago_s=0.0):
        copy.status, copy.updated_ms = "DONE", self.now_ms() - int(ago_s * 1000)

    def is_open(self, copy):
        return self.flights.get(copy.id) is not None

    async def round(self, after_s=10.0):
        """One round of following; answers its calls."""
        self.now += after_s
        before = self.calls.total()
        await self.follower._round(list(self.flights))
        return self.calls.total() - before


async def test_what_ended_is_found_by_one_call_however_old_the_copies_are():
    world = World()
    old = world.submit(2_000)
    await world.round()
    new = world.submit(20)
    for copy in (*old[:30], new[0]):
        world.end(copy)
    assert await world.round() == 1
    assert [world.is_open(copy) for copy in old[:31]] == [False] * 30 + [True]
    assert not world.is_open(new[0])


async def test_an_end_shown_before_the_answer_of_its_post_is_shown_again():
    """A look counts only if it began after the command: what it showed must come once more."""
    world = World()
    world.submit(1)
    await world.round()
    (late,) = world.submit(1, answered_s=30.0)
    world.end(late)
    world.submit(160)
    await world.round()
    assert world.is_open(late)
    world.submit(300)
    await world.round(after_s=20.0)
    assert not world.is_open(late)


async def test_a_copy_that_two_readings_do_not_show_is_asked_for():
    world = World()
    world.submit(1)
    await world.round()
    (hidden,) = world.submit(1)
    hidden.is_listed = False
    world.end(hidden)
    await world.round()
    assert world.calls["status"] == 0
    await world.round()
    assert world.calls["status"] == 1
    assert not world.is_open(hidden)


@pytest.mark.parametrize("trouble", [{"sorts": False}, {"tells": False}])
async def test_a_platform_that_does_not_sort_so_is_followed_by_creation(trouble):
    world = World(**trouble)
    copies = world.submit(250)
    await world.round()
    for copy in (copies[0], copies[240]):
        world.end(copy, ago_s=-5.0)
    await world.round()
    await world.round()
    assert not any(world.is_open(copy) for copy in (copies[0], copies[240]))
    world.listed_by.clear()
    await world.round()
    assert set(world.listed_by) == {"createdAt"}


async def test_a_platform_for_which_an_end_is_no_change_is_found_out():
    world = World()
    copies = world.submit(250)
    await world.round()
    for copy in copies[:200]:
        copy.status = "DONE"
        world.submit(1)  # rows are sent still
        await world.round(after_s=CHECKED_S[0] + 1)
    assert not any(world.is_open(copy) for copy in copies[:200])
    world.listed_by.clear()
    await world.round()
    assert set(world.listed_by) == {"createdAt"}


async def test_a_copy_that_was_passed_over_while_a_change_was_written_is_looked_at_again():
    world = World()
    (copy, *_) = world.submit(250)
    await world.round()
    world.end(copy)
    world.submit(60)  # later changes, on the same page
    world.flights.get(copy.id).changing = True
    await world.round()
    world.flights.get(copy.id).changing = False
    world.submit(150)
    await world.round(after_s=30.0)
    assert not world.is_open(copy)


async def test_while_nothing_changes_a_round_is_one_call_and_a_check_is_rare():
    world = World()
    world.submit(3_000)
    await world.round()
    spent = [await world.round() for _ in range(5)]
    assert spent == [1] * 5


async def test_a_check_reads_the_page_of_the_copy_that_was_not_shown_for_longest():
    world = World()
    world.submit(300)
    await world.round()
    world.submit(2_700)
    assert await world.round() == 28 + 1
    assert (world.calls["status"], world.read_pages[-1]) == (0, 28)


async def test_a_check_whose_page_does_not_show_the_copy_asks_for_it():
    world = World()
    copies = world.submit(250)
    await world.round()
    world.copies += [Copy(str(uuid.uuid4()), T0_MS + 10**6, T0_MS) for _ in range(300)]
    copies[0].status = "DONE"
    assert await world.round(after_s=CHECKED_S[0] + 1) == 3
    assert world.calls["status"] == 1


async def test_a_check_looks_at_a_page_and_at_all_copies_once_it_finds_an_end():
    world = World()
    copies = world.submit(250)
    await world.round()
    calls = await world.round(after_s=CHECKED_S[0] + 1)
    assert calls == 2
    for copy in (copies[0], copies[100], copies[200]):
        copy.status = "DONE"  # which the list of latest changes does not count as a change
    await world.round(after_s=2 * CHECKED_S[0] + 1)
    await world.round(after_s=4 * CHECKED_S[0] + 1)
    assert not any(world.is_open(copy) for copy in (copies[0], copies[100], copies[200]))


# -------------------------------------------------------------------- where webhooks tell


async def told_round(world, *, after_s):
    """A round where webhooks tell of ends; answers its calls, and whether they are relied on."""
    targets = [flight for flight in world.flights if not flight.told]
    world.now += after_s
    before = world.calls.total()
    await world.follower._round(targets)
    settled = [flight for flight in targets if world.flights.get(flight.video_id) is not flight]
    return world.calls.total() - before, world.follower._are_told(settled)


async def test_where_webhooks_tell_a_round_is_one_page_however_many_copies_are_in_flight():
    world = World(hinted=True)
    world.submit(3_000)
    assert [await told_round(world, after_s=300.0) for _ in range(3)] == [(1, True)] * 3
    assert world.listed_by == ["createdAt"] * 3
    assert len(set(world.read_pages)) == 3  # each time those that were not shown for longest


async def test_an_end_that_nobody_told_of_has_all_copies_looked_at():
    world = World(hinted=True)
    copies = world.submit(1_000)
    for copy in (copies[3], copies[700]):
        world.end(copy)
    calls, relied_on = await told_round(world, after_s=300.0)
    assert not world.is_open(copies[3])
    assert not world.is_open(copies[700])
    assert (calls, relied_on) == (1 + 9, True)  # two are no proof that nobody tells


async def test_webhooks_are_not_relied_on_where_many_ends_were_not_told():
    world = World(hinted=True)
    for copy in world.submit(100)[:10]:
        world.end(copy)
    assert (await told_round(world, after_s=60.0))[1] is False


async def test_an_end_of_a_moment_ago_may_still_be_told():
    world = World(hinted=True)
    copies = world.submit(200)
    world.now += 300.0
    for copy in copies[:10]:
        world.end(copy)
    calls, relied_on = await told_round(world, after_s=1.0)
    assert not world.is_open(copies[0])
    assert (calls, relied_on) == (1, True)


async def test_what_may_have_ended_before_anybody_listened_is_looked_at_first():
    world = World(hinted=True)
    copies = world.submit(150)
    for copy in copies:
        world.flights.get(copy.id).overlooked = True  # an earlier run has sent it
    world.end(copies[149])
    await told_round(world, after_s=1.0)
    assert not world.is_open(copies[149])


async def test_copies_far_down_are_looked_at_from_the_page_on_where_the_first_of_them_stands():
    world = World(hinted=True)
    copies = world.submit(1_000)
    for copy in copies[110:190]:
        world.flights.get(copy.id).overlooked = True
    await told_round(world, after_s=1.0)
    assert world.read_pages[0] == 8
    assert not any(world.flights.get(copy.id).overlooked for copy in copies[110:190])
