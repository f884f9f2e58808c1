"""The exit code that a run's row keeps is the one that the process ended with."""

import pytest

import migrator.report
from migrator.checkpoint.store import Checkpoint
from migrator.cli.ending import report_run
from migrator.cli.finish import Finish
from migrator.engine.stop import Stop
from migrator.errors import RunFailed, Unbalanced
from migrator.model import ManifestRow
from migrator.settings import BatchSettings


@pytest.fixture
def checkpoint(tmp_path):
    made = Checkpoint.create(tmp_path, {"batch": "b" * 13})
    with made.transaction():
        made.add_source(1, "manifest", "m.csv", ["bucket", "key"], "00")
        made.add_rows(1, [ManifestRow(1, "bucket", "k")], "", 1)
        made.complete_source(1, "00")
        made.start_run(1)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("error", "code"),
    [(Unbalanced("no"), 6), (RunFailed("no room"), 1), (KeyboardInterrupt(), 130)],
)
def test_a_report_that_cannot_be_made_changes_how_the_run_ended(
    checkpoint, tmp_path, monkeypatch, error, code
):
    told = []

    def write_reports(checkpoint, _directory):
        told.append(checkpoint.runs()[-1].exit_code)
        raise error

    monkeypatch.setattr(migrator.report, "write_reports", write_reports)
    with pytest.raises(type(error)):
        report_run(checkpoint, tmp_path, Stop(), BatchSettings(), Finish((), tmp_path, {}))
    assert checkpoint.runs()[-1].exit_code == code
    if code == 6:  # the report that does not balance says so itself
        assert told[-1] == 6


def test_writing_the_report_of_a_finished_batch_again_leaves_its_runs_alone(
    checkpoint, tmp_path, monkeypatch
):
    with checkpoint.transaction():
        checkpoint.end_last_run(2, 3)

    def write_reports(_checkpoint, _directory):
        raise RunFailed("no room")

    monkeypatch.setattr(migrator.report, "write_reports", write_reports)
    with pytest.raises(RunFailed):
        report_run(checkpoint, tmp_path, None, BatchSettings(), Finish((), tmp_path, {}))
    assert checkpoint.runs()[-1].exit_code == 3
