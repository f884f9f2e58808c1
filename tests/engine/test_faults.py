"""Whatever becomes of a request, no object is imported twice and no row is lost."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from fakes.platform import EPOCH_S, PROJECT, TEAM, FakeVideo

from migrator.engine import gateway
from migrator.engine.follow import is_stuck
from migrator.engine.stop import Stopping
from migrator.engine.tag import Tag, read_tag
from migrator.errors import ExitCode, StoppedByItself, UsageError
from migrator.lifecycle import State
from migrator.model import Reason, identity
from migrator.pixop.quota import Quota


def settled(rows):
    return {key: (row.state, row.reason) for key, row in rows.items()}


IMPORTED = (State.IMPORTED, Reason.COPIED)
INGESTED = {"ingestionStatus": "DONE"}


@pytest.mark.parametrize(
    "fault",
    ["lost_before", "lost_after", "500_before", "500_after", "html", "truncated", "not_sent", "429",
     "408", "302"],
)  # fmt: skip
async def test_one_video_an_object_whatever_became_of_the_first_answer(bench, fault):
    bench.manifest("a", "b", "c")
    bench.platform.submits = {"b": [fault]}
    rows = await bench.run()
    assert settled(rows) == dict.fromkeys("abc", IMPORTED)
    assert bench.platform.creates == {"a": 1, "b": 1, "c": 1}


async def test_a_found_video_is_taken_over_without_a_second_request(bench):
    bench.manifest("a")
    bench.platform.submits = {"a": ["lost_after"]}
    rows = await bench.run()
    assert bench.platform.calls["submit"] == 1
    assert rows["a"].video_id == bench.platform.videos[0].id
    assert rows["a"].adopted == 0


async def test_absence_is_presumed_only_after_two_complete_sweeps(bench):
    bench.manifest("a")
    bench.platform.submits = {"a": ["lost_before"]}
    lists = []

    def note(platform, operation):
        if operation == "submit":
            lists.append(platform.calls["list"])

    bench.platform.on_call = note
    await bench.run()
    assert lists[1] - lists[0] >= 2


async def test_a_video_that_shows_late_is_found_by_the_second_sweep_and_not_made_twice(bench):
    bench.manifest("a")
    bench.platform.submits = {"a": ["lost_after"]}

    def show_late(platform, operation):
        if operation == "list" and platform.videos:
            first = platform.calls["list"] == first_list_after[0]
            platform.hidden = {platform.videos[0].id} if first else set()
        elif operation == "submit":
            first_list_after[0] = platform.calls["list"] + 1

    first_list_after = [0]
    bench.platform.on_call = show_late
    rows = await bench.run()
    assert settled(rows) == {"a": IMPORTED}
    assert bench.platform.creates == {"a": 1}


async def test_one_sweep_settles_many_rows(bench):
    keys = [f"k{n}" for n in range(30)]
    bench.manifest(*keys)
    bench.care(settle_seconds=0.5)
    bench.platform.submits = {key: ["html"] for key in keys}
    rows = await bench.run()
    assert settled(rows) == dict.fromkeys(keys, IMPORTED)
    assert bench.platform.calls["submit"] == 30
    assert bench.platform.calls["list"] < 30


async def test_a_row_that_fails_every_time_is_given_up_and_never_has_a_video(bench):
    bench.manifest("a", "b")
    bench.care(attempts=3)
    bench.platform.submits = {"a": ["500_before"] * 9}
    rows = await bench.run()
    assert settled(rows) == {"a": (State.FAILED, Reason.GAVE_UP), "b": IMPORTED}
    assert rows["a"].attempts == 3
    assert bench.platform.creates["a"] == 0


async def test_refusals_become_outcomes_in_the_platform_s_own_words(bench):
    bench.manifest("size", "keys", "what", "kind", "gone", "lost", "odd")
    bench.platform.submits = {
        "size": ["refuse:400:VALIDATION_ERROR:The size exceeds 500 GB"],
        "keys": ["refuse:400:INVALID_CREDENTIALS:wrong keys"],
        "what": ["refuse:400:VALIDATION_ERROR:name is silly"],
        "kind": ["refuse:400:UNSUPPORTED_CONTENT_TYPE:no video"],
        "gone": ["refuse:404:KEY_NOT_FOUND:no such key"],
        "lost": ["refuse:404:BUCKET_NOT_FOUND:no such bucket"],
        "odd": ["refuse:418:TEAPOT:short and stout"],
    }
    rows = await bench.run()
    assert settled(rows) == {
        "size": (State.REJECTED, Reason.TOO_LARGE),
        "keys": (State.REJECTED, Reason.BAD_CREDENTIALS),
        "what": (State.REJECTED, Reason.INVALID_REQUEST),
        "kind": (State.REJECTED, Reason.UNSUPPORTED_CONTENT),
        "gone": (State.MISSING, Reason.OBJECT_NOT_FOUND),
        "lost": (State.MISSING, Reason.BUCKET_NOT_FOUND),
        "odd": (State.REJECTED, Reason.INVALID_REQUEST),
    }
    assert (rows["odd"].http_status, rows["odd"].error_code) == (418, "TEAPOT")
    assert rows["odd"].message == "short and stout"


async def test_a_bucket_whose_keys_are_refused_costs_a_few_calls_not_one_a_row(bench):
    keys = [f"k{n}" for n in range(200)]
    bench.manifest(*keys)
    refusal = "refuse:400:INVALID_CREDENTIALS:wrong keys"
    bench.platform.submits = {key: [refusal] for key in keys}
    rows = await bench.run()
    assert {row.reason for row in rows.values()} == {Reason.BAD_CREDENTIALS}
    assert bench.platform.calls["submit"] <= 3 + 8  # the breaker, and what was in flight
    assert {row.decided_by for row in rows.values()} == {"platform", "breaker"}


async def test_a_refused_key_stops_the_run_at_once_and_loses_nothing(bench):
    bench.manifest(*"abcdefgh")

    def revoke(platform, operation):
        platform.key_refused = operation == "submit" and platform.calls["submit"] > 2

    bench.platform.on_call = revoke
    rows = await bench.run()
    assert isinstance(bench.stop.error, StoppedByItself)
    assert bench.stop.error.exit_code is ExitCode.STOPPED
    assert {row.state for row in rows.values()} <= {State.PENDING, State.COPYING, State.IMPORTED}
    bench.platform.on_call, bench.platform.key_refused = None, False
    rows = await bench.run()
    assert settled(rows) == dict.fromkeys("abcdefgh", IMPORTED)
    assert set(bench.platform.creates.values()) == {1}


async def test_a_403_of_one_row_is_its_own_when_the_account_still_answers(bench):
    bench.manifest("a", "b")
    bench.platform.submits = {"a": ["refuse:403:ACCESS_DENIED:not yours"]}
    rows = await bench.run()
    assert settled(rows) == {"a": (State.REJECTED, Reason.ACCESS_DENIED), "b": IMPORTED}


async def test_a_team_that_is_gone_stops_the_run_and_calls_nothing_missing(bench):
    bench.manifest("a", "b")
    bench.platform.submits = {"a": ["refuse:404:TEAM_NOT_FOUND:gone"]}
    rows = await bench.run()
    assert bench.stop.error is not None
    assert rows["a"].state is State.PENDING


@pytest.mark.parametrize("place", [TEAM, PROJECT])
async def test_a_404_that_may_mean_the_place_is_a_missing_object_only_while_the_place_is_there(
    bench, place
):
    bench.manifest("a", "b")
    project_id = PROJECT if place == PROJECT else None
    bench.platform_settings(project_id=project_id)
    unclear = "refuse:404:RESOURCE_NOT_FOUND:not found"
    bench.platform.submits = {"a": [unclear], "b": [unclear]}

    def vanish(platform, operation):
        if operation == "submit" and platform.calls["submit"] == 2:
            platform.gone = {place}

    bench.settings = replace(bench.settings, pace=replace(bench.settings.pace, max_concurrency=1))
    bench.platform.on_call = vanish
    rows = await bench.run()
    assert isinstance(bench.stop.error, StoppedByItself)
    assert place in bench.stop.error.message
    assert settled(rows) == {
        "a": (State.MISSING, Reason.OBJECT_NOT_FOUND),
        "b": (State.PENDING, None),
    }


async def test_a_404_that_names_the_source_costs_no_further_call(bench):
    bench.manifest("a")
    bench.platform.submits = {"a": ["refuse:404:KEY_NOT_FOUND:no such key"]}
    await bench.run()
    assert bench.platform.calls["place"] == 0


async def test_an_unknown_project_stops_the_run_before_anything_is_sent(bench):
    unknown = "33333333-3333-4333-8333-333333333333"
    bench.manifest(lines=[f"bucket,a,{unknown}"], header="bucket,key,project_id")
    with pytest.raises(UsageError, match=unknown):
        await bench.run()
    assert bench.platform.calls["submit"] == 0


async def test_a_platform_that_is_down_for_a_while_is_probed_and_then_all_goes_on(bench):
    keys = [f"k{n}" for n in range(40)]
    bench.manifest(*keys)

    def outage(platform, operation):
        if operation == "submit" and platform.calls["submit"] == 10:
            platform.down = 25

    bench.platform.on_call = outage
    rows = await bench.run()
    assert settled(rows) == dict.fromkeys(keys, IMPORTED)
    assert set(bench.platform.creates.values()) == {1}
    assert bench.platform.calls["account"] > 1


async def test_an_outage_that_lasts_too_long_stops_the_run_resumable(bench):
    bench.manifest(*"abcdefghij")
    bench.care(max_outage=timedelta(seconds=0.3))

    def fall(platform, operation):
        if operation == "submit":
            platform.down = 10_000

    bench.platform.on_call = fall
    rows = await bench.run()
    assert isinstance(bench.stop.error, StoppedByItself)
    assert "has not answered" in bench.stop.error.message
    bench.platform.on_call, bench.platform.down = None, 0
    rows = await bench.run()
    assert settled(rows) == dict.fromkeys("abcdefghij", IMPORTED)


async def test_a_failed_copy_is_restarted_and_then_counts(bench):
    bench.manifest("once", "always")
    bench.platform.copies = {"once": 1, "always": 99}
    rows = await bench.run()
    assert settled(rows) == {"once": IMPORTED, "always": (State.FAILED, Reason.COPY_FAILED)}
    assert (rows["once"].restarts, rows["always"].restarts) == (1, 2)
    assert rows["always"].error_code == "COPY_ERROR"
    assert rows["always"].message == "part 3 could not be read"


async def test_a_copy_of_another_size_is_not_the_object(bench):
    bench.manifest("a")
    bench.platform.size = 99

    class Source:
        async def head(self, _bucket, _key, *_asked):
            from migrator.source.answers import ObjectFacts  # noqa: PLC0415

            return ObjectFacts(100, "etag", 1)

    source = replace(bench.settings.source, preflight=True)
    bench.settings = replace(bench.settings, source=source)
    rows = await bench.run(source=Source())
    assert settled(rows) == {"a": (State.FAILED, Reason.SIZE_MISMATCH)}


async def test_a_copy_that_never_moves_is_stuck_and_never_sent_again(bench):
    bench.manifest("a")
    bench.care(stuck_after=timedelta(seconds=0.2))
    bench.platform.looks_to_done = 10**9

    def freeze(platform, _operation):
        for video in platform.videos:
            video.looks = 5

    bench.platform.on_call = freeze
    rows = await bench.run()
    assert settled(rows) == {"a": (State.FAILED, Reason.STUCK)}
    assert bench.platform.creates == {"a": 1}


@pytest.mark.parametrize(
    ("moved_s", "seen_s", "stuck"),
    [
        (0.0, 3601.0, True),  # looked at all the time, and it stands still
        (0.0, 100.0, False),  # nobody could look since: it may have moved
        (3000.0, 3601.0, False),
        (0.0, 0.0, True),  # nothing of it was shown for twice as long
        (7000.0, 0.0, False),  # just commanded
    ],
)
def test_a_copy_is_stuck_by_looks_and_not_by_their_absence(moved_s, seen_s, stuck):
    now_s = 7201.0 if seen_s == 0 else 3700.0
    assert is_stuck(moved_s, seen_s, now_s, 3600.0) is stuck


async def test_a_video_that_was_deleted_is_said_and_never_sent_again(bench):
    bench.manifest("a", "b")
    bench.platform.looks_to_done = 3

    def delete(platform, operation):
        if operation == "list":
            platform.videos = [video for video in platform.videos if video.key != "a"]

    bench.platform.on_call = delete
    rows = await bench.run()
    assert settled(rows) == {"a": (State.FAILED, Reason.DELETED), "b": IMPORTED}
    assert bench.platform.creates["a"] == 1


async def test_a_lost_checkpoint_imports_nothing_twice(bench, tmp_path):
    bench.manifest(*"abc")
    first = await bench.run()
    again = await bench.run(directory=tmp_path / "mistyped")
    assert bench.platform.creates == {"a": 1, "b": 1, "c": 1}
    assert {key: row.video_id for key, row in again.items()} == {
        key: row.video_id for key, row in first.items()
    }
    assert all(row.adopted for row in again.values())


async def test_an_adopted_copy_that_had_failed_is_restarted(bench):
    bench.manifest("a")
    tag = Tag(identity("", "bucket", "a"), "abcdefgh23456")
    bench.platform.create("a", f"film {tag}", "a", status="FAILED")
    bench.platform.creates.clear()
    rows = await bench.run()
    assert settled(rows) == {"a": IMPORTED}
    assert rows["a"].restarts == 1
    assert not bench.platform.creates


async def test_of_several_carriers_the_oldest_done_one_counts_and_the_others_are_said(bench):
    bench.manifest("a")
    tag = str(Tag(identity("", "bucket", "a"), "abcdefgh23456"))
    oldest = bench.platform.create("a", tag, "a", status="FAILED", created_ms=1_000)
    done = bench.platform.create("a", tag, "a", status="DONE", created_ms=2_000)
    later = bench.platform.create("a", tag, "a", status="DONE", created_ms=3_000)
    rows = await bench.run()
    assert rows["a"].video_id == done.id
    assert set(rows["a"].duplicate_video_ids[2:-2].split('","')) == {oldest.id, later.id}
    assert bench.platform.calls["submit"] == 0


async def test_a_clip_or_a_processed_video_that_repeats_the_tag_is_not_the_object(bench):
    bench.manifest("a")
    tag = str(Tag(identity("", "bucket", "a"), "abcdefgh23456"))
    bench.platform.create("a", tag, "a", is_master=False, status="DONE")
    bench.platform.creates.clear()
    rows = await bench.run()
    assert settled(rows) == {"a": IMPORTED}
    assert bench.platform.creates == {"a": 1}


async def test_another_batch_at_work_on_the_same_catalogue_stops_the_run(bench):
    bench.manifest(*"abcdef")
    bench.platform.looks_to_done = 3
    stranger = str(Tag(identity("", "bucket", "f"), "zzzzzzzzzzzzz"))

    def intrude(platform, operation):
        if operation == "submit" and platform.calls["submit"] == 2:
            platform.create("f", stranger, "f")

    bench.platform.on_call = intrude
    await bench.run()
    assert isinstance(bench.stop.error, StoppedByItself)
    assert "two batches are at work" in bench.stop.error.message


async def test_assume_empty_reads_no_list_first(bench):
    bench.manifest("a")
    bench.care(assume_empty=True)
    lists_before_submit = []

    def note(platform, operation):
        if operation == "submit":
            lists_before_submit.append(platform.calls["list"])

    bench.platform.on_call = note
    await bench.run()
    assert lists_before_submit == [0]


async def test_without_a_tag_a_lost_answer_with_a_look_alike_is_ambiguous_and_not_sent(bench):
    bench.manifest("a", "b")
    bench.platform_settings(tag_in="none")
    bench.platform.submits = {"a": ["lost_after"], "b": ["lost_before"]}
    rows = await bench.run()
    assert settled(rows) == {"a": (State.FAILED, Reason.AMBIGUOUS), "b": IMPORTED}
    assert bench.platform.creates == {"a": 1, "b": 1}
    assert read_tag(bench.platform.videos[0].description) is None


async def test_rows_found_submitting_at_the_start_are_looked_for_and_not_sent(bench):
    bench.manifest("a", "b")
    await bench.run()
    from migrator.checkpoint.store import Checkpoint  # noqa: PLC0415

    checkpoint = Checkpoint.open(bench.directory)
    with checkpoint.transaction():
        checkpoint._db.execute(
            "UPDATE object SET state = 'submitting', video_id = NULL, reason = NULL"
        )
    checkpoint.close()
    rows = await bench.run()
    assert settled(rows) == dict.fromkeys("ab", IMPORTED)
    assert bench.platform.creates == {"a": 1, "b": 1}


@pytest.mark.parametrize("skew_s", [-3600, 3600])
async def test_the_horizon_follows_the_platform_s_clock_not_ours(bench, skew_s):
    bench.platform.clock_s = EPOCH_S + skew_s
    bench.manifest("a")
    bench.platform.submits = {"a": ["lost_after"]}
    rows = await bench.run()
    assert settled(rows) == {"a": IMPORTED}
    assert bench.platform.creates == {"a": 1}


async def test_a_list_that_never_stands_still_leaves_the_row_unresolved_and_unsent(bench):
    bench.manifest("a")
    bench.platform.submits = {"a": ["lost_before"]}
    for n in range(250):
        bench.platform.create(f"other{n}", "", f"other{n}")

    def churn(platform, operation):
        if operation == "list" and platform.calls["submit"]:
            platform.videos.pop()

    bench.platform.on_call = churn
    rows = await bench.run()
    assert rows["a"].state is State.UNRESOLVED
    assert bench.platform.creates["a"] == 0
    bench.platform.on_call = None
    rows = await bench.run()
    assert settled(rows) == {"a": IMPORTED}


async def test_announced_quota_and_calls_are_kept(bench):
    bench.platform.quota = Quota(limit=120_000, remaining=100_000, reset_s=60)
    bench.manifest("a")
    await bench.run()
    from migrator.checkpoint.store import Checkpoint  # noqa: PLC0415

    checkpoint = Checkpoint.open(bench.directory)
    (only,) = checkpoint.runs()
    checkpoint.close()
    assert only.calls.announced_per_minute == 120_000
    assert only.calls.submit == 1
    assert only.calls.list == bench.platform.calls["list"]


async def test_following_and_resolving_may_see_the_end_of_a_copy_at_once(bench):
    keys = [f"k{n}" for n in range(60)]
    bench.manifest(*keys)
    bench.platform.looks_to_done = 2
    bench.platform.submits = {key: ["500_before"] for key in keys[::3]}
    rows = await bench.run()
    assert bench.stop.error is None
    assert settled(rows) == dict.fromkeys(keys, IMPORTED)
    assert set(bench.platform.creates.values()) == {1}


async def test_rows_that_come_back_while_many_wait_are_not_mixed_up_with_those_that_are_done(bench):
    keys = [f"k{n:04}" for n in range(3000)]
    bench.manifest(*keys)
    bench.platform.submits = {key: ["not_sent"] for key in keys[::97]}
    rows = await bench.run()
    assert bench.stop.error is None
    assert settled(rows) == dict.fromkeys(keys, IMPORTED)
    assert set(bench.platform.creates.values()) == {1}


async def test_a_blip_during_the_first_sweep_is_probed_and_the_run_goes_on(bench):
    bench.manifest("a")

    def blip(platform, operation):
        if operation == "list" and platform.calls["list"] == 1:
            platform.down = 8

    bench.platform.on_call = blip
    rows = await bench.run()
    assert settled(rows) == {"a": IMPORTED}


async def test_a_list_that_is_refused_stops_the_run_with_the_platform_s_words(bench):
    bench.manifest("a")
    bench.care(max_outage=timedelta(seconds=0.2))
    bench.platform.list = lambda *_: bench.platform.error(403, "ACCESS_DENIED", "no list for you")
    rows = await bench.run()
    assert isinstance(bench.stop.error, StoppedByItself)
    assert "no list for you" in bench.stop.error.message
    assert rows["a"].state is State.PENDING


async def test_a_clock_that_moves_between_intent_and_loss_hides_no_video(bench):
    bench.manifest("a")
    bench.platform.submits = {"a": ["lost_after"]}

    def jump(platform, operation):
        if operation == "submit":
            bench.platform.clock_s += 7200
        if operation == "list" and platform.videos:
            platform.videos[0].created_ms = EPOCH_S * 1000 + 1000

    bench.platform.on_call = jump
    rows = await bench.run()
    assert settled(rows) == {"a": IMPORTED}
    assert bench.platform.creates == {"a": 1}


async def test_a_list_that_shows_less_than_it_promises_proves_no_absence(bench):
    bench.manifest("a")
    bench.platform.submits = {"a": ["lost_after"]}
    listing = bench.platform.list

    def lagging(path, params, body):
        if not bench.platform.calls["submit"] or bench.platform.calls["list"] > 12:
            return listing(path, params, body)
        return bench.platform.answer(200, {"totalElements": 1, "items": []})

    bench.platform.list = lagging
    rows = await bench.run()
    assert settled(rows) == {"a": IMPORTED}
    assert bench.platform.creates == {"a": 1}


async def test_posts_that_fail_alone_stop_the_run_and_give_no_row_up(bench):
    keys = [f"k{n}" for n in range(20)]
    bench.manifest(*keys)
    bench.care(max_outage=timedelta(seconds=0.5))
    bench.platform.submits = {key: ["500_before"] * 99 for key in keys}
    rows = await bench.run()
    assert isinstance(bench.stop.error, StoppedByItself)
    assert "every POST" in bench.stop.error.message
    assert {row.state for row in rows.values()} <= {State.PENDING, State.UNRESOLVED}
    bench.platform.submits = {}
    rows = await bench.run()
    assert settled(rows) == dict.fromkeys(keys, IMPORTED)
    assert set(bench.platform.creates.values()) == {1}


async def test_a_firewall_s_page_refuses_no_row(bench):
    keys = [f"k{n}" for n in range(20)]
    bench.manifest(*keys)
    clean = bench.platform.submit

    def guarded(path, params, body):
        if 5 <= bench.platform.calls["submit"] < 12:
            return bench.platform.answer(403, b"<html>blocked</html>")
        return clean(path, params, body)

    bench.platform.submit = guarded
    rows = await bench.run()
    assert settled(rows) == dict.fromkeys(keys, IMPORTED)
    assert set(bench.platform.creates.values()) == {1}


async def test_refusals_of_keys_that_others_of_the_bucket_disprove_reject_no_other_row(bench):
    keys = [f"k{n:02}" for n in range(40)]
    bench.manifest(*keys)
    refusal = "refuse:400:HEAD_BUCKET_ERROR:timed out"
    bench.platform.submits = {key: [refusal] for key in keys[10:14]}
    rows = await bench.run()
    rejected = {key for key, row in rows.items() if row.state is State.REJECTED}
    assert rejected == set(keys[10:14])


async def test_a_key_that_is_refused_while_only_restarts_are_left_stops_the_run(bench):
    bench.manifest("a")
    bench.platform.copies = {"a": 9}

    def revoke(platform, operation):
        platform.key_refused = operation == "restart"

    bench.platform.on_call = revoke
    rows = await bench.run()
    assert isinstance(bench.stop.error, StoppedByItself)
    assert rows["a"].state is State.RESTARTING
    assert bench.platform.calls["restart"] == 1


async def test_a_copy_whose_end_shows_while_its_restart_is_unanswered_is_taken_once(
    bench, monkeypatch
):
    bench.manifest("a", "b", "c")  # the list is read for b and c
    bench.platform_settings(until="ingested")
    bench.platform.copies = {"a": 1}
    call, shown = bench.platform.call, FakeVideo.json
    ingestion = {"ingestionStatus": "IN_PROGRESS"}

    async def answered_late(method, path, params=None, body=None):
        reply = await call(method, path, params, body)
        if path.endswith("/in/restart"):
            lists = bench.platform.calls["list"]
            while bench.platform.calls["list"] < lists + 3:  # which show that it is done
                await asyncio.sleep(0.01)
            ingestion["ingestionStatus"] = "DONE"
        return reply

    monkeypatch.setattr(bench.platform, "call", answered_late)
    monkeypatch.setattr(
        FakeVideo, "json", lambda video: shown(video) | {"ingestion": {"ingestionState": ingestion}}
    )
    rows = await bench.run()
    assert settled(rows) == dict.fromkeys("abc", (State.IMPORTED, Reason.COPIED))


async def test_a_copy_that_somebody_else_restarts_while_ours_waits_for_its_permit_is_followed(
    bench, monkeypatch
):
    bench.manifest("a", "b", "c")  # the list is read for b and c
    bench.platform_settings(until="ingested")
    bench.platform.copies = {"a": 1}
    permit, shown = gateway.Gateway.permit, FakeVideo.json
    ingestion = {"ingestionStatus": "IN_PROGRESS"}

    async def held(self, *, urgent=False):
        for video in bench.platform.videos if urgent else ():
            if video.key == "a" and video.status == "FAILED":
                video.status = "DONE"
                lists = bench.platform.calls["list"]
                while bench.platform.calls["list"] < lists + 3:  # which show it
                    await asyncio.sleep(0.01)
                ingestion["ingestionStatus"] = "DONE"
        return await permit(self, urgent=urgent)

    monkeypatch.setattr(gateway.Gateway, "permit", held)
    monkeypatch.setattr(
        FakeVideo, "json", lambda video: shown(video) | {"ingestion": {"ingestionState": ingestion}}
    )
    rows = await bench.run()
    assert settled(rows) == dict.fromkeys("abc", (State.IMPORTED, Reason.COPIED))
    assert bench.platform.calls["restart"] == 0


async def test_a_restart_that_a_stop_overtakes_after_its_commit_is_given_back(bench, monkeypatch):
    bench.manifest("a")
    bench.platform.copies = {"a": 1}
    fresh = gateway.Gateway.fresh

    async def too_slow_a_disk(self, given_s):
        if any(video.status == "FAILED" for video in bench.platform.videos):
            bench.stop.interrupt()
            raise Stopping
        await fresh(self, given_s)

    monkeypatch.setattr(gateway.Gateway, "fresh", too_slow_a_disk)
    rows = await bench.run()
    assert (rows["a"].state, rows["a"].restarts) == (State.RESTARTING, 0)
    assert bench.platform.calls["restart"] == 0


async def test_a_display_that_nobody_reads_any_more_ends_nothing(bench, monkeypatch):
    from migrator.engine.status import StatusKeeper  # noqa: PLC0415

    init = StatusKeeper.__init__

    def broken(self, *args):
        def show(_snapshot):
            raise BrokenPipeError

        init(self, *args[:-1], show)

    monkeypatch.setattr(StatusKeeper, "__init__", broken)
    bench.manifest("a", "b")
    assert settled(await bench.run()) == dict.fromkeys("ab", IMPORTED)


async def test_other_sources_take_the_place_of_those_that_were_not_read_to_their_end(bench):
    from migrator.checkpoint.store import Checkpoint  # noqa: PLC0415
    from migrator.engine.inputs import check_inputs, open_inputs  # noqa: PLC0415
    from migrator.model import ManifestRow  # noqa: PLC0415

    bench.manifest("m1", "m2")
    bench.directory.mkdir()
    checkpoint = Checkpoint.create(bench.directory, {"batch": "abcdefgh23456"})
    with checkpoint.transaction():
        checkpoint.add_source(1, "listing", "s3://bucket/x", ["bucket", "key"], "")
        checkpoint.add_rows(1, [ManifestRow(1, "bucket", "l1")], "", 1)
    check_inputs(checkpoint, open_inputs(bench.settings.inputs))
    checkpoint.close()
    assert settled(await bench.run()) == dict.fromkeys(["m1", "m2"], IMPORTED)


async def test_rows_that_meet_others_of_their_number_are_never_dropped_silently(tmp_path):
    from migrator.checkpoint.store import Checkpoint  # noqa: PLC0415
    from migrator.errors import CheckpointError  # noqa: PLC0415
    from migrator.model import ManifestRow  # noqa: PLC0415

    checkpoint = Checkpoint.create(tmp_path, {})
    checkpoint.add_source(1, "manifest", "m", ["bucket", "key"], "")
    checkpoint.add_rows(1, [ManifestRow(1, "bucket", "a")], "", 1)
    with pytest.raises(CheckpointError, match="taken already"):
        checkpoint.add_rows(1, [ManifestRow(1, "bucket", "b")], "", 1)
    checkpoint.close()


async def test_adopted_videos_that_are_done_are_settled_without_being_followed(bench, tmp_path):
    keys = [f"k{n}" for n in range(250)]
    bench.manifest(*keys)
    await bench.run()
    lists = bench.platform.calls["list"]
    rows = await bench.run(directory=tmp_path / "again")
    assert settled(rows) == dict.fromkeys(keys, IMPORTED)
    assert {row.learned_by for row in rows.values()} == {"sweep"}
    # Three pages, and the first of them twice: it shows nothing but videos of one second.
    assert bench.platform.calls["list"] - lists == 4


async def test_a_catalogue_of_invalid_rows_alone_ends_without_a_word_too_many(bench, recwarn):
    bench.manifest(lines=["x,k", "bucket,"])
    rows = await bench.run()
    assert {row.reason for row in rows.values()} == {Reason.INVALID_ROW}
    assert not recwarn.list


async def test_rows_that_fail_every_time_are_given_up_though_nothing_else_is_left_to_send(bench):
    keys = [f"k{n:02}" for n in range(30)]
    bench.manifest(*keys)
    bench.platform.submits = {key: ["500_before"] * 99 for key in keys[::4]}
    rows = await bench.run()
    assert bench.stop.error is None
    given_up = (State.FAILED, Reason.GAVE_UP)
    assert settled(rows) == {key: given_up if key in keys[::4] else IMPORTED for key in keys}
    assert {rows[key].attempts for key in keys[::4]} == {5}


async def test_a_row_is_not_given_up_for_the_time_when_every_post_failed(bench):
    keys = [f"k{n}" for n in range(10)]
    bench.manifest(*keys)
    bench.care(attempts=2, settle_seconds=0.3)  # so that some are looked for when all is well again
    submit = bench.platform.submit

    def ill(path, params, body):
        if bench.platform.calls["submit"] <= 60:
            return bench.platform.error(500, "INTERNAL_SERVER_ERROR", "oops")
        return submit(path, params, body)

    bench.platform.submit = ill
    rows = await bench.run()
    assert settled(rows) == dict.fromkeys(keys, IMPORTED)
    assert max(row.attempts for row in rows.values()) > 2


async def test_posts_that_a_router_does_not_know_are_an_outage_and_make_no_object_missing(bench):
    bench.manifest(*"abcdefgh")
    bench.care(max_outage=timedelta(seconds=0.5))
    lost = bench.platform.answer(404, b"<html>404 page not found</html>")
    bench.platform.submit = lambda *_: lost
    rows = await bench.run()
    assert isinstance(bench.stop.error, StoppedByItself)
    assert "HTTP 404" in bench.stop.error.message
    assert {row.state for row in rows.values()} <= {State.PENDING, State.UNRESOLVED}


async def test_copies_whose_state_the_list_does_not_tell_are_asked_for_by_id(bench):
    bench.manifest(*"abcdef")
    look, listing = bench.platform.look, bench.platform.list
    telling = bench.platform.status

    def bare(*arguments):
        bench.platform.look = lambda video: {**video.json(), "upload": None}
        return listing(*arguments)

    def whole(*arguments):
        bench.platform.look = look
        return telling(*arguments)

    bench.platform.list, bench.platform.status = bare, whole
    rows = await bench.run()
    assert settled(rows) == dict.fromkeys("abcdef", IMPORTED)


async def test_ingestions_that_the_list_does_not_tell_are_asked_for_by_id(bench):
    bench.platform_settings(full_ingestion=True, until="ingested")
    bench.manifest(*"abcdef")
    telling = bench.platform.status

    def whole(*arguments):
        answer = telling(*arguments)
        told = {**json.loads(answer.body), "ingestion": {"ingestionState": INGESTED}}
        return bench.platform.answer(answer.status, told)

    bench.platform.status = whole
    rows = await bench.run()
    assert settled(rows) == dict.fromkeys("abcdef", IMPORTED)
