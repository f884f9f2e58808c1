"""Each fault, as a client of the sandbox meets it."""

import asyncio
import email.utils
import json
import random
import time
from datetime import datetime

import aiohttp
import pytest

CREATE = "/v1/videos/in/s3"
CREATING = "POST /v1/videos/in/s3"
MEGABYTE = 1_000_000


@pytest.fixture
async def quick(sandbox):
    async with sandbox(copy=False) as client:
        client.put()
        yield client


async def made(client):
    return len((await client.inspect("creates"))["creates"])


async def posted(client):
    return await client.raw("POST", CREATE, data=client.body())


# ----------------------------------------------------------------- the plan itself


async def test_the_plan_of_a_file_is_in_force_from_the_start_and_is_shown(sandbox, tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text('seed = 3\n[[rules]]\nfault = "html"\ncount = 1\noperation = "GET *"')
    async with sandbox(faults=path) as client:
        assert (await client.raw("GET", "/v1/account")).text.startswith("<!DOCTYPE html>")
        assert (await client.raw("GET", "/v1/account")).json["defaultTeam"]
        shown = await client.inspect("faults")
        assert shown["plan"]["seed"] == 3
        [rule] = shown["plan"]["rules"]
        assert (rule["fault"], rule["count"], rule["probability"]) == ("html", 1, 1.0)
        assert shown["counts"] == [{"seen": 2, "struck": 1}]


async def test_a_plan_is_replaced_while_running_and_a_bad_one_changes_nothing(quick):
    status, said = await quick.plan({"fault": "html"})
    assert (status, said["counts"]) == (200, [{"seen": 0, "struck": 0}])
    status, said = await quick.plan({"fault": "html", "probability": 2})
    assert status == 400
    assert said["error"].startswith("rule 1: probability: ")
    assert (await quick.raw("GET", "/v1/account")).text.startswith("<!DOCTYPE html>")
    assert (await quick.plan())[0] == 200
    assert (await quick.get("/v1/account")).status == 200


async def test_a_plan_that_is_no_json_is_refused(quick):
    url = quick.env["PIXOP_API_URL"].removesuffix("/api") + "/_sandbox/faults"
    async with quick.session.put(url, data=b"{") as response:
        assert response.status == 400
        assert (await response.json())["error"]


async def test_what_shown_is_taken_again(quick):
    await quick.plan({"fault": "copy_fails"}, {"fault": "ties", "seconds": 5}, seed=9)
    plan = (await quick.inspect("faults"))["plan"]
    status, said = await quick.plan(*plan.pop("rules"), **plan)
    assert (status, said["plan"]["seed"]) == (200, 9)


async def test_the_same_seed_and_requests_meet_the_same_faults(quick):
    async def run():
        await quick.plan({"fault": "error", "probability": 0.4}, seed=11)
        return [(await quick.raw("GET", "/v1/account")).status for _ in range(40)]

    first = await run()
    assert set(first) == {200, 500}
    assert await run() == first


async def test_refusals_of_the_quota_and_the_key_use_up_no_faults(sandbox):
    async with sandbox(requests_per_minute=3, copy=False) as client:
        await client.plan({"fault": "html", "count": 1, "after": 1})
        await client.call("GET", "/v1/account", api_key="wrong")
        await client.get("/v1/account")
        assert (await client.raw("GET", "/v1/account")).text.startswith("<!DOCTYPE html>")
        await client.get("/v1/account")
        assert (await client.get("/v1/account")).status == 429
        assert (await client.inspect("faults"))["counts"] == [{"seen": 3, "struck": 1}]


# ------------------------------------------------------------------ answers


@pytest.mark.parametrize(
    ("headers", "fits"),
    [
        ("correct", lambda said: 0 < int(said) <= 60),
        ("negative", lambda said: -60 <= int(said) < 0),
        ("text", lambda said: not said.lstrip("-").isdigit()),
        ("epoch", lambda said: abs(int(said) - time.time()) < 120),
        ("absurd", lambda said: int(said) > 10**9 * 60),
    ],
)
async def test_a_429_says_when_to_come_again_or_does_not(quick, headers, fits):
    await quick.plan({"fault": "throttle", "headers": headers, "count": 1})
    answer = await posted(quick)
    assert (answer.status, answer.code) == (429, "TOO_MANY_REQUESTS")
    assert fits(answer.headers["X-RateLimit-Retry-After"])
    assert answer.headers["X-RateLimit-Reset"] == answer.headers["X-RateLimit-Retry-After"]
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert await made(quick) == 0
    assert (await posted(quick)).status == 202


async def test_a_429_may_come_without_any_quota_header(quick):
    await quick.plan({"fault": "throttle", "headers": "absent"})
    answer = await posted(quick)
    assert answer.status == 429
    assert not [name for name in answer.headers if "ratelimit" in name.lower()]


@pytest.mark.parametrize("status", [500, 502, 503])
@pytest.mark.parametrize(("when", "records"), [("before", 0), ("after", 1)])
async def test_a_5xx_comes_before_or_after_the_record_is_made(quick, status, when, records):
    await quick.plan({"fault": "error", "status": status, "when": when, "operation": CREATING})
    answer = await posted(quick)
    assert answer.status == status
    assert (answer.text[0] == "{") == (status == 500)
    assert await made(quick) == records
    assert (await quick.get("/v1/videos")).json["totalElements"] == records


@pytest.mark.parametrize(("when", "records"), [("before", 0), ("after", 1)])
async def test_the_connection_is_reset_before_or_after_the_record_is_made(quick, when, records):
    await quick.plan({"fault": "reset", "when": when, "count": 1})
    with pytest.raises(aiohttp.ClientOSError) as lost:
        await posted(quick)
    assert isinstance(lost.value, ConnectionResetError) or "reset" in str(lost.value)
    assert await made(quick) == records
    assert (await posted(quick)).status == 202


async def test_an_answer_is_withheld_though_all_was_done(quick):
    await quick.plan({"fault": "withhold", "seconds": 30, "count": 1})
    url = quick.env["PIXOP_API_URL"] + CREATE
    headers = {"X-API-Key": quick.env["PIXOP_API_KEY"]}
    waited = asyncio.create_task(
        quick.session.post(url, json=quick.body(), headers=headers).__aenter__()
    )
    async with asyncio.timeout(10):
        while not await made(quick):
            await asyncio.sleep(0.01)
    assert not waited.done()
    waited.cancel()
    assert (await posted(quick)).status == 202
    await quick.plan({"fault": "withhold", "seconds": 0.3})
    began = time.monotonic()
    assert (await posted(quick)).status == 202
    assert time.monotonic() - began >= 0.3


async def test_json_is_cut_in_half_as_a_whole_answer_or_with_the_connection(quick):
    await quick.plan({"fault": "truncate", "count": 1}, {"fault": "truncate", "cut": "connection"})
    short = await posted(quick)
    assert short.status == 202
    assert short.text.startswith("{")
    with pytest.raises(json.JSONDecodeError):
        short.json  # noqa: B018
    with pytest.raises(aiohttp.ClientError):
        await posted(quick)
    assert await made(quick) == 2


async def test_a_page_of_html_comes_with_200_though_all_was_done(quick):
    await quick.plan({"fault": "html"})
    answer = await posted(quick)
    assert (answer.status, answer.text[:15]) == (200, "<!DOCTYPE html>")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "X-RateLimit-Remaining" in answer.headers
    assert await made(quick) == 1


async def test_a_slow_answer_is_whole_in_the_end(quick):
    await quick.plan({"fault": "slow", "seconds": 0.5})
    began = time.monotonic()
    answer = await posted(quick)
    assert time.monotonic() - began >= 0.5
    assert answer.json["videoId"]
    assert "X-RateLimit-Remaining" in answer.headers


async def test_an_enormous_answer_is_as_long_as_planned_and_can_be_left(quick):
    await quick.plan(
        {"fault": "enormous", "size_bytes": 3 * MEGABYTE, "count": 1},
        {"fault": "enormous", "size_bytes": 1 << 40},
    )
    answer = await quick.raw("GET", "/v1/account")
    assert len(answer.text) == 3 * MEGABYTE
    assert answer.json["user"]
    url = quick.env["PIXOP_API_URL"] + "/v1/account"
    headers = {"X-API-Key": quick.env["PIXOP_API_KEY"]}
    async with quick.session.get(url, headers=headers) as response:
        assert response.content_length == 1 << 40
        assert len(await response.content.readexactly(MEGABYTE)) == MEGABYTE
    await quick.plan()
    assert (await quick.get("/v1/account")).status == 200


@pytest.mark.parametrize(
    "rule",
    [
        {"fault": "truncate"},
        {"fault": "truncate", "cut": "connection"},
        {"fault": "slow", "seconds": 60},
        {"fault": "enormous", "size_bytes": 10},
    ],
)
async def test_an_answer_without_a_body_has_none_to_be_struck(quick, rule):
    made = await quick.call("POST", "/v1/projects", data={"name": "x"})
    await quick.plan(rule)
    answer = await quick.raw("DELETE", f"/v1/projects/{made.json['id']}")
    assert (answer.status, answer.text) == (204, "")


# ------------------------------------------------------------------ copies


async def test_a_copy_fails_at_so_many_percent_once(sandbox):
    content = random.Random(1).randbytes(80 * MEGABYTE)
    async with sandbox() as client:
        client.put("reel.mov", content)
        await client.plan({"fault": "copy_fails", "at_percent": 40, "code": "HEAD_OBJECT_ERROR"})
        video_id = await client.create("reel.mov")
        state = await client.ended(video_id)
        assert (state["uploadStatus"], state["progressPercentage"]) == ("FAILED", 40)
        assert state["error"]["code"] == "HEAD_OBJECT_ERROR"
        fetched = (await client.inspect("copies"))["partsFetched"]
        assert fetched == 4  # of ten
        assert (await client.restart(video_id)).status == 202
        assert (await client.ended(video_id))["uploadStatus"] == "DONE"
        assert (await client.inspect("copies"))["partsFetched"] == 10
        assert client.copied(video_id).read_bytes() == content


@pytest.mark.parametrize("copy", [True, False])
async def test_a_copy_fails_whenever_it_is_tried_and_nothing_else_does(sandbox, copy):
    async with sandbox(copy=copy) as client:
        client.put()
        await client.plan({"fault": "copy_fails", "always": True, "count": 1, "at_percent": 7})
        failing, fine = await client.create(), await client.create()
        assert (await client.ended(fine))["uploadStatus"] == "DONE"
        for _ in range(3):
            state = await client.ended(failing)
            assert (state["uploadStatus"], state["progressPercentage"]) == ("FAILED", 7)
            assert (await client.restart(failing)).status == 202


async def test_a_copy_that_failed_as_planned_fails_again_after_the_platform_was_restarted(sandbox):
    async with sandbox() as client:
        client.put()
        await client.plan({"fault": "copy_fails", "always": True})
        video_id = await client.create()
        await client.ended(video_id)
    async with sandbox() as client:
        await client.restart(video_id)
        assert (await client.ended(video_id))["uploadStatus"] == "FAILED"


@pytest.mark.parametrize("copy", [True, False])
async def test_a_copy_that_never_progresses_stands_and_stops_no_other(sandbox, copy):
    async with sandbox(copy=copy) as client:
        client.put()
        await client.plan({"fault": "copy_stalls", "at_percent": 30, "count": 20})
        stalled = [await client.create() for _ in range(20)]  # more than there are workers
        assert (await client.ended(await client.create()))["uploadStatus"] == "DONE"
        states = [
            await client.until(one, lambda state: state["progressPercentage"]) for one in stalled
        ]
        assert {state["uploadStatus"] for state in states} == {"IN_PROGRESS"}
        assert {state["progressPercentage"] for state in states} == {30}
        assert (await client.restart(stalled[0])).code == "VIDEO_IN_OPERATION_NOT_FAILED"
        assert [await client.upload(one) for one in stalled] == states


@pytest.mark.parametrize("copy", [True, False])
async def test_a_copy_that_stalls_for_a_while_goes_on_and_holds_up_no_other(sandbox, copy):
    async with sandbox(copy=copy) as client:
        client.put()
        await client.plan({"fault": "copy_stalls", "at_percent": 30, "seconds": 2, "count": 20})
        stalled = [await client.create() for _ in range(20)]  # more than there are workers
        gone = await client.create()
        assert (await client.ended(gone))["uploadStatus"] == "DONE"
        await client.until(stalled[-1], lambda state: state["progressPercentage"] >= 30)
        assert (await client.delete(f"/v1/videos/{stalled.pop()}")).status == 200
        ends = [await client.ended(one) for one in stalled]
        assert {state["uploadStatus"] for state in ends} == {"DONE"}
        if copy:
            assert client.copied(stalled[0]).read_bytes() == b"pictures"


@pytest.mark.parametrize("off", [-3, 1000])
async def test_a_size_differs_from_the_source_and_the_bytes_do_not(client, off):
    await client.plan({"fault": "copy_size", "off_bytes": off, "count": 1})
    wrong, right = await client.create(), await client.create()
    for video_id, size in ((wrong, len(b"pictures") + off), (right, len(b"pictures"))):
        await client.ended(video_id)
        video = (await client.get(f"/v1/videos/{video_id}")).json
        assert video["upload"]["file"]["size"] == size
        assert client.copied(video_id).read_bytes() == b"pictures"


# ------------------------------------------------------------------- lists


async def listed(client, **query):
    page = (await client.get("/v1/videos", pageSize=100, **query)).json
    assert page["totalElements"] == len(page["items"])
    return [video["id"] for video in page["items"]]


async def test_a_new_video_is_in_lists_only_later_and_known_by_id_at_once(sandbox):
    async with sandbox(copy=False) as client:
        client.put()
        await client.plan(
            {"fault": "late", "seconds": 1, "count": 1},
            {"fault": "late", "seconds": 3600, "count": 1, "after": 1},
        )
        late = await client.create()
        hidden = await client.create()
        seen = await client.create()
        assert await listed(client) == [seen]
        assert (await client.get(f"/v1/videos/{late}")).status == 200
        async with asyncio.timeout(10):
            while late not in await listed(client):
                await asyncio.sleep(0.02)
        assert await listed(client) == [late, seen]
    async with sandbox(copy=False) as client:
        assert await listed(client) == [late, seen]  # it is remembered
        await client.plan(clock_offset_s=3700)
        assert await listed(client) == [late, hidden, seen]


async def test_pages_but_the_first_shift_between_calls(quick):
    made = [await quick.create() for _ in range(30)]
    await quick.plan({"fault": "shift", "rows": 3})

    async def ids(number):
        answer = await quick.get("/v1/videos", pageSize=10, pageNumber=number)
        assert answer.json["totalElements"] == 30
        return [video["id"] for video in answer.json["items"]]

    assert {tuple(await ids(0)) for _ in range(10)} == {tuple(made[:10])}
    begins = {made.index((await ids(1))[0]) for _ in range(60)}
    assert begins == {7, 8, 9, 11, 12, 13}


async def test_ties_come_in_changing_order_and_show_equal_moments(quick):
    made = [await quick.create() for _ in range(20)]
    await quick.plan({"fault": "ties", "seconds": 3600})
    pages = [(await quick.get("/v1/videos", pageSize=100)).json["items"] for _ in range(6)]
    assert all({video["id"] for video in page} == set(made) for page in pages)
    orders = {tuple(video["id"] for video in page) for page in pages}
    assert len(orders) > 1
    moments = {video["createdAt"] for page in pages for video in page}
    assert len(moments) <= 2  # the hour may have turned between them
    await quick.plan()
    assert await listed(quick) == made


async def test_ties_keep_the_order_of_moments_that_differ(quick):
    made = []
    for offset in range(6):
        await quick.plan(clock_offset_s=offset * 100)
        made.append({await quick.create() for _ in range(3)})
    await quick.plan({"fault": "ties", "seconds": 10}, clock_offset_s=0)
    for direction, wanted in (("ASC", made), ("DESC", made[::-1])):
        ids = await listed(quick, sortDirection=direction)
        assert [set(ids[at : at + 3]) for at in range(0, 18, 3)] == wanted


# -------------------------------------------------------------------- clock


@pytest.mark.parametrize("offset_s", [-3600, 86_400])
async def test_the_clock_is_off_in_the_date_and_in_every_timestamp(client, offset_s):
    await client.plan(clock_offset_s=offset_s)

    def is_off(text):
        moment = datetime.fromisoformat(text).timestamp()
        return abs(moment - time.time() - offset_s) < 10

    answer = await client.post(client.body())
    dated = email.utils.parsedate_to_datetime(answer.headers["Date"]).timestamp()
    assert abs(dated - time.time() - offset_s) < 10
    await client.ended(answer.json["videoId"])
    video = (await client.get(f"/v1/videos/{answer.json['videoId']}")).json
    for moment in (
        video["createdAt"],
        video["updatedAt"],
        video["upload"]["uploadState"]["updatedAt"],
        (await client.get("/v1/videos/00000000-0000-0000-0000-000000000000")).json["timestamp"],
        (await client.inspect("creates"))["creates"][0]["createdAt"],
    ):
        assert is_off(moment), moment
