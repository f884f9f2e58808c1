"""Verification on a platform that a test steers: its calls, its patience, its bounds."""

import json
import os
import re
import resource
import time
import uuid
from contextlib import closing

import pyarrow.parquet as pq
import pytest
from browser import opened
from fakes.platform import PROJECT, TEAM, FakePlatform

from migrator.checkpoint.inventory import SCRATCH_FILE, ListedVideo, open_inventory
from migrator.checkpoint.store import Checkpoint
from migrator.engine import comparison, preflights
from migrator.engine.comparison import ASKED_BY_ID, Progress
from migrator.engine.ports import Ports
from migrator.engine.stop import Stop
from migrator.engine.tag import Tag
from migrator.engine.verify import verify
from migrator.errors import CheckpointError, RunFailed, StoppedByItself
from migrator.model import ManifestRow, identity
from migrator.report.verified import drift_report
from migrator.report.words import visible
from migrator.settings import BatchSettings, PaceSettings, Secret
from migrator.source.answers import ObjectFacts, S3Refusal, SourceUnreachable
from migrator.source.credentials import KeyRing, SourceKeys

MOST_CALLS = 1_100
OTHERS = str(uuid.UUID(int=7))

UGLY = [
    "<script>window.ran = 1</script>", "</script><img src=x onerror='window.ran = 1'>",
    "=cmd|' /C calc'!A0", "a\u202egpj.exe", "line\nfeed\x1b[2J", "Straße/映画/\U0001f3ac",
]  # fmt: skip


class Source:
    """S3 as `objects` say; whatever is not there is gone. It is silent for `silent` questions."""

    def __init__(self, **objects):
        self.objects = objects
        self.silent = 0
        self.heads = 0

    async def head(self, _bucket, key, *_asked):
        self.heads += 1
        if self.silent:
            self.silent -= 1
            raise SourceUnreachable("timed out")
        if key not in self.objects:
            raise S3Refusal("404", 404, "")
        return self.objects[key]

    async def read_code(self, _bucket, _key, *_asked):
        raise S3Refusal("NoSuchKey", 404, "as S3 says it")


async def compare(directory, settings, api, source=None, stop=None):
    """(summary, findings as rows of the table, the stop) of one verification."""
    stop = stop or Stop()
    keys = KeyRing(SourceKeys("AKIAEXAMPLE", Secret("secret")), {})
    with (
        closing(Checkpoint.open(directory)) as checkpoint,
        open_inventory(directory) as inventory,
        drift_report(directory, checkpoint.meta("batch")) as report,
    ):
        verified = await verify(
            checkpoint, inventory, settings, Ports(api, source, keys), stop, report.tables.append,
            Progress(), source=source is not None,
        )  # fmt: skip
        if verified is None:
            return None, [], stop
        summary = report.publish(verified, api_url="http://x", source=source is not None, now_ms=1)
    return summary, pq.read_table(directory / "verify.parquet").to_pylist(), stop


@pytest.fixture
def verified(bench, monkeypatch):
    monkeypatch.setattr(preflights, "SOURCE_PAUSE_S", (0.01, 0.02))

    async def run(source=None, stop=None):
        bench.platform.calls.clear()
        return await compare(bench.directory, bench.settings, bench.platform, source, stop)

    return run


def kinds(found):
    return [(one["Drift"], one["Key"]) for one in found]


async def test_nothing_that_is_as_the_report_says_is_drift_and_nothing_is_written(bench, verified):
    bench.manifest("a", "b", "c")
    await bench.run()
    summary, found, _ = await verified()
    assert (found, summary.drift, summary.findings) == ([], {}, 0)
    assert bench.platform.calls == {"account": 1, "list": 1, "place": 1}
    assert "Everything is as the report says" in (bench.directory / "verify.html").read_text()


BATCH = "k3v9qhx2m4t7a"


def imported(directory, rows):
    """A batch of so many rows that are imported, as a checkpoint."""
    meta = {"batch": BATCH, "team_id": TEAM}
    directory.mkdir()
    with closing(Checkpoint.create(directory, meta)) as checkpoint, checkpoint.transaction():
        checkpoint.add_source(1, "manifest", "x.csv", ("bucket", "key"), "ab" * 32)
        checkpoint.add_rows(
            1, [ManifestRow(n, "bucket", f"k{n}") for n in range(1, rows + 1)], "", 1
        )
        checkpoint.complete_source(1, "ab" * 32)
        checkpoint._db.create_function("uuid_of", 1, lambda row: str(uuid.UUID(int=row)))
        checkpoint._db.execute(
            "UPDATE object SET state = 'imported', reason = 'copied', size_bytes = 100, "
            "video_id = uuid_of(row)"
        )


