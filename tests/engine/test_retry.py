"""`retry` on the real engine: rows that had ended go on, and nothing is ever made twice."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from migrator.checkpoint.change import Change
from migrator.checkpoint.store import Checkpoint
from migrator.engine.reopen import Act
from migrator.lifecycle import Event, State
from migrator.model import Reason
from migrator.source.answers import ObjectFacts

IMPORTED = (State.IMPORTED, Reason.COPIED)


def settled(rows):
    return {key: (row.state, row.reason) for key, row in rows.items()}


class Source:
    """Objects of a size, and how often each was headed."""

    def __init__(self, size_bytes=100):
        self.size_bytes, self.heads = size_bytes, 0

    async def head(self, _bucket, _key, *_asked):
        self.heads += 1
        return ObjectFacts(self.size_bytes, "etag", 1)


def preflight(bench):
    bench.settings = replace(bench.settings, source=replace(bench.settings.source, preflight=True))


async def test_a_failed_copy_is_restarted_and_imported_under_the_same_video(bench):
    bench.manifest("a", "b")
    bench.platform.copies = {"a": 3}
    rows = await bench.run()
    assert settled(rows) == {"a": (State.FAILED, Reason.COPY_FAILED), "b": IMPORTED}
    acts, again = await bench.retry(Reason.COPY_FAILED)
    assert acts == {"a": Act.RESTART}
    assert settled(again) == dict.fromkeys("ab", IMPORTED)
    assert again["a"].video_id == rows["a"].video_id
    assert bench.platform.creates == {"a": 1, "b": 1}


async def test_a_retried_copy_is_restarted_once_even_where_restarts_are_turned_off(bench):
    bench.manifest("a")
    bench.care(restarts=0)
    bench.platform.copies = {"a": 1}
    await bench.run()
    assert bench.platform.calls["restart"] == 0
    _, rows = await bench.retry(Reason.COPY_FAILED)
    assert settled(rows) == {"a": IMPORTED}
    assert bench.platform.calls["restart"] == 1


async def test_a_stuck_copy_that_has_arrived_meanwhile_is_found_out_by_a_look(bench):
    bench.manifest("a")
    bench.care(stuck_after=timedelta(seconds=0.1))
    bench.platform.looks_to_done = 10**9
    bench.platform.on_call = lambda platform, _: [
        setattr(video, "looks", 5) for video in platform.videos
    ]
    rows = await bench.run()
    assert settled(rows) == {"a": (State.FAILED, Reason.STUCK)}
    bench.platform.on_call, bench.platform.looks_to_done = None, 1
    _, rows = await bench.retry(Reason.STUCK)
    assert settled(rows) == {"a": IMPORTED}
    assert bench.platform.creates == {"a": 1}


async def test_rejected_and_missing_rows_are_headed_and_sent_again(bench):
    bench.manifest("keys", "gone", "well")
    preflight(bench)
    bench.platform.submits = {
        "keys": ["refuse:400:INVALID_CREDENTIALS:wrong keys"],
        "gone": ["refuse:404:KEY_NOT_FOUND:no such key"],
    }
    source = Source()
    rows = await bench.run(source)
    assert rows["keys"].reason is Reason.BAD_CREDENTIALS
    assert source.heads == 3
    acts, rows = await bench.retry(Reason.BAD_CREDENTIALS, Reason.OBJECT_NOT_FOUND, source=source)
    assert set(acts.values()) == {Act.SEND}
    assert settled(rows) == dict.fromkeys(["keys", "gone", "well"], IMPORTED)
    assert source.heads == 5
    assert set(bench.platform.creates.values()) == {1}


async def test_a_row_that_was_given_up_is_looked_for_and_found(bench):
    bench.manifest("a")
    bench.care(attempts=1)
    bench.platform.submits = {"a": ["lost_after"]}
    hide = bench.platform.videos

    def hidden(platform, _operation):
        platform.hidden = {video.id for video in hide}

    bench.platform.on_call = hidden
    rows = await bench.run()
    assert settled(rows) == {"a": (State.FAILED, Reason.GAVE_UP)}
    bench.platform.on_call, bench.platform.hidden = None, set()
    acts, rows = await bench.retry(Reason.GAVE_UP)
    assert acts == {"a": Act.LOOK_FOR}
    assert settled(rows) == {"a": IMPORTED}
    assert bench.platform.creates == {"a": 1}


async def test_a_row_that_was_given_up_and_is_not_found_is_sent_with_all_its_attempts(bench):
    bench.manifest("a")
    bench.care(attempts=2)
    bench.platform.submits = {"a": ["500_before"] * 3}
    rows = await bench.run()
    assert settled(rows) == {"a": (State.FAILED, Reason.GAVE_UP)}
    _, rows = await bench.retry(Reason.GAVE_UP)
    assert settled(rows) == {"a": IMPORTED}
    assert rows["a"].attempts == 4
    assert bench.platform.creates == {"a": 1}


async def test_a_row_refused_for_its_bucket_after_a_lost_answer_is_looked_for_and_not_sent(bench):
    bench.manifest("lost", "b", "c", "d")
    bench.settings = replace(bench.settings, pace=replace(bench.settings.pace, max_concurrency=1))
    refusal = "refuse:400:INVALID_CREDENTIALS:no"
    bench.platform.submits = {"lost": ["lost_after"], **{key: [refusal] for key in "bcd"}}

    def hide(platform, operation):
        platform.hidden = {video.id for video in platform.videos}
        if operation == "submit":
            platform.clock_s += 600  # beyond what the next run reads back by itself

    bench.platform.on_call = hide
    rows = await bench.run()
    assert (rows["lost"].reason, rows["lost"].attempts) == (Reason.BAD_CREDENTIALS, 1)
    bench.platform.on_call, bench.platform.hidden = None, set()
    acts, rows = await bench.retry(Reason.BAD_CREDENTIALS)
    assert acts == {"lost": Act.LOOK_FOR} | dict.fromkeys("bcd", Act.SEND)
    assert settled(rows) == dict.fromkeys(["lost", "b", "c", "d"], IMPORTED)
    assert set(bench.platform.creates.values()) == {1}


async def failed_by_size(bench):
    bench.manifest("a")
    preflight(bench)
    bench.platform.size = 99
    rows = await bench.run(Source())
    assert settled(rows) == {"a": (State.FAILED, Reason.SIZE_MISMATCH)}
    bench.platform.size = 100
    return rows["a"].video_id


async def test_a_video_of_another_size_is_only_looked_at_without_replace(bench):
    old = await failed_by_size(bench)
    acts, rows = await bench.retry(Reason.SIZE_MISMATCH, source=Source())
    assert acts == {"a": Act.LOOK}
    assert settled(rows) == {"a": (State.FAILED, Reason.SIZE_MISMATCH)}
    assert rows["a"].video_id == old
    assert bench.platform.creates == {"a": 1}


async def test_replace_removes_the_old_video_proves_it_and_makes_another(bench):
    old = await failed_by_size(bench)
    order = []
    bench.platform.on_call = lambda platform, operation: order.append(operation)
    acts, rows = await bench.retry(Reason.SIZE_MISMATCH, replace=True, source=Source())
    assert acts == {"a": Act.REPLACE}
    assert settled(rows) == {"a": IMPORTED}
    assert rows["a"].video_id != old
    assert [video.id for video in bench.platform.videos] == [rows["a"].video_id]
    sent, removed = order.index("submit"), order.index("delete")
    assert order[removed - 2 : removed] == ["video", "derived"]  # it was looked at first
    assert "video" in order[removed:sent]  # its absence was proven by id
    assert order[removed:sent].count("list") >= 2  # and no other was there


@pytest.mark.parametrize(("lists", "ends"), [(3, IMPORTED), (10**6, None)])
async def test_a_list_that_still_shows_the_removed_video_is_waited_for(bench, lists, ends):
    old = await failed_by_size(bench)
    [ghost] = bench.platform.videos
    listed, left = bench.platform.list, lists

    def lagging(path, params, body):
        nonlocal left
        if ghost in bench.platform.videos or left <= 0:
            return listed(path, params, body)
        left -= 1
        bench.platform.videos.insert(0, ghost)
        try:
            return listed(path, params, body)
        finally:
            bench.platform.videos.remove(ghost)

    bench.platform.list = lagging
    _, rows = await bench.retry(Reason.SIZE_MISMATCH, replace=True, source=Source())
    if ends is None:  # it is said to be open, and nothing is sent
        assert settled(rows) == {"a": (State.UNRESOLVED, None)}
        assert bench.platform.creates == {"a": 1}
    else:
        assert settled(rows) == {"a": ends}
        assert rows["a"].video_id != old
        assert bench.platform.creates == {"a": 2}


@pytest.mark.parametrize(
    ("flags", "goes"),
    [
        ({"isClip": True}, True),
        ({"isClip": True, "isProcessed": True}, False),
        ({"isClip": False, "isProcessed": True}, False),
        ({}, False),
    ],
)
async def test_with_an_old_video_go_its_clips_and_nobody_s_work(bench, flags, goes):
    old = await failed_by_size(bench)
    bench.platform.derivatives["a"] = [{"id": str(uuid.uuid4()), "flags": flags}]
    _, rows = await bench.retry(Reason.SIZE_MISMATCH, replace=True, source=Source())
    if goes:
        assert settled(rows) == {"a": IMPORTED}
        assert rows["a"].video_id != old
    else:
        assert settled(rows) == {"a": (State.FAILED, Reason.SIZE_MISMATCH)}
        assert "more than clips" in rows["a"].message
        assert bench.platform.calls["delete"] == 0


async def test_replace_abandons_a_copy_that_failed(bench):
    bench.manifest("a")
    bench.platform.copies = {"a": 3}
    await bench.run()
    bench.platform.copies = {}
    _, rows = await bench.retry(Reason.COPY_FAILED, replace=True)
    assert settled(rows) == {"a": IMPORTED}
    assert (bench.platform.calls["abandon"], bench.platform.calls["delete"]) == (1, 0)
    assert len(bench.platform.videos) == 1


async def test_a_deleted_video_is_made_again_only_with_replace(bench):
    bench.manifest("a")
    bench.platform.looks_to_done = 99

    def delete(platform, operation):
        if operation in {"list", "status"}:
            platform.videos.clear()

    bench.platform.on_call = delete
    rows = await bench.run()
    assert settled(rows) == {"a": (State.FAILED, Reason.DELETED)}
    bench.platform.on_call, bench.platform.looks_to_done = None, 1
    acts, rows = await bench.retry(Reason.DELETED)
    assert acts == {"a": Act.NEEDS_REPLACE}
    assert settled(rows) == {"a": (State.FAILED, Reason.DELETED)}
    _, rows = await bench.retry(Reason.DELETED, replace=True)
    assert settled(rows) == {"a": IMPORTED}
    assert bench.platform.calls["delete"] == bench.platform.calls["abandon"] == 0


async def test_a_video_that_lost_its_tag_or_will_not_go_is_left_and_said(bench):
    bench.manifest("edited", "kept")
    bench.platform.copies = {"edited": 9, "kept": 9}
    rows = await bench.run()
    videos = {video.key: video for video in bench.platform.videos}
    videos["edited"].description = "somebody's own words"
    bench.platform.abandon = lambda *_: bench.platform.error(403, "FORBIDDEN", "not yours")
    _, again = await bench.retry(Reason.COPY_FAILED, replace=True)
    assert settled(again) == dict.fromkeys(["edited", "kept"], (State.FAILED, Reason.COPY_FAILED))
    assert "does not carry this row's tag" in again["edited"].message
    assert "cannot be removed: not yours" in again["kept"].message
    assert {key: row.video_id for key, row in again.items()} == {
        key: row.video_id for key, row in rows.items()
    }
    assert set(bench.platform.creates.values()) == {1}


async def test_a_video_whose_copy_has_arrived_after_all_is_kept_by_replace(bench):
    bench.manifest("a")
    bench.platform.copies = {"a": 3}
    rows = await bench.run()
    bench.platform.videos[0].status = "DONE"
    _, again = await bench.retry(Reason.COPY_FAILED, replace=True)
    assert settled(again) == {"a": IMPORTED}
    assert again["a"].video_id == rows["a"].video_id


@pytest.mark.parametrize("moment", ["video", "delete", "list"])
async def test_a_stop_in_the_middle_of_a_replacement_is_taken_up_by_the_next_run(bench, moment):
    await failed_by_size(bench)
    stopped = []

    def interrupt(platform, operation):
        if operation == moment and not stopped:
            stopped.append(operation)
            bench.stop.interrupt()

    bench.platform.on_call = interrupt
    _, rows = await bench.retry(Reason.SIZE_MISMATCH, replace=True, source=Source())
    assert stopped
    assert rows["a"].state in {State.REPLACING, State.UNRESOLVED}
    rows = await bench.run(Source())
    assert settled(rows) == {"a": IMPORTED}
    assert len(bench.platform.videos) == 1
    assert bench.platform.creates == {"a": 2}


async def test_an_ambiguous_row_is_sent_only_when_its_duplicate_is_accepted(bench):
    bench.manifest("a")
    preflight(bench)
    bench.platform.create("a", "no tag", "a", status="DONE")
    bench.platform.creates.clear()
    rows = await bench.run(Source())
    assert settled(rows) == {"a": (State.FAILED, Reason.AMBIGUOUS)}
    acts, rows = await bench.retry(Reason.AMBIGUOUS, source=Source())
    assert acts == {"a": Act.NEEDS_ACCEPTANCE}
    assert not bench.platform.creates
    _, rows = await bench.retry(Reason.AMBIGUOUS, accept_duplicates=True, source=Source())
    assert settled(rows) == {"a": IMPORTED}
    assert bench.platform.creates == {"a": 1}


async def test_without_tags_an_accepted_row_is_sent_beside_its_look_alike(bench):
    bench.manifest("a")
    bench.platform_settings(tag_in="none")
    bench.platform.submits = {"a": ["lost_after"]}
    rows = await bench.run()
    assert settled(rows) == {"a": (State.FAILED, Reason.AMBIGUOUS)}
    _, rows = await bench.retry(Reason.AMBIGUOUS, accept_duplicates=True)
    assert settled(rows) == {"a": IMPORTED}
    assert bench.platform.creates == {"a": 2}  # as its owner said


async def test_the_calls_of_all_runs_add_up(bench):
    bench.manifest("a")
    bench.platform.copies = {"a": 3}
    await bench.run()
    await bench.retry(Reason.COPY_FAILED)
    checkpoint = Checkpoint.open(bench.directory)
    runs = checkpoint.runs()
    checkpoint.close()
    assert len(runs) == 2
    assert sum(run.calls.restart for run in runs) == bench.platform.calls["restart"] == 3
    assert sum(run.calls.submit for run in runs) == bench.platform.calls["submit"] == 1


def test_the_checkpoint_itself_refuses_to_open_a_row_with_a_video(tmp_path):
    from migrator.model import ManifestRow  # noqa: PLC0415

    checkpoint = Checkpoint.create(tmp_path, {})
    checkpoint.add_source(1, "manifest", "m", ["bucket", "key"], "")
    checkpoint.add_rows(1, [ManifestRow(1, "bucket", "a")], "", 1)
    state = checkpoint.apply(1, State.PENDING, Change(Event.SUBMIT))
    state = checkpoint.apply(1, state, Change(Event.ACCEPT, {"video_id": "v"}))
    state = checkpoint.apply(1, state, Change(Event.FAIL, {"reason": Reason.STUCK}))
    with pytest.raises(Exception, match="CHECK constraint"):
        checkpoint.apply(1, state, Change(Event.LOOK_FOR))
    checkpoint.close()


async def test_a_restart_is_counted_before_it_leaves_so_that_a_kill_makes_it_no_more(bench):
    bench.manifest("a")
    bench.platform.copies = {"a": 99}
    seen = []

    def look(platform, operation):
        if operation == "restart":
            reader = Checkpoint.open(bench.directory)
            (row,) = reader.transfers_after(0, 1)
            seen.append((row.state, row.restarts))
            reader.close()

    bench.platform.on_call = look
    await bench.run()
    assert seen == [(State.COPYING, 1), (State.COPYING, 2)]
