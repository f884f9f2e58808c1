"""What a migration costs, as arithmetic."""

from dataclasses import replace

import pytest

from migrator.engine.forecast import (
    Speed,
    Work,
    follow_calls,
    forecast,
    resolve_calls,
    rounds_within,
    sweep_calls,
    together,
)

MB = 10**6
MILLION = Work(1_000_000, 10**6 * 50 * MB, 10**6 * MB, listed=0, checks=1)
QUICK = Speed(per_minute=1140, max_in_flight=5000, settle_s=30)


def test_a_million_objects_take_fifteen_hours_at_the_usual_quota_and_hardly_more_calls():
    found = forecast(MILLION, QUICK)
    assert found.calls.submit == 1_000_000
    assert 1_010_000 < found.calls.total.least < found.calls.total.most < 1_040_000
    assert 14.6 < found.quota_s / 3600 < 15.3
    assert found.duration_s == found.quota_s
    assert found.bound_by == "quota"


@pytest.mark.parametrize(
    ("listed", "calls"), [(0, 1), (1, 1), (99, 1), (100, 2), (101, 2), (200, 3), (None, 1)]
)
def test_a_sweep_costs_a_call_for_each_begun_hundred_and_one_where_the_last_page_is_full(
    listed, calls
):
    assert sweep_calls(listed) == calls


def test_without_a_speed_it_is_said_from_where_on_copies_and_bytes_would_bind():
    found = forecast(MILLION, QUICK)
    assert found.in_flight_s is found.bytes_s is found.last_copy_s is None
    assert found.in_flight_binds_beyond_s == pytest.approx(5000 / 19)  # 19 a second
    assert found.bytes_bind_below_mb_per_s == pytest.approx(19 * 50)


def test_slow_copies_bind_by_the_copies_in_flight():
    # 50 MB at 0.1 MB/s are 500 s, and 5,000 at once are ten a second: less than the quota's 19.
    found = forecast(replace(MILLION, largest_bytes=MB), replace(QUICK, copy_mb_per_s=0.1))
    assert found.in_flight_s == pytest.approx(100_000)
    assert found.bound_by == "in_flight"
    assert found.duration_s == pytest.approx(100_000)
    more = forecast(
        replace(MILLION, largest_bytes=MB), replace(QUICK, copy_mb_per_s=0.1, max_in_flight=20_000)
    )
    assert more.bound_by == "quota"
    assert more.duration_s == pytest.approx(more.quota_s + 500)


def test_one_object_takes_as_long_as_its_own_copy_however_many_may_run():
    found = forecast(Work(1, 100_000 * MB, 100_000 * MB, 0, 1), replace(QUICK, copy_mb_per_s=10))
    assert found.in_flight_s == pytest.approx(10_000)
    assert found.duration_s == pytest.approx(10_000, abs=2)


def test_a_bound_on_bytes_in_flight_leaves_room_for_so_many_copies_of_mean_size():
    bounded = replace(QUICK, copy_mb_per_s=1, max_in_flight_bytes=500 * MB)
    found = forecast(Work(1000, 50_000 * MB, 50 * MB, 0, 1), bounded)
    assert bounded.at_once(Work(1000, 50_000 * MB, 50 * MB, 0, 1)) == 10
    assert (found.bound_by, found.in_flight_s) == ("in_flight", pytest.approx(5000))
    assert bounded.at_once(Work(2, 10_000 * MB, 5000 * MB, 0, 1)) == 1
    assert bounded.at_once(Work(0, 0, 0, 0, 1)) == 5000


def test_a_slow_platform_binds_by_its_bytes():
    found = forecast(MILLION, replace(QUICK, total_mb_per_s=100))
    assert (found.bound_by, found.bytes_s) == ("bytes", pytest.approx(500_000))


def test_where_copies_hold_the_run_up_following_costs_more_than_its_share_of_the_quota():
    by_quota = follow_calls(MILLION, QUICK, 52_000, None)
    held_up = follow_calls(MILLION, QUICK, 2_000_000, None)
    assert by_quota.most < 35_000
    assert held_up.most > 2_000_000 / 30 * 50
    assert held_up.least == by_quota.least == 10_000


@pytest.mark.parametrize(("seconds", "rounds"), [(0, 1), (1, 2), (2.5, 3), (60, 16), (3600, 159)])
def test_rounds_of_following_grow_apart_up_to_half_a_minute(seconds, rounds):
    assert rounds_within(seconds) == pytest.approx(rounds, abs=1)


def test_settling_lost_answers_reads_only_what_was_made_around_them():
    assert resolve_calls(MILLION, QUICK) == 2 * (1140 * 6 // 100 + 1)
    assert resolve_calls(replace(MILLION, objects=40), QUICK) == 2


def test_nothing_to_send_costs_no_more_than_a_look():
    found = forecast(Work(0, 0, 0, 250, 1), QUICK)
    assert found.calls.total.most == 3 + 1
    assert found.in_flight_binds_beyond_s is None


def test_several_keys_run_side_by_side_and_their_calls_add_up():
    half = replace(MILLION, objects=500_000, size_bytes=500_000 * 50 * MB)
    one, other = forecast(half, QUICK), forecast(replace(half, reads_list=False), QUICK)
    both = together([one, other])
    assert both.calls.submit == 1_000_000
    assert both.calls.sweep == one.calls.sweep == 1
    assert both.calls.total.most == one.calls.total.most + other.calls.total.most
    assert both.duration_s == one.duration_s > other.duration_s
    assert together([one]) is one
    slower = forecast(half, replace(QUICK, per_minute=60))
    assert together([one, slower]).duration_s == slower.duration_s


def test_the_bytes_of_all_keys_are_copied_at_one_speed():
    half = replace(MILLION, objects=500_000, size_bytes=500_000 * 50 * MB)
    # 25 TB each at 500 MB/s are 14 hours, twice as long as the quota of each; together it is 28.
    alone = forecast(half, replace(QUICK, total_mb_per_s=500.0))
    assert together([alone, alone]).bytes_s == pytest.approx(2 * alone.bytes_s)
    assert together([alone, alone]).bound_by == "bytes"
    assert together([alone, alone]).duration_s == pytest.approx(2 * alone.bytes_s)


def test_a_key_without_rows_binds_nothing():
    nothing = forecast(replace(MILLION, objects=0, size_bytes=0, largest_bytes=0), QUICK)
    all_of_it = forecast(MILLION, QUICK)
    both = together([nothing, all_of_it])
    assert both.in_flight_binds_beyond_s == all_of_it.in_flight_binds_beyond_s
    assert both.bytes_bind_below_mb_per_s == all_of_it.bytes_bind_below_mb_per_s
    assert both.duration_s == all_of_it.duration_s
