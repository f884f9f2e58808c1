"""How a run ended: noted in the checkpoint, told in the reports, and as an exit code."""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from migrator.checkpoint.store import Checkpoint
from migrator.cli.finish import Finish
from migrator.engine import decide
from migrator.engine.book import wall_ms
from migrator.engine.stop import Stop
from migrator.errors import BadCanary, ExitCode, MigratorError, RunFailed, Unbalanced
from migrator.lifecycle import FINAL
from migrator.model import Outcome
from migrator.settings import BatchSettings

if TYPE_CHECKING:
    from migrator.report import Summary


MOST_VIDEOS = 100
"""Videos of a bad canary that are listed; objects.csv has all of them."""


def report_run(
    checkpoint: Checkpoint,
    directory: Path,
    stop: Stop | None,
    settings: BatchSettings,
    finish: Finish,
) -> int:
    """Note how the run ended, write the reports, say the result; answers the exit code.

    `stop` None: nothing was run. Raises what ended the run.
    """
    from migrator.cli.result import print_result, print_videos

    outcomes, duplicates = _outcomes(checkpoint)
    failed = stop.error if stop is not None else None
    code: int = decide.exit_code(
        outcomes,
        duplicates,
        stopped=failed is not None,
        interrupted=stop is not None and stop.interrupted,
    )
    if isinstance(failed, MigratorError):
        code = failed.exit_code
    elif failed is not None:
        code = ExitCode.RUN_FAILED
    end_run(checkpoint, code)
    try:
        summary = _write_reports(checkpoint, directory, is_run=stop is not None)
    except Unbalanced:
        finish.reported()
        raise
    if stop is not None:
        finish.reported()
    with contextlib.suppress(OSError):  # nobody reads any more; the report is on the disk
        print_result(summary, directory)
        if isinstance(failed, BadCanary):
            videos = checkpoint.made_videos(MOST_VIDEOS + 1)
            print_videos(videos[:MOST_VIDEOS], settings, directory, more=len(videos) > MOST_VIDEOS)
        sys.stdout.flush()
    if failed is not None:
        raise failed
    return code


def _write_reports(checkpoint: Checkpoint, directory: Path, *, is_run: bool) -> "Summary":
    """Write the reports; where that ends a run with another code than was noted, note that one."""
    from migrator.report import write_reports

    try:
        return write_reports(checkpoint, directory)
    except (MigratorError, KeyboardInterrupt) as error:
        if is_run:
            code = error.exit_code if isinstance(error, MigratorError) else ExitCode.INTERRUPTED
            with contextlib.suppress(RunFailed), checkpoint.transaction():
                checkpoint.correct_last_run(code)
            if isinstance(error, Unbalanced):
                write_reports(checkpoint, directory)  # with that code; raises again
        raise


def end_run(checkpoint: Checkpoint, code: int) -> None:
    """Note how the last run ended, unless that is noted already."""
    # Where the disk takes nothing more, the run's own error says so; this one would hide it.
    with contextlib.suppress(RunFailed), checkpoint.transaction():
        checkpoint.end_last_run(wall_ms(), code)


def _outcomes(checkpoint: Checkpoint) -> tuple[dict[Outcome, int], int]:
    outcomes: dict[Outcome, int] = {}
    for tally in checkpoint.tallies():
        final = tally.state in FINAL
        outcome = Outcome(tally.state.value) if final else Outcome.UNFINISHED
        outcomes[outcome] = outcomes.get(outcome, 0) + tally.rows
    return outcomes, checkpoint.adopted_and_duplicates()[1]
