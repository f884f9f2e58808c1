"""Rows of prefixes are sent while further ones are listed, and none of them twice."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from fakes.listing import page_of
from fakes.platform import EPOCH_S

from migrator.checkpoint.store import Checkpoint
from migrator.engine import status
from migrator.engine.inputs import check_inputs, open_inputs
from migrator.engine.tag import Tag
from migrator.errors import CheckpointError, RunFailed, StoppedByItself, UsageError
from migrator.model import identity
from migrator.report import write_reports
from migrator.settings import StoppingSettings
from migrator.source.answers import ObjectFacts, S3Refusal, SourceUnreachable

OTHER_BATCH = "b" * 13


class Bucket:
    """A source that hands a page on only once its turn has come, or a refusal in its place.

    `turns` are awaited before each page behind the first one of a prefix; keys have no folders.
    """

    def __init__(self, *pages, turn=None, refuses=None):
        self.pages = pages
        self.turn = turn
        self.refuses = refuses
        self.listed = []

    async def page(self, bucket, prefix, *, after="", token="", delimiter=""):
        begin = token or after
        left = [page for page in self.pages if page[-1] > begin and page[0].startswith(prefix)]
        if not left:
            return page_of([])
        keys = [key for key in left[0] if key > begin]
        if self.refuses is not None and keys[0] == self.pages[-1][0]:
            raise self.refuses
        if self.turn is not None and begin:
            await self.turn(keys[0])
        if not delimiter:
            self.listed.append(keys[0])
        facts = [(key, ObjectFacts(100, "etag", 86_400_000)) for key in keys]
        more = keys[-1] if len(left) > 1 else None
        return page_of(facts, next_token=more)


def listing(bench, *prefixes, **more):
    inputs = replace(bench.settings.inputs, prefix=prefixes or ("s3://bucket/",), **more)
    bench.settings = replace(bench.settings, inputs=inputs)


def carrier(bench, key, **more):
    """A video that another batch has made of an object."""
    tag = Tag(identity("", "bucket", key, None), OTHER_BATCH)
    return bench.platform.create(key, str(tag), key, **more)


async def until(condition):
    while not condition():
        await asyncio.sleep(0.005)


def imported_once(bench, rows, *keys):
    assert {key: str(row.reason) for key, row in rows.items()} == dict.fromkeys(keys, "copied")
    assert dict(bench.platform.creates) == dict.fromkeys(keys, 1)


def summary_of(bench):
    checkpoint = Checkpoint.open(bench.directory)
    try:
        return write_reports(checkpoint, bench.directory)
    finally:
        checkpoint.close()


async def test_what_is_listed_is_sent_before_the_listing_has_ended(bench):
    async def turn(_key):
        await until(lambda: bench.platform.creates.total() == 2)

    listing(bench)
    rows = await bench.run(Bucket(["a", "b"], ["c", "d"], turn=turn))
    imported_once(bench, rows, "a", "b", "c", "d")
    assert summary_of(bench).complete
    phases = [snapshot.phase for snapshot in bench.shown]
    assert phases.index("listing and migrating") < phases.index("migrating")
    assert bench.shown[-1].rows == bench.shown[-1].done == 4


async def test_a_manifest_is_read_to_its_end_first_and_shares_no_object_with_a_prefix(bench):
    async def turn(_key):
        await until(lambda: bench.platform.creates.total() == 3)

    bench.manifest("c", "z")
    listing(bench)
    rows = await bench.run(Bucket(["a"], ["b", "c"], turn=turn))
    assert bench.platform.creates == {"c": 1, "z": 1, "a": 1, "b": 1}
    assert rows["c"].reason == "duplicate_row"  # the later one of the two
    assert rows["c"].message == "the same object as row 1"


async def test_an_object_that_the_first_sweep_saw_is_adopted_when_its_row_comes(bench):
    async def turn(_key):
        await until(lambda: bench.platform.creates["a"] == 1)

    video = carrier(bench, "b", status="DONE")
    listing(bench)
    rows = await bench.run(Bucket(["a"], ["b"], turn=turn))
    imported_once(bench, rows, "a", "b")
    assert (rows["b"].video_id, rows["b"].adopted) == (video.id, True)


async def test_a_copy_that_runs_when_its_row_comes_is_followed_to_its_end(bench):
    async def turn(_key):
        await until(lambda: bench.platform.creates["a"] == 1)

    bench.platform.looks_to_done = 6
    carrier(bench, "b")
    listing(bench)
    imported_once(bench, await bench.run(Bucket(["a"], ["b"], turn=turn)), "a", "b")


async def test_what_another_batch_makes_of_a_row_to_come_is_adopted_once_a_list_has_shown_it(bench):
    several = [f"a{number}" for number in range(20)]  # so that they are followed by the list

    async def turn(_key):
        carrier(bench, "b")
        lists = bench.platform.calls["list"]
        await until(lambda: bench.platform.calls["list"] > lists + 1)
        bench.platform.looks_to_done = 1

    bench.platform.looks_to_done = 1_000_000
    listing(bench)
    imported_once(bench, await bench.run(Bucket(several, ["b"], turn=turn)), *several, "b")


async def test_a_later_run_looks_back_to_before_the_first_post_for_rows_to_come(bench):
    platform = bench.platform

    async def turn(_key):
        video = carrier(bench, "b", created_ms=(EPOCH_S + 1000) * 1000, status="DONE")
        platform.hidden.add(video.id)
        for number in range(300):  # so that it is not on the pages that are read anyway
            made_ms = (EPOCH_S + 9000) * 1000
            platform.create(f"o{number}", "", "o", created_ms=made_ms, status="DONE")
            del platform.creates[f"o{number}"]
        platform.clock_s += 10_000
        calls = platform.calls.total()
        await until(lambda: platform.calls.total() > calls + 3)
        bench.stop.interrupt()
        await asyncio.sleep(60)

    platform.looks_to_done = 1000
    listing(bench)
    rows = await bench.run(Bucket(["a"], ["b"], turn=turn))
    assert list(rows) == ["a"]
    platform.hidden.clear()
    platform.looks_to_done = 1
    imported_once(bench, await bench.run(Bucket(["a"], ["b"])), "a", "b")


async def test_a_video_that_is_gone_by_the_time_a_later_run_lists_its_row_is_no_import(bench):
    video = carrier(bench, "b", status="DONE")
    bench.platform.creates.clear()
    listing(bench)
    await bench.run(Bucket(["a"], ["b", "c"], refuses=SourceUnreachable("timed out")))
    bench.platform.videos.remove(video)
    carrier(bench, "c", status="DONE")
    rows = await bench.run(Bucket(["a"], ["b", "c"]))
    assert {key: str(row.reason) for key, row in rows.items()} == {
        "a": "copied", "b": "deleted", "c": "copied",
    }  # fmt: skip
    assert bench.platform.creates == {"a": 1, "c": 1}


async def test_a_listing_that_breaks_off_stops_the_run_and_is_gone_on_with(bench):
    listing(bench)
    for refuses in (S3Refusal("AccessDenied", 403, ""), SourceUnreachable("timed out")):
        rows = await bench.run(Bucket(["a"], ["b"], refuses=refuses))
        assert isinstance(bench.stop.error, StoppedByItself)
        assert "--prefix s3://bucket/" in bench.stop.error.message
        assert "migrator resume" in bench.stop.error.hint
        assert list(rows) == ["a"]
    assert not summary_of(bench).complete
    source = Bucket(["a"], ["b"])
    imported_once(bench, await bench.run(source), "a", "b")
    assert source.listed == ["b"]


async def test_rows_that_have_all_ended_are_no_complete_batch_as_long_as_others_come(bench):
    async def turn(_key):
        await until(lambda: bench.shown[-1].done == 1)
        bench.stop.interrupt()
        await asyncio.sleep(60)

    listing(bench)
    await bench.run(Bucket(["a"], ["b"], turn=turn))
    assert bench.shown[-1].done == bench.shown[-1].rows == 1
    assert bench.shown[-1].phase == "stopped"
    assert not summary_of(bench).complete


async def test_a_listing_that_ends_while_the_run_stops_begins_no_phase(bench, monkeypatch):
    call, goes_on = bench.platform.call, asyncio.Event()

    async def held(method, *told):
        if method == "POST":
            await goes_on.wait()
        return await call(method, *told)

    async def turn(_key):
        await until(lambda: bench.shown[-1].states["submitting"] == 1)
        bench.stop.interrupt()

    async def let_go():
        await until(lambda: bench.stop is not None and bench.stop.requested)
        await until(lambda: all(source.complete for source in reader.sources()))
        goes_on.set()

    monkeypatch.setattr(bench.platform, "call", held)
    monkeypatch.setattr(status, "INTERVAL_S", 0.01)
    listing(bench)
    bench.directory.mkdir()
    Checkpoint.create(bench.directory, {"batch": OTHER_BATCH[::-1]}).close()
    reader = Checkpoint.open(bench.directory)
    letting = asyncio.ensure_future(let_go())
    await bench.run(Bucket(["a"], ["b"], turn=turn))
    await letting
    reader.close()
    assert "migrating" not in {snapshot.phase for snapshot in bench.shown}


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        (Bucket(["a/1"], ["b/1"], refuses=S3Refusal("AccessDenied", 403, "")), UsageError, "b/"),
        (Bucket(["a/1"], ["b/1"], refuses=SourceUnreachable("down")), RunFailed, "b/"),
        (Bucket(["a/1"]), UsageError, "s3://bucket/b/: no object there"),
    ],
)
async def test_a_prefix_that_cannot_be_listed_is_told_before_anything_is_sent(
    bench, source, error, words
):
    listing(bench, "s3://bucket/a/", "s3://bucket/b/")
    with pytest.raises(error, match=words):
        await bench.run(source)
    assert bench.platform.creates.total() == 0


async def test_a_prefix_that_is_empty_by_the_time_of_a_resume_does_not_hold_the_others_up(bench):
    listing(bench, "s3://bucket/a", "s3://bucket/b")

    async def turn(_key):
        bench.stop.interrupt()
        await asyncio.sleep(60)

    await bench.run(Bucket(["a1"], ["a2"], ["b"], turn=turn))
    imported_once(bench, await bench.run(Bucket(["a1"], ["a2"])), "a1", "a2")
    assert summary_of(bench).complete


async def test_an_earlier_batch_of_elsewhere_is_told_before_rows_may_be_sent(bench, tmp_path):
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    Checkpoint.create(earlier, {"batch": OTHER_BATCH, "api_url": "https://elsewhere"}).close()
    listing(bench, skip_imported=(earlier,))
    with pytest.raises(UsageError, match="that batch is of api_url"):
        await bench.run(Bucket(["a"]))
    listing(bench, skip_imported=())
    checkpoint = Checkpoint.open(bench.directory)
    check_inputs(checkpoint, open_inputs(bench.settings.inputs))  # it may be mended
    checkpoint.close()
    imported_once(bench, await bench.run(Bucket(["a"])), "a")


async def test_once_all_is_listed_a_later_run_is_as_any_other(bench):
    listing(bench)
    bench.platform.looks_to_done = 1_000_000
    bench.settings = replace(
        bench.settings, stopping=StoppingSettings(max_duration=timedelta(seconds=0.2))
    )
    await bench.run(Bucket(["a"], ["b"]))
    assert bench.shown[-1].phase == "stopped"
    bench.shown.clear()
    bench.settings = replace(bench.settings, stopping=StoppingSettings())
    bench.platform.looks_to_done = 1
    imported_once(bench, await bench.run(Bucket(["a"], ["b"])), "a", "b")
    assert "listing and migrating" not in {snapshot.phase for snapshot in bench.shown}


async def test_rows_that_come_are_read_without_those_before_them(bench, monkeypatch):
    read, begins = Checkpoint.pending_after, []

    def noting(self, row, *values):
        begins.append(row)
        return read(self, row, *values)

    async def turn(key):
        await until(lambda: bench.platform.creates.total() == ord(key) - ord("a"))

    monkeypatch.setattr(Checkpoint, "pending_after", noting)
    listing(bench)
    imported_once(bench, await bench.run(Bucket(*map(list, "abcd"), turn=turn)), *"abcd")
    assert begins.count(0) <= 2  # the pass that found nothing yet, and that of row 1
    assert begins == sorted(begins)


async def test_an_order_of_its_own_needs_all_rows_before_the_first_is_sent(bench):
    async def turn(_key):
        assert bench.platform.creates.total() == 0

    listing(bench, order_by="size-asc")
    imported_once(bench, await bench.run(Bucket(["a"], ["b"], turn=turn)), "a", "b")


async def test_sources_are_settled_once_a_row_was_sent(bench):
    listing(bench)
    await bench.run(Bucket(["a"], ["b"], refuses=SourceUnreachable("timed out")))
    listing(bench, "s3://bucket/other/")
    checkpoint = Checkpoint.open(bench.directory)
    with pytest.raises(CheckpointError, match="begun with the listing s3://bucket/"):
        check_inputs(checkpoint, open_inputs(bench.settings.inputs))
    assert len(checkpoint.sources()) == 1
    checkpoint.close()


async def test_a_cluster_cannot_join_while_others_are_sent(bench):
    listing(bench)
    await bench.run(Bucket(["a"], ["b"], refuses=SourceUnreachable("timed out")))
    with pytest.raises(UsageError, match="a cluster cannot join"):
        await bench.run(Bucket(["a"], ["b"]), crew=SimpleNamespace(progress=""))


async def test_a_share_of_failures_is_not_one_of_the_first_few_that_were_listed(bench):
    """With four rows one is sample enough; with four of many it is not."""

    async def turn(_key):
        await until(lambda: bench.shown[-1].outcomes["rejected"] == 1)

    bench.settings = replace(
        bench.settings, stopping=StoppingSettings(tolerated_failure_percentage=25)
    )
    bench.platform.submits = {"a": ["400"]}
    listing(bench)
    rows = await bench.run(Bucket(["a", "b"], [*"cdefgh"], turn=turn))
    assert bench.stop.error is None
    assert [str(row.reason) for row in rows.values()].count("copied") == 7
