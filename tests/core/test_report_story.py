"""What the page tells beside the counts: the timeline, sizes and slow copies, the settings."""

import re
from datetime import timedelta

import pytest

from migrator.checkpoint.history import Sample, SlowCopy
from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.values import Calls, Run
from migrator.lifecycle import State
from migrator.model import ManifestRow
from migrator.report.conditions import conditions
from migrator.report.sizes import LIMITS, NAMES, size_classes
from migrator.report.timeline import COLUMNS, timeline
from migrator.settings import BatchSettings, BucketSettings, InputSettings, PaceSettings

MINUTE = 60_000


def run(start, end):
    return Run(start * MINUTE, None if end is None else end * MINUTE, 0, Calls())


def samples(run_id, start, end, rate, quota=600, held=()):
    """One a minute; in the minutes of `held` nothing was sent."""
    calls, made = 0, []
    for minute in range(start, end + 1):
        is_held = minute in held
        made.append(Sample(run_id, minute * MINUTE, calls, quota, 0, 60 if is_held else 0,
                           "platform" if is_held else None))  # fmt: skip
        calls += 0 if minute + 1 in held else rate
    return made


def nothing(_since_ms, _span_ms):
    return ()


def heights(path):
    """The heights of the steps of a path, of 100."""
    return [100 - float(y) for y in re.findall(r"V([\d.]+)H", path)]


def test_calls_and_quota_are_drawn_to_one_scale():
    line = timeline([run(0, 100)], samples(1, 0, 100, 300), nothing)
    assert line.calls.top == 600
    assert set(heights(line.calls.paths["calls"])) == {50.0}
    assert set(heights(line.calls.paths["quota"])) == {100.0}
    assert line.span_ms == MINUTE
    assert line.active_ms == 100 * MINUTE


def test_time_without_a_run_takes_no_room_and_a_killed_run_lasts_to_its_last_sample():
    runs = [run(0, None), run(6000, 6100)]
    line = timeline(runs, [*samples(1, 0, 100, 300), *samples(2, 6000, 6100, 300)], nothing)
    first, second = line.stretches
    assert first.end_ms == 100 * MINUTE
    assert first.width == pytest.approx(second.width)
    assert first.x + first.width < second.x < first.x + first.width + 20
    assert second.x + second.width == pytest.approx(1000)


