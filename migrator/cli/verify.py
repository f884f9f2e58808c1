"""`migrator verify`."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from migrator.settings import OUTPUT, SOURCE, ClusterSettings, DisplaySettings


def verify(
    directory: Path,
    /,
    *,
    source: Annotated[bool, Parameter(group=SOURCE, negative="--no-source")] = True,
    cluster: ClusterSettings = ClusterSettings(),
    as_json: Annotated[bool, Parameter(name="--json", group=OUTPUT, negative=())] = False,
    display: DisplaySettings = DisplaySettings(),
) -> int:
    """Compare the report with the platform and the source as they are now; changes neither.

    It reads the team's whole list, a hundred videos a call, and heads every object of which there
    is a video. What it finds: videos that were deleted, that are there twice, whose copy is not
    done, whose size differs, whose ingestion failed later; objects that are gone or another now;
    videos in the batch's projects that nothing explains. verify.html says what each asks of a
    person; verify.csv and verify.parquet have all of it. Secrets come from the environment.

    Example: migrator verify reports/catalogue

    Example: migrator verify reports/catalogue --no-source --json

    Exit codes: 0 all is as the report says; 1 the platform or the disk failed; 2 no batch there, or
    one that was not read to its end; 3 something is not as the report says; 4 stopped by itself, or
    rows are still open; 5 the checkpoint is locked or damaged; 130 interrupted, nothing written.

    Parameters
    ----------
    directory
        The --out directory of the batch. Nobody may be at work on it meanwhile.
    source
        HEAD the objects too. Without it no keys of the source are needed.
    as_json
        Print the summary as JSON (schema migrator.verify/1).
    """
    from migrator.cli.verifying import print_verification

    return print_verification(
        directory, display, cluster, os.environ, source=source, as_json=as_json
    )
