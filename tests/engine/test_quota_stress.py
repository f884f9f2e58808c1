"""The quota under stress, on virtual time: whole storms against the real gateway and pacer."""

import asyncio
import math
import random
from collections import Counter
from itertools import pairwise

import pytest
from fakes.virtual_time import on_virtual_time

from migrator.engine.gateway import Gateway
from migrator.engine.pacing import Pacer
from migrator.engine.quotas import Quotas
from migrator.engine.stop import Stop
from migrator.pixop.client import Answer
from migrator.pixop.quota import Quota, read_quota

EPOCH_S = 1_764_000_000
LATENCY_S = 0.05
HOUR_S = 3600.0


class Platform:
    """A platform with windows of a minute, whose clock is the loop's.

    `phase_s` None: a window begins with the first request that finds none open; else they are fixed
    minutes that begin so many seconds after the full one. Another program with the same key makes
    `others` requests a second, evenly. During `storm` (from, to) every request gets a 429.
    """

    def __init__(self, clock, limit, *, phase_s=None, others=0.0, storm=(0, 0), headers="correct"):
        self.limit, self.others, self.storm, self.headers = limit, others, storm, headers
        self.clock, self.began_s = clock, clock()
        self.phase_s, self.window_s = phase_s, -math.inf
        self.windows, self.limits, self.refused, self.operations = Counter(), {}, [], Counter()
        self.answered_at = []

    def used_by_others(self):
        """What the other program has had of the window that is open; it may be refused too."""
        since_s = max(self.window_s, self.began_s)
        return int((self.clock() - since_s) * self.others)

    async def call(self, method, path, params=None, body=None):
        await asyncio.sleep(LATENCY_S / 2)
        answer = self._answer(f"{method} {path}")
        await asyncio.sleep(LATENCY_S / 2)
        return answer

    def _answer(self, operation):
        now_s = self.clock()
        if self.phase_s is not None:
            self.window_s = now_s - (now_s - self.phase_s) % 60
        elif now_s >= self.window_s + 60:
            self.window_s = now_s
        self.operations[operation] += 1
        self.windows[self.window_s] += 1
        self.limits[self.window_s] = max(self.limit, self.limits.get(self.window_s, 0))
        left = self.limit - self.windows[self.window_s] - self.used_by_others()
        reset_s = max(1, math.ceil(self.window_s + 60 - now_s))
        date_s = EPOCH_S + int(now_s)
        headers = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(max(0, left)),
            "X-RateLimit-Reset": str(reset_s),
        }
        since_s = now_s - self.began_s
        if left < 0 or self.storm[0] <= since_s < self.storm[1]:
            self.refused.append(since_s)
            headers |= {"X-RateLimit-Retry-After": str(reset_s)}
            headers = told_wrongly(self.headers, headers, date_s)
            return Answer(429, b"{}", read_quota(headers, date_s), date_s)
        self.answered_at.append(since_s)
        return Answer(200, b"{}", read_quota(headers, date_s), date_s)

    def overrun(self):
        """By how much any window held more than it announced."""
        return max(self.windows[at] - self.limits[at] for at in self.windows)


def told_wrongly(kind, headers, date_s):
    retry, reset = "X-RateLimit-Retry-After", "X-RateLimit-Reset"
    return {
        "correct": headers,
        "absent": {},
        "negative": dict.fromkeys(headers, "-17"),
        "text": dict.fromkeys(headers, "soon"),
        "epoch": headers | {retry: str(date_s + 20), reset: str(date_s + 20)},
        "absurd": headers | dict.fromkeys(headers, "9" * 15),
        "retry-after only": {"Retry-After": "7"},
        "reset only": {reset: "9"},
        "zero": dict.fromkeys(headers, "0"),
    }[kind]


KINDS = ["correct", "absent", "negative", "text", "epoch", "absurd", "retry-after only",
         "reset only", "zero"]  # fmt: skip


def play(monkeypatch, limit, seconds, *, workers=8, reserve=5.0, during=None, **platform_is):
    """Workers that ask as fast as they may for so long; answers the platform and the gateway."""

    async def session(clock):
        platform = Platform(clock, limit, **platform_is)
        chance = random.Random(5)
        pacer = Pacer(Quotas("auto", reserve), chance, clock)
        gateway = Gateway(platform, pacer, Stop(), chance, HOUR_S, clock)

        async def post():
            while True:
                await gateway.permit()
                await gateway.exchange("submit", "POST", "/v1/videos/in/s3")

        jobs = [pacer.run(), gateway.watch()]
        tasks = [asyncio.ensure_future(job) for job in jobs]
        await gateway.read("other", "GET", "/v1/account")  # as a run does before all else
        tasks += [asyncio.ensure_future(post()) for _ in range(workers)]
        if during is not None:
            tasks.append(asyncio.ensure_future(during(platform, gateway)))
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return platform, gateway

    return on_virtual_time(monkeypatch, session)


