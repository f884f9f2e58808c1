"""The directory of a batch and the checkpoint in it: made, opened, told to be finished."""

import os
import sqlite3
import stat
from pathlib import Path

from migrator import __version__
from migrator.checkpoint.store import Checkpoint
from migrator.engine.book import wall_ms
from migrator.engine.inputs import Inputs
from migrator.engine.tag import new_batch_id
from migrator.errors import CheckpointError, RunFailed, UsageError
from migrator.settings import BatchSettings, pinned_keys


def kept_settings(checkpoint: Checkpoint, directory: Path) -> BatchSettings:
    """The settings that a batch goes on with. Raises CheckpointError where they are unreadable."""
    try:
        return BatchSettings.from_json(checkpoint.meta("settings") or "{}")
    except (ValueError, TypeError, RecursionError):
        raise CheckpointError(
            f"{directory}: the settings of this batch cannot be read",
            "give them again: `migrator run` with the flags of the first run goes on",
        ) from None


def is_finished(checkpoint: Checkpoint, *, with_clips: bool = False) -> bool:
    """Whether every row is settled, and what was presumed absent was looked for once more.

    `with_clips`: and every clip has ended.
    """
    if not is_read(checkpoint) or (with_clips and checkpoint.clips_waiting().rows):
        return False
    return not checkpoint.has_open_rows() and checkpoint.looked_back()


def is_read(checkpoint: Checkpoint) -> bool:
    """Whether every source was read to its end."""
    sources = checkpoint.sources()
    return bool(sources) and all(source.complete for source in sources)


def make_directory(directory: Path) -> None:
    """Make the --out directory where it is not there. Raises UsageError where it is unusable."""
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


def refuse_itself(directory: Path, inputs: Inputs) -> None:
    """Raises UsageError where a batch is to leave out what it has imported itself."""
    if any(earlier.samefile(directory) for earlier in inputs.skip_imported):
        raise UsageError(
            f"--skip-imported {directory}: that is the --out directory itself",
            "give the directory of an earlier batch",
        )


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


def open_checkpoint(directory: Path, settings: BatchSettings) -> Checkpoint:
    """Open the checkpoint in a directory, or make one, pinned to what its batch is about.

    Raises CheckpointError where it is unusable or of another platform, namespace or tag.
    """
    pinned = {
        "api_url": settings.platform.api_url.rstrip("/"),
        "namespace": settings.inputs.namespace,
        "tag_in": settings.platform.tag_in,
        "via": str(settings.ways),
        "api_keys": pinned_keys(settings.api_keys),
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
