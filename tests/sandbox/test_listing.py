import sqlite3
import time
import uuid

import pytest


@pytest.fixture
async def off(sandbox):
    async with sandbox(copy=False, head=False) as client:
        yield client


async def everything(client, **query):
    first = (await client.get("/v1/videos", pageSize=7, **query)).json
    found = list(first["items"])
    for number in range(1, first["totalPages"]):
        page = (await client.get("/v1/videos", pageSize=7, pageNumber=number, **query)).json
        assert page["numberOfElements"] == len(page["items"])
        found += page["items"]
    assert len(found) == first["totalElements"]
    return found


async def test_pages_begin_at_0_and_hold_ten_oldest_first(off):
    made = [await off.create(name=f"film {number}") for number in range(12)]
    page = (await off.get("/v1/videos")).json
    assert {name: page[name] for name in page if name != "items"} == {
        "pageNumber": 0,
        "pageSize": 10,
        "numberOfElements": 10,
        "totalPages": 2,
        "totalElements": 12,
    }
    assert [video["id"] for video in page["items"]] == made[:10]
    beyond = (await off.get("/v1/videos", pageNumber=5)).json
    assert (beyond["numberOfElements"], beyond["items"], beyond["totalElements"]) == (0, [], 12)


async def test_the_pages_together_hold_every_video_once_in_either_order(off):
    made = [await off.create() for _ in range(25)]
    assert [video["id"] for video in await everything(off)] == made
    newest = await everything(off, sortDirection="DESC", sortBy="createdAt")
    assert [video["id"] for video in newest] == made[::-1]
    changed = await everything(off, sortBy="updatedAt")
    moments = [video["updatedAt"] for video in changed]
    assert moments == sorted(moments)
    assert {video["id"] for video in changed} == set(made)


async def test_an_empty_list_is_a_page_of_nothing(off):
    page = (await off.get("/v1/videos", pageSize=100)).json
    assert (page["totalPages"], page["totalElements"], page["items"]) == (0, 0, [])


async def test_lists_are_filtered_by_team_and_project(off):
    default, other = (await off.get("/v1/teams")).json["items"]
    projects = (await off.get("/v1/projects", teamId=default["id"])).json["items"]
    extra = next(one["id"] for one in projects if one["name"] != "Default Project")
    ordinary = await off.create()
    in_extra = await off.create(projectId=extra)
    elsewhere = (await off.post(off.body(), selectTeamId=other["id"])).json["videoId"]

    async def ids(**query):
        return [video["id"] for video in await everything(off, **query)]

    assert await ids() == [ordinary, in_extra, elsewhere]
    assert await ids(teamId=default["id"]) == [ordinary, in_extra]
    assert await ids(teamId=other["id"].upper()) == [elsewhere]
    assert await ids(projectId=extra) == [in_extra]
    assert await ids(projectId=extra, teamId=other["id"]) == []
    assert await ids(teamId=str(uuid.uuid4())) == []


@pytest.mark.parametrize(
    "query",
    [
        {"pageNumber": "-1"},
        {"pageNumber": "x"},
        {"pageNumber": "2147483648"},
        {"pageSize": "0"},
        {"pageSize": "101"},
        {"sortBy": "name"},
        {"sortDirection": "asc"},
        {"teamId": "x"},
        {"projectId": "x"},
        {"masterVideoId": "x"},
        {"clipId": "x"},
        {"clipMode": "NONE"},
    ],
)
async def test_wrong_parameters_are_named(off, query):
    answer = await off.get("/v1/videos", **query)
    assert (answer.status, answer.code, answer.invalid) == (400, "VALIDATION_ERROR", set(query))


async def test_pages_far_in_do_not_overflow(off):
    page = await off.get("/v1/videos", pageNumber=2**31 - 1, pageSize=100)
    assert (page.status, page.json["items"]) == (200, [])


async def seeded(sandbox, rows, statement):
    """A sandbox whose records hold more than can be made through its routes as yet."""
    async with sandbox(copy=False, head=False) as client:
        directory, first = client.directory, await client.create()
    with sqlite3.connect(directory / "platform" / "records.db") as connection:
        connection.executemany(statement, rows(first))
    connection.close()
    return first


ONE_MORE = """
    INSERT INTO videos (video_id, created_at, updated_at, user_id, team_id, project_id, name,
        is_clip, clip_id, master_video_id)
    SELECT ?, created_at + ?, updated_at + ?, user_id, team_id, project_id, 'more', ?, ?, ?
    FROM videos WHERE video_id = ?
"""


async def test_clips_are_included_excluded_or_alone(sandbox):
    clip = str(uuid.uuid4())
    first = await seeded(sandbox, lambda one: [(clip, 1, 1, 1, clip, one, one)], ONE_MORE)
    async with sandbox(copy=False, head=False) as client:

        async def ids(**query):
            return [video["id"] for video in await everything(client, **query)]

        assert await ids() == await ids(clipMode="INCLUDE") == [first, clip]
        assert await ids(clipMode="EXCLUDE") == [first]
        assert await ids(clipMode="ONLY") == await ids(clipId=clip) == [clip]
        assert await ids(masterVideoId=first) == [clip]
        video = (await client.get(f"/v1/videos/{clip}")).json
        assert (video["flags"]["isClip"], video["flags"]["isMaster"]) == (True, False)
        assert (await client.get(f"/v1/videos/{clip}/in/status")).status == 204


async def test_a_page_of_a_hundred_thousand_videos_is_quick(sandbox):
    many = """
        WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100000)
        INSERT INTO videos (video_id, created_at, updated_at, user_id, team_id, project_id, name)
        SELECT printf('%08x-0000-4000-8000-%012x', n, n), created_at + n, updated_at + n,
            user_id, team_id, project_id, 'more'
        FROM n, videos WHERE video_id = ?
    """
    await seeded(sandbox, lambda one: [(one,)], many)
    async with sandbox(copy=False, head=False) as client:
        team = (await client.get("/v1/account")).json["defaultTeam"]["id"]
        query = {"teamId": team, "clipMode": "EXCLUDE", "sortDirection": "DESC"}
        began = time.monotonic()
        page = (await client.get("/v1/videos", pageNumber=900, pageSize=100, **query)).json
        # 40 ms here; a scan of the table takes far longer, and a slow machine has room.
        assert time.monotonic() - began < 0.5
        assert (page["totalElements"], page["numberOfElements"]) == (100_001, 100)
