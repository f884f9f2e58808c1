"""`migrator resume`."""

import os
from pathlib import Path

from migrator.settings import DisplaySettings, FinishSettings


def resume(
    directory: Path,
    /,
    *,
    finish: FinishSettings = FinishSettings(),
    display: DisplaySettings = DisplaySettings(),
) -> int:
    """Go on with a batch, with the settings kept there. Secrets come from the environment again.

    Example: migrator resume reports/catalogue

    Parameters
    ----------
    directory
        The --out directory of the batch.
    """
    from migrator.cli.reopening import reopened

    with reopened(directory, display, finish, os.environ) as batch:
        from migrator.cli.batch import resume_batch

        return resume_batch(batch, os.environ)
