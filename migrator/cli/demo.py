"""`migrator demo`."""

import contextlib
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from migrator.errors import ExitCode, RunFailed, UsageError

if TYPE_CHECKING:
    from migrator.cli.proof import Findings
    from migrator.sandbox.catalogue import Catalogue

MARKER = ".migrator-demo"
"""A directory that holds this file is a demo's, and a new demo may remove what MADE names."""

MADE = (
    *("sandbox", "sandbox.log", "batch", "films"),
    *("catalogue.csv", "films.csv", "migrator.toml"),
)

FEWEST_REQUESTS_PER_MINUTE = 600
REQUESTS_PER_MINUTE_PER_OBJECT = 10
"""With either, submitting takes some six seconds: time enough to be killed part way."""

SHOWN_DIFFERENCES = 20

IN_FULL = ("--full-ingestion", "--until", "ingested", "--with-clips")


def demo(*, out: Path = Path("reports/demo"), objects: int = 60) -> int:
    """Rehearse a migration on this machine: nothing real is read, called or changed.

    Makes a small catalogue of real files with every kind of trouble in it, starts the sandbox,
    runs `migrator run`, kills it with SIGKILL part way, runs it again, and checks the result: every
    row as the catalogue was built to give, no video twice, every copy the same bytes. A few longer
    films follow in a batch of their own, ingested in full; of every video the platform makes
    its clip. It takes about half a minute, and `pip install '.[sandbox]'`.

    Example: migrator demo --out reports/demo

    Exit codes: 0 everything as expected; 1 something was not, and is listed; 2 usage; 130
    interrupted.

    Parameters
    ----------
    out
        Directory for everything: the manifest, the sandbox, and the batch with its report in
        OUT/batch. An earlier demo there is replaced; anything else is refused.
    objects
        How many good files to make; at least 10.
    """
    from migrator.cli import proof, rehearsal
    from migrator.sandbox import catalogue as catalogues
    from migrator.sandbox.errors import SandboxError

    fewest = catalogues.FEWEST_OBJECTS
    if objects < fewest:
        raise UsageError(
            f"--objects {objects}: too few", f"give at least {fewest}, so that every kind is there"
        )
    rehearsal.require_sandbox()
    started_s = time.monotonic()
    home = out / "sandbox"
    with _fresh(out):
        try:
            say(f"making {objects:,} H.264 files and the troubles in {home / 'buckets'}")
            built = catalogues.make_catalogue(out, home / "buckets", objects)
            say(f"starting the sandbox in {home}")
            per_minute = max(FEWEST_REQUESTS_PER_MINUTE, objects * REQUESTS_PER_MINUTE_PER_OBJECT)
            with rehearsal.sandbox(
                home, out / "sandbox.log", requests_per_minute=per_minute
            ) as sandbox:
                platform = rehearsal.SandboxPlatform(sandbox.environment)
                planned = rehearsal.Rehearsal(built, built.manifest, out / "batch", sandbox)
                third = objects // 3
                say(f"first run; to be killed once {third:,} videos are made")
                killed = planned.run_and_kill(platform, third)
                told = (
                    f"killed with SIGKILL after {killed.made:,} of {objects:,} videos, "
                    f"{killed.unanswered:,} answers lost"
                )
                say(f"{told}; second run")
                code = planned.run_to_its_end()
                say(f"the second run ended with {code}; now the films, ingested in full")
                films = rehearsal.Rehearsal(
                    built, built.films_manifest, out / "films", sandbox, IN_FULL
                )
                films_code = films.run_to_its_end()
                say(f"that run ended with {films_code}; waiting for the last clips")
                videos = platform.videos_at_rest()
                say("comparing reports, platform and files")
                found = proof.Findings(
                    planned.reported(code),
                    films.reported(films_code),
                    platform.creates(),
                    videos,
                    rehearsal.digests(home / "platform" / "videos"),
                )
        except KeyboardInterrupt:
            say("interrupted; all that was started is stopped")
            raise
        except SandboxError as error:
            raise RunFailed(str(error), "mend it and run the demo again") from None
        finally:
            catalogues.sparse_file(home / "buckets").unlink(missing_ok=True)
    wrong = proof.differences(built, found)
    _print_result(built, found, wrong)
    calls, throttled = (
        sum(getattr(batch.summary.api, name) for batch in (found.batch, found.films))
        for name in ("calls", "throttled")
    )
    print(
        f"{told}; then run again\n"
        f"{calls:,} calls, {throttled:,} throttled; {time.monotonic() - started_s:.0f} s in all"
    )
    print(f"reports: {out / 'batch' / 'report.html'}, {out / 'films' / 'report.html'}")
    return ExitCode.RUN_FAILED if wrong else ExitCode.OK


