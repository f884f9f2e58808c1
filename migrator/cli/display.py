"""What is seen while a batch runs: a live display on a terminal, plain lines elsewhere."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from migrator.cli.words import line
from migrator.engine.snapshot import Snapshot
from migrator.settings import DisplaySettings

LINE_EVERY_S = 5.0
"""Seconds between two plain lines."""

Show = Callable[[Snapshot], None]


def is_paintable(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether a picture can be painted there, and its colours are welcome (no-color.org)."""
    plain = environment.get("NO_COLOR") or environment.get("TERM", "dumb") == "dumb"
    return stream.isatty() and not plain


@contextmanager
def showing(display: DisplaySettings) -> Iterator[Show]:
    """The right way to show snapshots on stderr here."""
    log_is_json = display.log_format == "json" and display.log_file is None
    if display.quiet or log_is_json:  # a program reads there, and the log tells it how far it is
        yield lambda _snapshot: None
    elif is_paintable(sys.stderr, os.environ):
        from migrator.cli.live import live

        with live(sys.stderr) as show:
            yield show
    else:
        yield Lines(sys.stderr)


class Lines:
    """Plain lines: at each new phase, and every few seconds."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._phase = ""
        self._next_s = 0.0

    def __call__(self, snapshot: Snapshot) -> None:
        """Print a line, if one is due."""
        now_s = time.monotonic()
        if snapshot.phase == self._phase and now_s < self._next_s:
            return
        self._phase = snapshot.phase
        self._next_s = now_s + LINE_EVERY_S
        print(line(snapshot), file=self._stream, flush=True)
