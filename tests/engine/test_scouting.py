"""Preflight by a crew: rows are read behind it, and end as without one."""

from dataclasses import replace
from datetime import timedelta

import pytest

from migrator.engine import feed, preflights, scouting
from migrator.errors import RunFailed, StoppedByItself
from migrator.lifecycle import State
from migrator.model import DecidedBy, Reason
from migrator.source.preflight import Refusal
from migrator.source.s3 import ObjectFacts, SourceUnreachable

FACTS = ObjectFacts(100, "etag", 1)
NO_BUCKET = Refusal(Reason.BUCKET_NOT_FOUND, DecidedBy.PREFLIGHT, "NoSuchBucket", 404, "none")


class Source:
    """Heads objects; keeps which."""

    def __init__(self):
        self.headed = []

    async def head(self, _bucket, key, *_asked):
        self.headed.append(key)
        return FACTS


class FakeCrew:
    """Tells of rows what `tell` says; keeps which batches it had."""

    progress = "some words"

    def __init__(self, tell=lambda _row: (FACTS, None), lost_at=None, platform=None):
        self.tell = tell
        self.lost_at = lost_at
        self.platform = platform
        self.batches = []
        self.sent_before = []
        self.forgotten = False

    async def heads(self, batches, _by_url, patience):
        async for batch in batches:
            if len(self.batches) == self.lost_at:
                raise RunFailed("the scheduler of the cluster is gone", "again")
            self.batches.append([row.key for row in batch])
            if self.platform is not None:
                self.sent_before.append(len(self.platform.bodies))
            told = {}
            for row in batch:
                answer = self.tell(row)
                while isinstance(answer, SourceUnreachable):
                    await patience(row.bucket, str(answer), 0)
                    answer = self.tell(row)
                if answer is not None:
                    told[row.row] = answer
            yield batch, told

    async def forget(self):
        self.forgotten = True


@pytest.fixture
def scouted(bench, monkeypatch):
    """A batch of ten rows, three to a task, two of them read at a time."""
    monkeypatch.setattr(scouting, "ROWS", 3)
    monkeypatch.setattr(scouting, "FEWEST", 1)
    monkeypatch.setattr(feed, "CHUNK", 2)
    monkeypatch.setattr(preflights, "SOURCE_PAUSE_S", (0.001, 0.01))
    bench.manifest(*(f"k{number}" for number in range(10)))
    bench.settings = replace(bench.settings, source=replace(bench.settings.source, preflight=True))
    return bench


@pytest.mark.parametrize("order_by", ["manifest", "size-desc"])
async def test_no_row_is_headed_again_in_whatever_order_rows_go(scouted, order_by):
    inputs = replace(scouted.settings.inputs, order_by=order_by)
    scouted.settings = replace(scouted.settings, inputs=inputs)
    source, crew = Source(), FakeCrew(platform=scouted.platform)

    rows = await scouted.run(source, crew=crew)

    assert {row.state for row in rows.values()} == {State.IMPORTED}
    assert {row.size_bytes for row in rows.values()} == {100}
    assert source.headed == []
    assert [len(batch) for batch in crew.batches] == [3, 3, 3, 1]
    assert crew.sent_before[0] == 0
    assert crew.forgotten
    assert any(snapshot.cluster == "some words" for snapshot in scouted.shown)


async def test_rows_are_sent_while_the_crew_looks_at_later_ones(scouted):
    """The last batch is told of only once the first row was sent."""
    source = Source()

    class Patient(FakeCrew):
        async def heads(self, batches, by_url, patience):
            async for each in super().heads(batches, by_url, patience):
                if len(self.batches) == 4:
                    while not scouted.platform.bodies:
                        await patience("bucket", "wait", 0)
                yield each

    rows = await scouted.run(source, crew=Patient())
    assert {row.state for row in rows.values()} == {State.IMPORTED}


async def test_what_the_crew_could_not_learn_this_process_asks_for(scouted):
    source = Source()
    crew = FakeCrew(lambda row: None if row.key in {"k2", "k9"} else (FACTS, None))
    rows = await scouted.run(source, crew=crew)
    assert {row.state for row in rows.values()} == {State.IMPORTED}
    assert sorted(source.headed) == ["k2", "k9"]


async def test_tasks_that_are_too_small_are_left_to_this_process(scouted, monkeypatch):
    monkeypatch.setattr(scouting, "FEWEST", 2)
    source, crew = Source(), FakeCrew()
    await scouted.run(source, crew=crew)
    assert source.headed == ["k9"]
    assert len(crew.batches) == 3


async def test_of_a_bucket_that_refuses_all_the_first_row_says_why_as_by_one_process(scouted):
    refused = {"k1", "k2", "k4", "k8"}
    lines = [f"{'gone' if f'k{n}' in refused else 'bucket'},k{n}" for n in range(10)]
    scouted.manifest(lines=lines)
    told = replace(NO_BUCKET, decided_by=DecidedBy.BREAKER)  # as a later row of a task is told
    crew = FakeCrew(lambda row: (None, told) if row.bucket == "gone" else (FACTS, None))

    rows = await scouted.run(Source(), crew=crew)

    decided = {key: rows[key].decided_by for key in sorted(refused)}
    assert decided == {
        "k1": DecidedBy.PREFLIGHT, "k2": DecidedBy.BREAKER, "k4": DecidedBy.BREAKER,
        "k8": DecidedBy.BREAKER,
    }  # fmt: skip
    assert {rows[key].error_code for key in refused} == {"NoSuchBucket"}


async def test_a_lost_cluster_stops_the_run_and_the_next_one_goes_on(scouted):
    source = Source()
    await scouted.run(source, crew=FakeCrew(lost_at=2))
    assert isinstance(scouted.stop.error, StoppedByItself)
    assert "scheduler" in scouted.stop.error.message
    again = FakeCrew()
    rows = await scouted.run(source, crew=again)
    assert {row.state for row in rows.values()} == {State.IMPORTED}
    assert len(scouted.platform.bodies) == 10
    assert not {key for batch in again.batches for key in batch} & {f"k{n}" for n in range(6)}
    assert source.headed == []


async def test_a_source_that_is_silent_to_the_crew_stops_the_run_as_it_does_without(scouted):
    scouted.care(max_outage=timedelta(seconds=0))
    silent = SourceUnreachable("no answer")
    await scouted.run(Source(), crew=FakeCrew(lambda _row: silent))
    assert isinstance(scouted.stop.error, StoppedByItself)
    assert "the source does not answer (bucket: no answer)" in scouted.stop.error.message


async def test_a_filter_judges_what_the_crew_is_told(scouted):
    filters = replace(scouted.settings.inputs.filters, min_size=8)
    inputs = replace(scouted.settings.inputs, filters=filters)
    scouted.settings = replace(scouted.settings, inputs=inputs)
    small = replace(FACTS, size_bytes=7)
    crew = FakeCrew(lambda row: (FACTS if row.key == "k5" else small, None))
    rows = await scouted.run(Source(), crew=crew)
    assert {key for key, row in rows.items() if row.state is State.IMPORTED} == {"k5"}
    assert rows["k4"].reason is Reason.FILTERED
