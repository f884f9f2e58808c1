"""The last word of a run, on stdout: the outcome table and where the report lies."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from migrator.cli.console import Terminal
from migrator.report import Summary
from migrator.settings import BatchSettings
from migrator.text import plain


def print_result(summary: Summary, directory: Path) -> None:
    """Print outcomes with their reasons, their sum, and what else a person should know."""
    from migrator.model import OUTCOME_OF, Outcome, Reason

    table = Table(box=None, pad_edge=False, show_edge=False)
    table.add_column("outcome")
    table.add_column("rows", justify="right")
    table.add_column("reasons")
    for outcome in Outcome:
        count = summary.outcomes[outcome.value]
        reasons = [
            f"{reason} {rows:,}"
            for reason, rows in summary.reasons.items()
            if OUTCOME_OF[Reason(reason)] is outcome
        ]
        table.add_row(outcome.value, f"{count:,}", ", ".join(reasons))
    table.add_section()
    table.add_row("sum", f"{summary.manifest.rows:,}", "")
    console = Terminal(highlight=False, soft_wrap=False)
    console.print(table)
    api = summary.api
    console.print(
        f"{api.calls:,} calls, {api.throttled:,} throttled; adopted {summary.adopted:,}, "
        f"duplicates {summary.duplicates:,}",
        markup=False,
    )
    console.print(plain(f"report: {directory / 'report.html'}"), markup=False, soft_wrap=True)


def print_videos(
    videos: Sequence[tuple[int, str, str, str]],
    settings: BatchSettings,
    directory: Path,
    *,
    more: bool,
) -> None:
    """Print the videos that a batch has made, as (row, bucket, key, id), and how to delete them."""
    console = Terminal(highlight=False, soft_wrap=True)
    if not videos:
        console.print("the canary has made no video")
        return
    console.print("videos that this batch has made:")
    for row, bucket, key, video_id in videos:
        console.print(plain(f"  {video_id}  row {row}, s3://{bucket}/{key}"), markup=False)
    if more:
        console.print(
            plain(f"  and further ones: VideoId in {directory / 'objects.csv'}"), markup=False
        )
    url = f"{settings.platform.api_url.rstrip('/')}/v1/videos"
    console.print(
        plain(f'to delete one: curl -X DELETE -H "X-API-Key: $PIXOP_API_KEY" {url}/ID'),
        markup=False,
    )
    console.print(
        "a row stays imported here though its video is deleted: where all shall be imported anew, "
        "begin in another --out directory"
    )
