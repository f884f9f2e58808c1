"""Changing and deleting videos and projects."""

import asyncio
import json
import sqlite3
import uuid

import pytest

NOWHERE = "00000000-0000-0000-0000-000000000000"
MEGABYTE = 1_000_000

DERIVED = """
    INSERT INTO videos (video_id, created_at, updated_at, user_id, team_id, project_id, name,
        is_clip, clip_id, master_video_id)
    SELECT ?, created_at + 1, updated_at + 1, user_id, team_id, project_id, ?, ?, ?, ?
    FROM videos WHERE video_id = ?
"""


class Family:
    """A master, its clip, a processed version of each, and another master."""

    def __init__(self, master, other):
        self.master, self.other = master, other
        self.clip, self.processed_clip, self.processed = (str(uuid.uuid4()) for _ in range(3))

    def rows(self):
        return [
            (self.clip, "clip", 1, self.clip, self.master, self.master),
            (self.processed_clip, "processed clip", 1, self.clip, self.master, self.master),
            (self.processed, "processed", 0, None, self.master, self.master),
        ]


@pytest.fixture
async def family(sandbox):
    """Nothing makes derived videos as yet: they are written into the records of a stopped one."""
    async with sandbox() as client:
        client.put()
        made = [await client.create() for _ in range(2)]
        for one in made:
            await client.ended(one)
        database = client.directory / "platform" / "records.db"
    family = Family(*made)
    with sqlite3.connect(database) as connection:
        connection.executemany(DERIVED, family.rows())
    connection.close()
    async with sandbox() as client:
        yield client, family


async def ids(client, path, **query):
    page = (await client.get(path, pageSize=100, **query)).json
    return {video["id"] for video in page["items"]}


async def test_what_derives_from_a_video_is_listed(family):
    client, f = family
    derived = {f.clip, f.processed_clip, f.processed}
    assert await ids(client, f"/v1/videos/{f.master}/derived") == derived
    assert await ids(client, f"/v1/videos/{f.clip}/derived") == {f.processed_clip}
    assert await ids(client, f"/v1/videos/{f.other}/derived") == set()
    page = (await client.get(f"/v1/videos/{f.master}/derived", pageSize=2, pageNumber=1)).json
    assert (page["totalElements"], page["numberOfElements"]) == (3, 1)
    assert (await client.get(f"/v1/videos/{NOWHERE}/derived")).status == 404
    assert (await client.get(f"/v1/videos/{f.master}/derived", pageSize=0)).status == 400


async def test_deleting_a_master_deletes_what_derives_from_it_and_its_bytes(family):
    client, f = family
    assert client.copied(f.master).exists()
    deleted = await client.delete(f"/v1/videos/{f.master}")
    assert deleted.status == 200
    assert deleted.json[0] == f.master
    assert set(deleted.json) == {f.master, f.clip, f.processed_clip, f.processed}
    assert await ids(client, "/v1/videos") == {f.other}
    assert not client.copied(f.master).exists()
    assert client.copied(f.other).exists()
    for path in ("", "/in/status", "/derived"):
        assert (await client.get(f"/v1/videos/{f.master}{path}")).status == 404
    assert (await client.delete(f"/v1/videos/{f.master}")).status == 404


async def test_deleting_a_clip_deletes_its_processed_clips_and_no_more(family):
    client, f = family
    deleted = await client.delete(f"/v1/videos/{f.clip}")
    assert set(deleted.json) == {f.clip, f.processed_clip}
    assert await ids(client, "/v1/videos") == {f.master, f.processed, f.other}


async def test_a_derived_video_that_was_not_expected_stops_the_deletion(family):
    client, f = family
    derived = [f.clip, f.processed_clip, f.processed]
    for expected in ([], derived[:2], [NOWHERE]):
        answer = await client.delete(f"/v1/videos/{f.master}", expected)
        assert (answer.status, answer.code) == (409, "CONFLICTING_DERIVED_VIDEO_IDS")
    assert len(await ids(client, "/v1/videos")) == 5
    assert (await client.delete(f"/v1/videos/{f.other}", [])).json == [f.other]
    upper = [one.upper() for one in derived]
    assert (await client.delete(f"/v1/videos/{f.master}", upper)).status == 200


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"{}", "INVALID_REQUEST_BODY"),
        (b"[", "INVALID_REQUEST_BODY"),
        (b'["x"]', "VALIDATION_ERROR"),
        (b"[1]", "VALIDATION_ERROR"),
        (b"null", "INVALID_REQUEST_BODY"),
    ],
)
async def test_expected_ids_that_are_none_are_refused(client, data, code):
    video_id = await client.create()
    headers = {"Content-Type": "application/json"}
    answer = await client.call("DELETE", f"/v1/videos/{video_id}", data=data, headers=headers)
    assert (answer.status, answer.code) == (400, code)
    assert (await client.get(f"/v1/videos/{video_id}")).status == 200


