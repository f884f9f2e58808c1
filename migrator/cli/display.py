"""What is seen while a batch runs: a live display on a terminal, plain lines elsewhere."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from migrator.engine.status import Snapshot
from migrator.text import plain

LINE_EVERY_S = 5.0
"""Seconds between two plain lines."""

Show = Callable[[Snapshot], None]


@contextmanager
def showing(*, quiet: bool) -> Iterator[Show]:
    """The right way to show snapshots on stderr here."""
    if quiet:
        yield lambda _snapshot: None
    elif sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        from migrator.cli.live import live

        with live() as show:
            yield show
    else:
        yield _Lines()


class _Lines:
    """Plain lines: at each new phase, and every few seconds."""

    def __init__(self) -> None:
        self._phase = ""
        self._next_s = 0.0

    def __call__(self, snapshot: Snapshot) -> None:
        now_s = time.monotonic()
        if snapshot.phase == self._phase and now_s < self._next_s:
            return
        self._phase = snapshot.phase
        self._next_s = now_s + LINE_EVERY_S
        print(line(snapshot), file=sys.stderr, flush=True)


def line(snapshot: Snapshot) -> str:
    """A snapshot as one line of text."""
    parts = [f"{snapshot.phase}: {snapshot.done:,}/{snapshot.rows:,} rows"]
    parts += [f"{count:,} {name}" for name, count in snapshot.outcomes.items() if count]
    if snapshot.in_flight:
        parts.append(f"{snapshot.in_flight:,} in flight")
    if snapshot.unresolved:
        parts.append(f"{snapshot.unresolved:,} unresolved")
    parts.append(f"{snapshot.rate_per_minute:,.0f} of {snapshot.allowed_per_minute:,} calls/min")
    if snapshot.eta_s is not None:
        parts.append(f"submitted in {duration(snapshot.eta_s)}")
    if snapshot.waiting_for:
        parts.append(f"waiting for {snapshot.waiting_for}")
    return plain(", ".join(parts))  # a status file may have been written by anybody


def duration(seconds: float) -> str:
    """Seconds as a person reads them."""
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest_s:02} s" if minutes else f"{rest_s} s"
