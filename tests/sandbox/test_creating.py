import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.sandbox.validation import FILE_NAME, derived_file_name

NOWHERE = "00000000-0000-0000-0000-000000000000"


async def test_a_create_answers_202_with_the_copy_still_initial(client):
    answer = await client.post(client.body(description="a description"))
    assert answer.status == 202
    uuid.UUID(answer.json["videoId"])
    assert answer.json["upload"]["uploadState"]["uploadStatus"] == "INITIAL"
    assert answer.json["upload"]["file"]["size"] == len(b"pictures")
    assert answer.json["upload"]["file"]["type"] == "video/quicktime"
    assert "ingestion" not in answer.json


async def test_two_equal_requests_make_two_videos(client):
    assert await client.create() != await client.create()
    assert len((await client.inspect("creates"))["creates"]) == 2


async def test_a_video_belongs_to_the_default_team_and_its_default_project(client):
    video = await client.get(f"/v1/videos/{await client.create()}")
    account = (await client.get("/v1/account")).json
    project = (await client.get("/v1/projects/default")).json
    assert video.json["teamId"] == account["defaultTeam"]["id"]
    assert video.json["userId"] == account["user"]["id"]
    assert video.json["projectId"] == project["id"]


async def test_a_video_can_be_made_for_another_team_and_another_project(client):
    default, other = (await client.get("/v1/teams")).json["items"]
    projects = (await client.get("/v1/projects", teamId=default["id"])).json["items"]
    extra = next(one["id"] for one in projects if one["name"] != "Default Project")

    answer = await client.post(client.body(), selectTeamId=other["id"])
    video = (await client.get(f"/v1/videos/{answer.json['videoId']}")).json
    assert video["teamId"] == other["id"]

    video_id = await client.create(projectId=extra)
    assert (await client.get(f"/v1/videos/{video_id}")).json["projectId"] == extra

    elsewhere = await client.post(client.body(projectId=extra), selectTeamId=other["id"])
    assert (elsewhere.status, elsewhere.code) == (404, "RESOURCE_NOT_FOUND")


async def test_unknown_teams_and_projects_are_not_found(client):
    team = await client.post(client.body(), selectTeamId=NOWHERE)
    assert (team.status, team.code) == (404, "TEAM_NOT_FOUND")
    project = await client.post(client.body(projectId=NOWHERE))
    assert (project.status, project.code) == (404, "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"key": "absent.mov"}, 404, "KEY_NOT_FOUND"),
        ({"bucket": "absent"}, 404, "BUCKET_NOT_FOUND"),
        ({"within": {"secretAccessKey": "wrong"}}, 400, "INVALID_CREDENTIALS"),
        ({"within": {"accessKey": "AKIAWRONGWRONGWRONG1"}}, 400, "INVALID_CREDENTIALS"),
        ({"within": {"accessKey": "line\nbreak"}}, 400, "INVALID_CREDENTIALS"),
        ({"key": "a/../film.mov"}, 404, "KEY_NOT_FOUND"),  # keys that no file can have
        ({"key": "a//film.mov"}, 404, "KEY_NOT_FOUND"),
        ({"key": "/film.mov"}, 404, "KEY_NOT_FOUND"),
        ({"key": "/"}, 404, "KEY_NOT_FOUND"),  # as a path, the bucket itself
    ],
)
async def test_a_source_that_cannot_be_read_is_refused(client, changes, status, code):
    answer = await client.post(client.body(**changes))
    assert (answer.status, answer.code) == (status, code)
    assert (await client.inspect("creates"))["creates"] == []


async def test_the_users_own_keys_open_the_buckets_too(client):
    own = {
        "accessKey": client.env["AWS_ACCESS_KEY_ID"],
        "secretAccessKey": client.env["AWS_SECRET_ACCESS_KEY"],
    }
    assert (await client.post(client.body(within=own))).status == 202


