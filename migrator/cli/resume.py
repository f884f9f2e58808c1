"""`migrator resume`."""

import os
from pathlib import Path

from migrator.settings import DisplaySettings


def resume(directory: Path, /, *, display: DisplaySettings = DisplaySettings()) -> int:
    """Go on with a batch, with the settings kept there. Secrets come from the environment again.

    Example: migrator resume reports/catalogue

    Parameters
    ----------
    directory
        The --out directory of the batch.
    """
    from migrator.checkpoint.lock import batch_lock
    from migrator.checkpoint.store import Checkpoint
    from migrator.cli.batch import migrate_batch, require_batch
    from migrator.settings import BatchSettings

    require_batch(directory)
    with batch_lock(directory):
        checkpoint = Checkpoint.open(directory)
        settings = BatchSettings.from_json(checkpoint.meta("settings") or "{}")
        checkpoint.close()
    return migrate_batch(directory, settings, display, os.environ, resuming=True)
