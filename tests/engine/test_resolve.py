"""An unknown outcome is settled by looking: what counts as a look, and what it proves."""

import json
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from fakes.platform import EPOCH_S

from migrator.checkpoint.change import Change
from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.writer import Writer
from migrator.engine import lag
from migrator.engine.book import Book
from migrator.engine.decide import CopyRules, Sight
from migrator.engine.flights import Flights
from migrator.engine.observe import Observer
from migrator.engine.stop import Stop
from migrator.engine.tag import Tag
from migrator.lifecycle import Event, State
from migrator.model import LearnedBy, ManifestRow, Reason, identity

IMPORTED = (State.IMPORTED, Reason.COPIED)
VIDEO = "44444444-4444-4444-8444-444444444444"


def settled(rows):
    return {key: (row.state, row.reason) for key, row in rows.items()}


def fill(bench, count, made_s, name):
    """Videos of somebody else, all made at one moment of the platform's clock."""
    for n in range(count):
        bench.platform.create(
            f"{name}{n}", "", f"{name}{n}", created_ms=made_s * 1000, status="DONE"
        )


async def test_a_row_that_a_moving_list_hides_at_the_edge_of_a_page_is_not_made_twice(bench):
    bench.manifest("a")
    bench.platform.submits = {"a": ["lost_after"]}
    fill(bench, 60, EPOCH_S - 3600, "long-ago")
    fill(bench, 50, EPOCH_S - 60, "before")
    clean = bench.platform.list

    def hiding(path, params, body):
        if not bench.platform.creates["a"]:
            return clean(path, params, body)
        if len(bench.platform.videos) < 200:
            fill(bench, 100, EPOCH_S + 1, "after")  # the row now stands at position 100
        page = json.loads(clean(path, {**params, "pageNumber": "0", "pageSize": "999"}, body).body)
        size = int(params["pageSize"])
        first = int(params["pageNumber"]) * size
        first += 1 if first else 0  # what stands at an edge has just moved to the page before
        items = page["items"][first : first + size]
        return bench.platform.answer(200, {**page, "items": items})

    bench.platform.list = hiding
    rows = await bench.run()
    assert settled(rows) == {"a": IMPORTED}
    assert bench.platform.creates["a"] == 1


async def test_a_sweep_reads_back_to_five_minutes_before_the_intent_and_no_further(bench):
    fill(bench, 300, EPOCH_S - 302, "too-early")
    fill(bench, 10, EPOCH_S - 299, "early")
    bench.care(assume_empty=True)
    bench.manifest("a")
    bench.platform.submits = {"a": ["lost_before"]}
    seen = []
    bench.platform.on_call = lambda platform, operation: seen.append(
        (operation, platform.calls[operation])
    )
    rows = await bench.run()
    assert settled(rows) == {"a": IMPORTED}
    first = seen.index(("submit", 1))
    second = seen.index(("submit", 2))
    assert [operation for operation, _ in seen[first + 1 : second]] == ["list", "list"]


async def test_the_first_of_the_two_sweeps_begins_only_once_the_list_has_had_time_to_settle(
    bench,
):
    bench.care(settle_seconds=0.4)
    bench.manifest("a")
    bench.platform.submits = {"a": ["lost_after"]}
    moments = []

    def note(platform, operation):
        moments.append((operation, time.monotonic()))
        lost_s = next((at for name, at in moments if name == "submit"), None)
        # The platform needs its time: what was made shows itself in lists only later.
        early = lost_s is not None and moments[-1][1] < lost_s + 0.4
        platform.hidden = {video.id for video in platform.videos} if early else set()

    bench.platform.on_call = note
    rows = await bench.run()
    assert settled(rows) == {"a": IMPORTED}
    assert bench.platform.creates == {"a": 1}


