"""Ingestion and clips as the API shows them, on a platform that does the work."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import msgspec
import psutil
import pytest
from fakes.films import film, seen

from migrator.sandbox import ingesting
from migrator.sandbox.media import workers
from migrator.sandbox.media.jobs import Inspect, MakeClip
from migrator.sandbox.storage import Storage

SECONDS = 30


@pytest.fixture
async def working(sandbox):
    """A sandbox that looks inside, with a short film and a file that is none."""
    async with sandbox(media=True) as client:
        film(client.put("film.mp4"))
        client.put("words.mp4", b"no pictures at all")
        yield client


def storage(client):
    return Storage.under(client.directory / "platform")


@pytest.fixture(autouse=True)
def one_worker(monkeypatch):
    """One worker, however many cores there are, so that it is known which one has the work."""
    monkeypatch.setattr(workers.Workers.__init__, "__defaults__", (1,))


def worker_processes(place):
    """Those that work for what lies under `place`: other sandboxes of this session have theirs."""
    commands = [(child, child.cmdline()) for child in psutil.Process().children(recursive=True)]
    return [
        child
        for child, words in commands
        if workers.WORKER in words and any(word.startswith(str(place)) for word in words)
    ]


async def until(holds, what):
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.01)


async def begun(client, video_id):
    """Waits until the ingestion of a video is under way."""
    deadline = time.monotonic() + SECONDS
    while not (await client.video(video_id))["flags"]["isIngesting"]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_by_default_only_the_metadata_is_ingested_from_the_file_itself(working):
    video_id = await working.create("film.mp4")
    video = await working.ingested(video_id)
    ingestion = video["ingestion"]
    assert ingestion["ingestionState"].pop("updatedAt") <= video["updatedAt"]
    assert ingestion["ingestionState"] == {
        "etaSeconds": 0,
        "ingestionStatus": "DONE",
        "webVideoAvailable": False,
        "thumbnailsAvailable": False,
        "fullFramesAvailable": False,
        "videoMetadataAvailable": True,
        "progressPercentage": 100,
    }
    assert ingestion["qualityAssessment"] == {}
    assert ingestion["metadata"]["size"] == working.copied(video_id).stat().st_size
    assert ingestion["metadata"]["codecName"] == "h264"
    assert ingestion["metadata"]["totalFrames"] == 12
    assert "heuristics" not in ingestion["metadata"]["scanning"]
    assert (video["flags"]["isIngesting"], video["flags"]["isIngested"]) == (False, True)
    status = (await working.get(f"/v1/videos/{video_id}/in/status")).json
    assert status["ingestion"]["metadata"] == ingestion["metadata"]
    [clip] = await working.derived(video_id)
    await working.ingested(clip["id"])
    assert not list(storage(working).artefacts.iterdir())


async def test_full_ingestion_makes_all_artefacts_and_says_so_once_they_are_in_storage(working):
    answer = await working.post(working.body("film.mp4"), fullIngestion="true")
    video_id = answer.json["videoId"]
    video = await working.ingested(video_id)
    state = video["ingestion"]["ingestionState"]
    available = ("webVideo", "thumbnails", "fullFrames", "videoMetadata")
    assert all(state[f"{one}Available"] for one in available)
    assert video["ingestion"]["metadata"]["scanning"]["heuristics"] == "PROGRESSIVE"
    names = [one["name"] for one in video["ingestion"]["qualityAssessment"]["metrics"]]
    assert names == ["noise", "details", "colors"]
    made = storage(working)
    assert seen(made.web_video(video_id))["frames"] == 12
    assert len(made.thumbnails(video_id)) == len(made.full_frames(video_id)) == 10
    for path in made.artefacts.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, f"{path} is open to others"
    await working.clip(video_id)
    await until(lambda: not list(made.scratch.iterdir()), "all scratch is gone")


async def test_an_artefact_that_somebody_deletes_is_not_said_to_be_there(working):
    answer = await working.post(working.body("film.mp4"), fullIngestion="true")
    video_id = answer.json["videoId"]
    await working.ingested(video_id)
    made = storage(working)

    made.web_video(video_id).unlink()
    for path in made.thumbnails(video_id):
        path.unlink()

    for shown in (
        await working.video(video_id),
        (await working.get(f"/v1/videos/{video_id}/in/status")).json,
        next(
            one for one in (await working.get("/v1/videos")).json["items"] if one["id"] == video_id
        ),
    ):
        state = shown["ingestion"]["ingestionState"]
        assert not state["webVideoAvailable"]
        assert not state["thumbnailsAvailable"]
        assert state["fullFramesAvailable"]
        assert state["ingestionStatus"] == "DONE"


async def test_a_file_that_is_no_video_is_copied_and_fails_to_be_ingested(working):
    video_id = await working.create("words.mp4")
    video = await working.ingested(video_id)
    assert video["upload"]["uploadState"]["uploadStatus"] == "DONE"
    assert video["ingestion"]["ingestionState"]["ingestionStatus"] == "FAILED"
    assert video["ingestion"]["metadata"] == {"size": len(b"no pictures at all")}
    assert not video["ingestion"]["ingestionState"]["videoMetadataAvailable"]
    assert (video["flags"]["isIngesting"], video["flags"]["isIngested"]) == (False, False)
    assert working.copied(video_id).read_bytes() == b"no pictures at all"
    assert await working.derived(video_id) == []


# ----------------------------------------------------------------------------- clips


async def test_a_clip_is_a_video_of_its_own_derived_from_its_master(working):
    film(working.directory / "buckets" / "films" / "long.mp4", rate=5, frames=60, sound=True)
    answer = await working.post(
        working.body("long.mp4", description="What it is about"), fullIngestion="true"
    )
    master_id = answer.json["videoId"]
    clip = await working.clip(master_id)
    clip_id, master = clip["id"], await working.video(master_id)

    assert clip["clipId"] == clip_id != master_id
    assert clip["flags"] == {
        "isMaster": False, "isProcessing": False, "isProcessed": False, "isIngesting": False,
        "isIngested": True, "isClip": True, "isSample": False,
    }  # fmt: skip
    assert clip["masterVideo"]["id"] == master_id
    assert clip["masterVideo"]["videoFile"] == master["upload"]["file"]
    assert clip["processing"]["processingState"]["processingStatus"] == "DONE"
    assert clip["processing"]["sourceVideo"]["videoId"] == master_id
    assert "upload" not in clip
    assert (await working.get(f"/v1/videos/{clip_id}/in/status")).status == 204
    for same in ("name", "teamId", "projectId", "userId", "description"):
        assert clip[same] == master[same]
    assert "clipId" not in master
    assert master["flags"]["isMaster"]
    metadata = clip["ingestion"]["metadata"]
    assert (metadata["durationInMillis"], metadata["totalFrames"]) == (10_000, 50)
    assert metadata["size"] == working.copied(clip_id).stat().st_size
    assert clip["ingestion"]["ingestionState"]["webVideoAvailable"]
    assert seen(working.copied(clip_id))["seconds"] == pytest.approx(10, abs=0.001)
    assert seen(storage(working).web_video(clip_id))["frames"] == 50


async def test_lists_show_clips_as_clip_mode_says(working):
    master_id = await working.create("film.mp4")
    clip_id = (await working.clip(master_id))["id"]

    async def shown(**query):
        answer = await working.get("/v1/videos", **query)
        return {video["id"] for video in answer.json["items"]}

    assert await shown() == await shown(clipMode="INCLUDE") == {master_id, clip_id}
    assert await shown(clipMode="EXCLUDE") == {master_id}
    assert await shown(clipMode="ONLY") == {clip_id}
    assert await shown(masterVideoId=master_id) == {clip_id}
    assert await shown(clipId=clip_id) == {clip_id}
    assert await working.derived(clip_id) == []
    creates = (await working.inspect("creates"))["creates"]
    assert [one["videoId"] for one in creates] == [master_id], "nobody asked for the clip"


async def test_a_clip_goes_with_its_master_and_can_go_alone(working):
    masters = [await working.create("film.mp4") for _ in range(2)]
    first, second = [(await working.clip(master))["id"] for master in masters]

    answer = await working.delete(f"/v1/videos/{masters[0]}", [])
    assert (answer.status, answer.code) == (409, "CONFLICTING_DERIVED_VIDEO_IDS")
    answer = await working.delete(f"/v1/videos/{masters[0]}", [first])
    assert answer.json == [masters[0], first]
    answer = await working.delete(f"/v1/videos/{second}")
    assert answer.json == [second]

    assert storage(working).kept() == [masters[1]]
    assert await working.derived(masters[1]) == []


async def test_without_clips_there_are_none(sandbox):
    async with sandbox(media=True, clips=False) as client:
        film(client.put("film.mp4"))
        video_id = await client.create("film.mp4")
        await client.ingested(video_id)
        assert await client.derived(video_id) == []


async def test_a_clip_has_no_description_where_it_shall_not_repeat_its_masters(sandbox):
    async with sandbox(media=True, clip_description="none") as client:
        film(client.put("film.mp4"))
        video_id = await client.create("film.mp4", description="Not for the clip")
        assert "description" not in await client.clip(video_id)


async def test_a_clip_that_cannot_be_made_says_so_and_its_master_is_well(working, monkeypatch):
    real = workers.Workers.do

    async def do(self, job, progress):
        if isinstance(job, MakeClip):
            raise workers.MediaError("there is no tape left")
        return await real(self, job, progress)

    monkeypatch.setattr(workers.Workers, "do", do)
    master_id = await working.create("film.mp4")
    master = await working.ingested(master_id)
    deadline = time.monotonic() + SECONDS
    while True:
        [clip] = await working.derived(master_id)
        if clip["processing"]["processingState"]["processingStatus"] == "FAILED":
            break
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    assert "ingestion" not in clip
    assert (clip["flags"]["isProcessing"], clip["flags"]["isIngested"]) == (False, False)
    assert master["flags"]["isIngested"]


# ----------------------------------------------------------------------------- progress


async def test_progress_and_the_time_left_move_as_the_work_is_said_to(working, monkeypatch):
    found = {"size": 1, "durationInMillis": 480, "totalFrames": 12}
    go_on = asyncio.Event()

    async def do(_self, job, progress):
        if job.__struct_config__.tag == "inspect":
            return msgspec.json.encode(found)
        progress(0.5)
        await go_on.wait()
        raise workers.MediaError("that is enough")

    monkeypatch.setattr(workers.Workers, "do", do)
    monkeypatch.setattr(ingesting, "PROGRESS_EVERY_S", 0)
    answer = await working.post(working.body("film.mp4"), fullIngestion="true")
    video_id = answer.json["videoId"]
    deadline = time.monotonic() + SECONDS
    while True:
        video = await working.video(video_id)
        state = video.get("ingestion", {}).get("ingestionState", {})
        if state.get("progressPercentage"):
            break
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    assert (state["ingestionStatus"], state["progressPercentage"]) == ("IN_PROGRESS", 55)
    assert state["videoMetadataAvailable"]
    assert video["ingestion"]["metadata"]["totalFrames"] == 12
    assert video["flags"]["isIngesting"]
    go_on.set()
    video = await working.ingested(video_id)
    assert video["ingestion"]["ingestionState"]["ingestionStatus"] == "FAILED"
    assert video["ingestion"]["ingestionState"]["progressPercentage"] == 55


async def test_the_time_left_follows_from_how_long_it_took_so_far(monkeypatch):
    written = []

    class Memory:
        async def progressed(self, _work, percent, eta_s):
            written.append((percent, eta_s))

    progress = ingesting._Progress(Memory(), None)
    began_s, clock = progress._began_s, SimpleNamespace()
    monkeypatch.setattr(progress, "_loop", clock)
    for now_s, share in ((10.0, 0.25), (10.1, 0.26), (20.0, 0.5), (40.0, 1.0)):
        clock.time = lambda now_s=now_s: began_s + now_s
        progress(share)
        await asyncio.sleep(0)
    assert written == [(25, 30), (50, 20), (99, 0)]  # the second came too soon after the first


# ----------------------------------------------------------------------------- what can go wrong


async def test_a_worker_that_dies_fails_its_job_and_the_next_one_has_another(working):
    await working.clip(await working.create("film.mp4"))
    [worker] = worker_processes(working.directory)
    worker.suspend()  # so that it is surely at work when it dies
    video_id = await working.create("film.mp4")
    await begun(working, video_id)
    other_id = await working.create("film.mp4")
    worker.kill()

    video = await working.ingested(video_id)
    assert video["ingestion"]["ingestionState"]["ingestionStatus"] == "FAILED"
    other = await working.ingested(other_id)
    assert other["ingestion"]["ingestionState"]["ingestionStatus"] == "DONE"


async def test_a_worker_that_hangs_is_killed_and_its_job_fails(working, monkeypatch):
    await working.clip(await working.create("film.mp4"))
    [worker] = worker_processes(working.directory)
    worker.suspend()
    monkeypatch.setattr(workers, "SILENT_S", 0.2)
    video = await working.ingested(await working.create("film.mp4"))
    assert video["ingestion"]["ingestionState"]["ingestionStatus"] == "FAILED"
    assert not worker.is_running()
    monkeypatch.undo()
    other = await working.ingested(await working.create("film.mp4"))
    assert other["ingestion"]["ingestionState"]["ingestionStatus"] == "DONE"


async def test_no_more_workers_run_than_may_and_they_are_nice(working):
    ids = [await working.create("film.mp4") for _ in range(8)]
    for video_id in ids:
        await working.clip(video_id)
        assert len(worker_processes(working.directory)) <= 1
    for worker in worker_processes(working.directory):
        assert worker.nice() == min(19, psutil.Process().nice() + 10)
        assert str(working.directory) in " ".join(worker.cmdline())


async def test_more_jobs_than_workers_wait_for_one_another(tmp_path):
    path = film(tmp_path / "film.mp4")
    few = workers.Workers(tmp_path, count=1)
    try:
        jobs = [few.do(Inspect(str(path)), lambda _share: None) for _ in range(3)]
        found = await asyncio.gather(*jobs)
        assert len(set(found)) == 1
        assert len(worker_processes(tmp_path)) == 1
    finally:
        await few.end()
    assert worker_processes(tmp_path) == []


async def test_no_worker_is_there_before_there_is_work(working):
    assert worker_processes(working.directory) == []


async def test_a_video_that_is_deleted_while_it_is_worked_on_leaves_nothing(working):
    await working.clip(await working.create("film.mp4"))
    for video in (await working.get("/v1/videos", clipMode="EXCLUDE")).json["items"]:
        await working.delete(f"/v1/videos/{video['id']}")
    [worker] = worker_processes(working.directory)
    worker.suspend()
    answer = await working.post(working.body("film.mp4"), fullIngestion="true")
    video_id = answer.json["videoId"]
    await begun(working, video_id)
    assert (await working.delete(f"/v1/videos/{video_id}")).status == 200
    assert not worker.is_running()
    assert storage(working).kept() == []


# ----------------------------------------------------------------------------- stops and kills


async def test_what_a_kill_interrupted_is_done_after_a_restart_and_no_clip_is_made_twice(
    tmp_path, spawn, connect
):
    directory = tmp_path / "sandbox"
    process, env = spawn(directory)
    async with connect(directory, env) as client:
        film(client.put("film.mp4"), rate=5, frames=60)
        answer = await client.post(client.body("film.mp4"), fullIngestion="true")
        first_id = answer.json["videoId"]
        await client.clip(first_id)
        children = [
            child
            for child in psutil.Process(process.pid).children(recursive=True)
            if workers.WORKER in child.cmdline()
        ]
        for child in children:
            child.suspend()
        answer = await client.post(client.body("film.mp4"), fullIngestion="true")
        second_id = answer.json["videoId"]
        await begun(client, second_id)
    process.send_signal(signal.SIGKILL)
    process.wait()
    psutil.wait_procs(children, SECONDS)
    assert children
    assert not any(child.is_running() for child in children), "a worker outlived its platform"

    _, env = spawn(directory)
    async with connect(directory, env) as client:
        for video_id in (first_id, second_id):
            clip = await client.clip(video_id)
            assert clip["ingestion"]["ingestionState"]["thumbnailsAvailable"]
        listed = (await client.get("/v1/videos", clipMode="ONLY")).json
        assert listed["totalElements"] == 2
    assert not list((directory / "platform" / "scratch").iterdir())


PLATFORM = """
import asyncio, pathlib
from migrator.sandbox.media import workers
from migrator.sandbox.media.jobs import Inspect, MakeClip
workers.WORKER = "fakes.sleeper"

