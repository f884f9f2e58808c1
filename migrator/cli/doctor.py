"""`migrator doctor`."""

import json
import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from migrator.errors import ExitCode
from migrator.settings import (
    OUTPUT,
    BatchSettings,
    CrossingSettings,
    InputSettings,
    PlatformSettings,
    SourceSettings,
    WebhookSettings,
    read_buckets,
    read_key_tables,
    with_absolute_paths,
)

SCHEMA = "migrator.doctor/1"


def doctor(
    *,
    out: Annotated[Path, Parameter(group=OUTPUT)] = Path("reports"),
    inputs: InputSettings = InputSettings(),
    platform: PlatformSettings = PlatformSettings(),
    source: SourceSettings = SourceSettings(),
    crossing: CrossingSettings = CrossingSettings(),
    webhooks: WebhookSettings = WebhookSettings(),
    config: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    as_json: Annotated[bool, Parameter(name="--json", group=OUTPUT, negative=())] = False,
) -> int:
    """Look whether a migration could begin here; writes nothing, neither here nor there.

    It asks the platform for the account, the quota, the team and the projects, and heads up to
    three objects of each bucket with the keys that will be handed over. With webhooks it listens
    as a run would, and sends a word to --webhook-url that must arrive. One line a check: ok, warn
    or fail, and what to do.

    Example: migrator doctor --manifest catalogue.csv --out reports/catalogue

    Exit codes: 0 nothing failed, warnings or not; 1 something failed; 2 usage; 130 interrupted.

    Parameters
    ----------
    out
        Where the batch shall lie: is there room for it?
    config
        File of settings, as for `run`.
    as_json
        Print the checks as JSON (schema migrator.doctor/1).
    """
    import msgspec

    from migrator.cli.checkup import check_up
    from migrator.cli.loop import run_async
    from migrator.text import plain

    settings = BatchSettings(
        inputs=with_absolute_paths(inputs),
        platform=platform,
        source=source,
        crossing=crossing,
        webhooks=webhooks,
        buckets=read_buckets(config),
        api_keys=read_key_tables(config),
    )
    checks = run_async(check_up(settings, out, os.environ))
    failed = sum(check.status == "fail" for check in checks)
    if as_json:
        told = {"schema": SCHEMA, "failed": failed, "checks": msgspec.to_builtins(checks)}
        print(json.dumps(told, indent=2))
    else:
        width = max(len(plain(check.name)) for check in checks)
        for check in checks:
            print(f"{check.status:4}  {plain(check.name):{width}}  {plain(check.found)}")
            if check.next and check.status != "ok":
                print(f"      {'':{width}}  next: {plain(check.next)}")
        warned = sum(check.status == "warn" for check in checks)
        print(f"{len(checks)} checks, {failed} failed, {warned} with a warning")
    return ExitCode.RUN_FAILED if failed else ExitCode.OK
