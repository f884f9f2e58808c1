"""When a delivery is made again, and how close together deliveries are."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from migrator.sandbox.webhooks.schedule import Spacing, next_try

MINUTE_MS = 60_000


def tries(within_minutes, *, took_ms=0):
    """After how many seconds each attempt begins, where every one fails."""
    now, attempts, began = 0, 0, []
    while now is not None:
        began.append(now // 1000)
        attempts += 1
        now = next_try(
            now + took_ms,
            attempts=attempts,
            first_tried_at=0,
            within_ms=within_minutes * MINUTE_MS,
            not_before=None,
        )
    return began


def test_delays_double_from_ten_seconds_on_until_the_time_is_over():
    assert tries(5) == [0, 10, 30, 70, 150]


def test_without_time_there_is_one_attempt():
    assert tries(0) == [0]


def test_delays_grow_no_longer_than_an_hour_and_a_day_has_few_attempts():
    began = tries(1440)
    delays = [later - earlier for earlier, later in itertools.pairwise(began)]
    assert max(delays) == 3600
    assert delays == sorted(delays)
    assert len(began) == 32


def test_what_the_webhook_asks_for_counts_where_it_is_later():
    given_ = {"attempts": 1, "first_tried_at": 0, "within_ms": 5 * MINUTE_MS}
    assert next_try(0, **given_, not_before=60_000) == 60_000
    assert next_try(0, **given_, not_before=1_000) == 10_000
    assert next_try(0, **given_, not_before=301_000) is None


@given(
    st.integers(1, 1000),
    st.lists(st.floats(0, 2), min_size=2, max_size=50),
)
def test_no_second_has_more_deliveries_than_the_rate(per_second, pauses):
    spacing, now, turns = Spacing(), 1000.0, []
    for pause in pauses:
        now += pause
        turns.append(now + spacing.wait_s(now, per_second))
    gaps = [later - earlier for earlier, later in itertools.pairwise(turns)]
    assert min(gaps) >= 1 / per_second - 1e-9


def test_after_a_pause_the_first_goes_at_once_and_a_new_rate_counts_from_the_next_on():
    spacing = Spacing()
    assert spacing.wait_s(0.0, 2) == 0.0
    assert spacing.wait_s(0.0, 2) == 0.5
    assert spacing.wait_s(0.5, 4) == 0.5  # the turn before was taken at the old rate
    assert spacing.wait_s(1.0, 4) == 0.25
    assert spacing.wait_s(60.0, 2) == 0.0
