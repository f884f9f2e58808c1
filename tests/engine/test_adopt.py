"""What is on the platform already is taken over, or stops the run: nothing is made twice."""

import json
import shutil
from dataclasses import replace

import pytest
from fakes.platform import EPOCH_S

from migrator.checkpoint.store import Checkpoint
from migrator.engine.tag import Tag, read_tag
from migrator.errors import StoppedByItself
from migrator.lifecycle import State
from migrator.model import Reason, identity
from migrator.source.answers import ObjectFacts

IMPORTED = (State.IMPORTED, Reason.COPIED)
STRANGER = "zzzzzzzzzzzzz"


def settled(rows):
    return {key: (row.state, row.reason) for key, row in rows.items()}


def stop_after(bench, submits):
    """Interrupt the run once so many POSTs were sent."""

    def interrupt(platform, operation):
        if operation == "submit" and platform.calls["submit"] == submits:
            bench.stop.interrupt()

    bench.platform.on_call = interrupt


class Source:
    """A source in which every object has 100 bytes."""

    async def head(self, _bucket, _key, *_asked):
        return ObjectFacts(100, "etag", 1)


def with_preflight(bench):
    source = replace(bench.settings.source, preflight=True)
    bench.settings = replace(bench.settings, source=source)


async def test_what_another_batch_imported_between_two_runs_is_not_imported_again(bench, tmp_path):
    keys = [f"k{n}" for n in range(40)]
    bench.manifest(*keys)
    stop_after(bench, 10)
    await bench.run()
    bench.platform.on_call = None
    mistyped = await bench.run(directory=tmp_path / "mistyped")
    assert settled(mistyped) == dict.fromkeys(keys, IMPORTED)
    submits = bench.platform.calls["submit"]
    rows = await bench.run()
    assert bench.platform.calls["submit"] == submits == 40
    assert isinstance(bench.stop.error, StoppedByItself)
    assert "two batches are at work" in bench.stop.error.message
    assert State.PENDING in {row.state for row in rows.values()}


async def test_a_start_that_was_broken_off_before_it_had_looked_leaves_the_look_to_the_next(
    bench, tmp_path
):
    keys = [f"k{n}" for n in range(20)]
    bench.manifest(*keys)
    stop_after(bench, 5)
    await bench.run()
    bench.platform.on_call = None
    await bench.run(directory=tmp_path / "mistyped")
    bench.platform.clock_s += 7 * 24 * 3600  # what the other made is long past by now

    def break_off(_platform, operation):
        if operation == "list":
            bench.stop.interrupt()

    bench.platform.on_call = break_off
    await bench.run()
    bench.platform.on_call = None
    await bench.run()
    assert "two batches are at work" in bench.stop.error.message
    assert set(bench.platform.creates.values()) == {1}


async def test_no_commit_says_that_the_list_was_swept_and_not_until_when(bench, monkeypatch):
    """Killed between the two, a batch would read neither the whole list again nor back to it."""
    bench.manifest("a")
    count_calls, committed = Checkpoint.count_calls, set()

    def noted(self, run_id, calls):
        committed.add((self.meta("swept"), calls.platform_date_s))
        count_calls(self, run_id, calls)

    monkeypatch.setattr(Checkpoint, "count_calls", noted)
    await bench.run()
    assert committed == {(None, None), (str(EPOCH_S), EPOCH_S)}


async def test_a_checkpoint_that_was_restored_from_an_older_copy_imports_nothing_twice(
    bench, tmp_path
):
    keys = [f"k{n}" for n in range(40)]
    bench.manifest(*keys)
    stop_after(bench, 10)
    await bench.run()
    shutil.copytree(bench.directory, tmp_path / "copy")
    bench.platform.on_call = None
    first = await bench.run()
    bench.platform.clock_s += 24 * 3600
    again = await bench.run(directory=tmp_path / "copy")
    assert bench.stop.error is None
    assert settled(again) == settled(first) == dict.fromkeys(keys, IMPORTED)
    assert {key: row.video_id for key, row in again.items()} == {
        key: row.video_id for key, row in first.items()
    }
    assert bench.platform.calls["submit"] == 40


