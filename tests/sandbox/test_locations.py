import hashlib
import random

import pytest

NOWHERE = "00000000-0000-0000-0000-000000000000"
LOCATIONS = "/v1/input-locations/s3"


def described(client, **changes):
    keys = {
        "accessKey": client.env["PIXOP_SOURCE_ACCESS_KEY_ID"],
        "secretAccessKey": client.env["PIXOP_SOURCE_SECRET_ACCESS_KEY"],
    }
    return {"name": "Archive", "bucket": "films", **keys, **changes}


async def made(client, *, team=None, **changes):
    query = {} if team is None else {"selectTeamId": team}
    answer = await client.call("POST", LOCATIONS, data=described(client, **changes), **query)
    assert answer.status == 201, answer.text
    return answer.json


def wanted(key="film.mov", **fields):
    return {"name": "A film", "objectKey": key, **fields}


async def from_location(client, location_id, body, **query):
    return await client.call("POST", f"/v1/videos/in/s3/{location_id}", data=body, **query)


async def test_a_location_shows_its_keys_masked_and_in_no_other_way(client):
    location = await made(client)
    assert location["accessKeyHidden"] == "*" * 17 + client.env["PIXOP_SOURCE_ACCESS_KEY_ID"][-3:]
    assert set(location) == {
        *("id", "createdAt", "updatedAt", "name", "bucket"),
        *("accessKeyHidden", "secretAccessKeyHidden"),
    }
    page = (await client.get(LOCATIONS)).json
    assert page["items"] == [location]
    assert (await client.get(f"{LOCATIONS}/{location['id']}")).json == location


async def test_the_keys_of_a_location_are_nowhere_on_disk_in_clear(sandbox):
    secret = "canary-3f9a27c1-secret"
    access_key = "AKIACANARYCANARYCAN1"
    async with sandbox() as client:
        location = await made(client, accessKey=access_key, secretAccessKey=secret)
        await client.patch(f"{LOCATIONS}/{location['id']}", {"name": "Renamed"})
        kept = [path for path in client.directory.rglob("*") if path.is_file()]
        assert "seal.key" in {path.name for path in kept}
        for path in kept:
            assert path.stat().st_mode & 0o077 == 0, path
            assert secret.encode() not in path.read_bytes(), path
            assert access_key.encode() not in path.read_bytes(), path
        for answer in client.seen:
            assert secret not in answer.text
            assert access_key not in answer.text


async def test_a_video_is_copied_from_a_location_byte_for_byte_even_after_a_restart(sandbox):
    content = random.Random(5).randbytes(40_000_000)
    async with sandbox() as client:
        location = await made(client)
    async with sandbox() as client:
        client.put("reel.mov", content)
        answer = await from_location(client, location["id"], wanted("reel.mov"))
        assert answer.status == 202
        assert answer.json["upload"]["file"]["name"] == "reel.mov"
        video_id = answer.json["videoId"]
        assert (await client.ended(video_id))["uploadStatus"] == "DONE"
        copied = client.copied(video_id).read_bytes()
        assert hashlib.sha256(copied).digest() == hashlib.sha256(content).digest()
        [create] = (await client.inspect("creates"))["creates"]
        assert create["inputLocationId"] == location["id"]
        assert create["operation"] == "POST /v1/videos/in/s3/{inputLocationId}"
        assert (create["bucket"], create["objectKey"]) == ("films", "reel.mov")
        assert "url" not in create


async def test_what_a_location_points_to_is_found_out_when_it_is_used(client):
    wrong = await made(client, secretAccessKey="wrong-wrong")
    answer = await from_location(client, wrong["id"], wanted())
    assert (answer.status, answer.code) == (400, "INVALID_CREDENTIALS")
    absent = await made(client, bucket="absent")
    answer = await from_location(client, absent["id"], wanted())
    assert (answer.status, answer.code) == (404, "BUCKET_NOT_FOUND")
    right = await made(client)
    answer = await from_location(client, right["id"], wanted("absent.mov"))
    assert (answer.status, answer.code) == (404, "KEY_NOT_FOUND")