async def test_a_deleted_video_stays_in_the_log_of_creates(client):
    video_id = await client.create()
    await client.delete(f"/v1/videos/{video_id}")
    assert (await client.get("/v1/videos")).json["totalElements"] == 0
    assert [one["videoId"] for one in (await client.inspect("creates"))["creates"]] == [video_id]


async def test_deleting_a_video_ends_its_copy_and_leaves_no_bytes(sandbox, caplog):
    async with sandbox(copy_bytes_per_second=20 * MEGABYTE) as client:
        client.put("reel.mov", bytes(60 * MEGABYTE))
        client.put()
        video_id = await client.create("reel.mov")
        await client.until(video_id, lambda state: state["progressPercentage"] > 0)
        assert (await client.delete(f"/v1/videos/{video_id}")).status == 200
        fetched = (await client.inspect("copies"))["bytesFetched"]
        assert fetched < 60 * MEGABYTE
        assert not client.copied(video_id).exists()
        # The workers are free again, and nothing of the old copy was written after the end of it.
        following = await client.create()
        assert (await client.ended(following))["uploadStatus"] == "DONE"
        assert not client.copied(video_id).exists()
    assert "could not be noted" not in caplog.text
    assert "failed" not in caplog.text


async def test_bytes_that_a_kill_left_of_a_deleted_video_are_removed_at_the_next_start(sandbox):
    async with sandbox() as client:
        client.put()
        kept = await client.create()
        await client.ended(kept)
        left = client.copied(str(uuid.uuid4()))
    left.write_bytes(b"left over")
    async with sandbox() as client:
        assert not left.exists()
        assert client.copied(kept).exists()


async def test_a_failed_copy_is_abandoned_with_its_record_and_bytes(client):
    await client.plan({"fault": "copy_fails", "at_percent": 60})
    client.put("reel.mov", bytes(20 * MEGABYTE))
    video_id = await client.create("reel.mov")
    await client.ended(video_id)
    assert client.copied(video_id).exists()
    path = f"/v1/videos/{video_id}/in/abandon"
    assert (await client.delete(path)).status == 204
    assert not client.copied(video_id).exists()
    assert (await client.get(f"/v1/videos/{video_id}")).status == 404
    assert (await client.delete(path)).status == 404


async def test_a_copy_that_has_not_failed_cannot_be_abandoned(client):
    video_id = await client.create()
    await client.ended(video_id)
    answer = await client.delete(f"/v1/videos/{video_id}/in/abandon")
    assert (answer.status, answer.code) == (409, "VIDEO_IN_OPERATION_NOT_FAILED")
    assert (await client.delete("/v1/videos/x/in/abandon")).status == 400


async def test_a_video_is_changed_in_what_is_given_only(client):
    video_id = await client.create(description="first")
    await client.ended(video_id)
    path = f"/v1/videos/{video_id}"
    before = (await client.get(path)).json
    renamed = (await client.patch(path, {"name": "n" * 255})).json
    assert (renamed["name"], renamed["description"]) == ("n" * 255, "first")
    assert renamed["updatedAt"] > before["updatedAt"]
    assert renamed["upload"] == before["upload"]
    emptied = (await client.patch(path, {"description": ""})).json
    assert (emptied["name"], emptied["description"]) == ("n" * 255, "")
    assert (await client.patch(path, {})).status == 200
    assert (await client.get(path)).json["description"] == ""
    assert (await client.patch(f"/v1/videos/{NOWHERE}", {"name": "x"})).status == 404


