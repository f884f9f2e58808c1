"""A batch that is there, opened again, and checked while all that a run needs is imported."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from migrator.checkpoint.lock import batch_lock
from migrator.checkpoint.store import Checkpoint
from migrator.cli.finish import Finish, finishing
from migrator.cli.observing import Observers, observing
from migrator.errors import UsageError
from migrator.settings import DisplaySettings, FinishSettings


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """An open batch, what watches its run, and what is to be told of its end."""

    directory: Path
    checkpoint: Checkpoint
    observers: Observers
    finish: Finish


@contextmanager
def reopened(
    directory: Path,
    display: DisplaySettings,
    finish: FinishSettings,
    environment: Mapping[str, str],
) -> Iterator[OpenBatch]:
    """The batch in `directory`, locked, until the block ends.

    Raises UsageError where there is none, and what the lock and the checkpoint's check raise.
    """
    require_batch(directory)
    with (
        observing(display) as observers,
        finishing(finish.on_finish, directory, environment) as ended,
        batch_lock(directory),
        closing(_checked(directory)) as checkpoint,
    ):
        yield OpenBatch(directory, checkpoint, observers, ended)


def _checked(directory: Path) -> Checkpoint:
    """The checkpoint. SQLite reads a million rows in a second, and holds no lock of Python's."""
    with ThreadPoolExecutor(1) as beside:
        opening = beside.submit(Checkpoint.open, directory)
        import migrator.cli.batch  # noqa: F401 - half a second, meanwhile

        return opening.result()


def require_batch(directory: Path) -> None:
    """Raises UsageError unless `directory` holds a checkpoint."""
    if not Checkpoint.exists(directory):
        raise UsageError(
            f"{directory}: no batch there (no checkpoint.db)",
            "give the --out directory of an earlier `migrator run`",
        )
