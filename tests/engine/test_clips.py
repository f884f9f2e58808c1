"""`--with-clips`: the free clip of each imported video, from the list of clips, else by id."""

import json
from collections import Counter

import pyarrow.parquet as pq
import pytest

from migrator.checkpoint.clips import Clip
from migrator.checkpoint.store import Checkpoint
from migrator.engine import clips as noter
from migrator.engine.decide import clips as decide
from migrator.errors import UsageError
from migrator.pixop import wire
from migrator.report.write import write_reports
from migrator.settings import BatchSettings, PlatformSettings, check_settings

CLIP = "00000000-0000-4000-8000-0000000000{:02}"


def clip_of(video, number, *, made="DONE", ingested="DONE", told=True, **more):
    return {
        "id": CLIP.format(number),
        "clipId": CLIP.format(number),
        "createdAt": video.created_ms + 1,
        "flags": {"isMaster": False, "isClip": True, "isProcessed": False},
        "processing": {"processingState": {"processingStatus": made}},
        "ingestion": {"ingestionState": {"ingestionStatus": ingested}},
        **({"masterVideo": {"id": video.id, "videoFile": {"name": "a"}}} if told else {}),
        **more,
    }


@pytest.fixture
def noting(bench, monkeypatch):
    """A bench that notes clips, with a platform that ingests at once."""
    monkeypatch.setattr(noter, "INTERVAL_S", (0.01, 0.02))
    monkeypatch.setattr(noter, "PATIENCE_S", (0.05, 0.2))
    bench.platform_settings(until="ingested", full_ingestion=True, with_clips=True)
    look = bench.platform.look

    def ingested(video):
        video.ingestion = "DONE"
        return look(video)

    bench.platform.look = ingested
    bench.numbers = {}
    return bench


def clips_by(bench, **how):
    """Each master has a clip: its number is that of the master's name."""
    return lambda video: clip_of(video, int(video.key.partition(".")[0]), **how)


def noted(bench):
    checkpoint = Checkpoint.open(bench.directory)
    try:
        return checkpoint.clips_between(0, 1000), checkpoint.clip_states()
    finally:
        checkpoint.close()


async def test_a_page_of_clips_tells_of_a_hundred_videos(noting):
    noting.platform.clips = clips_by(noting)
    noting.manifest(*(f"{n}.mp4" for n in range(1, 21)))
    rows = await noting.run()
    assert {str(row.state) for row in rows.values()} == {"imported"}
    clips, states = noted(noting)
    assert clips == {row: (CLIP.format(row), "DONE") for row in range(1, 21)}
    assert states == {"DONE": 20}
    assert noting.platform.calls["clips"] == 1
    assert noting.platform.calls["derived"] == 0
    assert "clips" in {shown.phase for shown in noting.shown}


async def test_a_clip_that_is_not_ready_is_looked_at_again(noting):
    readings = Counter()

    def clips(video):
        readings[video.key] += 1
        return clip_of(video, 1, ingested="DONE" if readings[video.key] > 3 else "IN_PROGRESS")

    noting.platform.clips = clips
    noting.manifest("1.mp4")
    await noting.run()
    assert noted(noting)[0] == {1: (CLIP.format(1), "DONE")}
    assert readings["1.mp4"] == 4


async def test_a_clip_that_never_ends_is_left_in_progress_and_looked_at_by_the_next_run(noting):
    noting.platform.clips = clips_by(noting, made="IN_PROGRESS", ingested=None)
    noting.manifest("1.mp4")
    await noting.run()
    assert noted(noting)[0] == {1: (CLIP.format(1), "IN_PROGRESS")}
    noting.platform.clips = clips_by(noting, made="FAILED", ingested=None)
    await noting.run()
    assert noted(noting)[0] == {1: (CLIP.format(1), "FAILED")}
    assert noting.platform.creates.total() == 1


async def test_what_no_list_tells_is_asked_for_by_id(noting):
    noting.platform.clips = clips_by(noting, told=False)
    noting.manifest("1.mp4")
    noting.platform.derivatives = {
        "1.mp4": [{"id": CLIP.format(1), "flags": {"isClip": True},
                   "ingestion": {"ingestionState": {"ingestionStatus": "DONE"}}}],
    }  # fmt: skip
    await noting.run()
    assert noted(noting)[0] == {1: (CLIP.format(1), "DONE")}


