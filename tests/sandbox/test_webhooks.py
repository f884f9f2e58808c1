"""Webhooks as the API has them: made, listed, changed, switched, deleted, tried."""

import asyncio
import uuid

import pytest

from migrator.sandbox.events import EVENT_TYPES

NOWHERE = "00000000-0000-0000-0000-000000000000"
URL = "https://example.com/told"


@pytest.fixture(autouse=True)
async def _nothing_is_sent(client):
    """Where webhooks lead is another machine's: every delivery is lost as planned."""
    await client.plan({"fault": "delivery_lost"})


def body(**fields):
    return {
        "active": True,
        "name": "Told",
        "url": URL,
        "rateLimitPerSecond": 10,
        "maxTotalRetryDelayMinutes": 180,
        "eventTypes": ["video_in.done"],
        **fields,
    }


async def make(client, *, query=None, **fields):
    answer = await client.call("POST", "/v1/webhooks", data=body(**fields), **(query or {}))
    assert answer.status == 201, answer.text
    return answer.json


async def post(client, webhook_id, what, **query):
    return await client.call("POST", f"/v1/webhooks/{webhook_id}/{what}", **query)


async def teams(client):
    return [team["id"] for team in (await client.get("/v1/teams")).json["items"]]


async def test_a_webhook_is_shown_as_it_was_made(client):
    made = await make(client, description="for the archive", eventTypes=list(EVENT_TYPES))
    asked = body(description="for the archive", eventTypes=list(EVENT_TYPES))
    assert {name: made[name] for name in asked} == asked
    assert made["teamId"] == (await teams(client))[0]
    assert (await client.get(f"/v1/webhooks/{made['id']}")).json == made
    assert (await client.get("/v1/webhooks")).json["items"] == [made]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "n" * 48),
        ("name", None),
        ("description", ""),
        ("description", "d" * 256),
        ("url", ""),
        ("url", "https://example.com/" + "u" * 4096),
        ("active", "yes"),
        ("active", None),
        ("rateLimitPerSecond", 0),
        ("rateLimitPerSecond", 1001),
        ("rateLimitPerSecond", True),
        ("rateLimitPerSecond", "10"),
        ("maxTotalRetryDelayMinutes", -1),
        ("maxTotalRetryDelayMinutes", 1441),
        ("maxTotalRetryDelayMinutes", 1.5),
        ("eventTypes", []),
        ("eventTypes", ["video_in.done"] * 23),
        ("eventTypes", "video_in.done"),
    ],
)
async def test_a_field_that_breaks_its_bounds_is_named_and_changes_nothing(client, field, value):
    answer = await client.call("POST", "/v1/webhooks", data=body(**{field: value}))
    assert (answer.status, answer.code, answer.invalid) == (400, "VALIDATION_ERROR", {field})
    made = await make(client)
    changed = await client.patch(f"/v1/webhooks/{made['id']}", {field: value})
    if field == "active":  # it has operations of its own, and is passed over here
        assert changed.status == 200
    else:
        assert (changed.status, changed.invalid) == (400, {field})
    assert (await client.get(f"/v1/webhooks/{made['id']}")).json == made


async def test_every_field_that_is_missing_is_named(client):
    answer = await client.call("POST", "/v1/webhooks", data={})
    assert answer.invalid == set(body())


async def test_an_event_type_that_is_none_is_named_by_its_place(client):
    types = ["video_in.done", "video_in.lost", {}]
    answer = await client.call("POST", "/v1/webhooks", data=body(eventTypes=types))
    assert answer.invalid == {"eventTypes[1]", "eventTypes[2]"}


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/told",
        "https://example.com:8443/told",
        "https://user:secret@example.com/told",
        "https://127.0.0.1/told",
        "https://10.0.0.1/told",
        "https://[::1]/told",
        "https://2130706433/told",
    ],
)
async def test_a_url_that_is_not_https_on_443_of_a_public_host_is_refused(client, url):
    answer = await client.call("POST", "/v1/webhooks", data=body(url=url))
    assert (answer.status, answer.code, answer.invalid) == (400, "INVALID_HTTPS_URL", {"url"})
    assert "secret" not in answer.text
    made = await make(client)
    changed = await client.patch(f"/v1/webhooks/{made['id']}", {"url": url})
    assert (changed.status, changed.code) == (400, "INVALID_HTTPS_URL")


async def test_what_is_given_is_changed_and_nothing_else(client):
    made = await make(client)
    given = {
        "name": "Another",
        "description": "later",
        "url": "https://example.org/x",
        "rateLimitPerSecond": 1000,
        "maxTotalRetryDelayMinutes": 0,
        "eventTypes": ["video.deleted", "video_in.failed"],
    }
    for field, value in given.items():
        changed = (await client.patch(f"/v1/webhooks/{made['id']}", {field: value})).json
        made = {**made, field: value, "updatedAt": changed["updatedAt"]}
        assert changed == made
    assert (await client.patch(f"/v1/webhooks/{made['id']}", {})).json == made


async def test_no_event_types_at_all_change_nothing_and_make_no_webhook(client):
    made = await make(client)
    assert (await client.patch(f"/v1/webhooks/{made['id']}", {"eventTypes": None})).json == made
    answer = await client.call("POST", "/v1/webhooks", data=body(eventTypes=None))
    assert (answer.status, answer.invalid) == (400, {"eventTypes"})


async def test_types_that_are_named_twice_are_kept_once(client):
    types = ["video_in.done", "video.deleted", "video_in.done"]
    assert (await make(client, eventTypes=types))["eventTypes"] == types[:2]