async def test_an_incomplete_sweep_between_two_complete_ones_proves_nothing(bench):
    """The second look at a lagging list is incomplete, the first and third show no video."""
    bench.manifest("a")
    bench.platform.submits = {"a": ["lost_after"]}
    clean = bench.platform.list
    looks = []

    def lagging(path, params, body):
        if not bench.platform.creates["a"]:
            return clean(path, params, body)
        looks.append(1)
        if len(looks) in {1, 7}:  # complete, and it is not there
            return bench.platform.answer(200, {"totalElements": 0, "items": []})
        if len(looks) < 7:  # five passes that promise more than they show
            return bench.platform.answer(200, {"totalElements": 1, "items": []})
        return clean(path, params, body)

    bench.platform.list = lagging
    rows = await bench.run()
    assert settled(rows) == {"a": IMPORTED}
    assert bench.platform.creates == {"a": 1}


async def test_of_two_videos_that_one_request_made_both_are_said(bench):
    bench.manifest("a")
    bench.platform.submits = {"a": ["lost_after"]}

    def doubled(platform, operation):
        if operation == "list" and len(platform.videos) == 1:
            (video,) = platform.videos
            platform.create("a", video.description, "a", created_ms=video.created_ms + 5)

    bench.platform.on_call = doubled
    rows = await bench.run()
    first, second = bench.platform.videos
    assert rows["a"].video_id == first.id
    assert json.loads(rows["a"].duplicate_video_ids) == [second.id]


async def test_a_tag_of_the_same_object_in_another_namespace_settles_nothing(bench):
    bench.manifest("a", "b")
    bench.platform.submits = {"a": ["lost_before"]}
    tag = str(Tag(identity("other", "bucket", "a"), "zzzzzzzzzzzzz"))
    other = bench.platform.create("elsewhere", tag, "a", status="DONE")
    rows = await bench.run()
    assert settled(rows) == dict.fromkeys("ab", IMPORTED)
    assert rows["a"].video_id != other.id
    assert bench.platform.creates["a"] == 1


async def test_rows_left_unresolved_are_said_and_looked_for_by_the_next_run(bench):
    bench.manifest(*"abc")
    bench.care(max_outage=timedelta(hours=1))
    bench.platform.submits = {"b": ["lost_after"]}
    clean = bench.platform.list

    def promises(path, params, body):
        if not bench.platform.creates["b"]:
            return clean(path, params, body)
        page = json.loads(clean(path, params, body).body)
        shown = [item for item in page["items"] if item["upload"]["file"]["name"] != "b"]
        return bench.platform.answer(200, {**page, "items": shown})

    bench.platform.list = promises
    rows = await bench.run()
    assert settled(rows) == {"a": IMPORTED, "b": (State.UNRESOLVED, None), "c": IMPORTED}
    bench.platform.list = clean
    rows = await bench.run()
    assert settled(rows) == dict.fromkeys("abc", IMPORTED)
    assert bench.platform.creates == {"a": 1, "b": 1, "c": 1}


@pytest.fixture
async def flying(tmp_path):
    """A copy that was restarted at second 10 of the engine's clock, and its observer."""
    checkpoint = Checkpoint.create(tmp_path, {})
    with checkpoint.transaction():
        checkpoint.add_source(1, "manifest", "m", ["bucket", "key"], "")
        checkpoint.add_rows(1, [ManifestRow(1, "bucket", "a")], "", 1)
        checkpoint.apply(1, State.PENDING, Change(Event.SUBMIT))
        checkpoint.apply(1, State.SUBMITTING, Change(Event.ACCEPT, {"video_id": VIDEO}))
    writer = Writer(checkpoint, lambda _checkpoint: None)
    flights = Flights(10, Stop())
    flight = flights.add(checkpoint.transfer(1), VIDEO, 0, State.COPYING, now_s=10.0)
    rules = CopyRules(restarts=2, until_ingested=False)
    yield Observer(Book(writer), flights, Stop(), "batch", rules), flight, checkpoint
    await writer.close()
    checkpoint.close()