async def main():
    worker = await workers.Workers(pathlib.Path())._worker()
    print(worker.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def test_a_worker_in_the_midst_of_its_work_ends_with_a_platform_that_is_killed():
    platform = subprocess.Popen(
        [sys.executable, "-c", PLATFORM],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with platform.stdout:
        worker = psutil.Process(int(platform.stdout.readline()))
    platform.kill()
    platform.wait()
    psutil.wait_procs([worker], SECONDS)
    assert not worker.is_running()


async def test_a_clip_that_was_being_made_at_a_stop_is_made_after_it_and_only_once(sandbox):
    async with sandbox(media=True) as client:
        film(client.put("film.mp4"))
        first_id = await client.create("film.mp4")
        await client.clip(first_id)
        [worker] = worker_processes(client.directory)
        real, held = workers.Workers.do, asyncio.Event()

        async def do(self, job, progress):
            if job.__struct_config__.tag == "clip":
                worker.suspend()
                held.set()
            return await real(self, job, progress)

        workers.Workers.do = do
        try:
            second_id = await client.create("film.mp4")
            await held.wait()
            [clip] = await client.derived(second_id)
            assert clip["flags"]["isProcessing"]
            assert "ingestion" not in clip
        finally:
            workers.Workers.do = real
        # The sandbox is stopped here with the worker at work.
    async with sandbox(media=True) as client:
        made = await client.clip(second_id)
        assert made["id"] == clip["id"]
        assert (await client.get("/v1/videos", clipMode="ONLY")).json["totalElements"] == 2
