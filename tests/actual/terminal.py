"""A program on a terminal: a real pseudo-terminal, and an emulator that shows what stands on it."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
import time

import pyte

from tests.actual.program import DEADLINE_S, POLL_S

READ_BYTES = 65_536


class Terminal:
    """A child with a terminal of its own as its stdin, stdout and stderr."""

    def __init__(self, command, environment, directory, columns=80, lines=24):
        self.screen = pyte.Screen(columns, lines)
        self.raw = b""
        self._stream = pyte.ByteStream(self.screen)
        self._ours, theirs = pty.openpty()
        _resize(self._ours, columns, lines)
        os.set_blocking(self._ours, False)
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *map(str, command)],
            cwd=directory,
            env={"TERM": "xterm-256color", **environment},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE_S)
        os.close(self._ours)

    def look(self):
        """Take in what was written since; False once there is nothing."""
        try:
            new = os.read(self._ours, READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:  # nobody has it open any more
            return False
        self.raw += new
        self._stream.feed(new)
        return bool(new)

    def press(self, keys):
        os.write(self._ours, keys)

    def resize(self, columns, lines):
        """What pulling at the window's corner does; the program is told by SIGWINCH."""
        self.screen.resize(lines, columns)
        _resize(self._ours, columns, lines)

    def until(self, condition, what, within_s=DEADLINE_S):
        """Look until `condition` of the shown lines holds; answers the lines."""
        deadline = time.monotonic() + within_s
        while True:
            moved = self.look()
            if not moved and condition(self.shown):
                return self.shown
            if not moved:
                assert self.process.poll() is None, f"ended before: {what}\n{self}"
                assert time.monotonic() < deadline, f"not in time: {what}\n{self}"
                time.sleep(POLL_S)

    def end(self, within_s=DEADLINE_S):
        """Look until it has ended; its exit code."""
        self.until(lambda _shown: self.process.poll() is not None, "it ends", within_s)
        while self.look():
            pass
        return self.process.returncode

    @property
    def shown(self):
        """The lines that are not empty, without blanks at their ends."""
        return [line.rstrip() for line in self.screen.display if line.strip()]

    def __str__(self):
        return "\n".join(self.shown)


def _resize(descriptor, columns, lines):
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
