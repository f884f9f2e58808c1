"""A plan from the command line's side: where its checkpoint lies, and what is printed of it."""

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from migrator.checkpoint.census import take_census
from migrator.checkpoint.lock import batch_lock
from migrator.checkpoint.store import Checkpoint
from migrator.cli import complain
from migrator.cli.loop import run_async
from migrator.cli.observing import Observers, observing
from migrator.cli.opening import is_read, make_directory, open_checkpoint, refuse_itself
from migrator.cli.planned import Planned, planned
from migrator.cli.s3_files import S3Files
from migrator.cli.session import connected, crew_for, stopped_by_signals
from migrator.engine.inputs import SENT_SINCE, Inputs, check_inputs, open_inputs
from migrator.engine.plan import PlatformFacts, Progress, plan
from migrator.engine.stop import Stop
from migrator.errors import ExitCode, UsageError
from migrator.log import errors_are_told
from migrator.settings import (
    BatchSettings,
    DisplaySettings,
    PlanSettings,
    Secret,
    is_local,
    read_api_key,
)
from migrator.text import plain

TELL_EVERY_S = 2.0
"""Seconds between two lines that say how far the plan is."""


def print_plan(
    out: Path | None,
    settings: BatchSettings,
    what_if: PlanSettings,
    display: DisplaySettings,
    environment: Mapping[str, str],
    *,
    as_json: bool,
) -> int:
    """Make the plan and print it; answers the exit code. Raises what a run would raise."""
    from migrator.cli.plan_text import print_text

    with observing(display) as observers, S3Files(settings, environment) as objects:
        api_key = read_api_key(settings.platform, environment)
        inputs = open_inputs(settings.inputs, objects)
        with _directory(out) as directory:
            refuse_itself(directory, inputs)
            shared = directory if out is not None or is_local(settings.cluster) else None
            found = _plan(
                directory, shared, settings, inputs, what_if, observers, api_key, environment
            )
    if found is None:
        kept = "what was looked at is kept" if out is not None else "without --out nothing is kept"
        complain("interrupted", f"give the same command again: {kept}")
        return ExitCode.INTERRUPTED
    if as_json:
        # What JSON leaves as it is may steer a terminal: it is spelled in ASCII.
        print(json.dumps(msgspec.to_builtins(found), indent=2))
    else:
        print_text(found)
    return ExitCode.OK


@contextmanager
def _directory(out: Path | None) -> Iterator[Path]:
    """The directory of the batch; one for this plan alone where none is given."""
    if out is not None:
        make_directory(out)
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="migrator-plan-") as temporary:
        yield Path(temporary)


def _plan(
    directory: Path,
    shared: Path | None,
    settings: BatchSettings,
    inputs: Inputs,
    what_if: PlanSettings,
    observers: Observers,
    api_key: Secret,
    environment: Mapping[str, str],
) -> Planned | None:
    """Make the plan in `directory`; None when it was interrupted.

    `shared` is the directory for what a cluster leaves, where there is one that it may see.
    """
    stop, progress = Stop(), Progress()
    with batch_lock(directory), closing(open_checkpoint(directory, settings)) as checkpoint:
        check_inputs(checkpoint, inputs)
        if checkpoint.meta(SENT_SINCE) is not None and not is_read(checkpoint):
            raise UsageError(
                "this batch sends rows while it lists others, and has not listed all of them yet",
                f"migrator resume {directory}",
            )
        if what_if.recheck:
            with checkpoint.transaction():
                checkpoint.recheck()
        told = run_async(
            _session(
                shared,
                checkpoint,
                settings,
                inputs,
                api_key,
                environment,
                stop,
                progress,
                observers,
            )
        )
        if stop.error is not None:
            raise stop.error
        if told is None:
            return None
        census = take_census(checkpoint, preflight=settings.source.preflight)
        return planned(
            census,
            checkpoint.sources(),
            told,
            progress,
            settings,
            what_if,
            datetime.now(UTC),
        )


async def _session(
    directory: Path | None,
    checkpoint: Checkpoint,
    settings: BatchSettings,
    inputs: Inputs,
    api_key: Secret,
    environment: Mapping[str, str],
    stop: Stop,
    progress: Progress,
    observers: Observers,
) -> PlatformFacts | None:
    with stopped_by_signals(stop):
        async with (
            crew_for(settings, checkpoint, environment, directory) as crew,
            connected(settings, api_key, environment, observers.meter, crew=crew) as ports,
        ):
            quiet = observers.display.quiet or errors_are_told()
            telling = asyncio.ensure_future(_tell(progress, quiet=quiet))
            try:
                return await plan(checkpoint, settings, inputs, ports, stop, progress)
            finally:
                telling.cancel()


async def _tell(progress: Progress, *, quiet: bool) -> None:
    """A line every few seconds, as long as there is something to wait for."""
    while not quiet:
        await asyncio.sleep(TELL_EVERY_S)
        line = f"{progress.phase}: {progress.read():,} rows"
        if progress.pending:
            line += f", {progress.looked_at:,} of {progress.pending:,} objects looked at"
        if cluster := progress.cluster():
            line += f", {cluster}"
        if waiting_for := progress.waiting_for():
            line += f", waiting for the source ({waiting_for})"
        with suppress(OSError):  # nobody looks any more
            print(plain(line), file=sys.stderr, flush=True)