class Listing(FakePlatform):
    """A platform that holds the videos of rows 1 to `rows`, and is asked for nothing else."""

    def __init__(self, rows):
        super().__init__()
        self.rows = range(rows, 0, -1)

    def list(self, _path, params, _body):
        number, size = int(params["pageNumber"]), int(params["pageSize"])
        items = [
            {
                "id": str(uuid.UUID(int=row)),
                "createdAt": row,
                "description": str(Tag(identity("", "bucket", f"k{row}"), BATCH)),
                "upload": {
                    "uploadState": {"uploadStatus": "DONE"},
                    "file": {"name": f"k{row}", "size": 100},
                },
            }
            for row in self.rows[number * size : (number + 1) * size]
        ]
        return self.answer(200, {"totalElements": len(self.rows), "items": items})


async def test_many_videos_cost_a_call_a_hundred(tmp_path):
    rows = 100_000 if "MIGRATOR_LONG" in os.environ else 3_000
    directory, platform = tmp_path / "batch", Listing(rows)
    imported(directory, rows)
    settings = BatchSettings(pace=PaceSettings(requests_per_minute=6_000_000))
    began_s = time.monotonic()
    summary, found, _ = await compare(directory, settings, platform)
    took_s = time.monotonic() - began_s
    print(f"\n{rows:,} rows: {platform.calls.total():,} calls, {took_s:.1f} s")
    assert (found, summary.videos.listed, summary.rows.with_video) == ([], rows, rows)
    assert platform.calls.total() == summary.api.calls <= rows * MOST_CALLS / 100_000
    # However many were deleted, only so many of them are asked for by id.
    platform.calls.clear()
    platform.rows = range(rows - 300, 0, -1)
    summary, found, _ = await compare(directory, settings, platform)
    assert summary.drift == {"deleted": 300}
    assert [one["Row"] for one in found] == list(range(rows - 299, rows + 1))
    assert sum("404" in one["Found"] for one in found) == ASKED_BY_ID == platform.calls["video"]
    assert platform.calls["list"] <= rows / 100


async def test_a_video_that_the_list_hides_is_not_called_deleted(bench, verified):
    bench.manifest("a", "b")
    rows = await bench.run()
    first = next(video for video in bench.platform.videos if video.id == rows["a"].video_id)

    def hide_from_the_list_alone(platform, operation):
        platform.hidden = {first.id} if operation == "list" else set()

    bench.platform.on_call = hide_from_the_list_alone
    _, found, _ = await verified()
    assert found == []
    assert bench.platform.calls["video"] == 1

    # An answer about another video proves nothing, and is asked for again.
    right, wrong = bench.platform.video, iter([rows["b"].video_id])

    def answer(path, params, body):
        other = next(wrong, None)
        return right(f"/v1/videos/{other}" if other else path, params, body)

    bench.platform.video = answer
    _, found, _ = await verified()
    assert found == []
    assert bench.platform.calls["video"] == 2


async def test_a_copy_whose_state_the_list_leaves_out_is_asked_for_by_its_id(bench, verified):
    bench.manifest("a")
    await bench.run()
    listed = bench.platform.list

    def without_states(path, params, body):
        page = json.loads(listed(path, params, body).body)
        for item in page["items"]:
            del item["upload"]["uploadState"]
        return bench.platform.answer(200, page)

    bench.platform.list = without_states
    _, found, _ = await verified()
    assert found == []
    assert bench.platform.calls["video"] == 1


async def test_a_list_that_moves_is_read_again_and_one_that_never_rests_accuses_nobody(
    bench, verified
):
    bench.manifest(*(f"k{n}" for n in range(250)))
    await bench.run()
    strays = [
        bench.platform.create(f"s{n}", "", "s", project=OTHERS, created_ms=9**15) for n in range(30)
    ]

    def delete_one(platform, operation):
        if operation == "list" and strays:
            platform.videos.remove(strays.pop())

    moving, bench.platform.on_call = strays[:], delete_one
    del strays[2:]
    summary, found, _ = await verified()
    assert found == []
    assert summary.videos.listed == 278
    assert bench.platform.calls["list"] > 3

    strays = [video for video in moving if video in bench.platform.videos]
    (bench.directory / "verify.html").unlink()
    summary, _, stop = await verified()
    assert summary is None
    assert isinstance(stop.error, StoppedByItself)
    assert "verify again" in stop.error.hint
    assert not (bench.directory / "verify.html").exists()


