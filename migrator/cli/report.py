"""`migrator report`."""

from pathlib import Path


def report(directory: Path, /) -> int:
    """Write the reports again; the same checkpoint gives the same bytes.

    Example: migrator report reports/catalogue

    Parameters
    ----------
    directory
        The --out directory of the batch.
    """
    from migrator.checkpoint.lock import batch_lock
    from migrator.checkpoint.store import Checkpoint
    from migrator.cli.batch import require_batch
    from migrator.cli.result import print_result
    from migrator.report import write_reports

    require_batch(directory)
    with batch_lock(directory):
        checkpoint = Checkpoint.open(directory)
        try:
            summary = write_reports(checkpoint, directory)
        finally:
            checkpoint.close()
    print_result(summary, directory)
    return 0
