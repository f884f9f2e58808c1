"""A picture that is repainted in place, at the end of what a terminal shows.

The cursor rests at the upper left corner of the picture, and is never hidden. A terminal that is
resized keeps its cursor in the line where it was, however it wraps what stands below; so painting
again from there needs no count of lines, and nothing has to be put right when the program is
killed. Whoever painted too far would erase what stands above.

Painting is a thread's work: a terminal that takes nothing more (Ctrl-S) holds no run up.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

from migrator.cli.console import Terminal
from migrator.cli.picture import picture
from migrator.cli.signals import INTERRUPTS
from migrator.engine.snapshot import Snapshot

ERASE = "\r\x1b[0m\x1b[K\n\x1b[J\x1b[A\r"
"""From the line of the cursor to the end of the screen. Not at once: a terminal that is told to
clear all that it shows may keep it as history."""

LOOK_EVERY_S = 0.25
"""How often it is looked whether the terminal has another size."""

PATIENCE_S = 2.0
"""How long the end waits for a terminal that takes nothing."""

USUAL_SIZE = os.terminal_size((80, 24))


@contextmanager
def live(stream: TextIO) -> Iterator[Callable[[Snapshot], None]]:
    """Show snapshots in place until the block ends; what else goes to stderr stands above them."""
    painter = _Painter(stream)
    own_stderr = sys.stderr
    sys.stderr = above = _Above(painter, own_stderr)
    INTERRUPTS.farewell = ERASE.encode()
    try:
        with _erased_while_suspended(painter):
            painter.start()
            yield painter.show
    finally:
        INTERRUPTS.farewell = b""
        painter.end()
        above.leave()
        sys.stderr = own_stderr


class _Painter(threading.Thread):
    """Paints the latest snapshot, and again when the terminal's size has changed."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(name="display", daemon=True)
        self._stream = stream
        self._console = Terminal(file=stream, force_terminal=True, highlight=False, width=80)
        self._changed = threading.Condition()
        self._latest: Snapshot | None = None
        self._ended = False
        self._writing = threading.RLock()

    def show(self, snapshot: Snapshot) -> None:
        """Paint this one, soon."""
        with self._changed:
            self._latest = snapshot
            self._changed.notify()

    def run(self) -> None:
        """Paint until the end."""
        painted: tuple[Snapshot | None, os.terminal_size] = (None, USUAL_SIZE)
        while True:
            with self._changed:
                if self._latest is painted[0] and not self._ended:
                    self._changed.wait(LOOK_EVERY_S)
                if self._ended:
                    return
                wanted = (self._latest, terminal_size(self._stream))
            if wanted != painted:
                self._paint("")
                painted = wanted

    def above(self, text: str) -> None:
        """Write whole lines above the picture."""
        self._paint(text)

    def erase(self) -> None:
        """Take the picture away, unless the terminal takes nothing."""
        if self._writing.acquire(timeout=PATIENCE_S):
            try:
                self._write(ERASE)
            finally:
                self._writing.release()

    def end(self) -> None:
        """Paint no more."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self.is_alive():
            self.join(PATIENCE_S)
        self.erase()

    def _paint(self, text: str) -> None:
        with self._writing:
            if self._ended or self._latest is None:
                self._write(f"{ERASE}{text}")
            else:
                self._write(f"{ERASE}{text}" if text else "\r", self._painted(self._latest))

    def _painted(self, snapshot: Snapshot) -> str:
        size = terminal_size(self._stream)
        # One column stays free: what fills a line to its end wraps, or does not, as terminals like.
        console = self._console
        console.size = (max(1, size.columns - 1), size.lines)
        with console.capture() as captured:
            console.print(picture(snapshot, console, max(1, size.lines - 1)))
        lines = captured.get().splitlines()
        back = f"\x1b[{len(lines) - 1}A" if len(lines) > 1 else ""
        return "\x1b[K\n".join(lines) + f"\x1b[K\x1b[J\r{back}"

    def _write(self, *texts: str) -> None:
        # It may be gone, or closed, or be interrupted in a write by a signal that writes.
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            self._stream.write("".join(texts))
            self._stream.flush()


class _Above:
    """Stands in for stderr while a picture is shown: whole lines go above it."""

    def __init__(self, painter: _Painter, stderr: TextIO) -> None:
        self._painter = painter
        self._stderr = stderr
        self._begun = ""

    def __getattr__(self, name: str) -> object:
        return getattr(self._stderr, name)

    def write(self, text: str) -> int:
        """Keep what is no whole line yet."""
        lines, newline, self._begun = (self._begun + text).rpartition("\n")
        if newline:
            self._painter.above(lines + newline)
        return len(text)

    def flush(self) -> None:
        """Nothing: lines leave at once."""

    def leave(self) -> None:
        """Write what was no whole line to its end."""
        with contextlib.suppress(OSError, ValueError):
            self._stderr.write(self._begun)
            self._stderr.flush()


def terminal_size(stream: TextIO) -> os.terminal_size:
    """Columns and lines of the terminal behind a stream, as it is now."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return USUAL_SIZE
    return os.terminal_size((size.columns or USUAL_SIZE.columns, size.lines or USUAL_SIZE.lines))


@contextmanager
def _erased_while_suspended(painter: _Painter) -> Iterator[None]:
    """Ctrl-Z leaves no picture under what the shell says; `fg` brings it back."""

    def suspend(number: int, _frame: FrameType | None) -> None:
        painter.erase()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)  # stopped here, until somebody continues us
        signal.signal(number, suspend)

    if signal.getsignal(signal.SIGTSTP) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTSTP, suspend)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
