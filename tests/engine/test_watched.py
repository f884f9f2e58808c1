"""What a run tells about itself while it lasts: snapshots, what is waited for, durations, log."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from migrator.engine import load, run, shelf, status
from migrator.engine.snapshot import note_end
from migrator.manifest.csv_file import CsvManifest
from migrator.source.answers import ObjectFacts, SourceUnreachable

KEYS = [f"clip-{number}.mp4" for number in range(6)]


class Source:
    """Objects of a hundred bytes, once it answers."""

    def __init__(self, silent_until=lambda: True):
        self.answers = silent_until

    async def head(self, _bucket, _key, *_asked):
        if not self.answers():
            raise SourceUnreachable("timed out")
        return ObjectFacts(100, "etag", 0)


def waits(bench):
    """What the run has waited on, and in which words."""
    return {shown.waiting_on: shown.waiting_for for shown in bench.shown}


@pytest.fixture
def sized(bench):
    """A bench whose objects have a known size."""
    bench.settings = replace(bench.settings, source=replace(bench.settings.source, preflight=True))
    return bench


@pytest.fixture
def often(monkeypatch):
    """A snapshot every few milliseconds, so that no moment is missed."""
    monkeypatch.setattr(status, "INTERVAL_S", 0.002)
    monkeypatch.setattr(status, "RATE_OVER_S", 0.02)


async def test_rows_are_counted_while_they_are_read(bench, monkeypatch):
    monkeypatch.setattr(load, "BATCH", 2)
    batches = CsvManifest.batches

    def in_pairs(manifest, first_row=1):
        for rows in batches(manifest, first_row):
            yield from (rows[begin : begin + 2] for begin in range(0, len(rows), 2))

    monkeypatch.setattr(CsvManifest, "batches", in_pairs)  # as a long file comes, block by block
    rows_seen = []
    put = shelf.Shelf.put

    async def putting(shelf, *arguments):
        await put(shelf, *arguments)
        rows_seen.append(shelf.book.tallies.rows)

    monkeypatch.setattr(shelf.Shelf, "put", putting)
    bench.manifest(*KEYS, KEYS[0])
    await bench.run()
    assert rows_seen == [2, 4, 6, 7]
    assert bench.shown[-1].rows == 7
    assert bench.shown[-1].outcomes["skipped"] == 1


async def test_copies_and_bytes_in_flight_rise_and_end_at_nothing(sized, often):
    sized.platform.looks_to_done = 3
    sized.manifest(*KEYS)
    await sized.run(Source())
    most = max(sized.shown, key=lambda shown: shown.in_flight_bytes)
    assert most.in_flight >= 1
    assert most.in_flight_bytes >= 100
    assert most.in_flight_bytes % 100 == 0
    last = sized.shown[-1]
    assert (last.in_flight, last.in_flight_bytes, last.imported_bytes) == (0, 0, 600)
    assert last.done == last.rows == 6


async def test_what_was_imported_before_is_counted_in_bytes_too(sized):
    sized.manifest(*KEYS)
    await sized.run(Source())
    await sized.run(Source())
    assert sized.shown[-1].imported_bytes == 600


async def test_the_last_problems_are_kept_and_hold_nothing_that_steers(bench, often):
    hostile = "gone-\x1b[2J\u202e.mp4"
    bench.manifest(*KEYS, hostile)
    bench.settings = replace(bench.settings, pace=replace(bench.settings.pace, max_concurrency=1))
    bench.platform.submits = {
        key: ["refuse:404:KEY_NOT_FOUND:it is \x1b[31mgone"] for key in [hostile, *KEYS]
    }
    await bench.run()
    problems = bench.shown[-1].problems
    assert len(problems) == 5  # of seven
    for problem in problems:
        assert (problem.outcome, problem.reason) == ("missing", "object_not_found")
        assert problem.message == r"KEY_NOT_FOUND it is \x1b[31mgone"
        assert problem.place.isprintable()
    assert problems[-1].place == r"s3://bucket/gone-\x1b[2J\u202e.mp4"


async def test_a_place_in_flight_is_waited_for_where_the_limit_binds(bench, often):
    bench.settings = replace(bench.settings, pace=replace(bench.settings.pace, max_in_flight=1))
    bench.platform.looks_to_done = 3
    bench.manifest(*KEYS)
    await bench.run()
    assert waits(bench)["in_flight_limit"] == "a place in flight: 1 copies run (--max-in-flight)"
    assert bench.shown[-1].max_in_flight == 1


async def test_a_source_that_does_not_answer_is_waited_for(sized, often):
    sized.manifest(*KEYS)
    await sized.run(Source(silent_until=lambda: "source" in waits(sized)))
    assert waits(sized)["source"] == "the source: it does not answer (timed out)"
    assert sized.shown[-1].done == 6


async def test_an_outage_is_waited_for(bench, often):
    bench.manifest(*KEYS)

    def is_down(platform, _operation):
        outage_begins = platform.creates.total() == 1
        if outage_begins and "platform" not in waits(bench):
            platform.down = 1

    bench.platform.on_call = is_down
    await bench.run()
    assert waits(bench)["platform"] == "the platform: it does not answer (connection refused)"
    assert bench.shown[-1].done == 6


async def test_while_the_list_is_swept_it_is_said_how_far(bench, monkeypatch):
    keepers = []

    def kept(*arguments):
        keepers.append(status.StatusKeeper(*arguments))
        return keepers[-1]

    monkeypatch.setattr(run, "StatusKeeper", kept)
    bench.platform.on_call = lambda _platform, operation: operation == "list" and keepers[0].tell()
    for number in range(150):
        bench.platform.create(f"other-{number}", "", f"other-{number}")
    bench.manifest(*KEYS)
    await bench.run()
    told = [shown.waiting_for for shown in bench.shown if shown.phase == "sweeping"]
    assert told[-1] == "the team's list: 100 of 150 videos read"
    assert {shown.waiting_on for shown in bench.shown if shown.phase == "sweeping"} == {"list"}


async def test_the_meter_is_shown_each_call_and_each_copy_of_this_run(bench):
    class Meter:
        calls, copies = Counter(), Counter()

        def call_ended(self, operation, result, seconds):
            assert seconds >= 0
            self.calls[operation, result] += 1

        def copy_ended(self, outcome, seconds):
            assert seconds >= 0
            self.copies[outcome] += 1

    bench.meter = Meter()
    bench.platform.submits = {KEYS[0]: ["500_before", "lost_before", "not_sent", "429"]}
    bench.manifest(*KEYS)
    await bench.run()
    by_operation = Counter()
    for (operation, _), count in Meter.calls.items():
        by_operation[operation] += count
    assert by_operation == {k: n for k, n in bench.shown[-1].by_operation.items() if n}
    for result in ("2xx", "5xx", "lost", "not_sent", "4xx"):
        assert Meter.calls["submit", result] >= 1, result
    assert Meter.copies == {"imported": 6}


async def test_an_estimate_is_there_while_rows_are_sent_and_not_afterwards(bench, often):
    bench.settings = replace(
        bench.settings, pace=replace(bench.settings.pace, requests_per_minute=1200)
    )
    bench.manifest(*(f"clip-{number}.mp4" for number in range(40)))
    await bench.run()
    estimated = [shown for shown in bench.shown if shown.eta_s is not None]
    assert estimated
    for shown in estimated:  # at twenty a second
        assert shown.phase == "migrating"
        assert shown.eta_s >= (shown.states["pending"] + shown.states["submitting"]) / 20
    assert bench.shown[-1].eta_s is None
    assert bench.shown[-1].end_eta_s is None


async def test_the_status_on_the_disk_is_the_last_snapshot_and_takes_the_exit_code(bench):
    bench.manifest(*KEYS)
    await bench.run()
    path = bench.directory / "status.json"
    assert json.loads(path.read_text())["exit_code"] is None
    note_end(bench.directory, 3)
    assert json.loads(path.read_text())["exit_code"] == 3

    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "pid": 1, "exit_code": None}))
    note_end(bench.directory, 4)  # of another process: not ours to end
    assert json.loads(path.read_text())["exit_code"] is None
    path.write_text("no status")
    note_end(bench.directory, 4)
    assert path.read_text() == "no status"


async def test_a_rate_of_late_is_no_average_over_the_whole_run(bench):
    pace = status._Pace()
    for second in range(400):
        pace.note(float(second), second * 10 if second < 390 else 3_900, 1)
    assert pace.per_minute(399.0, 8.0) == 0.0
    assert pace.per_minute(399.0, 300.0) == pytest.approx(580, rel=0.01)
    assert pace.of_late(399.0) is None  # nothing was to be sent yet