async def test_what_was_there_before_and_what_is_of_others_is_no_orphan(bench, verified):
    there = bench.platform.create("old", "", "old.mp4", status="DONE", project=PROJECT)
    bench.manifest("a")
    await bench.run()
    tag = "[mig1:aaaaaaaaaaaaaaaaaaaaaaaaaa:bbbbbbbbbbbbb]"
    bench.platform.create("next week", tag, "n.mp4", status="DONE", project=PROJECT)
    bench.platform.create("theirs", "", "t.mp4", status="DONE", project=OTHERS)
    bench.platform.create("clip", "", "c.mp4", status="DONE", project=PROJECT, is_master=False)
    orphan = bench.platform.create("nobody's", "", "o.mp4", status="DONE", project=PROJECT)
    summary, found, _ = await verified()
    assert [(one["Drift"], one["OtherVideoId"]) for one in found] == [("orphan", orphan.id)]
    told = summary.videos
    assert (told.before_this_batch, told.other_batches, told.other_projects) == (1, 1, 1)
    assert there.id != orphan.id


async def test_a_key_of_another_team_is_refused(bench, verified):
    bench.manifest("a")
    await bench.run()
    with closing(Checkpoint.open(bench.directory)) as checkpoint:
        checkpoint.set_meta("team_id", OTHERS)
    with pytest.raises(CheckpointError, match=OTHERS):
        await verified()
    assert bench.platform.calls["list"] == 0


async def test_a_project_is_the_same_in_capitals(bench, verified):
    bench.manifest("a")
    await bench.run()
    bench.platform_settings(project_id=OTHERS.upper().replace("7", "A"))
    theirs = OTHERS.replace("7", "a")
    bench.platform.create("nobody's", "", "o.mp4", status="DONE", project=theirs)
    summary, _, _ = await verified()
    assert summary.drift == {"orphan": 1}


async def test_without_tags_every_row_knows_its_own_video_and_a_third_is_alike(
    bench, verified, monkeypatch
):
    monkeypatch.setattr(comparison, "CHUNK", 1)
    bench.platform_settings(tag_in="none")
    lines = [f"bucket,{key},same.mp4" for key in ("x", "y", "z")]
    bench.manifest(header="bucket,key,file_name", lines=lines)
    await bench.run()
    assert (await verified())[1] == []
    tag = "[mig1:aaaaaaaaaaaaaaaaaaaaaaaaaa:bbbbbbbbbbbbb]"  # of a batch that tags: none of ours
    extra = bench.platform.create("a", tag, "same.mp4", status="DONE", project=PROJECT)
    _, found, _ = await verified()
    assert [(one["Drift"], one["OtherVideoId"]) for one in found] == [("look_alike", extra.id)]


async def test_a_second_carrier_is_told_once_and_is_no_orphan_besides(bench, verified):
    bench.manifest("a", "b")
    rows = await bench.run()
    of_a = next(video for video in bench.platform.videos if video.id == rows["a"].video_id)
    twin = bench.platform.create("t", of_a.description, "t.mp4", status="DONE", project=PROJECT)
    _, found, _ = await verified()
    assert [(one["Drift"], one["Key"], one["OtherVideoId"]) for one in found] == [
        ("duplicate_tag", "a", twin.id)
    ]


async def test_objects_are_headed_and_a_source_that_is_silent_is_waited_for(bench, verified):
    bench.manifest("a", "b", "c")
    await bench.run()
    source = Source(a=ObjectFacts(100, "e", 1), b=ObjectFacts(99, "e", 1))
    source.silent = 2
    summary, found, _ = await verified(source)
    # Nothing was known of the objects before, so that the live size is held against the copy.
    assert kinds(found) == [("size_differs", "b"), ("source_gone", "c")]
    assert summary.rows.headed == 3


async def test_a_source_that_stays_silent_stops_it(bench, verified):
    bench.manifest("a")
    bench.care(max_outage=bench.settings.care.max_outage * 0)
    await bench.run()
    source = Source()
    source.silent = 10**6
    summary, _, stop = await verified(source)
    assert summary is None
    assert "does not answer" in str(stop.error)


async def test_a_stop_ends_it_and_leaves_the_files_of_before(bench, verified):
    bench.manifest("a")
    await bench.run()
    await verified()
    before = (bench.directory / "verify.csv").read_bytes()
    bench.platform.videos.clear()
    stop = Stop()
    bench.platform.on_call = lambda _platform, operation: operation == "list" and stop.interrupt()
    summary, _, _ = await verified(stop=stop)
    assert summary is None
    assert (bench.directory / "verify.csv").read_bytes() == before
    assert not (bench.directory / SCRATCH_FILE).exists()


async def test_calls_that_are_lost_are_made_again(bench, verified):
    bench.manifest("a")
    await bench.run()
    lost = [2]

    def lose(platform, operation):
        if operation == "list" and lost[0]:
            lost[0] -= 1
            platform.down = 1

    bench.platform.on_call = lose
    _, found, _ = await verified()
    assert found == []
    assert bench.platform.calls["list"] == 3


