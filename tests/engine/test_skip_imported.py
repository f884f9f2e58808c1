"""`--skip-imported DIR`: next week's objects are imported, and last week's are left out."""

from dataclasses import replace

import pytest

from migrator.checkpoint.lock import batch_lock
from migrator.checkpoint.store import Checkpoint
from migrator.engine.inputs import open_inputs
from migrator.errors import CheckpointError, UsageError


def skipping(bench, *directories):
    """Runs of `bench` from now on leave out what these batches imported."""
    inputs = replace(bench.settings.inputs, skip_imported=directories)
    bench.settings = replace(bench.settings, inputs=inputs)


def ends(rows):
    return {key: (row.state.value, row.reason) for key, row in rows.items()}


async def test_what_an_earlier_batch_imported_is_left_out_and_the_rest_is_sent(bench):
    bench.manifest("a", "b")
    first = await bench.run()
    bench.manifest("a", "c", "b", "a")
    skipping(bench, bench.directory)
    posts = bench.platform.creates.total()
    week = bench.directory.parent / "week"
    rows = await bench.run(directory=week)
    checkpoint = Checkpoint.open(week)
    found = [(t.key, t.state.value, t.reason) for t in checkpoint.transfers_after(0, 9)]
    batch = checkpoint.meta("batch")
    checkpoint.close()
    assert found == [
        ("a", "skipped", "already_imported"), ("c", "imported", "copied"),
        ("b", "skipped", "already_imported"), ("a", "skipped", "duplicate_row"),
    ]  # fmt: skip
    assert bench.platform.creates.total() == posts + 1
    assert first["b"].video_id in rows["b"].message
    assert batch not in rows["b"].message
    assert rows["b"].video_id is None


async def test_only_what_is_imported_counts(bench):
    bench.manifest("a", "b")
    await bench.run()
    checkpoint = Checkpoint.open(bench.directory)
    checkpoint._db.execute(
        "UPDATE object SET state = 'failed', reason = 'copy_failed' WHERE key = 'a'"
    )
    checkpoint.close()
    skipping(bench, bench.directory)
    rows = await bench.run(directory=bench.directory.parent / "week")
    assert ends(rows)["b"] == ("skipped", "already_imported")
    assert rows["a"].adopted  # it has a video there, and gets no second one


async def test_a_chain_of_weeks_needs_the_last_one_alone_and_several_may_be_given(bench):
    weeks = [bench.directory.parent / f"week-{n}" for n in range(4)]
    bench.manifest("a")
    await bench.run(directory=weeks[0])
    bench.manifest("a", "b")
    skipping(bench, weeks[0])
    first = await bench.run(directory=weeks[1])
    bench.manifest("a", "b", "c")
    skipping(bench, weeks[1])
    rows = await bench.run(directory=weeks[2])
    assert ends(rows) == {
        "a": ("skipped", "already_imported"),
        "b": ("skipped", "already_imported"),
        "c": ("imported", "copied"),
    }
    assert rows["a"].message == first["a"].message
    skipping(bench, weeks[0], weeks[2])
    rows = await bench.run(directory=weeks[3])
    assert {reason for _, reason in ends(rows).values()} == {"already_imported"}


@pytest.mark.parametrize("name", ["api_url", "team_id", "namespace"])
async def test_a_batch_of_another_platform_team_or_namespace_is_refused(bench, name):
    bench.manifest("a")
    await bench.run()
    checkpoint = Checkpoint.open(bench.directory)
    checkpoint.set_meta(name, "another")
    checkpoint.close()
    skipping(bench, bench.directory)
    posts = bench.platform.creates.total()
    with pytest.raises(UsageError, match=rf"{name} 'another'"):
        await bench.run(directory=bench.directory.parent / "week")
    assert bench.platform.creates.total() == posts


async def test_a_batch_at_work_cannot_be_left_out(bench):
    bench.manifest("a")
    await bench.run()
    skipping(bench, bench.directory)
    with batch_lock(bench.directory), pytest.raises(CheckpointError):
        await bench.run(directory=bench.directory.parent / "week")


async def test_a_video_of_the_earlier_batch_that_is_seen_later_stops_nobody(bench):
    bench.manifest("a")
    await bench.run()
    more = [f"b{number}" for number in range(60)]
    bench.manifest("a", *more)
    skipping(bench, bench.directory)
    listed = bench.platform.calls["list"]
    bench.care(assume_empty=True)  # so that nothing is known of it beforehand
    rows = await bench.run(directory=bench.directory.parent / "week")
    assert bench.platform.calls["list"] > listed
    assert bench.stop.error is None
    assert {ends(rows)[key] for key in more} == {("imported", "copied")}
    assert rows["a"].duplicate_video_ids is None


async def test_a_batch_goes_on_with_the_same_ones_only(bench):
    bench.manifest("a")
    await bench.run()
    week = bench.directory.parent / "week"
    skipping(bench, bench.directory)
    await bench.run(directory=week)
    bench.refuses_now(lambda: skipping(bench), "--skip-imported", week)


def test_a_directory_without_a_batch_or_given_twice_is_a_usage_error(bench, tmp_path):
    bench.manifest("a")
    skipping(bench, tmp_path / "none")
    with pytest.raises(UsageError, match="no batch there"):
        open_inputs(bench.settings.inputs)
    skipping(bench, tmp_path, tmp_path)
    with pytest.raises(UsageError, match="given twice"):
        open_inputs(bench.settings.inputs)
