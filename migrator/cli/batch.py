"""A batch from the command line's side: open it, run it, report, say how it ended."""

import contextlib
import os
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from migrator import __version__
from migrator.checkpoint.lock import batch_lock
from migrator.cli.ending import end_run, report_run
from migrator.cli.finish import finishing
from migrator.cli.loop import run_async
from migrator.cli.observing import observing
from migrator.cli.opening import (
    is_finished,
    is_read,
    kept_settings,
    make_directory,
    open_checkpoint,
    refuse_itself,
)
from migrator.cli.reopening import OpenBatch
from migrator.cli.s3_files import S3Files
from migrator.cli.session import connected, crew_for, stopped_by_signals
from migrator.engine.book import wall_ms
from migrator.engine.crossing import is_expired
from migrator.engine.inputs import Inputs, check_inputs, open_inputs
from migrator.engine.reopen import LEFT, Choice
from migrator.engine.run import migrate
from migrator.engine.snapshot import Snapshot, note_end
from migrator.engine.stop import Stop
from migrator.errors import ExitCode, MigratorError, UsageError
from migrator.log import RUN_ENDED, RUN_STARTED, tell
from migrator.settings import BatchSettings, DisplaySettings, FinishSettings, Secret, read_api_key


def start_batch(
    directory: Path,
    settings: BatchSettings,
    display: DisplaySettings,
    finish: FinishSettings,
    environment: Mapping[str, str],
) -> int:
    """Begin the batch in `directory`, or go on with it; answers the exit code.

    Raises MigratorError for all that is unusable before anything is sent.
    """
    with (
        observing(display) as observers,
        finishing(finish.on_finish, directory, environment) as ended,
        S3Files(settings, environment) as objects,
    ):
        api_key = read_api_key(settings.platform, environment)
        inputs = open_inputs(settings.inputs, objects)
        make_directory(directory)
        refuse_itself(directory, inputs)
        with batch_lock(directory), closing(open_checkpoint(directory, settings)) as checkpoint:
            check_inputs(checkpoint, inputs)
            batch = OpenBatch(directory, checkpoint, observers, ended)
            return _go_on(batch, settings, inputs, api_key, environment)


def resume_batch(batch: OpenBatch, environment: Mapping[str, str]) -> int:
    """Go on with a batch with the settings kept there; answers the exit code.

    Once every source was read to its end, none of them is needed any more.
    """
    settings = kept_settings(batch.checkpoint, batch.directory)
    api_key = read_api_key(settings.platform, environment)
    with S3Files(settings, environment) as objects:
        inputs = None if is_read(batch.checkpoint) else open_inputs(settings.inputs, objects)
        if inputs is not None:
            check_inputs(batch.checkpoint, inputs)
        return _go_on(batch, settings, inputs, api_key, environment)


def retry_batch(
    batch: OpenBatch, choice: Choice, environment: Mapping[str, str], *, agreed: bool
) -> int:
    """Open rows of a batch again and go on with it; answers the exit code.

    Raises UsageError where nothing that is meant can be retried, or where nobody can be asked.
    """
    from migrator.cli import selection

    directory, checkpoint = batch.directory, batch.checkpoint
    settings = kept_settings(checkpoint, directory)
    api_key = read_api_key(settings.platform, environment)
    if not is_read(checkpoint):
        raise UsageError(
            "this batch has not read all of its rows yet", f"migrator resume {directory}"
        )
    choice = replace(choice, expired=partial(is_expired, settings.ways, now_ms=wall_ms()))
    found = selection.survey(checkpoint, choice)
    selection.show(found)
    rows = sum(n for (_, act), n in found.items() if act not in LEFT)
    if not rows:
        raise UsageError(
            "nothing was changed: no row of this batch can be retried by that",
            f"{directory / 'report.html'} says which rows ended with which reason",
        )
    if not agreed and not selection.agree(rows):
        print("nothing was changed")
        return ExitCode.USAGE
    selection.open_rows(checkpoint, choice, wall_ms())
    return _go_on(batch, settings, None, api_key, environment)


def _go_on(
    batch: OpenBatch,
    settings: BatchSettings,
    inputs: Inputs | None,
    api_key: Secret,
    environment: Mapping[str, str],
) -> int:
    batch.finish.withhold(settings)
    if is_finished(batch.checkpoint, with_clips=settings.platform.with_clips):
        with contextlib.suppress(OSError):
            print("this batch is finished: nothing was sent")
        return report_run(batch.checkpoint, batch.directory, None, settings, batch.finish)
    tell(RUN_STARTED, directory=batch.directory, version=__version__, process=os.getpid())
    code: int = ExitCode.RUN_FAILED
    try:
        code = _run(batch, settings, inputs, api_key, environment)
    except MigratorError as error:
        code = error.exit_code
        raise
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
        raise
    finally:
        note_end(batch.directory, code)
        tell(RUN_ENDED, exit_code=int(code))
    return code


def _run(
    batch: OpenBatch,
    settings: BatchSettings,
    inputs: Inputs | None,
    api_key: Secret,
    environment: Mapping[str, str],
) -> int:
    stop = Stop()
    try:
        with batch.observers.showing() as show:
            run_async(_session(batch, settings, inputs, api_key, environment, stop, show))
    except MigratorError as error:
        end_run(batch.checkpoint, error.exit_code)
        raise
    except KeyboardInterrupt:
        end_run(batch.checkpoint, ExitCode.INTERRUPTED)
        raise
    return report_run(batch.checkpoint, batch.directory, stop, settings, batch.finish)


async def _session(
    batch: OpenBatch,
    settings: BatchSettings,
    inputs: Inputs | None,
    api_key: Secret,
    environment: Mapping[str, str],
    stop: Stop,
    show: Callable[[Snapshot], None],
) -> None:
    directory, checkpoint, meter = batch.directory, batch.checkpoint, batch.observers.meter
    with stopped_by_signals(stop):
        async with (
            crew_for(settings, checkpoint, environment, directory) as crew,
            connected(settings, api_key, environment, meter, crew=crew) as ports,
        ):
            await migrate(directory, checkpoint, settings, inputs, ports, stop, show)
