"""How a run went on is kept in the checkpoint."""

import asyncio
from types import SimpleNamespace
from typing import get_args

import pytest

from migrator.checkpoint.store import Checkpoint
from migrator.engine import recorder
from migrator.engine.book import Book
from migrator.engine.recorder import Recorder, interval_s
from migrator.engine.waiting import WaitsOn
from migrator.report.page import HELD_WORDS


def samples_of(directory):
    checkpoint = Checkpoint.open(directory)
    try:
        calls = [run.calls for run in checkpoint.runs()]
        totals = [c.submit + c.list + c.status + c.restart + c.other for c in calls]
        return checkpoint.history.samples(), totals
    finally:
        checkpoint.close()


async def test_each_run_is_sampled_at_its_start_and_with_its_last_counts(bench):
    bench.manifest("a", "b", "c")
    await bench.run()
    await bench.run()
    samples, totals = samples_of(bench.directory)
    for run_id, total in enumerate(totals, 1):
        own = [sample for sample in samples if sample.run_id == run_id]
        assert own[0].calls <= own[-1].calls == total
        assert own[-1].in_flight == 0
        assert len(own) >= 2


def test_samples_are_fine_at_first_and_a_day_of_them_is_few():
    assert (interval_s(0), interval_s(300), interval_s(1200), interval_s(9999)) == (5, 5, 20, 60)
    at, count = 0, 0
    while at < 86_400:
        at, count = at + interval_s(at), count + 1
    assert count < 1_650


class Direct:
    """A journal without a thread."""

    def __init__(self, checkpoint):
        self.checkpoint = checkpoint

    async def run(self, work):
        with self.checkpoint.transaction():
            return work(self.checkpoint)


@pytest.mark.parametrize(
    ("waiting_on", "held"),
    [("", False), ("platform", True), ("quota", True), ("copies", False), ("list", False)],
)
async def test_what_holds_the_run_up_is_counted_by_the_second(
    tmp_path, monkeypatch, waiting_on, held
):
    monkeypatch.setattr(recorder, "TICK_S", 0)
    monkeypatch.setattr(recorder, "SHORTEST_S", 3)
    checkpoint = Checkpoint.create(tmp_path, {})
    gateways = SimpleNamespace(per_window=600, counts=SimpleNamespace(total=7))
    kept = Recorder(Book(Direct(checkpoint)), gateways, 1, lambda: waiting_on)
    job = asyncio.ensure_future(kept.run())
    try:
        while len(samples := checkpoint.history.samples()) < 2:
            assert not job.done(), job
            await asyncio.sleep(0)
    finally:
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
        checkpoint.close()
    assert (samples[0].held_s, samples[0].held_by) == (0, None)
    assert (samples[1].held_s, samples[1].held_by) == ((3, waiting_on) if held else (0, None))


def test_every_pause_is_something_to_wait_on_and_has_words_on_the_page():
    assert set(get_args(WaitsOn)) >= recorder.PAUSES == set(HELD_WORDS)