async def test_over_500_gb_is_refused_and_500_gb_is_not(sandbox):
    async with sandbox(copy=False) as client:
        with client.put("big.mov").open("r+b") as file:
            file.truncate(500 * 10**9 + 1)
        answer = await client.post(client.body("big.mov"))
        assert (answer.status, answer.code) == (400, "VALIDATION_ERROR")
        assert "500 GB" in answer.json["message"]

        with client.put("just.mov").open("r+b") as file:
            file.truncate(500 * 10**9)
        assert (await client.post(client.body("just.mov"))).status == 202


async def test_a_file_is_seen_as_soon_as_it_is_there(client):
    assert (await client.post(client.body("late.mov"))).code == "KEY_NOT_FOUND"
    client.put("late.mov")
    assert (await client.post(client.body("late.mov"))).status == 202


@pytest.mark.parametrize(
    "key", ["Ünïcode/日本 🎬.mov", "cafe\u0301.mov", "caf\u00e9.mov", "a+b &%25=?#.mov", "x" * 200]
)
async def test_keys_reach_s3_byte_for_byte(client, key):
    client.put(key, key.encode())
    video_id = await client.create(key)
    assert (await client.ended(video_id))["uploadStatus"] == "DONE"
    assert client.copied(video_id).read_bytes() == key.encode()
    [create] = (await client.inspect("creates"))["creates"]
    assert create["objectKey"] == key


async def test_bounds_are_met_exactly(sandbox):
    async with sandbox(copy=False, head=False) as client:
        for field, most in (("name", 255), ("description", 511), ("fileName", 255)):
            assert (await client.post(client.body(**{field: "x" * most}))).status == 202
            over = await client.post(client.body(**{field: "x" * (most + 1)}))
            assert (over.status, over.code, over.invalid) == (400, "VALIDATION_ERROR", {field})
        for field, least in (("name", ""), ("fileName", ""), ("objectKey", "")):
            assert (await client.post(client.body(**{field: least}))).invalid == {field}
        assert (await client.post(client.body(description=""))).status == 202


async def test_lengths_are_counted_in_utf16_and_keys_in_bytes(sandbox):
    async with sandbox(copy=False, head=False) as client:
        assert (await client.post(client.body(name="🎬" * 127))).status == 202
        assert (await client.post(client.body(name="🎬" * 128))).invalid == {"name"}
        assert (await client.post(client.body(description="🎬" * 256))).invalid == {"description"}
        assert (await client.post(client.body("é" * 512))).status == 202
        assert (await client.post(client.body("é" * 513))).invalid == {"objectKey"}


@pytest.mark.parametrize(
    ("changes", "invalid"),
    [
        ({"name": None}, {"name"}),
        ({"name": 7, "objectKey": []}, {"name", "objectKey"}),
        ({"description": None}, {"description"}),
        ({"projectId": "not-a-uuid"}, {"projectId"}),
        ({"fileName": "no spaces.mov"}, {"fileName"}),
        ({"fileName": "newline.mov\n"}, {"fileName"}),
        ({"within": {"bucket": "ab"}}, {"s3Bucket.bucket"}),
        ({"within": {"bucket": "b" * 64}}, {"s3Bucket.bucket"}),
        ({"within": {"bucket": "films/sub"}}, {"s3Bucket.bucket"}),
        ({"within": {"accessKey": ""}}, {"s3Bucket.accessKey"}),
        ({"within": {"secretAccessKey": 1}}, {"s3Bucket.secretAccessKey"}),
        (
            {"s3Bucket": "films"},
            {"s3Bucket", "s3Bucket.bucket", "s3Bucket.accessKey", "s3Bucket.secretAccessKey"},
        ),
    ],
)
async def test_every_broken_field_is_named(client, changes, invalid):
    answer = await client.post(client.body(**changes))
    assert (answer.status, answer.code) == (400, "VALIDATION_ERROR")
    assert answer.invalid == invalid


async def test_missing_fields_are_named(client):
    answer = await client.post({"s3Bucket": {}})
    within = {f"s3Bucket.{one}" for one in ("bucket", "accessKey", "secretAccessKey")}
    assert answer.invalid == {"name", "objectKey", *within}


