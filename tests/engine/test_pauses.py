"""How long following rests: for the fewest calls, and no outcome much later than the others."""

import statistics
from bisect import bisect_right
from itertools import pairwise
from random import Random

import pytest

from migrator.engine.pauses import (
    BEYOND_USUAL,
    FALLBACK_S,
    INTERVAL_S,
    QUIET_PAUSE,
    Pauses,
    are_last,
    busy_pause_s,
    longest_pause_s,
    quiet_pause_s,
)

PAGE = 100


def test_while_copies_are_begun_a_round_that_settles_little_makes_the_pause_longer():
    assert busy_pause_s(2.0, 1, 100) == 2.0
    assert busy_pause_s(2.0, 1, 0) == 4.0
    assert busy_pause_s(2.0, 3, 119) == 4.0


def test_once_none_is_begun_pauses_grow_slowly_and_not_far_beyond_the_usual():
    assert quiet_pause_s(4.0, 4.0) == 4.0 * QUIET_PAUSE
    assert quiet_pause_s(4.0, 2.5) == 2.5 * BEYOND_USUAL
    assert quiet_pause_s(4.0, 1.0) == 4.0  # and never shrink


def test_the_usual_pause_bounds_no_pause_for_the_last_copy_of_a_hundred():
    usual, last = Pauses(), Pauses()
    for pauses in (usual, last):
        pauses.rested(1.0)
        for _ in range(9):
            pauses.by_lists(1, 0, 30.0, quiet=True, last=pauses is last)
    assert usual.next_s == BEYOND_USUAL
    assert last.next_s == pytest.approx(QUIET_PAUSE**9)
    assert (are_last(9, 1000), are_last(10, 1000)) == (True, False)


@pytest.mark.parametrize(
    ("copies_s", "longest_s"), [(0.0, 30.0), (5.0, 30.0), (600.0, 60.0), (7200.0, 180.0)]
)
def test_the_longer_copies_take_the_rarer_it_is_looked_for_the_last_of_them(copies_s, longest_s):
    assert longest_pause_s(copies_s) == longest_s


def test_no_pause_is_longer_than_the_longest_and_each_batch_of_copies_begins_with_short_ones():
    pauses = Pauses()
    for _ in range(9):
        pauses.rested(pauses.next_s)
        pauses.by_lists(1, 0, 30.0, quiet=False)
    assert pauses.next_s == 30.0
    pauses.begin_anew()
    assert pauses.next_s == INTERVAL_S[0]


def test_where_webhooks_tell_rounds_are_rare_and_yet_before_a_copy_would_be_stuck():
    pauses = Pauses()
    told = []
    for _ in range(5):
        pauses.by_webhooks(200.0)
        told.append(pauses.next_s)
    assert told == [FALLBACK_S[0], 120.0, 200.0, 200.0, 200.0]


def rounds(begun_s, ended_s):
    """When rounds of following begin, at a list that shows all that has changed a page at a time,
    and two seconds of it once more."""
    pauses, made_s, now_s, settled = Pauses(), [], 0.0, 0
    ended_s = sorted(ended_s)
    while settled < len(ended_s):
        pause_s, before_s = pauses.next_s, now_s
        now_s += pause_s
        pauses.rested(pause_s)
        newly = bisect_right(ended_s, now_s) - settled
        begun = sum(before_s < at_s <= now_s for at_s in begun_s)
        again = 2.0 * (newly + begun) / pause_s
        calls = 1 + int(newly + begun + again) // PAGE
        settled += newly
        pauses.by_lists(
            calls,
            newly,
            longest_pause_s(0.0),
            quiet=not begun,
            last=are_last(len(ended_s) - settled, len(ended_s)),
        )
        made_s.append(now_s)
    return made_s


LASTS = {
    "exponential": lambda chance, mean_s: chance.expovariate(1 / mean_s),
    "even": lambda chance, mean_s: chance.uniform(0.5, 1.5) * mean_s,
    "equal": lambda _chance, mean_s: mean_s,
}


@pytest.mark.parametrize("lasts", LASTS.values(), ids=LASTS)
@pytest.mark.parametrize(
    ("copies", "a_second", "mean_s"), [(800, 95, 2.1), (4000, 95, 10.5), (4000, 19, 53.0)]
)
def test_half_of_the_outcomes_come_within_a_pause_and_all_but_one_in_a_hundred_within_two(
    lasts, copies, a_second, mean_s
):
    chance = Random(f"{copies} {mean_s}")
    begun_s = [number / a_second for number in range(copies)]
    ended_s = [at_s + lasts(chance, mean_s) for at_s in begun_s]
    made_s = rounds(begun_s, ended_s)
    usual_s = statistics.median(later - before for before, later in pairwise(made_s))
    waited_s = [made_s[bisect_right(made_s, at_s)] - at_s for at_s in ended_s if at_s < made_s[-1]]
    assert statistics.median(waited_s) <= usual_s
    assert statistics.quantiles(waited_s, n=100)[-1] <= 2 * usual_s