@pytest.mark.parametrize(
    "changes",
    [{"name": ""}, {"name": "n" * 256}, {"name": None}, {"description": "d" * 512}],
)
async def test_a_change_out_of_bounds_is_refused(client, changes):
    video_id = await client.create()
    answer = await client.patch(f"/v1/videos/{video_id}", changes)
    assert (answer.status, answer.code, answer.invalid) == (400, "VALIDATION_ERROR", set(changes))


# -------------------------------------------------------------------- projects


async def project(client, name="Reels", **query):
    answer = await client.call("POST", "/v1/projects", data={"name": name}, **query)
    assert answer.status == 201, answer.text
    return answer.json


async def test_a_project_is_made_used_renamed_and_kept(sandbox):
    async with sandbox() as client:
        client.put()
        _, other = (await client.get("/v1/teams")).json["items"]
        made = await project(client, "n" * 47)
        elsewhere = await project(client, selectTeamId=other["id"])
        assert elsewhere["teamId"] == other["id"]
        video_id = await client.create(projectId=made["id"])
        assert await ids(client, "/v1/videos", projectId=made["id"]) == {video_id}
        path = f"/v1/projects/{made['id']}"
        renamed = (await client.patch(path, {"name": "Renamed"})).json
        assert renamed == made | {"name": "Renamed", "updatedAt": renamed["updatedAt"]}
        assert (await client.patch(path, {})).json == renamed
    async with sandbox() as client:
        assert (await client.get(path)).json == renamed
        assert (await client.get("/v1/projects", teamId=other["id"])).json["items"][-1] == elsewhere
        newest = await client.get("/v1/projects", sortBy="updatedAt", sortDirection="DESC")
        assert newest.json["items"][0] == renamed


async def test_a_project_with_videos_cannot_be_deleted(client):
    made = await project(client)
    path = f"/v1/projects/{made['id']}"
    video_id = await client.create(projectId=made["id"])
    answer = await client.delete(path)
    assert (answer.status, answer.code) == (409, "PROJECT_WITH_VIDEOS_CANNOT_BE_DELETED")
    await client.delete(f"/v1/videos/{video_id}")
    assert (await client.delete(path)).status == 204
    assert (await client.delete(path)).status == 404
    assert (await client.patch(path, {"name": "x"})).status == 404
    assert (await client.post(client.body(projectId=made["id"]))).status == 404


async def test_no_video_comes_into_a_project_that_is_being_deleted(sandbox):
    async with sandbox(copy=False, head=False) as client:
        for _ in range(10):
            made = await project(client)
            creates = [client.post(client.body(projectId=made["id"])) for _ in range(5)]
            deleted, *created = await asyncio.gather(
                client.delete(f"/v1/projects/{made['id']}"), *creates
            )
            videos = (await client.get("/v1/videos", projectId=made["id"])).json["totalElements"]
            assert videos == [answer.status for answer in created].count(202)
            assert deleted.status == (409 if videos else 204)


async def test_the_default_project_can_go_and_come_back(client):
    default = (await client.get("/v1/projects/default")).json
    assert (await client.delete(f"/v1/projects/{default['id']}")).status == 204
    assert (await client.get("/v1/projects/default")).status == 404
    assert (await client.post(client.body())).code == "RESOURCE_NOT_FOUND"
    made = await project(client, "Default Project")
    assert (await client.get("/v1/projects/default")).json == made
    assert (await client.post(client.body())).status == 202


@pytest.mark.parametrize("name", ["", "n" * 48, None, 7])
async def test_a_project_without_a_fitting_name_is_refused(client, name):
    for method, path in (("POST", "/v1/projects"), ("PATCH", f"/v1/projects/{NOWHERE}")):
        answer = await client.call(method, path, data={"name": name})
        assert (answer.status, answer.code, answer.invalid) == (400, "VALIDATION_ERROR", {"name"})
    assert (await client.call("POST", "/v1/projects", data={})).invalid == {"name"}
    assert (await client.call("POST", "/v1/projects")).code == "MISSING_REQUEST_BODY"
    answer = await client.call("POST", "/v1/projects", data={"name": "x"}, selectTeamId=NOWHERE)
    assert (answer.status, answer.code) == (400, "TEAM_NOT_FOUND")


async def test_default_is_no_id_of_a_project(client):
    answer = await client.delete("/v1/projects/default")
    assert answer.status == 405
    assert json.loads(answer.text)["errorCode"] == "METHOD_NOT_ALLOWED"
