"""`migrator run`."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from migrator.settings import (
    OUTPUT,
    BatchSettings,
    CareSettings,
    ClusterSettings,
    CrossingSettings,
    DisplaySettings,
    FinishSettings,
    InputSettings,
    PaceSettings,
    PlatformSettings,
    ReportSettings,
    SourceSettings,
    StoppingSettings,
    WebhookSettings,
    check_settings,
    read_buckets,
    read_key_tables,
    with_absolute_parts,
    with_absolute_paths,
)


def run(  # noqa: PLR0913 - every group of flags by its name
    *,
    out: Annotated[Path, Parameter(group=OUTPUT)],
    inputs: InputSettings = InputSettings(),
    platform: PlatformSettings = PlatformSettings(),
    source: SourceSettings = SourceSettings(),
    crossing: CrossingSettings = CrossingSettings(),
    cluster: ClusterSettings = ClusterSettings(),
    pace: PaceSettings = PaceSettings(),
    care: CareSettings = CareSettings(),
    report: ReportSettings = ReportSettings(),
    stopping: StoppingSettings = StoppingSettings(),
    webhooks: WebhookSettings = WebhookSettings(),
    finish: FinishSettings = FinishSettings(),
    display: DisplaySettings = DisplaySettings(),
    config: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
) -> int:
    """Migrate a catalogue: read the rows, check the source, submit, follow, report.

    On a directory that holds a batch it resumes; on a finished one it says so and sends nothing.

    Example: migrator run --manifest catalogue.csv --out reports/catalogue

    Example: migrator run --prefix s3://masters/2009/ --out reports/2009 --canary 10
    --tolerated-failure-percentage 5 --max-duration 8h

    Exit codes: 0 all imported or skipped; 1 the run failed; 2 usage or unusable input; 3 finished
    with rejected, missing or failed rows, or duplicates; 4 stopped by itself or rows unresolved,
    resumable; 5 the checkpoint is locked, damaged or of something else; 6 the report does not
    balance; 130 interrupted, resumable.

    Parameters
    ----------
    out
        Directory of the batch: its checkpoint and its reports. Made if it is not there.
    config
        File of settings: flags by their names, and `[buckets."NAME"]` tables that name variables
        for a bucket's own keys. Without it ./migrator.toml is read where there is one.
    """
    from migrator.cli.batch import start_batch

    settings = BatchSettings(
        inputs=with_absolute_paths(inputs),
        platform=platform,
        source=source,
        crossing=crossing,
        cluster=with_absolute_parts(cluster),
        pace=pace,
        care=care,
        report=report,
        stopping=stopping,
        webhooks=webhooks,
        buckets=read_buckets(config),
        api_keys=read_key_tables(config),
    )
    check_settings(settings)
    return start_batch(out, settings, display, finish, os.environ)