def test_a_pause_is_one_band_and_is_told_with_its_cause():
    line = timeline([run(0, 100)], samples(1, 0, 100, 300, held={40, 41, 42, 70}), nothing)
    found = [(p.held_by, p.start_ms // MINUTE, p.end_ms // MINUTE) for p in line.pauses]
    assert found == [("platform", 39, 42), ("platform", 69, 70)]
    assert heights(line.calls.paths["calls"])[39:42] == [0, 0, 0]
    assert line.pauses[0].x == pytest.approx(390)
    assert line.pauses[0].width == pytest.approx(30)


def test_rows_that_ended_stand_in_the_column_of_their_run():
    def ended(since_ms, span_ms):
        assert (since_ms, span_ms) == (0, MINUTE)
        yield 5, State.IMPORTED, 30
        yield 5, State.FAILED, 10
        yield 6099, State.IMPORTED, 40

    line = timeline([run(0, 50), run(6000, 6100)], [], ended)
    assert line.rows.top == 40
    imported = heights(line.rows.paths["imported"])
    assert (imported[5], imported[149], sum(imported)) == (75, 100, 175)
    assert heights(line.rows.paths["problems"])[5] == 100
    assert line.calls.paths["quota"] == ""


def test_a_chart_stays_small_however_many_runs_and_days_there_were():
    runs = [run(n * 1000, n * 1000 + 700) for n in range(100)]
    line = timeline(runs, [], nothing)
    assert len(heights(line.rows.paths["imported"])) <= COLUMNS + len(runs)
    assert line.stretches[-1].x + line.stretches[-1].width == pytest.approx(1000)
    assert sum(stretch.width for stretch in line.stretches) >= 790


def test_a_clock_set_back_between_runs_or_within_one_draws_no_nonsense():
    runs = [run(100, 200), run(50, 60), run(300, 290)]
    wild = [Sample(1, at * MINUTE, at, 600, 0) for at in (100, 150, 140, 180)]
    line = timeline(runs, wild, lambda *_: [(-3, State.IMPORTED, 1), (10**6, State.FAILED, 1)])
    assert [stretch.x for stretch in line.stretches] == sorted(s.x for s in line.stretches)
    assert all(0 <= height <= 100 for height in heights(line.calls.paths["calls"]))


def test_no_run_is_no_timeline():
    assert timeline([], [], nothing) is None
    assert timeline([run(5, 5)], [], nothing) is None


@pytest.fixture
def checkpoint(tmp_path):
    made = Checkpoint.create(tmp_path, {"batch": "0123456789abc"})
    yield made
    made.close()


def test_history_answers_what_it_was_told(checkpoint):
    told = [Sample(1, 5, 3, 600, 2, 4, "quota"), Sample(1, 6, 4, 600, 2), Sample(2, 1, 0, 60, 0)]
    for sample in (told[2], *told[:2]):
        checkpoint.history.add_sample(sample)
    assert checkpoint.history.samples() == told


def test_sizes_and_slow_copies_are_those_of_the_rows(checkpoint):
    checkpoint.add_source(1, "manifest", "a.csv", ("bucket", "key"), "ab" * 32)
    checkpoint.add_rows(1, [ManifestRow(n, "b", str(n)) for n in range(1, 8)], "", 0)
    sizes = [0, 999_999, 10**6, 10**9, 10**9 + 1, 6 * 10**11, None]
    checkpoint._db.executemany(
        "UPDATE object SET size_bytes = ?, state = 'imported', attempts = 1, submitted_ms = 1000,"
        " finished_ms = 1000 + 100 * row, video_id = 'v' || row WHERE row = ?",
        [(size, row) for row, size in enumerate(sizes, 1)],
    )
    checkpoint._db.execute("UPDATE object SET adopted = 1 WHERE row = 7")
    classes = size_classes(checkpoint.history.sizes(LIMITS))
    assert [(c.name, c.rows) for c in classes] == [
        ("Empty", 1), ("Below 1 MB", 1), ("1 to 10 MB", 1), ("10 to 100 MB", 0),
        ("100 MB to 1 GB", 0), ("1 to 10 GB", 2), ("10 to 100 GB", 0), ("100 to 500 GB", 0),
        ("500 GB and more", 1),
    ]  # fmt: skip
    assert [c.share for c in classes][:6] == [50, 50, 50, 0, 0, 100]
    assert checkpoint.history.slowest(2) == [
        SlowCopy(6, "b", "6", 6 * 10**11, 600, 0, "v6"),
        SlowCopy(5, "b", "5", 10**9 + 1, 500, 0, "v5"),
    ]
    spans = list(checkpoint.history.ended(1000, 400))
    assert spans == [(0, State.IMPORTED, 3), (1, State.IMPORTED, 4)]
    assert size_classes({}) == []
    assert len(NAMES) == len(LIMITS) + 1


def test_every_setting_is_told_by_its_flag_and_what_was_chosen_is_marked():
    settings = BatchSettings(
        inputs=InputSettings(manifest="/a/b.csv", prefix=("s3://x/", "s3://y/")),
        pace=PaceSettings(requests_per_minute=1200),
        buckets={"old": BucketSettings(access_key_id_env="A", secret_access_key_env="B")},
    )
    found = {c.name: (c.value, c.chosen) for c in conditions(settings)}
    assert found["--manifest"] == ("/a/b.csv", True)
    assert found["--prefix"] == ("s3://x/, s3://y/", True)
    assert found["--requests-per-minute"] == ("1,200", True)
    assert found["--reserve-percent"] == ("5", False)
    assert found["--stuck-after"] == ("6h", False)
    assert found["--full-ingestion"] == ("no", False)
    assert found["--namespace"] == ("—", False)
    assert found["old: access-key-id-env"] == ("A", True)
    assert found["old: secret-access-key-env"] == ("B", True)
    assert settings.care.max_outage == timedelta(hours=1)
