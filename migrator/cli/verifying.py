"""A verification from the command line's side: its inputs, how far it is, what is printed of it."""

import asyncio
import json
import re
import sys
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import msgspec
from rich.table import Table

from migrator.checkpoint.inventory import Inventory, open_inventory
from migrator.checkpoint.lock import batch_lock
from migrator.checkpoint.store import Checkpoint
from migrator.cli.console import Terminal
from migrator.cli.loop import run_async
from migrator.cli.observing import observing
from migrator.cli.opening import is_read, kept_settings
from migrator.cli.reopening import require_batch
from migrator.cli.session import connected, crew_for, stopped_by_signals
from migrator.engine.book import wall_ms
from migrator.engine.comparison import Found, Progress, Verified
from migrator.engine.decide.drift import Drift
from migrator.engine.meter import Meter
from migrator.engine.stop import Stop
from migrator.engine.verify import verify
from migrator.errors import ExitCode, StoppedByItself, UsageError
from migrator.report.drift import TITLE
from migrator.report.drift_summary import DriftSummary
from migrator.report.verified import drift_report
from migrator.settings import (
    BatchSettings,
    ClusterSettings,
    DisplaySettings,
    Secret,
    check_cluster,
    read_api_key,
)
from migrator.text import plain

TELL_EVERY_S = 2.0
"""Seconds between two lines that say how far it is."""


def print_verification(
    directory: Path,
    display: DisplaySettings,
    cluster: ClusterSettings,
    environment: Mapping[str, str],
    *,
    source: bool,
    as_json: bool,
) -> int:
    """Verify the batch in `directory`, write the files, print the result; answers the exit code.

    Raises what a run would raise; what stopped it is told with a next step of its own.
    """
    check_cluster(cluster)
    if cluster.cluster is not None and not source:
        raise UsageError(
            "--cluster does not go with --no-source: a cluster would only look at objects",
            "leave one of them out",
        )
    require_batch(directory)
    with observing(display) as observers, batch_lock(directory):
        summary = _verify(directory, display, cluster, environment, observers.meter, source=source)
    if summary is None:
        raise KeyboardInterrupt  # told in the one place where it is; nothing was written
    if as_json:
        # What JSON leaves as it is may steer a terminal: it is spelled in ASCII.
        print(json.dumps(msgspec.to_builtins(summary), indent=2))
    else:
        _print(summary, directory)
    if summary.findings:
        return ExitCode.WITH_PROBLEMS
    return ExitCode.STOPPED if summary.rows.open else ExitCode.OK


def _verify(
    directory: Path,
    display: DisplaySettings,
    cluster: ClusterSettings,
    environment: Mapping[str, str],
    meter: Meter,
    *,
    source: bool,
) -> DriftSummary | None:
    """All of it under the lock of the batch; None when it was interrupted."""
    stop = Stop()
    with closing(Checkpoint.open(directory)) as checkpoint:
        settings = replace(kept_settings(checkpoint, directory), cluster=cluster)
        api_key = read_api_key(settings.platform, environment)
        if not is_read(checkpoint) or checkpoint.meta("team_id") is None:
            raise UsageError(
                f"{directory}: this batch has not read all of its rows yet",
                f"migrator resume {directory}",
            )
        batch = checkpoint.meta("batch") or ""
        with open_inventory(directory) as inventory, drift_report(directory, batch) as report:
            verified = run_async(
                _session(
                    directory, checkpoint, inventory, settings, api_key, environment, meter,
                    stop, report.tables.append, display, source=source,
                )
            )  # fmt: skip
            if isinstance(stop.error, StoppedByItself):
                hint = re.sub(r"\bresume\b", "verify again", stop.error.hint)
                raise StoppedByItself(stop.error.message, hint)
            if stop.error is not None:
                raise stop.error
            if verified is None:
                return None
            url = settings.platform.api_url
            return report.publish(verified, api_url=url, source=source, now_ms=wall_ms())


async def _session(  # noqa: PLR0913 - all that is composed, in one visible place
    directory: Path,
    checkpoint: Checkpoint,
    inventory: Inventory,
    settings: BatchSettings,
    api_key: Secret,
    environment: Mapping[str, str],
    meter: Meter,
    stop: Stop,
    found: Found,
    display: DisplaySettings,
    *,
    source: bool,
) -> Verified | None:
    progress = Progress()
    with stopped_by_signals(stop):
        async with (
            crew_for(settings, checkpoint, environment, directory, "verify") as crew,
            connected(
                settings, api_key, environment, meter, with_source=source, crew=crew
            ) as ports,
        ):
            log_is_json = display.log_format == "json" and display.log_file is None
            quiet = display.quiet or log_is_json
            telling = asyncio.ensure_future(_tell(progress, quiet=quiet))
            try:
                verified = await verify(
                    checkpoint, inventory, settings, ports, stop, found, progress, source=source
                )
                if verified is not None and crew is not None:
                    await crew.forget()
            finally:
                telling.cancel()
            return verified


async def _tell(progress: Progress, *, quiet: bool) -> None:
    """A line every few seconds, as long as there is something to wait for."""
    while not quiet:
        await asyncio.sleep(TELL_EVERY_S)
        line = f"{progress.phase}: {progress.done:,} of {progress.total:,}"
        if cluster := progress.cluster():
            line += f", {cluster}"
        if waiting_for := progress.waiting_for():
            line += f", waiting for the source ({waiting_for})"
        with suppress(OSError):  # nobody looks any more
            print(plain(line), file=sys.stderr, flush=True)


def _print(summary: DriftSummary, directory: Path) -> None:
    """Each kind with its count, their sum, what was compared, and where the page lies."""
    console = Terminal(highlight=False, soft_wrap=False)
    table = Table(box=None, pad_edge=False, show_edge=False)
    table.add_column("drift")
    table.add_column("found", justify="right")
    table.add_column("what it is")
    for name, count in summary.drift.items():
        table.add_row(name, f"{count:,}", TITLE[Drift(name)])
    table.add_section()
    table.add_row("sum", f"{summary.findings:,}", "" if summary.findings else "no drift")
    console.print(table)
    rows, videos, calls = summary.rows, summary.videos, summary.api
    heads = f"{rows.headed:,} objects headed" if summary.source else "source left out"
    lines = [
        f"{rows.with_video:,} rows with a video, {videos.listed:,} videos listed, {heads}",
        (
            f"no row names {videos.other_projects:,} videos in other projects, "
            f"{videos.other_batches:,} of other batches, {videos.before_this_batch:,} from before"
        ),
        f"{calls.calls:,} calls, {calls.throttled:,} throttled",
    ]
    if rows.open:
        lines.append(f"{rows.open:,} rows are still open and left out: resume, then verify again")
    lines.append(f"page: {directory / 'verify.html'}")
    for line in lines:
        console.print(plain(line), markup=False, soft_wrap=True)