async def test_a_resumed_run_reads_back_to_the_last_one_and_no_further(bench):
    for n in range(950):
        made_ms = (EPOCH_S - 3600 - n) * 1000
        bench.platform.create(f"o{n}", "", f"o{n}", created_ms=made_ms, status="DONE")
    bench.platform.creates.clear()
    bench.manifest(*"abcdefgh")
    stop_after(bench, 3)
    await bench.run()
    bench.platform.on_call = None
    lists = bench.platform.calls["list"]
    rows = await bench.run()
    assert settled(rows) == dict.fromkeys("abcdefgh", IMPORTED)
    assert bench.platform.calls["list"] - lists < 10  # the whole list would be ten pages


async def test_a_video_that_shows_itself_long_after_it_was_presumed_absent_is_said(bench):
    bench.manifest("a", "b")
    bench.platform.submits = {"a": ["lost_after"]}

    def hide(platform, operation):
        if operation == "submit":
            platform.hidden = {video.id for video in platform.videos if video.key == "a"}
        if (
            all(video.status == "DONE" for video in platform.videos[1:])
            and len(platform.videos) == 3
        ):
            platform.hidden = set()

    bench.platform.on_call = hide
    rows = await bench.run()
    first, second = (video.id for video in bench.platform.videos if video.key == "a")
    assert settled(rows) == dict.fromkeys("ab", IMPORTED)
    assert {rows["a"].video_id, *json.loads(rows["a"].duplicate_video_ids)} == {first, second}


async def test_the_last_look_is_made_by_the_next_run_where_this_one_was_stopped(bench):
    bench.manifest("a")
    bench.platform.submits = {"a": ["lost_after"]}
    shown = []

    def hide(platform, operation):
        platform.hidden = {video.id for video in platform.videos[:1]} - set(shown)
        if operation in {"list", "status"} and len(platform.videos) == 2:
            bench.stop.interrupt()

    bench.platform.on_call = hide
    await bench.run()
    checkpoint = Checkpoint.open(bench.directory)
    assert not checkpoint.looked_back()
    checkpoint.close()
    shown.append(bench.platform.videos[0].id)
    bench.platform.on_call = None
    bench.platform.hidden = set()
    rows = await bench.run()
    assert settled(rows) == {"a": IMPORTED}
    assert {rows["a"].video_id, *json.loads(rows["a"].duplicate_video_ids)} == {
        video.id for video in bench.platform.videos
    }
    checkpoint = Checkpoint.open(bench.directory)
    assert checkpoint.looked_back()
    checkpoint.close()


async def test_a_row_that_was_given_up_and_has_a_video_after_all_says_so(bench):
    bench.manifest("a", "b")
    bench.care(attempts=1)
    bench.platform.submits = {"a": ["lost_after"]}
    bench.platform.looks_to_done = 10

    def hide(platform, operation):
        if operation == "submit":
            platform.hidden = {video.id for video in platform.videos if video.key == "a"}
        looks = max((video.looks for video in platform.videos), default=0)
        if looks > 6:
            platform.hidden = set()

    bench.platform.on_call = hide
    rows = await bench.run()
    assert settled(rows)["a"] == (State.FAILED, Reason.GAVE_UP)
    (lost,) = (video.id for video in bench.platform.videos if video.key == "a")
    assert json.loads(rows["a"].duplicate_video_ids) == [lost]


@pytest.mark.parametrize(
    ("size", "expected"), [(100, (State.FAILED, Reason.AMBIGUOUS)), (101, IMPORTED)]
)
async def test_an_untagged_master_of_the_same_name_and_size_is_ambiguous_before_anything_is_sent(
    bench, size, expected
):
    with_preflight(bench)
    bench.manifest("a", "b")
    bench.platform.create("older", "made by hand", "a", size=size, status="DONE")
    bench.platform.creates.clear()
    rows = await bench.run(source=Source())
    assert settled(rows) == {"a": expected, "b": IMPORTED}
    assert bench.platform.creates["a"] == (0 if expected != IMPORTED else 1)