def say(text: str) -> None:
    """A step, on stderr."""
    print(f"demo: {text}", file=sys.stderr, flush=True)


# ----------------------------------------------------------------------------- directory


@contextlib.contextmanager
def _fresh(directory: Path) -> Iterator[None]:
    """Make `directory` a demo's own, empty of an earlier one, and hold it for the block.

    Raises UsageError where it holds something else, or another demo is at work there.
    """
    marker = directory / MARKER
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not marker.is_file() and any(directory.iterdir()):
            raise UsageError(
                f"--out {directory}: not empty, and not made by a demo",
                "choose a directory that is empty or not there yet",
            )
        descriptor = os.open(marker, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise UsageError(
            f"--out {directory}: cannot be used ({error.strerror})", "choose another directory"
        ) from None
    with os.fdopen(descriptor, "r+b"):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(
                f"--out {directory}: another demo is at work there",
                "wait for it, or choose another directory",
            ) from None
        try:
            for name in MADE:
                _remove(directory / name)
        except OSError as error:
            raise UsageError(
                f"{error.filename}: an earlier demo's, and cannot be removed ({error.strerror})",
                "remove it, or choose another directory",
            ) from None
        yield


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


# ----------------------------------------------------------------------------- result


def _print_result(built: "Catalogue", found: "Findings", wrong: Sequence[str]) -> None:
    """Expected and found side by side, then what was proven or what differs."""
    from rich.table import Table
    from rich.text import Text

    from migrator.cli.console import Terminal
    from migrator.cli.proof import counts
    from migrator.text import plain

    console = Terminal(highlight=False, markup=False, emoji=False)
    right = "✓" if (console.encoding or "").lower().startswith("utf") else "ok"
    table = Table(box=None, pad_edge=False, show_edge=False)
    for name in ("in the catalogue", "must end as"):
        table.add_column(name)
    for name in ("rows", "got"):
        table.add_column(name, justify="right")
    table.add_column("")
    expected = built.expected()
    got = counts(found, tuple(expected))
    for kind, rows in expected.items():
        same = got[kind] == rows
        mark = (
            Text(right, style="green") if same else Text(f"{got[kind] - rows:+,}", style="bold red")
        )
        end = f"{kind.outcome}/{kind.reason}"
        table.add_row(kind.what, end, f"{rows:,}", f"{got[kind]:,}", mark)
    table.add_section()
    batches = (found.batch, found.films)
    total = sum(sum(batch.summary.outcomes.values()) for batch in batches)
    table.add_row("sum", "", f"{sum(expected.values()):,}", f"{total:,}")
    console.print(table)
    if not wrong:
        clips = sum(video.flags.is_clip for video in found.videos)
        console.print(
            f"the platform holds {len(found.videos) - clips:,} videos, none twice, "
            f"each with the bytes of its source;\nand {clips:,} clips, one of each video, which "
            "no run took for a row's"
        )
        return
    console.print(f"NOT as expected ({len(wrong):,}):", style="bold red")
    for line in wrong[:SHOWN_DIFFERENCES]:
        console.print(f"  {plain(line)}", soft_wrap=True)
    if len(wrong) > SHOWN_DIFFERENCES:
        console.print(f"  and {len(wrong) - SHOWN_DIFFERENCES:,} more")
