"""`migrator report`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from migrator.errors import ExitCode, Unbalanced, UsageError
from migrator.settings import ReportScope


def report(
    directory: Path,
    /,
    *,
    report_scope: ReportScope | None = None,
    check: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Write the reports again; the same checkpoint gives the same bytes.

    Example: migrator report reports/catalogue

    Example: migrator report reports/catalogue --check

    Exit codes: 0 written, or nothing differs; 2 no batch or report there; 5 the checkpoint is
    locked or damaged; 6 the report does not balance, or a file is not the one that was written.

    Parameters
    ----------
    directory
        The --out directory of the batch; for --check any directory that holds the report.
    report_scope
        Rows in objects.csv and objects.parquet, this time; without it as the batch was begun.
    check
        Write nothing: compare the files with the digests in summary.json. No checkpoint is needed.
    """
    if check:
        if report_scope is not None:
            raise UsageError(
                "--check writes nothing: --report-scope has no use", "give one of both"
            )
        return _check(directory)

    from migrator.checkpoint.lock import batch_lock
    from migrator.checkpoint.store import Checkpoint
    from migrator.cli.reopening import require_batch
    from migrator.cli.result import print_result
    from migrator.report import write_reports

    require_batch(directory)
    with batch_lock(directory):
        checkpoint = Checkpoint.open(directory)
        try:
            summary = write_reports(checkpoint, directory, report_scope)
        finally:
            checkpoint.close()
    print_result(summary, directory)
    return ExitCode.OK


def _check(directory: Path) -> int:
    from migrator.report.check import Finding, check_report

    checked = check_report(directory)
    for one in checked:
        print(f"{one.finding:<20}{one.name:<17}{one.sha256}".rstrip())
    wrong = [one.name for one in checked if one.finding is not Finding.SAME]
    if wrong:
        raise Unbalanced(
            f"{directory}: not as summary.json says: {', '.join(wrong)}",
            "write the report again from its checkpoint: migrator report DIR",
        )
    return ExitCode.OK
