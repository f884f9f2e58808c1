"""`migrator plan`."""

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
    InputSettings,
    PaceSettings,
    PlanSettings,
    PlatformSettings,
    SourceSettings,
    StoppingSettings,
    WebhookSettings,
    check_settings,
    read_buckets,
    read_key_tables,
    with_absolute_parts,
    with_absolute_paths,
)


def plan(  # noqa: PLR0913 - every group of flags by its name
    *,
    out: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    inputs: InputSettings = InputSettings(),
    platform: PlatformSettings = PlatformSettings(),
    source: SourceSettings = SourceSettings(),
    crossing: CrossingSettings = CrossingSettings(),
    cluster: ClusterSettings = ClusterSettings(),
    pace: PaceSettings = PaceSettings(),
    care: CareSettings = CareSettings(),
    stopping: StoppingSettings = StoppingSettings(),
    webhooks: WebhookSettings = WebhookSettings(),
    display: DisplaySettings = DisplaySettings(),
    what_if: PlanSettings = PlanSettings(),
    as_json: Annotated[bool, Parameter(name="--json", group=OUTPUT, negative=())] = False,
    config: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
) -> int:
    """Say what a migration would do and cost, without changing anything on the platform.

    It reads the rows and heads every object as `run` would, asks the platform for its quota and
    for how many videos the team has, and prints objects and bytes, what would be rejected or is
    missing, calls, hours, and what would bind. With --out all of it stays there: `run` with the
    same directory goes on from it, and asks again only what is older than a day; the same plan with
    other flags of pace answers at once.

    Example: migrator plan --manifest catalogue.csv --out reports/catalogue

    Example: migrator plan --manifest catalogue.csv --out reports/catalogue
    --requests-per-minute 600 --max-in-flight 50

    Exit codes: 0 the plan is printed; 1 the platform or the disk failed; 2 usage or unusable input;
    4 the source does not answer or the key is refused; 5 the checkpoint is locked, damaged or of
    something else; 130 interrupted, the same command goes on.

    Parameters
    ----------
    out
        Directory of the batch that is planned. Without it nothing is kept.
    as_json
        Print the plan as JSON (schema migrator.plan/1).
    config
        File of settings, as for `run`.
    """
    from migrator.cli.planning import print_plan

    settings = BatchSettings(
        inputs=with_absolute_paths(inputs),
        platform=platform,
        source=source,
        crossing=crossing,
        cluster=with_absolute_parts(cluster),
        pace=pace,
        care=care,
        stopping=stopping,
        webhooks=webhooks,
        buckets=read_buckets(config),
        api_keys=read_key_tables(config),
    )
    check_settings(settings)
    return print_plan(out, settings, what_if, display, os.environ, as_json=as_json)