async def test_a_team_without_clips_costs_a_bounded_number_of_calls(noting, monkeypatch):
    monkeypatch.setattr(noter, "ASKED_BY_ID", 3)
    noting.platform.clips = lambda _video: None
    noting.manifest(*(f"{n}.mp4" for n in range(1, 21)))
    await noting.run()
    assert noted(noting)[1] == {"NONE": 20}
    assert noting.platform.calls["derived"] == 3


async def test_without_the_flag_no_clip_is_asked_for(noting):
    noting.platform_settings(with_clips=False)
    noting.manifest("1.mp4")
    await noting.run()
    assert noting.platform.calls["clips"] == 0
    assert noted(noting) == ({}, {})


async def test_a_stop_while_clips_are_looked_for_loses_nothing(noting):
    noting.platform.clips = clips_by(noting, ingested="IN_PROGRESS")

    def stops(platform, _operation):
        if platform.calls["clips"] == 2:
            noting.stop.interrupt()

    noting.platform.on_call = stops
    noting.manifest("1.mp4")
    await noting.run()
    noting.platform.on_call = None
    noting.platform.clips = clips_by(noting)
    await noting.run()
    assert noted(noting)[0] == {1: (CLIP.format(1), "DONE")}


async def test_the_report_has_two_columns_more(noting):
    noting.platform.clips = clips_by(noting)
    noting.manifest("1.mp4", "2.mp4")
    noting.platform.submits = {"2.mp4": ["refuse:404:KEY_NOT_FOUND:gone"]}
    await noting.run()
    checkpoint = Checkpoint.open(noting.directory)
    summary = write_reports(checkpoint, noting.directory)
    checkpoint.close()
    assert summary.clips == {"DONE": 1}
    table = pq.read_table(noting.directory / "objects.parquet")
    assert table["ClipVideoId"].to_pylist() == [CLIP.format(1), None]
    assert table["ClipState"].to_pylist() == ["DONE", None]
    header = (noting.directory / "objects.csv").read_text().splitlines()[0]
    assert header.endswith("FinishedAt,ClipVideoId,ClipState")


def judged(**told):
    return wire.decode_page(
        b'{"totalElements": 1, "items": [%s]}' % json.dumps({"id": CLIP.format(0), **told}).encode()
    )[1][0]


def test_what_was_worked_on_is_no_free_clip():
    flags = {"isClip": True, "isProcessed": False}
    assert decide.is_free_clip(judged(flags=flags))
    assert not decide.is_free_clip(judged(flags={**flags, "isProcessed": True}))
    assert not decide.is_free_clip(judged(flags=flags, clipId=CLIP.format(7)))
    assert not decide.is_free_clip(judged(flags={"isClip": False}))


async def test_of_several_clips_of_a_video_the_oldest_is_the_free_one(noting):
    noting.platform.clips = clips_by(noting)
    noting.manifest("1.mp4")
    rows = await noting.run()
    video = rows["1.mp4"].video_id
    checkpoint = Checkpoint.open(noting.directory)
    with checkpoint.transaction():
        checkpoint.add_clips(
            [Clip(video, CLIP.format(2), "DONE", 20), Clip(video, CLIP.format(3), "FAILED", 10),
             Clip(video, CLIP.format(4), "DONE", 30), Clip(CLIP.format(9), "another", "DONE", 1)]
        )  # fmt: skip
    assert checkpoint.clips_between(1, 1) == {1: (CLIP.format(3), "FAILED")}
    assert checkpoint.clip_states() == {"FAILED": 1}
    checkpoint.close()


def test_clips_are_not_waited_for_before_they_are_made():
    for platform in (PlatformSettings(with_clips=True),
                     PlatformSettings(with_clips=True, full_ingestion=True)):  # fmt: skip
        with pytest.raises(UsageError, match="--with-clips without --until ingested"):
            check_settings(BatchSettings(platform=platform))
