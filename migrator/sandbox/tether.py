"""Run a program that does not outlive the process that asked for it.

Called as a script: `python tether.py PARENT_PID PROGRAM ARGUMENT...`. It is a program of its
own because what it does must happen between fork and exec, where a process with threads can
safely do next to nothing.

On Linux the kernel is asked to kill us when the parent goes, by SIGKILL too, and the wish
survives exec; so the program simply takes this process over. Elsewhere there is no such wish:
this process stays, looks after its parent five times a second, and takes the program along
when the parent has gone. A SIGKILL of the tether itself is then not covered.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from types import FrameType

PARENT_POLL_S = 0.2


def replaced_on_linux(parent: int, command: list[str]) -> None:
    """Become `command`, killed by the kernel when the parent ends. Does not return."""
    pr_set_pdeathsig = 1  # <linux/prctl.h>
    if ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL) != 0:
        sys.exit(f"tether: prctl failed: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:  # it went before the kernel knew of our wish
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - the path is absolute, no shell is wanted


def watched_elsewhere(parent: int, command: list[str]) -> int:
    """Run `command` as a child; end it when the parent has gone. Returns its exit code."""
    child = subprocess.Popen(command)  # noqa: S603 - the caller's own command line

    def pass_on(number: int, _frame: FrameType | None) -> None:
        child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    while child.poll() is None:
        if os.getppid() != parent:
            child.kill()
        time.sleep(PARENT_POLL_S)
    return child.returncode


if __name__ == "__main__":
    if sys.platform == "linux":
        replaced_on_linux(int(sys.argv[1]), sys.argv[2:])
    sys.exit(watched_elsewhere(int(sys.argv[1]), sys.argv[2:]))
