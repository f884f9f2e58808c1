"""Repetitions: how many, after how long, and that an outage ends when it is over."""

import asyncio
import contextlib
import itertools
import random
from collections import Counter

import pytest
from fakes.virtual_time import on_virtual_time

from migrator.engine.breaker import FAILURES_TO_OPEN, LONGEST_ASKED_S, Breaker
from migrator.engine.gateway import Gateway
from migrator.engine.pacing import Pacer
from migrator.engine.quotas import Quotas
from migrator.engine.retries import BACKOFF_S, FREE, RetryBudget, backoff_s
from migrator.engine.stop import Stop, Stopping
from migrator.errors import ExitCode
from migrator.pixop.client import Answer, Lost, NotSent
from migrator.pixop.quota import Quota

WELL = Answer(200, b"{}", Quota(limit=1200, remaining=1100, reset_s=60), None)
ILL = Answer(503, b"", Quota(), None)


def test_some_repetitions_are_free_and_then_each_ten_answers_pay_for_one():
    budget = RetryBudget()
    for _ in range(FREE):
        assert not budget.is_spent
        budget.repeated()
    assert budget.is_spent
    for _ in range(9):
        budget.answered()
    assert budget.is_spent
    budget.answered()
    assert budget.left == 1
    budget.repeated()
    assert budget.is_spent


def test_backoff_doubles_up_to_its_cap_and_its_jitter_is_full():
    first_s, cap_s = BACKOFF_S
    assert [backoff_s(n, 1.0) for n in (1, 2, 3)] == [first_s, 2 * first_s, 4 * first_s]
    assert backoff_s(10**6, 1.0) == cap_s
    assert backoff_s(5, 0.0) == 0.0


def test_a_failure_of_a_request_that_began_before_the_last_good_answer_is_no_news():
    breaker = Breaker()
    breaker.observe(WELL, 9.0, 10.0)
    for _ in range(FAILURES_TO_OPEN):
        breaker.observe(Lost("timed out"), 9.5, 60.0)
    assert not breaker.is_open
    for _ in range(FAILURES_TO_OPEN):
        breaker.observe(Lost("timed out"), 11.0, 60.0)
    assert breaker.is_open


class Platform:
    """Answers as `says` tells, by the operation and the seconds since it began."""

    def __init__(self, clock, says):
        self.clock, self.began_s, self.says = clock, clock(), says
        self.calls, self.log = Counter(), []

    async def call(self, method, path, params=None, body=None):
        await asyncio.sleep(0.02)
        since_s = self.clock() - self.began_s
        reply = self.says(f"{method} {path}", since_s)
        self.log.append((since_s, f"{method} {path}", reply))
        return reply

    def times(self, operation, frm=0.0, to=float("inf")):
        return [at for at, what, _ in self.log if what == operation and frm <= at < to]


POST, LIST, ACCOUNT = "POST /v1/videos/in/s3", "GET /v1/videos", "GET /v1/account"


async def read(gateway):
    while True:
        await gateway.read("list", "GET", "/v1/videos")


async def sweep(gateway):
    while True:
        for _ in range(40):
            await gateway.read("list", "GET", "/v1/videos")
        await gateway.rest(2.0, 40, 0.05)


def play(monkeypatch, says, seconds, *, posting=8, reading=0, sweeping=0, max_outage_s=3600.0):
    """Workers that POST and readers that list for so long, each as fast as it may."""

    async def session(clock):
        platform, stop, chance = Platform(clock, says), Stop(), random.Random(3)
        pacer = Pacer(Quotas("auto", 5.0), chance, clock)
        gateway = Gateway(platform, pacer, stop, chance, max_outage_s, clock)

        async def post():
            while True:
                await gateway.post_turn()
                await gateway.permit()
                began_s = clock()
                reply = await gateway.exchange("submit", "POST", "/v1/videos/in/s3")
                gateway.posts.observe(reply, began_s, clock())

        async def until_stopped(job):
            with contextlib.suppress(Stopping):
                await job

        jobs = [pacer.run(), gateway.watch(), *(post() for _ in range(posting)),
                *(read(gateway) for _ in range(reading)),
                *(sweep(gateway) for _ in range(sweeping))]  # fmt: skip
        tasks = [asyncio.ensure_future(until_stopped(job)) for job in jobs]
        while not stop.requested and clock() - platform.began_s < seconds:
            await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return platform, gateway, stop

    return on_virtual_time(monkeypatch, session)


@pytest.mark.parametrize("says", [lambda *_: WELL, lambda what, _: ILL if what == POST else WELL])
def test_who_sweeps_keeps_to_a_share_of_the_quota_while_rows_wait_or_posts_fail(monkeypatch, says):
    platform, _, _ = play(monkeypatch, says, 600, sweeping=1)
    assert len(platform.times(LIST)) <= 0.05 * 10 * 1140 + 40


def test_who_sweeps_while_nobody_waits_rests_for_a_moment_alone(monkeypatch):
    platform, _, _ = play(monkeypatch, lambda *_: WELL, 60, posting=0, sweeping=1)
    assert len(platform.times(LIST)) > 0.3 * 1140


