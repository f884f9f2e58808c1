"""What is told and written."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from migrator.settings.fields import ABOVE_0, OUTPUT, WHAT_IF


@Parameter(name="*", group=OUTPUT)
@dataclass(frozen=True, kw_only=True)
class FinishSettings:
    """What happens once a run has ended. Not kept in the checkpoint."""

    on_finish: str | None = None
    """Run this command once a run has ended and its report is written: split into words, without a
    shell, summary.json on its stdin, no key of this migration in its environment. Its failure is
    said, and changes nothing."""


@Parameter(name="*", group=OUTPUT)
@dataclass(frozen=True, kw_only=True)
class DisplaySettings:
    """What is told while running. Not kept in the checkpoint."""

    quiet: Annotated[bool, Parameter(alias="-q", negative=())] = False
    """Show no progress, only the result and what went wrong."""
    verbose: Annotated[int, Parameter(name=["--verbose", "-v"], count=True, negative=())] = 0
    """Log what happens to stderr; twice for every call."""
    log_format: Literal["text", "json"] = "text"
    """Lines for people, or an object of JSON a line. On stderr JSON takes the display's place."""
    log_file: Path | None = None
    """Append the log to this file instead; it then holds what -v shows at least. Rotate it with
    logrotate's copytruncate."""
    metrics_addr: str | None = None
    """Serve metrics for Prometheus at http://HOST:PORT/metrics while it runs; without HOST on this
    machine alone."""


ReportScope = Literal["AllTasks", "FailedTasksOnly"]
"""The words of an S3 Batch completion report."""


@Parameter(name="*", group=OUTPUT)
@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """What the report holds."""

    report_scope: ReportScope = "AllTasks"
    """Rows in objects.csv and objects.parquet: all, or those that neither succeeded nor were
    skipped. All of them are counted either way."""


@Parameter(name="*", group=WHAT_IF)
@dataclass(frozen=True, kw_only=True)
class PlanSettings:
    """What `plan` is asked beyond the settings of a batch. Not kept in the checkpoint."""

    copy_mb_per_s: Annotated[float | None, Parameter(validator=ABOVE_0)] = None
    """Speed of one copy in MB (10^6 bytes) a second, if you know it: hours then count copies."""
    total_mb_per_s: Annotated[float | None, Parameter(validator=ABOVE_0)] = None
    """Speed of all copies together in MB a second, if you know it."""
    recheck: Annotated[bool, Parameter(negative=())] = False
    """Head again what an earlier plan found refused or missing: something was mended meanwhile."""