@pytest.mark.parametrize("phase_s", [None, 0.0, 1.3, 59.9])
@pytest.mark.parametrize(("limit", "reserve"), [(1, 5), (2, 5), (7, 0), (60, 5), (600, 0)])
def test_no_window_of_the_platform_is_overrun_whatever_its_phase(
    monkeypatch, limit, reserve, phase_s
):
    minutes = 6
    platform, gateway = play(monkeypatch, limit, minutes * 60, phase_s=phase_s, reserve=reserve)
    assert platform.overrun() <= 0
    assert not platform.refused
    usable = gateway.pacer.quotas.per_window
    assert sum(platform.windows.values()) >= 0.9 * (minutes - 1) * usable  # and it is used


def test_a_limit_of_sixty_thousand_a_minute_is_reached_and_not_overrun(monkeypatch):
    platform, _ = play(monkeypatch, 60_000, 20, phase_s=30.0, workers=100)  # a window ends at 10
    assert platform.overrun() <= 0
    assert not platform.refused
    assert sum(5 <= at < 15 for at in platform.answered_at) >= 0.95 * 0.95 * 10_000


@pytest.mark.parametrize("headers", KINDS)
def test_a_storm_of_five_minutes_costs_few_calls_and_ends_when_it_is_over(monkeypatch, headers):
    storm = (30, 330)
    platform, gateway = play(monkeypatch, 240, 1000, storm=storm, headers=headers)
    assert gateway.counts.throttled == len(platform.refused)
    in_storm = [at for at in platform.refused if storm[0] <= at < storm[1]]
    assert in_storm == platform.refused  # none of our own making
    assert len(in_storm) <= 40  # at full pace it would be 1,140
    first_after = min(at for at in platform.answered_at if at >= storm[1])
    assert first_after <= storm[1] + 300  # the longest wait that any header can ask for
    assert sum(at >= first_after + 60 for at in platform.answered_at) >= 0.9 * 3.8 * (
        1000 - first_after - 60
    )


@pytest.mark.parametrize("others", [0.5, 2.5, 3.75])
@pytest.mark.parametrize("phase_s", [None, 17.0])
def test_another_program_with_the_same_key_is_left_what_it_uses(monkeypatch, others, phase_s):
    platform, _ = play(monkeypatch, 300, 600, others=others, phase_s=phase_s)
    assert not platform.refused
    # Ours and theirs together fit each window, so that they are never refused on our account.
    for at, ours in platform.windows.items():
        theirs = others * (at + 60 - max(at, platform.began_s))
        assert ours + theirs <= 300
    assert sum(platform.windows.values()) >= 0.6 * 10 * (285 - 60 * others)


@pytest.mark.parametrize(("before", "after"), [(600, 60), (60, 600), (600, 1), (1, 300)])
def test_a_limit_that_changes_in_mid_run_is_kept_and_used(monkeypatch, before, after):
    async def change(platform, _gateway):
        await asyncio.sleep(200)
        platform.limit = after

    platform, gateway = play(monkeypatch, before, 800, during=change)
    settled = [at for at in platform.answered_at if at >= 330]
    assert len(settled) >= 0.85 * gateway.pacer.quotas.per_window * 470 / 60 - 1
    # What had left before the new limit was told cannot be called back.
    assert len(platform.refused) <= 8
    later = {at: n for at, n in platform.windows.items() if at >= platform.began_s + 260}
    assert all(n <= after for n in later.values())


def test_at_one_request_a_minute_neither_kind_of_request_starves_the_other(monkeypatch):
    async def follow(_platform, gateway):
        while True:
            await gateway.read("list", "GET", "/v1/videos")

    platform, _ = play(monkeypatch, 1, 20 * 60, during=follow)
    posts = platform.operations["POST /v1/videos/in/s3"]
    lists = platform.operations["GET /v1/videos"]
    assert min(posts, lists) >= 8
    assert not platform.refused


def test_a_hold_that_comes_while_a_place_is_waited_for_lets_no_two_go_at_once(monkeypatch):
    async def play(clock):
        pacer = Pacer(Quotas(1, 5.0), random.Random(1), clock)
        dispatcher = asyncio.ensure_future(pacer.run())
        granted = []
        for _ in range(2):
            await pacer.permit()
            granted.append(clock())
        asking = [asyncio.ensure_future(pacer.permit()) for _ in range(3)]
        await asyncio.sleep(10)  # a place is waited for by now
        pacer.refused(Quota(limit=1, retry_after_s=300))
        for asked in asking:
            await asked
            granted.append(clock())
        dispatcher.cancel()
        return granted

    granted = on_virtual_time(monkeypatch, play)
    gaps = [after - before for before, after in pairwise(granted)]
    assert len(gaps) == 4
    assert min(gaps) >= 60
