import asyncio

import pytest

from migrator.sandbox.quota import Quota


class Clock:
    now_s = 1000.0

    def monotonic(self):
        return self.now_s

    def wall(self):
        return int(self.now_s * 1000)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def quota(clock):
    return Quota(3, monotonic_s=clock.monotonic, wall_ms=clock.wall)


def test_a_window_admits_so_many_requests_and_refuses_the_rest(quota):
    admissions = [quota.admit("key", "GET") for _ in range(5)]
    assert [one.admitted for one in admissions] == [True, True, True, False, False]
    assert [one.remaining for one in admissions] == [2, 1, 0, 0, 0]


def test_a_window_begins_with_its_first_request_and_lasts_a_minute(quota, clock):
    quota.admit("key", "GET")
    clock.now_s += 59.9
    assert quota.admit("key", "GET").reset_s == 1
    clock.now_s += 0.1
    fresh = quota.admit("key", "GET")
    assert (fresh.remaining, fresh.reset_s) == (2, 60)
    clock.now_s += 600
    assert quota.admit("key", "GET").reset_s == 60
    assert [window.requests for window in quota.windows["key"]] == [2, 1, 1]
    assert [window.started_at_ms for window in quota.windows["key"]] == [
        1_000_000,
        1_060_000,
        1_660_000,
    ]


def test_whoever_waits_as_told_is_admitted(quota, clock):
    for _ in range(4):
        refused = quota.admit("key", "GET")
    clock.now_s += int(refused.headers()["X-RateLimit-Retry-After"])
    assert quota.admit("key", "GET").admitted


def test_keys_do_not_share_a_window(quota):
    for _ in range(4):
        quota.admit("one", "GET")
    assert quota.admit("other", "GET").admitted


async def test_the_headers_count_down_and_then_it_says_429(sandbox):
    async with sandbox(requests_per_minute=3, copy=False, head=False) as client:
        answers = [await client.get("/v1/account") for _ in range(4)]
        remaining = [answer.headers["X-RateLimit-Remaining"] for answer in answers]
        assert remaining == ["2", "1", "0", "0"]
        assert {answer.headers["X-RateLimit-Limit"] for answer in answers} == {"3"}
        refused = answers[-1]
        assert (refused.status, refused.code) == (429, "TOO_MANY_REQUESTS")
        assert 0 < int(refused.headers["X-RateLimit-Retry-After"]) <= 60

        other = await client.call("GET", "/v1/account", api_key="wrong")
        assert other.status == 401
        assert (await client.post(client.body())).status == 429
        assert (await client.inspect("creates"))["creates"] == []


async def test_windows_tell_what_was_counted(sandbox):
    async with sandbox(requests_per_minute=4) as client:
        await client.get("/v1/account")
        await client.get("/v1/videos/00000000-0000-0000-0000-000000000000")
        await client.get("/v1/nothing")
        await client.get("/v1/videos", pageSize=0)
        await client.get("/v1/videos")
        counted = await client.inspect("windows")
        assert (counted["limit"], counted["windowSeconds"]) == (4, 60)
        [key] = counted["keys"]
        assert key["key"] == "*" * 17 + client.env["PIXOP_API_KEY"][-3:]
        [window] = key["windows"]
        assert (window["requests"], window["throttled"]) == (5, 1)
        assert counted["operations"] == {
            "GET /v1/account": 1,
            "GET /v1/videos/{videoId}": 1,
            "GET (unknown route)": 1,
            "GET /v1/videos": 2,
        }


async def test_creates_and_windows_are_right_under_load_and_over_a_restart(sandbox):
    async with sandbox(requests_per_minute=300, copy=False, head=False) as client:
        answers = await asyncio.gather(*(client.post(client.body()) for _ in range(400)))
        statuses = [answer.status for answer in answers]
        assert (statuses.count(202), statuses.count(429)) == (300, 100)
        assert {answer.headers["X-RateLimit-Remaining"] for answer in answers} == {
            str(left) for left in range(300)
        }
        counted = await client.inspect("windows")
        [window] = counted["keys"][0]["windows"]
        assert (window["requests"], window["throttled"]) == (400, 100)
        assert counted["operations"] == {"POST /v1/videos/in/s3": 400}
        creates = (await client.inspect("creates"))["creates"]
        made = {answer.json["videoId"] for answer in answers if answer.status == 202}
        assert len(creates) == len(made) == 300
        assert {create["videoId"] for create in creates} == made
    async with sandbox(requests_per_minute=300, copy=False, head=False) as client:
        assert (await client.inspect("creates"))["creates"] == creates
        assert (await client.inspect("windows"))["keys"] == []
        assert (await client.get("/v1/account")).headers["X-RateLimit-Remaining"] == "299"
