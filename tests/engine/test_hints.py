"""Which page is looked at for what webhooks have told, and when; and what confirming costs."""

from dataclasses import dataclass

import pytest

from migrator.checkpoint.change import Transfer
from migrator.engine.flights import Flights
from migrator.engine.follow import is_relied_on
from migrator.engine.stop import Stop
from migrator.engine.webhooks import hints
from migrator.engine.webhooks.hints import FILLED, PATIENCE_S, Chooser, Hints, Look
from migrator.lifecycle import State

BLANK = dict.fromkeys(Transfer._fields)


@dataclass
class Sky:
    """Copies in flight, the first of them the oldest; `at_s` is the engine's clock."""

    flights: Flights
    hints: Hints
    chooser: Chooser
    at_s: float = 100.0

    def add(self, count):
        first = self.flights.newest_order
        for number in range(first, first + count):
            row = Transfer(**{**BLANK, "row": number, "object_id": b"x", "restarts": 0})
            self.flights.add(row, f"v{number}", None, State.COPYING, self.at_s)

    def tell(self, *numbers, gone=False):
        for number in numbers:
            self.hints.add(f"v{number}", self.at_s, gone=gone)

    def end(self, *numbers):
        for number in numbers:
            self.flights.remove(self.flights.get(f"v{number}"), self.at_s)

    def choose(self, *, to_send=True):
        told = self.hints.of(self.flights)
        return self.chooser.choose(
            told, self.flights, self.hints.copy_s, self.at_s, to_send=to_send
        )


@pytest.fixture
def sky():
    return Sky(Flights(1000, Stop()), Hints(), Chooser())


def test_nothing_is_looked_at_while_nothing_was_told(sky):
    sky.add(200)
    assert sky.choose() is None
    assert sky.choose(to_send=False) is None


def test_a_page_is_looked_at_once_it_is_full_of_hints(sky):
    sky.add(300)
    sky.tell(*range(FILLED - 1))  # of the oldest hundred
    assert sky.choose() is None
    sky.tell(FILLED - 1)
    assert sky.choose() == Look(2, 100)


def test_a_page_of_another_size_is_looked_at_where_it_shows_more(sky):
    sky.add(335)
    sky.tell(*range(47, 145))  # from 190 to 287 in the list: two pages of a hundred
    look = sky.choose()
    begin = look.page * look.size
    assert look.size != 100
    assert sum(begin <= place < begin + look.size for place in range(190, 288)) >= FILLED


def test_videos_of_others_move_ours_down(sky):
    sky.add(300)
    sky.chooser.stood(200, [(30, 90), (31, 89), (32, 88)], sky.flights.newest_order)
    assert sky.chooser.shift == 20
    sky.tell(*range(120, 220))  # places 80 to 179 among ours
    look = sky.choose()
    begin = look.page * look.size
    assert sum(begin <= place < begin + look.size for place in range(100, 200)) >= FILLED


def test_a_hint_that_waits_too_long_is_looked_at_alone(sky):
    sky.add(300)
    sky.tell(7)
    assert sky.choose() is None
    sky.at_s += PATIENCE_S[0]
    assert sky.choose() == Look(None, video_id="v7")
    sky.tell(9)
    look = sky.choose()
    assert (look.page, look.recent) == (2, False)  # both in one call


def test_slow_copies_are_waited_for_longer_and_never_for_ever():
    assert hints.patience_s(1.0) == PATIENCE_S[0]
    assert hints.patience_s(20.0) == 100.0
    assert hints.patience_s(86_400.0) == PATIENCE_S[1]


def test_what_is_deleted_is_asked_for_by_its_id_at_once(sky):
    sky.add(10)
    sky.tell(3, gone=True)
    assert sky.choose() == Look(None, video_id="v3")


def test_hints_that_hold_up_new_copies_are_looked_at_before_their_time(sky):
    sky.add(999)
    sky.tell(*range(0, 500, 10))  # 5 percent of the limit
    assert sky.choose() is None
    sky.add(1)
    assert sky.choose() is not None


def test_the_last_copies_are_looked_at_once_all_have_ended(sky):
    sky.add(30)
    sky.tell(*range(29))
    assert sky.choose(to_send=False) is None
    sky.tell(29)
    assert sky.choose(to_send=True) is None
    assert sky.choose(to_send=False).recent or sky.choose(to_send=False).page == 0


def test_the_latest_changes_are_hoped_for_at_the_end_alone_and_while_they_show_something(sky):
    sky.add(600)
    sky.tell(*range(0, 600, 6))
    assert sky.choose(to_send=True) is None
    recent = sky.choose(to_send=False)
    assert recent.recent
    for _ in range(3):
        sky.chooser.showed(recent, 100, 5)
    assert sky.choose(to_send=False) is None


def test_hints_of_strangers_do_not_grow_without_end(sky, monkeypatch):
    monkeypatch.setattr(hints, "MOST_EARLY", 10)
    sky.tell(*range(25))
    sky.add(25)
    assert len(sky.hints.of(sky.flights)) == 10


def test_a_hint_may_come_before_the_answer_that_names_its_video(sky):
    sky.tell(0)
    assert sky.hints.of(sky.flights) == {}
    sky.add(1)
    assert set(sky.hints.of(sky.flights)) == {"v0"}


def test_a_hint_about_a_copy_whose_failure_is_known_is_dropped(sky):
    sky.add(1)
    sky.tell(0)
    sky.flights.get("v0").state = State.RESTARTING
    assert sky.hints.of(sky.flights) == {}
    sky.flights.get("v0").state = State.COPYING
    assert sky.hints.of(sky.flights) == {}  # it spoke of the copy before


def test_webhooks_that_miss_ends_are_relied_on_no_longer():
    assert is_relied_on(0, 0)
    assert is_relied_on(100, 10)
    assert not is_relied_on(100, 11)
    assert is_relied_on(3, 3)
    assert not is_relied_on(4, 4)
