"""A batch on the disk, from the command line's side: open, run, report, say how it ended."""

import asyncio
import contextlib
import os
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

from migrator import __version__
from migrator.certificates import check_certificates, source_certificates
from migrator.checkpoint.lock import batch_lock
from migrator.checkpoint.store import Checkpoint
from migrator.cli.ending import end_run, report_run
from migrator.cli.observing import Observers, observing
from migrator.cli.signals import INTERRUPTS
from migrator.engine.book import wall_ms
from migrator.engine.load import Inputs, check_inputs, open_inputs
from migrator.engine.meter import Meter
from migrator.engine.ports import Ports
from migrator.engine.reopen import LEFT, Choice
from migrator.engine.run import migrate
from migrator.engine.snapshot import Snapshot, note_end
from migrator.engine.stop import Stop
from migrator.engine.tag import new_batch_id
from migrator.errors import (
    CheckpointError,
    ExitCode,
    MigratorError,
    RunFailed,
    UsageError,
)
from migrator.lifecycle import FINAL
from migrator.log import RUN_ENDED, RUN_STARTED, tell
from migrator.pixop.client import PixopClient
from migrator.settings import BatchSettings, DisplaySettings, Secret, read_api_key
from migrator.source.credentials import load_keys
from migrator.source.s3 import SourceS3

SPARE_CONNECTIONS = 8
"""Connections beyond --max-concurrency: for following, resolving and probing."""


def require_batch(directory: Path) -> None:
    """Raises UsageError unless `directory` holds a checkpoint."""
    if not Checkpoint.exists(directory):
        raise UsageError(
            f"{directory}: no batch there (no checkpoint.db)",
            "give the --out directory of an earlier `migrator run`",
        )


def start_batch(
    directory: Path,
    settings: BatchSettings,
    display: DisplaySettings,
    environment: Mapping[str, str],
) -> int:
    """Begin the batch in `directory`, or go on with it; answers the exit code.

    Raises MigratorError for all that is unusable before anything is sent.
    """
    with observing(display) as observers:
        api_key = read_api_key(settings.platform, environment)
        inputs = open_inputs(settings.inputs)
        _make_directory(directory)
        if any(earlier.samefile(directory) for earlier in inputs.skip_imported):
            raise UsageError(
                f"--skip-imported {directory}: that is the --out directory itself",
                "give the directory of an earlier batch",
            )
        with batch_lock(directory), closing(_open_checkpoint(directory, settings)) as checkpoint:
            check_inputs(checkpoint, inputs)
            return _go_on(directory, checkpoint, settings, inputs, observers, api_key, environment)


def resume_batch(directory: Path, display: DisplaySettings, environment: Mapping[str, str]) -> int:
    """Go on with the batch in `directory` with the settings kept there; answers the exit code.

    Once every source was read to its end, none of them is needed any more.
    """
    require_batch(directory)
    with (
        observing(display) as observers,
        batch_lock(directory),
        closing(Checkpoint.open(directory)) as checkpoint,
    ):
        settings = _kept_settings(checkpoint, directory)
        api_key = read_api_key(settings.platform, environment)
        inputs = None if _is_read(checkpoint) else open_inputs(settings.inputs)
        if inputs is not None:
            check_inputs(checkpoint, inputs)
        return _go_on(directory, checkpoint, settings, inputs, observers, api_key, environment)


def retry_batch(
    directory: Path,
    choice: Choice,
    display: DisplaySettings,
    environment: Mapping[str, str],
    *,
    agreed: bool,
) -> int:
    """Open rows of the batch in `directory` again and go on with it; answers the exit code.

    Raises UsageError where nothing that is meant can be retried, or where nobody can be asked.
    """
    from migrator.cli import selection

    require_batch(directory)
    with (
        observing(display) as observers,
        batch_lock(directory),
        closing(Checkpoint.open(directory)) as checkpoint,
    ):
        settings = _kept_settings(checkpoint, directory)
        api_key = read_api_key(settings.platform, environment)
        if not _is_read(checkpoint):
            raise UsageError(
                "this batch has not read all of its rows yet", f"migrator resume {directory}"
            )
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
        return _go_on(directory, checkpoint, settings, None, observers, api_key, environment)


def _kept_settings(checkpoint: Checkpoint, directory: Path) -> BatchSettings:
    try:
        return BatchSettings.from_json(checkpoint.meta("settings") or "{}")
    except (ValueError, TypeError, RecursionError):
        raise CheckpointError(
            f"{directory}: the settings of this batch cannot be read",
            "give them again: `migrator run` with the flags of the first run goes on",
        ) from None


def _go_on(
    directory: Path,
    checkpoint: Checkpoint,
    settings: BatchSettings,
    inputs: Inputs | None,
    observers: Observers,
    api_key: Secret,
    environment: Mapping[str, str],
) -> int:
    if _is_finished(checkpoint):
        with contextlib.suppress(OSError):
            print("this batch is finished: nothing was sent")
        return report_run(checkpoint, directory, None)
    tell(RUN_STARTED, directory=directory, version=__version__, process=os.getpid())
    code: int = ExitCode.RUN_FAILED
    try:
        code = _run(directory, checkpoint, settings, inputs, observers, api_key, environment)
    except MigratorError as error:
        code = error.exit_code
        raise
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
        raise
    finally:
        note_end(directory, code)
        tell(RUN_ENDED, exit_code=int(code))
    return code