@pytest.mark.parametrize("status", ["DONE", "FAILED"])
@pytest.mark.parametrize(("began_s", "counts"), [(9.9, False), (10.0, True), (10.1, True)])
async def test_a_look_that_began_before_the_last_command_says_nothing(
    flying, status, began_s, counts
):
    observer, flight, checkpoint = flying
    await observer.sight(flight, Sight(status, 100.0, 5, None), LearnedBy.LIST, began_s)
    after = State.IMPORTED if status == "DONE" else State.RESTARTING
    assert checkpoint.transfer(1).state is (after if counts else State.COPYING)


async def test_a_platform_whose_clocks_differ_by_less_than_five_minutes_hides_no_video(bench):
    fill(bench, 10, EPOCH_S - 3600, "long-ago")
    bench.manifest("a")
    bench.platform.submits = {"a": ["lost_after"]}

    def lag(platform, operation):
        if operation == "list":
            for video in platform.videos:
                if video.key == "a":
                    video.created_ms = (EPOCH_S - 299) * 1000

    bench.platform.on_call = lag
    rows = await bench.run()
    assert settled(rows) == {"a": IMPORTED}
    assert bench.platform.creates["a"] == 1


@pytest.mark.parametrize("others", [0, 120])
async def test_a_platform_whose_clocks_prove_to_differ_by_hours_hides_no_video(bench, others):
    """A `Date` that a proxy writes, or a local time in `createdAt` that names no zone."""
    bench.manifest("a", *(f"b{n}" for n in range(others)))
    bench.platform.submits = {"a": ["lost_after"]}
    clean = bench.platform.create

    def early(*args, **more):
        return clean(*args, **{"created_ms": (bench.platform.clock_s - 7200) * 1000, **more})

    bench.platform.create = early
    rows = await bench.run()
    assert set(settled(rows).values()) == {IMPORTED}
    assert set(bench.platform.creates.values()) == {1}


async def test_where_no_size_is_known_an_untagged_video_of_the_same_name_is_ambiguous(bench):
    """Whatever the platform made of the description that it was given."""
    bench.manifest("a")
    bench.platform.submits = {"a": ["lost_after"]}
    clean = bench.platform.create
    bench.platform.create = lambda key, description, *args, **more: clean(
        key, description.replace("[", "&#91;"), *args, **more
    )
    rows = await bench.run()
    assert settled(rows) == {"a": (State.FAILED, Reason.AMBIGUOUS)}
    assert bench.platform.creates == {"a": 1}


async def test_an_untagged_video_that_the_first_sweep_saw_is_not_the_row_s(bench):
    bench.manifest("a")
    fill(bench, 1, EPOCH_S - 10, "older")
    bench.platform.videos[0].file_name = "a"
    bench.platform.submits = {"a": ["lost_before"]}
    assert settled(await bench.run()) == {"a": IMPORTED}
    assert bench.platform.creates["a"] == 1


@pytest.mark.parametrize(
    ("hidden", "settled_as"),
    [
        (("description", "upload"), (State.UNRESOLVED, None)),
        (("description",), (State.FAILED, Reason.AMBIGUOUS)),
    ],
)
async def test_a_video_that_tells_nothing_of_itself_yet_may_be_the_row_s(bench, hidden, settled_as):
    bench.manifest("a")
    bench.platform.submits = {"a": ["lost_after"]}
    clean = bench.platform.look
    bench.platform.look = lambda video: {
        name: value for name, value in clean(video).items() if name not in hidden
    }
    assert settled(await bench.run()) == {"a": settled_as}
    assert bench.platform.creates == {"a": 1}
    bench.platform.look = clean
    again = settled(await bench.run())
    assert again == {"a": IMPORTED if settled_as[0] is State.UNRESOLVED else settled_as}
    assert bench.platform.creates == {"a": 1}