async def test_a_count_that_lags_does_not_end_the_first_look(bench):
    bench.manifest("a")
    tag = str(Tag(identity("", "bucket", "a"), STRANGER))
    bench.platform.create("a", tag, "a", created_ms=1000, status="DONE")
    for n in range(100):
        bench.platform.create(f"b{n}", "", f"b{n}", status="DONE")
    clean = bench.platform.list

    def lagging(path, params, body):
        page = json.loads(clean(path, params, body).body)
        return bench.platform.answer(200, {**page, "totalElements": 100})

    bench.platform.list = lagging
    assert settled(await bench.run()) == {"a": IMPORTED}
    assert bench.platform.creates["a"] == 1


async def test_a_row_that_is_ambiguous_is_not_sent_by_a_later_run_either(bench):
    with_preflight(bench)
    bench.manifest("a")
    bench.platform.create("older", "made by hand", "a", size=100, status="DONE")
    for _ in range(2):
        rows = await bench.run(source=Source())
        assert settled(rows) == {"a": (State.FAILED, Reason.AMBIGUOUS)}
    assert bench.platform.calls["submit"] == 0


async def test_a_video_whose_description_was_edited_while_its_answer_was_lost_is_ambiguous(bench):
    with_preflight(bench)
    bench.manifest("a")
    bench.platform.submits = {"a": ["lost_after"]}

    def edit(platform, operation):
        if operation == "list":
            for video in platform.videos:
                video.description = "a much better text"

    bench.platform.on_call = edit
    rows = await bench.run(source=Source())
    assert settled(rows) == {"a": (State.FAILED, Reason.AMBIGUOUS)}
    assert bench.platform.creates == {"a": 1}


async def test_a_description_that_is_edited_after_the_answer_changes_nothing(bench):
    bench.manifest("a")
    bench.platform.looks_to_done = 3

    def edit(platform, _operation):
        for video in platform.videos:
            video.description = ""

    bench.platform.on_call = edit
    assert settled(await bench.run()) == {"a": IMPORTED}


async def test_people_may_write_behind_the_tag_of_what_is_adopted(bench):
    bench.manifest("a")
    tag = str(Tag(identity("", "bucket", "a"), STRANGER))
    bench.platform.create("a", f"{tag} (checked by Ann)", "a", status="DONE")
    bench.platform.creates.clear()
    rows = await bench.run()
    assert (settled(rows), rows["a"].adopted) == ({"a": IMPORTED}, 1)
    assert not bench.platform.creates


async def test_a_video_that_is_deleted_after_its_copy_was_done_stays_imported(bench):
    bench.manifest("a", "b")
    bench.platform.copies = {"b": 1}

    def delete(platform, operation):
        if operation == "restart":
            platform.videos = [video for video in platform.videos if video.key != "a"]

    bench.platform.on_call = delete
    assert settled(await bench.run()) == dict.fromkeys("ab", IMPORTED)


async def test_another_namespace_takes_nothing_over(bench, tmp_path):
    bench.manifest("a")
    await bench.run()
    bench.settings = replace(
        bench.settings, inputs=replace(bench.settings.inputs, namespace="second")
    )
    await bench.run(directory=tmp_path / "second")
    assert bench.platform.creates == {"a": 2}
    tags = {read_tag(video.description).object_id for video in bench.platform.videos}
    assert len(tags) == 2


async def test_after_a_retry_the_list_is_read_once_more_for_what_was_presumed_since(bench):
    """Also where as many POSTs as before stand for rows whose absence was presumed."""
    bench.manifest("a", "b")
    bench.care(attempts=1)
    bench.platform.submits = {"a": ["lost_after"], "b": ["lost_after"]}
    made = bench.platform.videos
    bench.platform.on_call = lambda platform, _: setattr(platform, "hidden", {v.id for v in made})
    rows = await bench.run()
    assert {row.reason for row in rows.values()} == {Reason.GAVE_UP}

    def late(platform, _operation):  # the first of b shows once all that can be followed is done
        first, *second = [video for video in made if video.key == "b"]
        is_done = [video.status for video in second] == ["DONE"]
        platform.hidden = set() if is_done else {first.id}

    bench.platform.on_call = late
    _, rows = await bench.retry(Reason.GAVE_UP)
    assert settled(rows) == dict.fromkeys("ab", IMPORTED)
    assert [rows[key].attempts for key in "ab"] == [1, 2]
    (first, _) = [video.id for video in made if video.key == "b"]
    assert json.loads(rows["b"].duplicate_video_ids) == [first]
