"""The live display, with rich."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from migrator.cli.console import Terminal
from migrator.cli.display import Show, duration
from migrator.engine.status import Snapshot

COLOURS = {
    "imported": "green",
    "skipped": "cyan",
    "rejected": "yellow",
    "missing": "yellow",
    "failed": "red",
}
"""Every outcome has its word beside its colour."""


@contextmanager
def live() -> Iterator[Show]:
    """Show snapshots in place, on stderr, until the block ends."""
    display = Live(console=Terminal(stderr=True), refresh_per_second=4, transient=True)
    display.start()
    try:
        yield lambda snapshot: display.update(render(snapshot))
    finally:
        with contextlib.suppress(OSError):  # the terminal may be gone
            display.stop()


def render(snapshot: Snapshot) -> RenderableType:
    """A snapshot as a few lines that fit 80 columns."""
    share = snapshot.done / snapshot.rows if snapshot.rows else 0.0
    head = Table.grid(padding=(0, 1), expand=True)
    head.add_column(no_wrap=True)
    head.add_column(ratio=1)
    head.add_column(no_wrap=True, justify="right")
    head.add_row(
        Text(snapshot.phase, style="bold"),
        ProgressBar(total=max(1, snapshot.rows), completed=snapshot.done),
        Text(f"{snapshot.done:,}/{snapshot.rows:,}  {share:4.0%}"),
    )
    outcomes = Text("  ").join(
        Text(f"{count:,} {name}", style=COLOURS[name] if count else "dim")
        for name, count in snapshot.outcomes.items()
    )
    pace = Text(
        f"{snapshot.rate_per_minute:,.0f} of {snapshot.allowed_per_minute:,} calls/min · "
        f"{snapshot.calls:,} calls, {snapshot.throttled:,} throttled · "
        f"{snapshot.in_flight:,} in flight",
        style="dim",
        overflow="ellipsis",
    )
    rest: list[RenderableType] = []
    if snapshot.unresolved:
        rest.append(Text(f"{snapshot.unresolved:,} unresolved", style="yellow"))
    if snapshot.eta_s is not None:
        rest.append(Text(f"all submitted in about {duration(snapshot.eta_s)}"))
    if snapshot.waiting_for:
        rest.append(Text(f"waiting for {snapshot.waiting_for}", style="yellow"))
    return Group(head, outcomes, pace, *rest)
