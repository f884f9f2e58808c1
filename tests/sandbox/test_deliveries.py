"""What happens to videos reaches the programs that webhooks lead to, from a sandbox that runs."""

import asyncio
import signal
import socket
import ssl
import time

import pytest
import trustme
from aiohttp import web
from fakes.films import film
from fakes.receiver import receiving

from migrator.sandbox.events import EVENT_TYPES

DEADLINE_S = 20.0
LOCAL = {"allow_local_urls": True}


@pytest.fixture
async def receiver(contract):
    async with receiving(contract) as receiver:
        yield receiver


@pytest.fixture
async def local(sandbox):
    async with sandbox(**LOCAL) as client:
        client.put()
        yield client


async def make(client, url, *, types=EVENT_TYPES, **fields):
    body = {
        "active": True,
        "name": "Told",
        "url": url,
        "rateLimitPerSecond": 1000,
        "maxTotalRetryDelayMinutes": 180,
        "eventTypes": list(types),
        **fields,
    }
    answer = await client.call("POST", "/v1/webhooks", data=body)
    assert answer.status == 201, answer.text
    return answer.json


async def keys(client):
    return (await client.get("/v1/webhooks/public-keys")).json


async def listed(client, **query):
    return (await client.get("/v1/webhooks/events", pageSize=100, **query)).json["items"]


async def until(holds):
    deadline = time.monotonic() + DEADLINE_S
    while not (found := await holds()):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    return found


async def all_delivered(client, count):
    async def delivered():
        items = await listed(client)
        return items if len(items) == count and all(i["successful"] for i in items) else None

    return await until(delivered)


async def rotate(client, **query):
    url = client.env["PIXOP_API_URL"].removesuffix("/api") + "/_sandbox/webhooks/public-keys"
    async with client.session.post(url, params=query) as response:
        return response.status, await response.json()


# ------------------------------------------------------------------ what is delivered


async def test_what_happens_to_a_video_is_delivered_signed(local, receiver):
    webhook = await make(local, receiver.url)
    video_id = await local.create()
    await local.ended(video_id)
    await local.delete(f"/v1/videos/{video_id}")
    while not {"video_in.started", "video_in.done", "video.deleted"} <= set(receiver.types):
        await receiver.until(len(receiver.deliveries) + 1)
    published = await keys(local)
    assert [key["algorithm"] for key in published] == ["EC"]
    assert (await local.get(f"/v1/webhooks/public-keys/{published[0]['id']}")).json == published[0]
    for delivery in receiver.deliveries:
        assert delivery.is_signed_by(published)
        assert abs(time.time() - int(delivery.headers["X-Pixop-Timestamp"])) < 60
        body = delivery.json
        assert (body["webhookId"], body["test"], body["attemptCount"]) == (webhook["id"], False, 1)
        assert body["data"] == {"type": "VIDEO", "videoId": video_id}


async def test_an_ingestion_and_the_clip_that_follows_it_are_told_of_each_under_its_own_id(
    sandbox, receiver
):
    async with sandbox(**LOCAL, media=True) as client:
        film(client.put("film.mp4"))
        await make(client, receiver.url)
        video_id = await client.create("film.mp4")
        await receiver.until(8)
        [clip] = (await client.get(f"/v1/videos/{video_id}/derived")).json["items"]
    told = {(one.type, one.json["data"]["videoId"]) for one in receiver.deliveries}
    assert told == {
        (f"{what}.{how}", about)
        for what, about in (
            ("video_in", video_id),
            ("video_in_ingestion", video_id),
            ("clip_processing", clip["id"]),
            ("clip_ingestion", clip["id"]),
        )
        for how in ("started", "done")
    }


async def test_a_test_is_delivered_and_says_that_it_is_one(local, receiver):
    webhook = await make(local, receiver.url, types=["clip_ingestion.done"])
    answer = await local.call("POST", f"/v1/webhooks/{webhook['id']}/test")
    [delivery] = await receiver.until(1)
    assert delivery.json == {**answer.json["payload"], "attemptCount": 1}
    assert delivery.json["test"] is True


async def test_only_what_was_asked_for_is_delivered(local, receiver):
    await make(local, receiver.url, types=["video.deleted"])
    video_id = await local.create()
    await local.ended(video_id)
    await local.delete(f"/v1/videos/{video_id}")
    await receiver.until(1)
    assert receiver.types == ["video.deleted"]


async def test_events_are_kept_with_what_they_met(local, receiver):
    receiver.answer = lambda _request: web.Response(status=503, text="busy")
    await make(local, receiver.url, types=["video.deleted"])
    video_id = await local.create()
    await local.ended(video_id)
    await local.delete(f"/v1/videos/{video_id}")

    async def tried():
        return [one for one in await listed(local) if one["responses"]]

    [event] = await until(tried)
    [response] = event["responses"]
    assert (response["statusCode"], response["responseBody"]) == (503, "busy")
    assert response["responseHeaders"]["Content-Type"].startswith("text/plain")
    assert event["successful"] is False
    assert event["nextAttemptEarliestAt"] > event["payload"]["occurredAt"]
    assert event["payload"]["attemptCount"] == 1
    assert (await local.get(f"/v1/webhooks/events/{event['id']}")).json == event


