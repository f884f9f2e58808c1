"""When a run stops by itself: the decisions, and the real engine held by them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from migrator.checkpoint.store import Checkpoint
from migrator.engine import feed, guard
from migrator.engine.decide.limits import Canary, News, Tally, least_sample, too_many_failures
from migrator.errors import BadCanary, ExitCode
from migrator.lifecycle import State
from migrator.model import DecidedBy, Reason
from migrator.settings import SourceSettings, StoppingSettings
from migrator.source.answers import ObjectFacts, S3Refusal

# ------------------------------------------------------------------ decisions


def test_a_count_is_tolerated_up_to_itself_and_invalid_rows_count_too():
    def why(failed, invalid):
        return too_many_failures(Tally(failed, 1000, invalid), 1000, None, 5)

    assert why(5, 0) is why(2, 3) is None
    assert "6 rows have failed" in why(6, 0)
    assert "6 rows have failed" in why(3, 3)
    assert too_many_failures(Tally(1, 1, 0), 1000, None, 0) is not None


def test_a_share_counts_only_in_a_sample_that_is_large_enough():
    def why(failed, tried, rows=100_000):
        return too_many_failures(Tally(failed, tried, 0), rows, 10.0, None)

    assert why(99, 99) is None
    assert why(10, 100) is None
    assert "11 of 100 rows tried" in why(11, 100)
    assert why(14, 14, rows=60) is None
    assert why(2, 15, rows=60) is not None


@pytest.mark.parametrize(("rows", "sample"), [(1, 1), (8, 2), (60, 15), (400, 100), (10**6, 100)])
def test_of_a_small_catalogue_a_quarter_is_sample_enough(rows, sample):
    assert least_sample(rows) == sample


def test_invalid_rows_are_a_share_of_the_whole_catalogue_and_not_of_what_was_tried():
    assert too_many_failures(Tally(0, 0, 50), 1000, 5.0, None) is None
    assert "51 of 1,000 rows are invalid" in too_many_failures(Tally(0, 0, 51), 1000, 5.0, None)


def test_a_canary_lets_so_many_rows_go_and_the_rest_once_all_are_imported():
    canary = Canary(2)
    assert [row for row in range(1, 6) if canary.lets(row)] == [1, 2]
    assert canary.settled(1, State.IMPORTED, None) is News.NOTHING
    assert not canary.lets(3)
    assert canary.lets(2)  # again, when its answer was lost
    assert canary.settled(2, State.COPYING, None) is News.NOTHING
    assert canary.settled(2, State.IMPORTED, None) is News.PASSED
    assert canary.lets(3)
    assert canary.settled(3, State.FAILED, DecidedBy.PLATFORM) is News.NOTHING


@pytest.mark.parametrize(
    ("state", "decided_by", "news"),
    [
        (State.MISSING, DecidedBy.PREFLIGHT, News.ROOM),
        (State.SKIPPED, DecidedBy.PREFLIGHT, News.ROOM),
        (State.REJECTED, DecidedBy.BREAKER, News.ROOM),
        (State.REJECTED, DecidedBy.PLATFORM, News.BAD),
        (State.MISSING, DecidedBy.PLATFORM, News.BAD),
        (State.FAILED, DecidedBy.PLATFORM, News.BAD),
    ],
)
def test_a_canary_is_bad_where_the_platform_did_not_take_a_row(state, decided_by, news):
    canary = Canary(1)
    assert canary.lets(1)
    assert canary.settled(1, state, decided_by) is news
    assert canary.lets(2)


# ----------------------------------------------------------------- the engine


class Source:
    """Every object is there, but for those that are not."""

    def __init__(self, missing=()):
        self.missing = set(missing)

    async def head(self, _bucket, key, *_asked):
        if key in self.missing:
            raise S3Refusal("404", 404, "")
        return ObjectFacts(100, "e", 1)

    async def read_code(self, _bucket, key, *_asked):
        if key in self.missing:
            raise S3Refusal("NoSuchKey", 404, "")


@pytest.fixture
def limited(bench):
    """A batch with limits: call it with them."""

    def limit(**values):
        bench.settings = replace(
            bench.settings,
            stopping=StoppingSettings(**values),
            source=SourceSettings(preflight=True),
        )
        return bench

    return limit


def keys(count):
    return [f"k{number:03}" for number in range(count)]


async def test_a_run_stops_once_more_has_failed_than_is_tolerated_and_resume_counts_anew(limited):
    bench = limited(tolerated_failure_count=3)
    bench.manifest(*keys(60))
    bench.settings = replace(bench.settings, pace=replace(bench.settings.pace, max_concurrency=1))
    bench.platform.submits = {key: ["400"] for key in keys(60)[::3]}

    rows = await bench.run(Source())

    assert bench.stop.error.exit_code is ExitCode.STOPPED
    assert "4 rows have failed" in bench.stop.error.message
    states = [row.state for row in rows.values()]
    assert states.count(State.REJECTED) == 4
    assert states.count(State.PENDING) > 40

    rows = await bench.run(Source())

    assert "4 rows have failed" in bench.stop.error.message
    assert [row.state for row in rows.values()].count(State.REJECTED) == 8


async def test_a_kill_accepts_no_failures(limited):
    bench = limited(tolerated_failure_count=3)
    bench.manifest(*keys(40))
    bench.platform.submits = {key: ["400"] for key in keys(3)}
    bench.settings = replace(bench.settings, pace=replace(bench.settings.pace, max_concurrency=1))

    def interrupt(platform, operation):
        if operation == "submit" and platform.calls["submit"] == 10:
            bench.stop.interrupt()

    bench.platform.on_call = interrupt
    rows = await bench.run(Source())
    assert bench.stop.error is None
    assert [row.state for row in rows.values()].count(State.REJECTED) == 3

    bench.platform.on_call = None
    bench.platform.submits = {key: ["400"] for key in keys(40)[12:]}
    await bench.run(Source())
    assert "4 rows have failed" in bench.stop.error.message


async def test_preflight_that_runs_ahead_makes_no_share_of_failures(limited):
    # Every tenth object is not there, and the source tells that long before one copy is done.
    bench = limited(tolerated_failure_percentage=15.0)
    bench.manifest(*keys(300))
    bench.platform.looks_to_done = 3

    rows = await bench.run(Source(missing=keys(300)[::10]))

    assert bench.stop.error is None
    states = [row.state for row in rows.values()]
    assert (states.count(State.IMPORTED), states.count(State.MISSING)) == (270, 30)


async def test_a_wrong_prefix_stops_a_run_by_its_share_of_missing_objects(limited):
    bench = limited(tolerated_failure_percentage=15.0)
    bench.manifest(*keys(2000))

    rows = await bench.run(Source(missing=keys(2000)[5:]))

    assert "rows tried have failed" in bench.stop.error.message
    states = [row.state for row in rows.values()]
    assert states.count(State.PENDING) > 1000
    assert sum(bench.platform.creates.values()) <= 5


async def test_a_manifest_of_invalid_rows_is_stopped_before_anything_is_sent(limited):
    bench = limited(tolerated_failure_percentage=10.0)
    bench.manifest(lines=["bucket,a", "xx,b", "bucket,c"])
    await bench.run(Source())
    assert "1 of 3 rows are invalid" in bench.stop.error.message
    assert bench.platform.calls["submit"] == 0

    rows = await bench.run(Source())  # they were looked at: it may go on

    assert bench.stop.error is None
    assert rows["a"].state is rows["c"].state is State.IMPORTED


async def test_nothing_beyond_the_canary_is_sent_before_all_of_it_is_imported(limited):
    bench = limited(canary=3)
    bench.manifest(*keys(50))
    bench.platform.looks_to_done = 4
    bench.platform.submits = {"k001": ["lost_before"], "k002": ["429", "lost_after"]}
    sent_before_done = []

    def note(platform, operation):
        done = sum(video.status == "DONE" for video in platform.videos)
        if operation == "submit" and done < 3:
            sent_before_done.append(len(platform.creates))

    bench.platform.on_call = note
    rows = await bench.run(Source(missing=["k000"]))

    assert bench.stop.error is None
    assert sum(row.state is State.IMPORTED for row in rows.values()) == 49
    assert max(sent_before_done) <= 3
    assert set(list(bench.platform.creates)[:3]) == {"k001", "k002", "k003"}
    assert max(bench.platform.creates.values()) == 1


@pytest.mark.parametrize("trouble", ["refused", "copy"])
async def test_a_bad_canary_stops_the_run_and_the_next_start_sends_another(limited, trouble):
    bench = limited(canary=3)
    bench.manifest(*keys(30))
    if trouble == "refused":
        bench.platform.submits = {"k001": ["400"]}
    else:
        bench.platform.copies = {"k001": 10}
    bench.platform.looks_to_done = 2

    rows = await bench.run(Source())

    assert isinstance(bench.stop.error, BadCanary)
    assert "row 2 ended as" in bench.stop.error.message
    assert sum(bench.platform.creates.values()) <= 3
    assert rows["k001"].state in {State.REJECTED, State.FAILED}
    made = Checkpoint.open(bench.directory)
    videos = {video_id for _, _, _, video_id in made.made_videos(100)}
    made.close()
    assert videos == {video.id for video in bench.platform.videos}

    bench.platform.copies = {"k020": 10}
    rows = await bench.run(Source())

    assert bench.stop.error is None
    assert rows["k020"].reason is Reason.COPY_FAILED
    assert sum(row.state is State.IMPORTED for row in rows.values()) == 28


async def test_a_canary_that_was_bad_when_the_program_was_killed_is_bad_at_the_next_start(
    limited, monkeypatch
):
    bench = limited(canary=3)
    bench.manifest(*keys(30))
    bench.platform.submits = {"k001": ["400"]}
    with monkeypatch.context() as killed:
        killed.setattr(guard.Guard, "remember", lambda _self, _checkpoint: None)
        await bench.run(Source())
    sent = bench.platform.calls["submit"]

    await bench.run(Source())

    assert isinstance(bench.stop.error, BadCanary)
    assert bench.platform.calls["submit"] == sent

    await bench.run(Source())
    assert bench.stop.error is None


async def test_a_canary_that_passed_is_not_asked_for_again(limited):
    bench = limited(canary=2)
    bench.manifest(*keys(20))

    def interrupt(platform, operation):
        if operation == "submit" and platform.calls["submit"] == 8:
            bench.stop.interrupt()

    bench.platform.on_call = interrupt
    await bench.run(Source())
    bench.platform.on_call = None
    bench.platform.submits = {key: ["400"] for key in keys(20)[10:]}

    rows = await bench.run(Source())

    assert bench.stop.error is None
    assert not [key for key, row in rows.items() if row.state is State.PENDING]


async def test_a_catalogue_smaller_than_its_canary_is_migrated(limited):
    bench = limited(canary=100)
    bench.manifest(*keys(5))
    rows = await bench.run(Source(missing=["k003"]))
    assert bench.stop.error is None
    assert sum(row.state is State.IMPORTED for row in rows.values()) == 4


async def test_a_run_ends_in_order_once_it_has_lasted_long_enough(limited):
    bench = limited(max_duration=timedelta(seconds=0.5))
    bench.manifest(*keys(200))
    bench.settings = replace(
        bench.settings, pace=replace(bench.settings.pace, requests_per_minute=1200)
    )

    rows = await bench.run(Source())

    assert "--max-duration is over" in bench.stop.error.message
    assert not {row.state for row in rows.values()} & {State.SUBMITTING, State.UNRESOLVED}
    assert any(row.state is State.PENDING for row in rows.values())


async def test_a_row_of_the_canary_that_is_pending_again_goes_before_rows_that_must_wait(
    limited, monkeypatch
):
    monkeypatch.setattr(feed, "CHUNK", 1)
    bench = limited()
    bench.manifest(*keys(12))
    bench.platform.submits = {"k010": ["lost_before"]}
    bench.care(settle_seconds=1000)

    def interrupt(platform, operation):
        if operation == "submit" and platform.calls["submit"] == 11:
            bench.stop.interrupt()

    bench.platform.on_call = interrupt
    rows = await bench.run(Source(missing=["k000"]))
    assert (rows["k000"].state, rows["k010"].state) == (State.MISSING, State.UNRESOLVED)
    bench.platform.on_call = None
    bench.care(settle_seconds=0)

    limited(canary=11)
    _, rows = await bench.retry(Reason.OBJECT_NOT_FOUND, source=Source())

    assert bench.stop.error is None
    assert {row.state for row in rows.values()} == {State.IMPORTED}