def _run(
    directory: Path,
    checkpoint: Checkpoint,
    settings: BatchSettings,
    inputs: Inputs | None,
    observers: Observers,
    api_key: Secret,
    environment: Mapping[str, str],
) -> int:
    stop = Stop()
    try:
        with observers.showing() as show:
            _event_loop()(
                _session(
                    directory, checkpoint, settings, inputs, api_key, environment,
                    stop, show, observers.meter,
                )
            )  # fmt: skip
    except MigratorError as error:
        end_run(checkpoint, error.exit_code)
        raise
    except KeyboardInterrupt:
        end_run(checkpoint, ExitCode.INTERRUPTED)
        raise
    return report_run(checkpoint, directory, stop)


async def _session(
    directory: Path,
    checkpoint: Checkpoint,
    settings: BatchSettings,
    inputs: Inputs | None,
    api_key: Secret,
    environment: Mapping[str, str],
    stop: Stop,
    show: Callable[[Snapshot], None],
    meter: Meter,
) -> None:
    check_certificates(environment)
    keys = await load_keys(settings.bucket_keys, environment)
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
    connections = settings.pace.max_concurrency + SPARE_CONNECTIONS
    with _stopped_by_signals(stop):
        async with (
            PixopClient(
                settings.platform.api_url,
                api_key,
                connections,
                [pair.secret_access_key for pair in keys.all_keys()],
            ) as api,
            SourceS3(
                keys, settings.source.s3_endpoint_url, region, source_certificates(environment)
            ) as source,
        ):
            await migrate(
                directory,
                checkpoint,
                settings,
                inputs,
                Ports(api, source, keys, meter=meter),
                stop,
                show,
            )


def _is_finished(checkpoint: Checkpoint) -> bool:
    if not _is_read(checkpoint):
        return False
    settled = all(tally.state in FINAL for tally in checkpoint.tallies())
    return settled and checkpoint.looked_back()


def _is_read(checkpoint: Checkpoint) -> bool:
    """Whether every source was read to its end."""
    sources = checkpoint.sources()
    return bool(sources) and all(source.complete for source in sources)


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        writable = os.access(directory, os.W_OK | os.X_OK)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no name of a directory"
        raise UsageError(
            f"--out {directory}: cannot be made ({why})", "choose another directory"
        ) from None
    if not writable:
        raise UsageError(f"--out {directory}: cannot be written to", "choose another directory")
    _shut(directory)


def _shut(directory: Path) -> None:
    """Let nobody else into the directory of a batch; one of other use is left as it is.

    Raises UsageError where anybody may put files into it: they could take the checkpoint's place.
    """
    told = directory.stat()
    is_ours = Checkpoint.exists(directory) or not any(directory.iterdir())
    if is_ours and told.st_uid == os.geteuid():
        directory.chmod(0o700)
    elif told.st_mode & stat.S_IWOTH:
        raise UsageError(
            f"--out {directory}: everybody may write there",
            "choose a directory of its own for the batch",
        )


def _open_checkpoint(directory: Path, settings: BatchSettings) -> Checkpoint:
    pinned = {
        "api_url": settings.platform.api_url.rstrip("/"),
        "namespace": settings.inputs.namespace,
        "tag_in": settings.platform.tag_in,
        "via": "s3",
    }
    if not Checkpoint.exists(directory):
        begun_with = {
            **pinned,
            "batch": new_batch_id(),
            "program": __version__,
            "created_ms": str(wall_ms()),
            "settings": settings.to_json(),
        }
        try:
            return Checkpoint.create(directory, begun_with)
        except (OSError, sqlite3.Error) as error:
            raise RunFailed(
                f"{directory}: the checkpoint cannot be made ({error})",
                "make room on the disk, or choose another --out directory",
            ) from None
    checkpoint = Checkpoint.open(directory)
    # Until the platform has answered once, no row was read: a typing error may be mended.
    begun = checkpoint.meta("user_id") is not None
    for name, value in pinned.items():
        known = checkpoint.meta(name)
        if begun and known != value:
            checkpoint.close()
            raise CheckpointError(
                f"{directory}: this batch was begun with {name} {known!r}, and now it is {value!r}",
                "give the same again, use `migrator resume`, or another --out directory",
            )
    with checkpoint.transaction():
        for name, value in pinned.items():
            checkpoint.set_meta(name, value)
    return checkpoint


@contextlib.contextmanager
def _stopped_by_signals(stop: Stop) -> Iterator[None]:
    """A signal stops the run gracefully, as long as the block runs."""
    loop = asyncio.get_running_loop()

    def say_and_stop() -> None:
        with contextlib.suppress(OSError):
            print(
                "\nstopping: waiting for the answers in flight (again to abort at once)",
                file=sys.stderr,
            )
        stop.interrupt()

    # A handler runs between any two steps of the program: it only leaves word to the loop.
    with INTERRUPTS.graceful(lambda: loop.call_soon_threadsafe(say_and_stop)):
        yield


def _event_loop() -> Callable[..., None]:
    """Uvloop where it exists, else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    return uvloop.run