async def test_a_location_is_changed_in_what_is_given_only(client):
    location = await made(client, secretAccessKey="wrong-wrong")
    path = f"{LOCATIONS}/{location['id']}"
    renamed = (await client.patch(path, {"name": "Renamed"})).json
    assert renamed == location | {"name": "Renamed", "updatedAt": renamed["updatedAt"]}
    assert (await from_location(client, location["id"], wanted())).code == "INVALID_CREDENTIALS"
    right = {"secretAccessKey": client.env["PIXOP_SOURCE_SECRET_ACCESS_KEY"]}
    assert (await client.patch(path, right)).status == 200
    assert (await from_location(client, location["id"], wanted())).status == 202
    assert (await client.patch(path, {})).json["name"] == "Renamed"


async def test_a_location_that_is_deleted_is_gone_and_its_copies_go_on(sandbox):
    async with sandbox(copy_bytes_per_second=40_000_000) as client:
        client.put("reel.mov", bytes(20_000_000))
        location = await made(client)
        answer = await from_location(client, location["id"], wanted("reel.mov"))
        path = f"{LOCATIONS}/{location['id']}"
        assert (await client.delete(path)).status == 204
        assert (await client.delete(path)).status == 404
        assert (await client.get(path)).status == 404
        assert (await client.patch(path, {"name": "x"})).status == 404
        assert (await from_location(client, location["id"], wanted())).status == 404
        assert (await client.ended(answer.json["videoId"]))["uploadStatus"] == "DONE"
    async with sandbox() as client:
        assert (await client.get(LOCATIONS)).json["totalElements"] == 0


async def test_a_location_serves_its_own_team(client):
    _, other = (await client.get("/v1/teams")).json["items"]
    location = await made(client, team=other["id"])
    assert (await client.get(LOCATIONS, teamId=other["id"])).json["items"] == [location]
    default = (await client.get("/v1/account")).json["defaultTeam"]["id"]
    assert (await client.get(LOCATIONS, teamId=default)).json["items"] == []
    refused = await from_location(client, location["id"], wanted())
    assert (refused.status, refused.code) == (404, "RESOURCE_NOT_FOUND")
    allowed = await from_location(client, location["id"], wanted(), selectTeamId=other["id"])
    assert allowed.status == 202


@pytest.mark.parametrize(
    ("changes", "invalid"),
    [
        ({"name": ""}, {"name"}),
        ({"name": "n" * 48}, {"name"}),
        ({"bucket": "ab"}, {"bucket"}),
        ({"bucket": "b" * 64}, {"bucket"}),
        ({"bucket": "../films"}, {"bucket"}),
        ({"accessKey": 1, "secretAccessKey": ""}, {"accessKey", "secretAccessKey"}),
        ({"name": None, "bucket": []}, {"name", "bucket"}),
    ],
)
async def test_every_broken_field_of_a_location_is_named(client, changes, invalid):
    answer = await client.call("POST", LOCATIONS, data=described(client, **changes))
    assert (answer.status, answer.code, answer.invalid) == (400, "VALIDATION_ERROR", invalid)
    location = await made(client)
    answer = await client.patch(f"{LOCATIONS}/{location['id']}", changes)
    assert (answer.status, answer.code, answer.invalid) == (400, "VALIDATION_ERROR", invalid)


async def test_missing_fields_bodies_ids_and_teams_are_refused(client):
    answer = await client.call("POST", LOCATIONS, data={})
    assert answer.invalid == {"name", "bucket", "accessKey", "secretAccessKey"}
    assert (await client.call("POST", LOCATIONS)).code == "MISSING_REQUEST_BODY"
    team = await client.call("POST", LOCATIONS, data=described(client), selectTeamId=NOWHERE)
    assert (team.status, team.code) == (400, "TEAM_NOT_FOUND")
    assert (await client.get(f"{LOCATIONS}/x")).status == 400
    assert (await from_location(client, "x", wanted())).invalid == {"inputLocationId"}
    assert (await from_location(client, NOWHERE, wanted())).status == 404
    answer = await from_location(client, NOWHERE, {"s3Bucket": {}})
    assert answer.invalid == {"name", "objectKey"}


async def test_a_location_whose_keys_can_no_longer_be_opened_says_so(sandbox):
    async with sandbox() as client:
        location = await made(client)
        key = client.directory / "platform" / "seal.key"
    key.unlink()
    async with sandbox() as client:
        client.put()
        assert (await client.get(LOCATIONS)).json["items"] == [location]
        answer = await from_location(client, location["id"], wanted())
        assert (answer.status, answer.code) == (400, "INVALID_CREDENTIALS")