async def test_a_webhook_on_this_machine_is_refused_without_the_flag_and_left_alone(
    sandbox, receiver
):
    async with sandbox(**LOCAL, copy=False) as client:
        client.put()
        await make(client, receiver.url, types=["video_in.done"])
    async with sandbox(copy=False) as client:
        await client.create()

        async def tried():
            return [one for one in await listed(client) if one["responses"]]

        [event] = await until(tried)
        assert event["responses"][0]["errorCode"] == "INVALID_HTTPS_URL"
        answer = await client.call(
            "POST",
            "/v1/webhooks",
            data={
                "active": True,
                "name": "n",
                "url": receiver.url,
                "rateLimitPerSecond": 1,
                "maxTotalRetryDelayMinutes": 0,
                "eventTypes": ["video_in.done"],
            },
        )
        assert (answer.status, answer.code) == (400, "INVALID_HTTPS_URL")
    assert not receiver.deliveries


# ------------------------------------------------------------------------------ lists


async def test_lists_of_events_have_every_filter_and_order(sandbox, receiver):
    async with sandbox(**LOCAL, copy=False) as client:
        client.put()
        webhook = await make(client, receiver.url, types=["video_in.started", "video_in.done"])
        await client.create()
        await receiver.until(2)
        receiver.answer = lambda _request: web.Response(status=500)
        await client.call("POST", f"/v1/webhooks/{webhook['id']}/test")

        async def tried():
            found = await listed(client)
            return found if all(one["responses"] for one in found) else None

        first, second, test = await until(tried)
        assert [one["payload"]["eventType"] for one in (first, second)] == [
            "video_in.started",
            "video_in.done",
        ]
        assert await listed(client, sortDirection="DESC") == [test, second, first]
        assert (await listed(client, sortBy="updatedAt"))[-1] == test
        assert await listed(client, testMode="ONLY") == [test]
        assert await listed(client, testMode="EXCLUDE") == [first, second]
        assert await listed(client, successfulMode="ONLY") == [first, second]
        assert await listed(client, successfulMode="EXCLUDE") == [test]
        moment = test["payload"]["occurredAt"]
        assert await listed(client, occurredAtFrom=moment) == [test]
        assert await listed(client, occurredAtUntil=moment) == [first, second]
        hour_off = moment.replace("Z", "+00:00")
        assert await listed(client, occurredAtFrom=hour_off, occurredAtUntil=hour_off) == []
        ours, theirs = [team["id"] for team in (await client.get("/v1/teams")).json["items"]]
        assert await listed(client, teamId=theirs) == []
        assert len(await listed(client, teamId=ours)) == 3
        page = (await client.get("/v1/webhooks/events", pageSize=2, pageNumber=1)).json
        assert (page["items"], page["totalPages"], page["totalElements"]) == ([test], 2, 3)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"occurredAtFrom": "yesterday"}, "VALIDATION_ERROR"),
        ({"occurredAtUntil": "2026-02-30T00:00:00Z"}, "VALIDATION_ERROR"),
        ({"occurredAtFrom": "2026-01-02T00:00:00"}, "VALIDATION_ERROR"),
        ({"successfulMode": "SOME"}, "VALIDATION_ERROR"),
        (
            {"occurredAtFrom": "2026-01-02T00:00:00Z", "occurredAtUntil": "2026-01-01T00:00:00Z"},
            "INVALID_DATE_TIME_RANGE",
        ),
    ],
)
async def test_a_filter_that_cannot_be_meant_is_refused(client, query, code):
    answer = await client.get("/v1/webhooks/events", **query)
    assert (answer.status, answer.code) == (400, code)


# ------------------------------------------------------------------------------- keys


async def test_a_new_key_signs_at_once_and_the_one_before_stays_valid_for_a_while(
    sandbox, receiver
):
    async with sandbox(**LOCAL, copy=False) as client:
        client.put()
        await make(client, receiver.url, types=["video_in.done"])
        await client.create()
        [before] = await receiver.until(1)
        status, said = await rotate(client)
        published = await keys(client)
        assert (status, said["keys"]) == (200, published)
        old, new = published
        assert "expiresAt" in old
        assert "expiresAt" not in new
        await client.create()
        [_, after] = await receiver.until(2)
        assert before.is_signed_by([old])
        assert after.is_signed_by([new])
        await all_delivered(client, 2)
    async with sandbox(**LOCAL, copy=False) as client:
        assert await keys(client) == published
        await client.create()
        assert (await receiver.until(3))[-1].is_signed_by([new])
        await rotate(client)
        assert [key["id"] for key in (await keys(client))[:1]] == [new["id"]]  # two at most
        await rotate(client, validSeconds=0)
        [newest] = await keys(client)
        assert newest["id"] not in {old["id"], new["id"]}
        for key in published:
            assert (await client.get(f"/v1/webhooks/public-keys/{key['id']}")).status == 404