@pytest.mark.parametrize(
    ("data", "headers", "code"),
    [
        (b"", {"Content-Type": "application/json"}, "MISSING_REQUEST_BODY"),
        (b"{", {"Content-Type": "application/json"}, "INVALID_REQUEST_BODY"),
        (b"[]", {"Content-Type": "application/json"}, "INVALID_REQUEST_BODY"),
        (b'{"name":"\xff"}', {"Content-Type": "application/json"}, "INVALID_REQUEST_BODY"),
        (b'{"name":"\\ud800"}', {"Content-Type": "application/json"}, "INVALID_REQUEST_BODY"),
        (b"{}", {"Content-Type": "text/plain"}, "INVALID_REQUEST_BODY"),
        (b" " * 1_100_000, {"Content-Type": "application/json"}, "INVALID_REQUEST_BODY"),
        (b"[" * 100_000, {"Content-Type": "application/json"}, "INVALID_REQUEST_BODY"),
    ],
)
async def test_an_unreadable_body_is_refused(client, data, headers, code):
    answer = await client.call("POST", "/v1/videos/in/s3", data=data, headers=headers)
    assert (answer.status, answer.code) == (400, code)


@pytest.mark.parametrize(
    "query", [{"selectTeamId": "x"}, {"fullIngestion": "yes"}, {"fullIngestion": "True"}]
)
async def test_query_parameters_are_checked(client, query):
    answer = await client.post(client.body(), **query)
    assert (answer.status, answer.invalid) == (400, set(query))


async def test_secrets_are_given_back_nowhere(client, caplog):
    caplog.set_level("DEBUG")
    canary = "canary-9f8e7d6c"
    await client.post(client.body(within={"secretAccessKey": canary}))
    await client.post(client.body(within={"accessKey": canary, "bucket": "x"}))
    await client.post(client.body(within={"accessKey": [canary]}))
    await client.post(client.body(s3Bucket=canary))
    await client.call(
        "POST",
        "/v1/videos/in/s3",
        data=f'{{"secretAccessKey": "{canary}'.encode(),
        headers={"Content-Type": "application/json"},
    )
    await client.create()
    told = "".join(answer.text for answer in client.seen) + caplog.text
    told += str(await client.inspect("creates")) + str(await client.inspect("windows"))
    assert canary not in told
    for name in ("PIXOP_API_KEY", "PIXOP_SOURCE_SECRET_ACCESS_KEY", "PIXOP_SOURCE_ACCESS_KEY_ID"):
        assert client.env[name] not in told


async def test_a_file_name_is_derived_from_the_key(client):
    client.put("reels/My film (1).mov")
    answer = await client.post(client.body("reels/My film (1).mov"))
    assert answer.json["upload"]["file"]["name"] == "My_film__1_.mov"


@given(st.text(min_size=1))
def test_a_derived_file_name_always_fits_the_pattern(key):
    assert FILE_NAME.fullmatch(derived_file_name(key))


async def test_creates_lists_the_request_behind_each_record(client):
    first = await client.create(description="one", fileName="one.mov")
    second = await client.create(name="second")
    creates = (await client.inspect("creates"))["creates"]
    assert [one["videoId"] for one in creates] == [first, second]
    assert creates[0] | {"name": "A film"} == creates[0]
    assert (creates[0]["bucket"], creates[0]["objectKey"]) == ("films", "film.mov")
    assert (creates[0]["description"], creates[0]["fileName"]) == ("one", "one.mov")
    assert creates[0]["accessKey"].startswith("*" * 17)
    uuid.UUID(creates[0]["requestId"])


async def test_without_head_nothing_is_looked_at_and_the_size_is_unknown(sandbox):
    async with sandbox(copy=False, head=False) as client:
        video_id = await client.create("absent.mov")
        assert (await client.ended(video_id))["uploadStatus"] == "DONE"
        video = (await client.get(f"/v1/videos/{video_id}")).json
        assert video["upload"]["file"]["size"] == 0
