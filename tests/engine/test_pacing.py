"""Pacing: arithmetic first, then the dispatcher on a clock of the test's own."""

import asyncio
import random

import pytest

from migrator.engine.pacing import Pacer
from migrator.engine.quotas import UNANNOUNCED_PER_MINUTE, Quotas, Spacing
from migrator.engine.stop import Stopping
from migrator.pixop.quota import Quota


@pytest.mark.parametrize(
    ("asked", "announced", "per_window"),
    [
        ("auto", None, UNANNOUNCED_PER_MINUTE),
        ("auto", 1200, 1140),
        (600, 1200, 600),
        (5000, 1200, 1140),
        (77, None, 77),
        ("auto", 1, 1),
        ("auto", 2, 1),
        ("auto", 60_000, 57_000),
    ],
)
def test_a_window_holds_what_is_asked_capped_by_what_is_announced_less_the_reserve(
    asked, announced, per_window
):
    quotas = Quotas(asked, 5.0)
    quotas.answered(Quota(limit=announced), 0.0)
    assert quotas.per_window == per_window


def test_without_reserve_the_whole_quota_is_used():
    quotas = Quotas("auto", 0.0)
    quotas.answered(Quota(limit=1200), 0.0)
    assert quotas.per_window == 1200


def told(quotas, now_s, **headers):
    """One request was sent and answered with these headers."""
    quotas.granted()
    quotas.answered(Quota(**headers), now_s)
    return quotas.held_until_s(now_s)


def test_nothing_is_sent_when_only_the_reserve_is_left():
    quotas = Quotas("auto", 5.0)
    assert told(quotas, 1000.0, limit=100, remaining=6, reset_s=30) == 0.0
    assert told(quotas, 1000.0, limit=100, remaining=5, reset_s=30) == 1030.0


def test_requests_that_are_still_unanswered_count_as_used():
    quotas = Quotas("auto", 5.0)
    for _ in range(5):
        quotas.granted()
    assert told(quotas, 1000.0, limit=100, remaining=10, reset_s=30) == 1030.0
    quotas.unused()
    assert quotas.held_until_s(1000.0) == 0.0


def test_a_quota_of_one_a_minute_does_not_hold_before_its_request():
    quotas = Quotas("auto", 5.0)
    assert told(quotas, 0.0, limit=1, remaining=1, reset_s=60) == 0.0
    assert told(quotas, 0.0, limit=1, remaining=0, reset_s=60) == 60.0


@pytest.mark.parametrize(
    ("quota", "least_s", "most_s"),
    [
        (Quota(retry_after_s=7), 7, 7),
        (Quota(reset_s=9), 9, 9),
        (Quota(retry_after_s=0, reset_s=9), 2.5, 5),
        (Quota(), 2.5, 5),
    ],
)
def test_a_429_waits_for_what_it_says_else_for_a_guess(quota, least_s, most_s):
    quotas = Quotas("auto", 5.0)
    assert least_s <= quotas.refused(quota, 100.0, 0.0) <= most_s
    assert least_s <= Quotas("auto", 5.0).refused(quota, 100.0, 0.999) <= most_s
    assert quotas.held_until_s(100.0) >= 100.0 + least_s


def test_waits_grow_with_each_429_that_comes_after_the_last_was_waited_for_up_to_a_window():
    quotas, now_s, waits = Quotas("auto", 5.0), 0.0, []
    for _ in range(9):
        waits.append(quotas.refused(Quota(retry_after_s=1), now_s, 1.0))
        now_s += waits[-1]
    assert waits == [1, 10, 20, 40, 60, 60, 60, 60, 60]
    quotas.answered(Quota(), now_s)
    assert quotas.refused(Quota(retry_after_s=1), now_s + 99, 1.0) == 1


def test_many_429s_of_one_moment_are_one_refusal():
    quotas = Quotas("auto", 5.0)
    assert [quotas.refused(Quota(), 7.0, 1.0) for _ in range(32)] == [5.0] * 32


def test_even_spacing_lets_no_minute_hold_more_than_its_share():
    spacing, now_s, sent = Spacing(), 0.0, []
    chance = random.Random(3)
    while now_s < 300:
        now_s += spacing.reserve(60 / 600, now_s)
        sent.append(now_s)
        now_s += chance.choice([0.0, 0.0, 0.01, 0.4])  # the caller is late now and then
    busiest = max(sum(at <= other < at + 60 for other in sent) for at in sent)
    assert busiest <= 601


def test_spacing_that_fell_behind_does_not_catch_up_in_a_burst():
    spacing = Spacing()
    spacing.reserve(0.1, 0.0)
    assert [spacing.reserve(0.1, 50.0) for _ in range(3)] == pytest.approx([0.0, 0.09, 0.19])


async def take(pacer, count):
    for _ in range(count):
        await pacer.permit()
        pacer.answered(Quota())


async def test_waiting_callers_are_served_and_urgent_ones_first():
    pacer = Pacer(Quotas(60_000, 0.0), random.Random(1))
    order = []

    async def ask(name, *, urgent):
        await pacer.permit(urgent=urgent)
        order.append(name)

    asks = [asyncio.ensure_future(ask(n, urgent=n == "urgent")) for n in ("a", "b", "urgent")]
    await asyncio.sleep(0)
    runner = asyncio.ensure_future(pacer.run())
    await asyncio.gather(*asks)
    runner.cancel()
    assert order == ["urgent", "a", "b"]
    assert pacer.quotas.outstanding == 3


async def test_the_window_is_held_by_the_throttle_whatever_the_spacing_says():
    pacer = Pacer(Quotas(6000, 0.0), random.Random(1))
    runner = asyncio.ensure_future(pacer.run())
    await take(pacer, 5)
    assert len(pacer._window._task_logs) in {5, 6}
    runner.cancel()


async def test_a_hold_is_waited_out_and_a_pause_too():
    now = [0.0]
    paused_until = [0.0]
    pacer = Pacer(Quotas(60_000, 0.0), random.Random(1), clock=lambda: now[0])
    pacer.pause_while(lambda: paused_until[0])
    pacer.quotas.refused(Quota(retry_after_s=5), 0.0, 0.0)
    paused_until[0] = 9.0
    runner = asyncio.ensure_future(pacer.run())
    ask = asyncio.ensure_future(pacer.permit())
    for moment in (4.0, 6.0):
        now[0] = moment
        await asyncio.sleep(0.3)
        assert not ask.done()
    now[0] = 9.5
    await ask
    runner.cancel()


async def test_who_waits_when_it_closes_is_told_and_so_is_who_comes_later():
    pacer = Pacer(Quotas(60_000, 0.0), random.Random(1))
    ask = asyncio.ensure_future(pacer.permit())
    await asyncio.sleep(0)
    pacer.close()
    with pytest.raises(Stopping):
        await ask
    with pytest.raises(Stopping):
        await pacer.permit()