async def test_a_key_is_rotated_for_a_whole_number_of_seconds(client):
    assert (await rotate(client, validSeconds="soon"))[0] == 400
    assert len(await keys(client)) == 1


async def test_where_the_private_key_can_no_longer_be_opened_another_one_signs(sandbox, receiver):
    async with sandbox(**LOCAL) as client:
        [lost] = await keys(client)
        seal = client.directory / "platform" / "seal.key"
    seal.write_bytes(bytes(32))
    async with sandbox(**LOCAL) as client:
        _, new = await keys(client)
        webhook = await make(client, receiver.url)
        await client.call("POST", f"/v1/webhooks/{webhook['id']}/test")
        [delivery] = await receiver.until(1)
        assert delivery.is_signed_by([new])
        assert new["id"] != lost["id"]


# ------------------------------------------------------------------- ends of processes


async def test_what_waits_and_what_was_under_way_goes_on_after_a_kill(
    spawn, connect, receiver, tmp_path
):
    hang = asyncio.Event()

    async def never(_request):
        await hang.wait()
        return web.Response()

    receiver.answer = never
    place, flags = tmp_path / "killed", ("--allow-local-urls", "--copy", "off")
    process, env = spawn(place, *flags)
    async with connect(place, env) as client:
        client.put()
        webhook = await make(client, receiver.url, types=["video_in.done"], rateLimitPerSecond=1)
        videos = [await client.create() for _ in range(5)]
        await receiver.until(1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    receiver.answer = lambda _request: web.Response()
    _, env = spawn(place, *flags)
    async with connect(place, env) as client:
        await client.patch(f"/v1/webhooks/{webhook['id']}", {"rateLimitPerSecond": 1000})
        events = await all_delivered(client, 5)
    hang.set()
    bodies = [one.json for one in receiver.deliveries]
    assert {body["data"]["videoId"] for body in bodies} == set(videos)
    assert {body["id"] for body in bodies} == {event["id"] for event in events}
    assert bodies[0]["id"] in {body["id"] for body in bodies[1:]}  # under way: it comes again


async def test_a_copy_that_a_kill_broke_off_is_told_of_after_the_next_start(
    spawn, connect, receiver, tmp_path
):
    place, flags = tmp_path / "killed", ("--allow-local-urls", "--copy-bytes-per-second", "1000")
    process, env = spawn(place, *flags)
    async with connect(place, env) as client:
        client.put(content=bytes(100_000))
        await make(client, receiver.url, types=["video_in.started", "video_in.failed"])
        video_id = await client.create()
        await all_delivered(client, 1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    spawn(place, *flags)
    await receiver.until(2)
    assert receiver.types == ["video_in.started", "video_in.failed"]
    assert receiver.deliveries[1].json["data"]["videoId"] == video_id


# ------------------------------------------------------------------------ https, faults


async def test_https_is_spoken_to_whom_the_machine_trusts_and_to_nobody_else(
    spawn, connect, contract, tmp_path, monkeypatch
):
    ca, stranger = trustme.CA(), trustme.CA()
    trusted = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(trusted)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    place = tmp_path / "https"
    _, env = spawn(place, "--allow-local-urls", "--copy", "off")
    with socket.create_server(("127.0.0.1", 0)) as server:
        shaken = asyncio.create_task(asyncio.to_thread(shake_hands, server, served_by(stranger)))
        async with (
            receiving(contract, ssl_context=served_by(ca)) as known,
            connect(place, env) as client,
        ):
            client.put()
            for url in (f"https://127.0.0.1:{server.getsockname()[1]}/told", known.url):
                await make(client, url, types=["video_in.done"])
            await client.create()
            await known.until(1)
            assert await shaken == "it broke off"

            async def tried():
                found = await listed(client, successfulMode="EXCLUDE")
                return [one for one in found if one["responses"]]

            [event] = await until(tried)
            assert event["responses"][0]["errorCode"] == "CONNECTION_FAILED"


def served_by(ca):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    return context


def shake_hands(server, context):
    """What the first caller said once it had seen the certificate."""
    connection, _ = server.accept()
    with connection:
        try:
            return context.wrap_socket(connection, server_side=True).recv(1)
        except ssl.SSLError:
            return "it broke off"


async def test_a_plan_strikes_deliveries_of_the_types_that_it_names_and_no_request(
    sandbox, receiver
):
    async with sandbox(**LOCAL, copy=False) as client:
        client.put()
        await make(client, receiver.url, types=["video_in.started", "video_in.done"])
        status, said = await client.plan({"fault": "delivery_lost", "operation": "GET *"})
        assert status == 400
        assert "DELIVER video_in.done" in said["error"]
        status, said = await client.plan({"fault": "error", "operation": "DELIVER*"})
        assert status == 400
        await client.plan({"fault": "delivery_lost", "operation": "DELIVER video_in.started"})
        await client.create()
        await receiver.until(1)
        assert receiver.types == ["video_in.done"]
        counts = (await client.inspect("faults"))["counts"]
        assert counts == [{"seen": 1, "struck": 1}]