async def test_open_rows_are_left_out_and_counted(bench, verified):
    bench.manifest("a", "b")
    await bench.run()
    with closing(Checkpoint.open(bench.directory)) as checkpoint:
        checkpoint._db.execute("UPDATE object SET state = 'copying' WHERE key = 'b'")
    bench.platform.videos = [v for v in bench.platform.videos if v.key == "a"]
    summary, found, _ = await verified()
    assert found == []
    assert (summary.rows.open, summary.rows.with_video) == (1, 1)


async def test_ugly_texts_hide_nothing_and_do_nothing(bench, verified):
    keys = [key for key in UGLY if "\n" not in key]
    bench.manifest(lines=[f'bucket,"{key}"' for key in keys])
    await bench.run()
    bench.platform.videos.clear()
    for text in UGLY:
        bench.platform.create(text, "", text, status=text, project=PROJECT)
    summary, found, _ = await verified()
    assert summary.drift == {"deleted": len(keys), "orphan": len(UGLY)}
    assert {one["VideoName"] for one in found if one["Drift"] == "orphan"} == set(UGLY)
    cells = (bench.directory / "verify.csv").read_text()
    assert not re.search(r"(^|,)\"?=", cells, re.MULTILINE)
    assert "\x1b" not in (bench.directory / "verify.html").read_text()
    async with opened((bench.directory / "verify.html").as_uri()) as tab:
        text = await tab.page.inner_text("main")
        for one in UGLY:
            assert visible(one) in text
        assert await tab.page.evaluate("window.ran") is None


@pytest.mark.parametrize(
    "window",
    [
        {"color_scheme": "light"},
        {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}},
    ],
    ids=["wide", "phone"],
)
async def test_the_page_is_for_everybody_and_needs_no_script(bench, verified, window):
    bench.manifest(*(f"a long folder/and a key of {n}.mp4" for n in range(130)))
    await bench.run()
    del bench.platform.videos[5:]
    bench.platform.create("x" * 200, "", "o.mp4", status="DONE", project=PROJECT)
    await verified()
    url = (bench.directory / "verify.html").as_uri()
    async with opened(url, **window) as tab:
        assert await tab.serious() == []
        assert await tab.page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
    async with opened(url, java_script_enabled=False, **window) as tab:
        text = await tab.page.inner_text("body")
        assert "126 things are not as the report says" in text
        assert "25 more in verify.csv" in text


async def test_where_there_is_no_room_for_what_is_found_it_says_so_and_leaves_nothing(tmp_path):
    directory, platform = tmp_path / "batch", Listing(200)
    imported(directory, 200)
    platform.rows = range(0)
    settings = BatchSettings(pace=PaceSettings(requests_per_minute=6_000_000))
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(_platform, operation):
        if operation == "video":  # the list is read, and nothing was found yet
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, most))

    platform.on_call = fill
    try:
        with pytest.raises(RunFailed, match="cannot be written") as raised:
            await compare(directory, settings, platform)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert "verify again" in raised.value.hint
    assert [path.name for path in directory.iterdir()] == ["checkpoint.db"]


def test_an_inventory_counts_what_it_holds_and_is_gone_afterwards(tmp_path):
    (tmp_path / SCRATCH_FILE).write_text("what a killed process left behind")
    with open_inventory(tmp_path) as inventory:
        assert (tmp_path / SCRATCH_FILE).stat().st_mode & 0o777 == 0o600
        assert inventory.add([ListedVideo("a"), ListedVideo("b"), ListedVideo("a", name="x")]) == 2
        assert inventory.add([ListedVideo("b"), ListedVideo("c")]) == 3
        assert inventory.videos(["a", "z"]) == {"a": ListedVideo("a", name="x")}
        inventory.forget()
        assert inventory.add([ListedVideo("c")]) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_inventory_without_room_says_what_to_do(tmp_path):
    with pytest.raises(RunFailed, match="cannot be kept"), open_inventory(tmp_path / "no"):
        pass
    with open_inventory(tmp_path) as inventory:
        inventory._db.execute("PRAGMA max_page_count = 12")
        with pytest.raises(RunFailed, match="cannot be kept") as raised:
            inventory.add([ListedVideo(str(n), name="x" * 900) for n in range(100)])
    assert "make room" in raised.value.hint


def test_a_list_that_is_read_anew_forgets_no_other_team(tmp_path):
    def video(name):
        return ListedVideo(name, file_name="film.mov", size_bytes=5)

    with open_inventory(tmp_path) as inventory:
        inventory.begin(0)
        assert inventory.add([video("a"), video("b")]) == 2
        inventory.begin(1)
        assert inventory.add([video("c")]) == 1
        inventory.forget()
        assert inventory.count == 0
        assert inventory.add([video("d"), video("d")]) == 1
        assert set(inventory.videos(["a", "b", "c", "d"])) == {"a", "b", "d"}
        alike = [[one.video_id for one in inventory.alike("film.mov", 5, team)] for team in (0, 1)]
        assert alike == [["a", "b"], ["d"]]
