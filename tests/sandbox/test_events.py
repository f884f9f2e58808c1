"""What happened to videos is recorded for the webhooks that listen, with the change itself."""

import asyncio
import sqlite3
from contextlib import closing

import pytest
from fakes.films import film

from migrator.sandbox import accounts, database, events
from migrator.sandbox.media.workers import Workers
from migrator.sandbox.moments import Clock
from migrator.sandbox.writing import open_database

COPIED = (
    *("video_in.started", "video_in.done"),
    *("video_in_ingestion.started", "video_in_ingestion.done"),
)
"""What is told of a copy where nothing looks inside videos."""


def listen(client, *event_types, team_id, active=1):
    """Put a webhook into the database of a sandbox."""
    types = "[" + ", ".join(f'"{one}"' for one in event_types) + "]"
    with closing(sqlite3.connect(client.directory / "platform" / "records.db")) as connection:
        connection.execute(
            "INSERT INTO webhooks VALUES ('hook', 0, 0, ?, ?, 'n', NULL, 'https://a', 1, 1, ?)",
            (team_id, active, types),
        )
        connection.commit()


def told(client):
    with closing(sqlite3.connect(client.directory / "platform" / "records.db")) as connection:
        query = "SELECT event_type, video_id FROM webhook_events ORDER BY event_number"
        return connection.execute(query).fetchall()


async def default_team(client):
    return (await client.get("/v1/account")).json["defaultTeam"]["id"]


async def test_a_copy_is_told_of_as_it_starts_and_ends_and_a_video_as_it_is_deleted(client):
    listen(client, *events.EVENT_TYPES, team_id=await default_team(client))
    video_id = await client.create()
    await client.ended(video_id)
    await client.delete(f"/v1/videos/{video_id}")
    happened = (*COPIED, "video.deleted")
    assert told(client) == [(one, video_id) for one in happened]


async def test_where_no_bytes_move_a_copy_is_told_of_all_the_same(sandbox):
    async with sandbox(copy=False) as client:
        client.put()
        listen(client, *events.EVENT_TYPES, team_id=await default_team(client))
        video_id = await client.create()
        assert told(client) == [(one, video_id) for one in COPIED]


async def test_a_restart_is_told_of_as_another_start_and_an_abandoned_video_as_deleted(client):
    listen(client, *events.EVENT_TYPES, team_id=await default_team(client))
    await client.plan({"fault": "copy_fails", "always": True})
    video_id = await client.create()
    await client.ended(video_id)
    await client.restart(video_id)
    await client.ended(video_id)
    await client.delete(f"/v1/videos/{video_id}/in/abandon")
    tried = ("video_in.started", "video_in.failed")
    assert told(client) == [(one, video_id) for one in (*tried, *tried, "video.deleted")]


async def test_a_copy_that_goes_on_after_a_stall_has_not_started_again(client):
    listen(client, *events.EVENT_TYPES, team_id=await default_team(client))
    await client.plan({"fault": "copy_stalls", "seconds": 0})
    video_id = await client.create()
    await client.ended(video_id)
    assert tuple(one for one, _ in told(client)) == COPIED


async def test_only_what_was_asked_for_is_told_and_only_to_active_webhooks_of_the_team(client):
    listen(client, "video_in.done", team_id=await default_team(client))
    video_id = await client.create()
    await client.ended(video_id)
    assert told(client) == [("video_in.done", video_id)]


@pytest.fixture
def connection(tmp_path):
    path = tmp_path / "records.db"
    database.prepare(path, Clock(), (accounts.seed,))
    with closing(open_database(path)) as connection:
        yield connection


def test_an_event_is_undone_with_the_change_that_it_tells_of(connection):
    [team_id] = connection.execute("SELECT team_id FROM teams WHERE is_default").fetchone()
    connection.execute(
        "INSERT INTO webhooks VALUES ('hook', 0, 0, ?, 1, 'n', NULL, 'https://a', 1, 1, ?)",
        (team_id, '["video_in.done"]'),
    )
    connection.execute("BEGIN")
    events.record(connection, Clock(), "video_in.done", team_id, "a video")
    connection.execute("ROLLBACK")
    assert connection.execute("SELECT count(*) FROM webhook_events").fetchone()[0] == 0


# ----------------------------------------------------------------------------- ingestions and clips


def stages(what):
    return [f"{what}.started", f"{what}.done"]


async def test_a_clip_is_told_of_under_its_own_id_as_it_is_made_and_ingested(sandbox):
    async with sandbox(media=True) as client:
        film(client.put("film.mp4"))
        listen(client, *events.EVENT_TYPES, team_id=await default_team(client))
        master_id = await client.create("film.mp4")
        clip_id = (await client.clip(master_id))["id"]
        await client.delete(f"/v1/videos/{master_id}", [clip_id])
        assert told(client) == [
            *((one, master_id) for one in (*stages("video_in"), *stages("video_in_ingestion"))),
            *((one, clip_id) for one in (*stages("clip_processing"), *stages("clip_ingestion"))),
            ("video.deleted", master_id),
            ("video.deleted", clip_id),
        ]


async def test_a_failed_ingestion_is_told_of_and_nothing_follows_it(sandbox):
    async with sandbox(media=True) as client:
        client.put("words.mp4")
        listen(client, *events.EVENT_TYPES, team_id=await default_team(client))
        video_id = await client.create("words.mp4")
        await client.ingested(video_id)
        failed = ("video_in_ingestion.started", "video_in_ingestion.failed")
        assert told(client) == [(one, video_id) for one in (*stages("video_in"), *failed)]


async def test_an_ingestion_that_a_stop_interrupted_is_not_told_of_as_started_twice(
    sandbox, monkeypatch
):
    begun = asyncio.Event()

    async def never(_self, _job, _progress):
        begun.set()
        await asyncio.Event().wait()

    async with sandbox(media=True, clips=False) as client:
        film(client.put("film.mp4"))
        listen(client, *events.EVENT_TYPES, team_id=await default_team(client))
        monkeypatch.setattr(Workers, "do", never)
        video_id = await client.create("film.mp4")
        await begun.wait()
    monkeypatch.undo()
    async with sandbox(media=True, clips=False) as client:
        await client.ingested(video_id)
        assert [one for one, _ in told(client)] == [
            *stages("video_in"),
            *stages("video_in_ingestion"),
        ]