async def test_a_row_whose_video_an_answer_gave_to_another_row_is_left_open_and_ends_no_run(bench):
    bench.manifest("a", "b")
    bench.settings = replace(bench.settings, pace=replace(bench.settings.pace, max_concurrency=1))
    bench.platform.submits = {"a": ["lost_after"]}
    clean = bench.platform.submit

    def mistaken(path, params, body):
        answer = clean(path, params, body)
        if b'"objectKey":"b"' not in body:
            return answer
        return bench.platform.answer(202, {"videoId": bench.platform.videos[0].id})

    clean_list = bench.platform.list
    bench.platform.submit = mistaken
    bench.platform.list = lambda *asked: (
        bench.platform.error(503, "BUSY", "later")
        if bench.platform.creates["a"] and not bench.platform.creates["b"]
        else clean_list(*asked)
    )
    for _ in range(2):
        rows = await bench.run()
        assert bench.stop.error is None
        assert rows["a"].state is State.UNRESOLVED
    assert bench.platform.creates == {"a": 1, "b": 1}


async def test_a_success_with_the_id_of_another_row_s_video_is_no_answer(bench):
    bench.manifest(*"abc")
    bench.settings = replace(bench.settings, pace=replace(bench.settings.pace, max_concurrency=1))
    clean = bench.platform.submit

    def mistaken(path, params, body):
        answer = clean(path, params, body)
        if b'"objectKey":"b"' not in body:
            return answer
        return bench.platform.answer(202, {"videoId": bench.platform.videos[0].id})

    bench.platform.submit = mistaken
    rows = await bench.run()
    assert bench.stop.error is None
    assert settled(rows) == dict.fromkeys("abc", IMPORTED)
    assert [rows[key].video_id for key in "abc"] == [video.id for video in bench.platform.videos]


async def test_a_404_by_id_counts_only_once_it_has_lasted(bench):
    bench.manifest("a")
    bench.care(settle_seconds=0.2)
    bench.platform.looks_to_done = 3
    clean = bench.platform.status
    unknown = []

    def late(path, params, body):
        if len(unknown) < 1:
            unknown.append(path)
            return bench.platform.error(404, "RESOURCE_NOT_FOUND", "not here yet")
        return clean(path, params, body)

    bench.platform.status = late
    rows = await bench.run()
    assert unknown
    assert settled(rows) == {"a": IMPORTED}


@pytest.mark.parametrize("text", ["somebody's film", None])
async def test_a_video_that_tells_no_name_may_be_ours_only_as_long_as_it_tells_no_description(
    bench, text
):
    bench.manifest("a")
    bench.platform.submits = {"a": ["lost_before"]}
    clean = bench.platform.list

    def beside(path, params, body):
        page = json.loads(clean(path, params, body).body)
        if not bench.platform.calls["submit"] or int(params["pageNumber"]):
            return bench.platform.answer(200, page)
        other = {"id": VIDEO, "createdAt": EPOCH_S * 1000, "description": text}
        items = [other, *page["items"]]
        total = page["totalElements"] + 1
        return bench.platform.answer(200, {**page, "totalElements": total, "items": items})

    bench.platform.list = beside
    rows = await bench.run()
    assert settled(rows) == {"a": IMPORTED if text else (State.UNRESOLVED, None)}
    assert bench.platform.creates["a"] == (1 if text else 0)


async def test_a_clock_that_is_set_back_while_a_failure_is_written_puts_no_restart_off(flying):
    observer, flight, _ = flying
    clock = iter([10_000_000, 10_000_000 - 86_400_000])
    observer._book.now_ms = lambda: next(clock)
    await observer.sight(flight, Sight("FAILED", 50.0, 5, None), LearnedBy.LIST, 20.0)
    assert flight.state is State.RESTARTING
    assert flight.restart_at_s <= 20.0 + 20.0