async def test_a_team_has_at_most_ten_active_webhooks_and_any_number_of_others(client):
    made = [await make(client) for _ in range(10)]
    idle = await make(client, active=False)
    refused = await client.call("POST", "/v1/webhooks", data=body())
    code = "MAXIMUM_AMOUNT_OF_ACTIVE_WEBHOOKS_REACHED"
    assert (refused.status, refused.code) == (409, code)
    refused = await post(client, idle["id"], "activate")
    assert (refused.status, refused.code) == (409, code)
    assert (await post(client, made[0]["id"], "activate")).status == 200  # it is, already
    assert (await client.patch(f"/v1/webhooks/{made[0]['id']}", {"name": "x"})).status == 200
    await make(client, query={"selectTeamId": (await teams(client))[1]})
    await post(client, made[0]["id"], "deactivate")
    assert (await post(client, idle["id"], "activate")).json["active"] is True


async def test_ten_stay_ten_when_many_are_made_at_once(client):
    answers = await asyncio.gather(
        *(client.call("POST", "/v1/webhooks", data=body()) for _ in range(25))
    )
    assert sorted(answer.status for answer in answers) == [201] * 10 + [409] * 15


async def test_switching_what_is_so_already_changes_nothing(client):
    made = await make(client)
    assert (await post(client, made["id"], "activate")).json == made
    off = (await post(client, made["id"], "deactivate")).json
    assert off == {**made, "active": False, "updatedAt": off["updatedAt"]}
    assert (await post(client, made["id"], "deactivate")).json == off


async def test_lists_are_by_team_in_pages_and_in_either_order(client):
    first, second = await teams(client)
    ours = [await make(client, name=f"{number}") for number in range(3)]
    theirs = await make(client, query={"selectTeamId": second})
    page = (await client.get("/v1/webhooks", teamId=first, pageSize=2)).json
    assert (page["items"], page["totalElements"]) == (ours[:2], 3)
    page = (await client.get("/v1/webhooks", sortDirection="DESC")).json
    assert page["items"] == [theirs, *reversed(ours)]


@pytest.mark.parametrize("team_id", [NOWHERE, "no-team"])
async def test_a_team_that_is_not_there_is_refused(client, team_id):
    answer = await client.call("POST", "/v1/webhooks", data=body(), selectTeamId=team_id)
    assert answer.status == 400


async def test_what_is_deleted_is_gone(client):
    made = await make(client)
    assert (await client.delete(f"/v1/webhooks/{made['id']}")).status == 204
    for answer in (
        await client.get(f"/v1/webhooks/{made['id']}"),
        await client.delete(f"/v1/webhooks/{made['id']}"),
        await client.patch(f"/v1/webhooks/{made['id']}", {"name": "x"}),
        *[await post(client, made["id"], what) for what in ("activate", "deactivate", "test")],
        await client.get(f"/v1/webhooks/events/{NOWHERE}"),
        await client.get(f"/v1/webhooks/public-keys/{NOWHERE}"),
    ):
        assert (answer.status, answer.code) == (404, "RESOURCE_NOT_FOUND")


async def test_webhooks_outlive_a_restart(sandbox, tmp_path):
    async with sandbox(tmp_path / "again") as client:
        made = await make(client)
        off = await make(client, active=False)
    async with sandbox(tmp_path / "again") as client:
        assert (await client.get("/v1/webhooks")).json["items"] == [made, off]


# ------------------------------------------------------------------ tests of webhooks


async def test_a_test_is_of_the_video_and_type_that_are_named(client):
    made = await make(client, eventTypes=["video_in.done", "video.deleted"])
    video_id = str(uuid.uuid4())
    answer = await post(client, made["id"], "test", videoId=video_id, eventType="video.deleted")
    event = answer.json
    assert answer.status == 202
    assert event["payload"]["data"] == {"type": "VIDEO", "videoId": video_id}
    assert (event["payload"]["eventType"], event["payload"]["test"]) == ("video.deleted", True)
    assert event["payload"]["webhookId"] == made["id"]


async def test_a_test_without_names_is_of_any_video_and_of_a_type_that_was_asked_for(client):
    made = await make(client, eventTypes=["video_in.failed"])
    events = [(await post(client, made["id"], "test")).json["payload"] for _ in range(2)]
    assert {event["eventType"] for event in events} == {"video_in.failed"}
    assert events[0]["data"]["videoId"] != events[1]["data"]["videoId"]


async def test_a_test_of_another_type_or_of_an_inactive_webhook_is_a_conflict(client):
    made = await make(client)
    answer = await post(client, made["id"], "test", eventType="video.deleted")
    assert (answer.status, answer.code) == (409, "CONFLICT")
    await post(client, made["id"], "deactivate")
    answer = await post(client, made["id"], "test")
    assert (answer.status, answer.code) == (409, "WEBHOOK_NOT_ACTIVE")


async def test_a_team_has_a_thousand_tests_a_day(client, monkeypatch):
    monkeypatch.setattr("migrator.sandbox.webhooks.deliveries.TESTS_MAX", 3)
    made, other = await make(client), await make(client)
    for webhook in (made, other, made):
        assert (await post(client, webhook["id"], "test")).status == 202
    answer = await post(client, other["id"], "test")
    assert (answer.status, answer.code) == (409, "TOO_MANY_WEBHOOK_TEST_EVENTS")
    theirs = await make(client, query={"selectTeamId": (await teams(client))[1]})
    assert (await post(client, theirs["id"], "test")).status == 202
