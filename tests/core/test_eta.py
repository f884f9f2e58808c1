"""How long it will take: never faster than the quota, and silent where nobody can know."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.engine.eta import UNKNOWN, Course, calls_per_row, estimate

MILLION = Course(
    to_send=1_000_000, in_flight=0, calls=0, rows_sent=0, allowed_per_minute=1_140,
    measured_per_minute=None, copy_s=None,
)  # fmt: skip

courses = st.builds(
    Course,
    to_send=st.integers(0, 10**7),
    in_flight=st.integers(0, 10**5),
    calls=st.integers(0, 10**7),
    rows_sent=st.integers(-100, 10**7),
    allowed_per_minute=st.integers(1, 10**5),
    measured_per_minute=st.none() | st.floats(0, 10**6),
    copy_s=st.none() | st.floats(0, 10**6),
    idle_s=st.floats(0, 10**6),
)


def test_a_million_rows_at_the_usual_quota_take_fifteen_hours():
    eta = estimate(MILLION)
    assert eta.sent_s == pytest.approx(1_000_000 * 1.03 / 1_140 * 60)
    assert eta.ended_s is None  # no copy has ended yet, so nobody knows how long one takes


@given(courses)
def test_no_estimate_is_faster_than_the_quota_lets_calls_through(course):
    eta = estimate(course)
    least_s = course.to_send * calls_per_row(course.calls, course.rows_sent)
    least_s *= 60 / course.allowed_per_minute
    for told_s in (eta.sent_s, eta.ended_s if not course.idle_s else None):
        assert told_s is None or told_s >= least_s * 0.999999


@given(courses, st.integers(1, 10**6))
def test_more_rows_take_no_less(course, more):
    before, after = estimate(course), estimate(replace(course, to_send=course.to_send + more))
    if before.sent_s is not None and after.sent_s is not None:
        assert after.sent_s >= before.sent_s


def test_a_run_that_was_slower_than_the_quota_of_late_is_taken_at_its_own_pace():
    slow = replace(MILLION, measured_per_minute=114.0)
    assert estimate(slow).sent_s == pytest.approx(10 * estimate(MILLION).sent_s)


def test_a_pace_above_the_quota_is_not_believed():
    assert estimate(replace(MILLION, measured_per_minute=9_999.0)) == estimate(MILLION)


def test_where_nothing_moves_there_is_no_estimate():
    assert estimate(replace(MILLION, in_flight=5_000, measured_per_minute=0.0)) == UNKNOWN


def test_where_nothing_is_left_there_is_no_estimate():
    assert estimate(replace(MILLION, to_send=0, copy_s=60.0)) == UNKNOWN


def test_rows_that_cost_more_calls_than_others_cost_them_in_the_estimate():
    dear = replace(MILLION, calls=200_000, rows_sent=100_000)
    assert estimate(dear).sent_s == pytest.approx(2 * estimate(MILLION).sent_s / 1.03, rel=0.01)
    # Rows that preflight refuses cost none.
    cheap = replace(MILLION, calls=50_000, rows_sent=100_000)
    assert estimate(cheap).sent_s == pytest.approx(estimate(MILLION).sent_s / 2.06, rel=0.01)


def test_the_end_is_a_copy_later_than_the_last_row():
    eta = estimate(replace(MILLION, copy_s=600.0, in_flight=400))
    assert eta.ended_s == eta.sent_s + 600.0


def test_the_last_copies_are_counted_down_and_late_ones_are_not_guessed():
    tail = replace(MILLION, to_send=0, in_flight=12, copy_s=600.0, idle_s=200.0)
    assert estimate(tail).ended_s == 400.0
    assert estimate(replace(tail, idle_s=601.0)) == UNKNOWN