async def test_a_look_alike_that_the_last_sweep_does_not_show_is_not_forgotten(bench):
    bench.manifest("a")
    bench.platform_settings(tag_in="none")
    bench.platform.submits = {"a": ["lost_after"]}
    clean = bench.platform.list
    looks = []

    def hiding(path, params, body):
        if not bench.platform.creates["a"]:
            return clean(path, params, body)
        looks.append(1)
        bench.platform.hidden = {bench.platform.videos[0].id} if len(looks) == 2 else set()
        return clean(path, params, body)

    bench.platform.list = hiding
    rows = await bench.run()
    assert settled(rows) == {"a": (State.FAILED, Reason.AMBIGUOUS)}
    assert bench.platform.creates == {"a": 1}


@pytest.mark.parametrize("order", ["oldest first", "by id", "one old on top"])
async def test_a_list_in_another_order_than_was_asked_for_hides_no_video(bench, order):
    fill(bench, 250, EPOCH_S - 7200, "before")
    for n, video in enumerate(bench.platform.videos):
        video.created_ms += n * 10_000
    bench.manifest("a")
    bench.platform.submits = {"a": ["lost_after"]}

    def disordered(_path, params, _body):
        number, size = int(params["pageNumber"]), int(params["pageSize"])
        videos = bench.platform.videos  # oldest first
        if order == "by id":
            videos = sorted(videos, key=lambda video: video.id)
        elif order == "one old on top":
            videos = [videos[0], *reversed(videos[1:])]
        items = [bench.platform.look(each) for each in videos[number * size :][:size]]
        return bench.platform.answer(200, {"totalElements": len(videos), "items": items})

    bench.platform.list = disordered
    rows = await bench.run()
    assert settled(rows) == {"a": IMPORTED}
    assert bench.platform.creates["a"] == 1


async def test_a_video_that_is_not_called_a_master_yet_is_not_made_twice(bench):
    bench.manifest("a")
    bench.platform.submits = {"a": ["lost_after"]}
    look = bench.platform.look
    bench.platform.look = lambda video: {**look(video), "flags": {"isMaster": False}}
    rows = await bench.run()
    assert settled(rows) == {"a": IMPORTED}
    assert bench.platform.creates == {"a": 1}


@pytest.fixture
def lagging(bench):
    """Answers `b0` to `b9` in turn, then loses the one to `a`; the list shows none of them."""
    bench.manifest(*(f"b{n}" for n in range(10)), "a")
    bench.settings = replace(bench.settings, pace=replace(bench.settings.pace, max_concurrency=1))
    bench.platform.submits = {"a": ["lost_after"]}
    create = bench.platform.create

    def hide(*args, **more):
        video = create(*args, **more)
        bench.platform.hidden.add(video.id)
        return video

    bench.platform.create = hide
    return bench


async def test_a_list_that_is_seen_to_lag_is_waited_for_beyond_the_time_to_settle(lagging):
    looks = []

    def catch_up(platform, operation):
        if operation == "list" and platform.creates["a"]:
            looks.append(1)
            if len(looks) > 12:
                platform.hidden = set()

    lagging.platform.on_call = catch_up
    rows = await lagging.run()
    assert set(settled(rows).values()) == {IMPORTED}
    assert set(lagging.platform.creates.values()) == {1}


async def test_a_list_that_hides_for_good_what_is_there_leaves_a_row_open(lagging, monkeypatch):
    monkeypatch.setattr(lag, "MAX_LAG_S", 0.2)
    for _start in range(2):  # the next run knows what this one was told of
        rows = await lagging.run()
        assert settled(rows)["a"] == (State.UNRESOLVED, None)
        assert lagging.platform.creates["a"] == 1


async def test_a_video_that_is_deleted_meanwhile_makes_no_list_late(lagging):
    lagging.platform.submits = {"a": ["lost_before"]}

    def delete(platform, operation):
        platform.hidden = set()
        if operation == "list" and platform.calls["submit"] == 11:
            platform.videos = [video for video in platform.videos if video.key != "b3"]

    lagging.platform.on_call = delete
    rows = await lagging.run()
    assert settled(rows)["a"] == IMPORTED
    assert lagging.platform.creates["a"] == 1