@pytest.mark.parametrize(("asks_s", "apart_s"), [(20, 20), (3600, LONGEST_ASKED_S)])
def test_a_platform_that_asks_for_time_is_not_probed_before(monkeypatch, asks_s, apart_s):
    ill = Answer(503, b"", Quota(retry_after_s=asks_s), None)
    platform, _, _ = play(monkeypatch, lambda _, at: ill if at < 200 else WELL, 300, reading=3)
    probes = platform.times(ACCOUNT)
    assert 2 <= len(probes) <= 200 / apart_s + 1
    assert all(later - sooner >= apart_s for sooner, later in itertools.pairwise(probes))
    assert len(platform.times(LIST, 200 + apart_s + 2)) > 100


@pytest.mark.parametrize("lasts_s", [3, 60, 900])
@pytest.mark.parametrize("ill", [ILL, NotSent("connection refused"), Lost("reset by peer")])
def test_an_outage_is_probed_once_a_second_and_full_pace_is_back_within_two_seconds(
    monkeypatch, ill, lasts_s
):
    begins, ends = 20, 20 + lasts_s
    platform, gateway, _ = play(
        monkeypatch, lambda _, at: ill if begins <= at < ends else WELL, ends + 15, reading=3
    )
    others = [at for at, what, _ in platform.log if begins + 1 <= at < ends and what != ACCOUNT]
    assert len(others) <= 8 + 3  # what was under way
    probes = platform.times(ACCOUNT, begins, ends)
    assert len(probes) <= lasts_s + 1
    assert all(later - sooner >= 0.99 for sooner, later in itertools.pairwise(probes))
    back = [at for at, _, _ in platform.log if ends + 2 <= at < ends + 12]
    assert len(back) >= 0.95 * 10 * 19
    assert any(at < ends + 2 for at in platform.times(LIST, ends))  # whoever backed off is back too
    assert not gateway.breaker.is_open


def test_posts_that_fail_alone_are_tried_once_a_second_and_are_back_within_two_seconds(
    monkeypatch,
):
    def says(operation, at):
        return ILL if operation == POST and 20 <= at < 600 else WELL

    platform, _, stop = play(monkeypatch, says, 620, reading=1)
    assert len(platform.times(POST, 25, 600)) <= 600 - 25 + 8
    assert len(platform.times(POST, 602, 612)) >= 80  # the reader has the other turns
    assert not stop.requested


def test_an_outage_that_lasts_too_long_stops_the_run_with_exit_4(monkeypatch):
    platform, _, stop = play(
        monkeypatch, lambda _, at: ILL if at > 5 else WELL, 5000, max_outage_s=600
    )
    assert stop.error.exit_code is ExitCode.STOPPED
    assert 600 <= platform.log[-1][0] <= 610


def test_one_read_that_never_gets_an_answer_stops_the_run_though_all_else_is_well(monkeypatch):
    platform, _, stop = play(
        monkeypatch, lambda what, _: ILL if what == LIST else WELL, 5000, reading=1,
        max_outage_s=600,
    )  # fmt: skip
    assert stop.error.exit_code is ExitCode.STOPPED
    assert "GET /v1/videos" in stop.error.message
    assert len(platform.times(LIST)) < 100


def test_a_platform_that_half_fails_is_asked_ten_percent_more_than_it_answers_and_probes(
    monkeypatch,
):
    chance = random.Random(8)
    seconds = 1200
    platform, gateway, _ = play(
        monkeypatch, lambda *_: ILL if chance.random() < 0.5 else WELL, seconds, posting=0,
        reading=30,
    )  # fmt: skip
    answered = sum(reply is WELL for _, what, reply in platform.log if what == LIST)
    asked = len(platform.times(LIST))
    assert gateway.counts.retries <= FREE + answered / 10 + seconds  # one a second is a probe
    assert asked <= answered + FREE + answered / 10 + seconds + 30
    assert gateway.budget.left <= 1
    assert answered > 500  # and it goes on


def test_what_waits_for_the_budget_goes_on_as_soon_as_others_are_answered(monkeypatch):
    """Ten answers to POSTs pay for a repetition of the list: nothing else lets it through."""

    def says(operation, at):
        return ILL if operation == LIST and at < 60 else WELL

    platform, gateway, _ = play(monkeypatch, says, 90, posting=4, reading=30)
    assert len(platform.times(LIST, 61, 90)) > 30
    assert gateway.budget.left > 0


def test_probes_keep_to_the_quota_too(monkeypatch):
    small = Answer(200, b"{}", Quota(limit=20, remaining=19, reset_s=60), None)
    platform, _, _ = play(monkeypatch, lambda _, at: ILL if at > 5 else small, 600)
    assert len(platform.times(ACCOUNT, 60, 600)) <= 9 * 19 + 1


def test_whoever_backed_off_is_woken_when_an_outage_ends(monkeypatch):
    class Highest:
        def random(self):
            return 0.999

    async def session(clock):
        gateway = Gateway(None, Pacer(Quotas("auto", 5.0), Highest()), Stop(), Highest(), 60, clock)
        asking = asyncio.ensure_future(gateway.may_repeat(20))
        for _ in range(FAILURES_TO_OPEN):
            gateway._watched(ILL, clock())
        await asyncio.sleep(5)
        assert not asking.done()
        began_s = clock()
        gateway._watched(WELL, clock())
        await asking
        return clock() - began_s

    assert on_virtual_time(monkeypatch, session) < 1
