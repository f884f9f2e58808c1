"""What can happen to a run. Each answers in a few words what came of it, and the exit code.

The code is None where the run was killed.
"""

import signal
import subprocess
import time
from dataclasses import dataclass

from tests.actual.program import until
from tests.battery.arena import HANGS_S


def _ends_within(child, seconds):
    try:
        child.process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


@dataclass(frozen=True)
class Kill:
    """SIGKILL so many seconds after the start."""

    after_s: float

    def disturb(self, arena, command):
        child = arena.start(command)
        if _ends_within(child, self.after_s):
            return "ended before it was to be killed", child.wait().code
        child.kill()
        return f"killed after {self.after_s:.3f} s", None


@dataclass(frozen=True)
class Crash:
    """SIGKILL at the n-th passing of a named point; `plan` makes sure that the point is passed."""

    point: str
    passing: int
    plan: dict

    def disturb(self, arena, command):
        arena.put_faults(self.plan)
        crash_at = f"{self.point}:{self.passing}"
        result = arena.start(command, crash_at).wait(HANGS_S)
        arena.put_faults({})
        assert result.code == -signal.SIGKILL, f"{crash_at} is not passed, exit {result.code}"
        return f"crashed at {crash_at}", None


@dataclass(frozen=True)
class NowAndThen:
    """Faults during the whole of a run."""

    plan: dict

    def disturb(self, arena, command):
        arena.put_faults(self.plan)
        result = arena.start(command).wait(HANGS_S)
        struck = arena.struck()
        arena.put_faults({})
        assert struck, "no fault struck: nothing was tested"
        return f"{struck} faults", result.code


@dataclass(frozen=True)
class Storm:
    """Faults on everything for a while in the middle of a run; then they are lifted."""

    plan: dict
    for_s: float

    def disturb(self, arena, command):
        arena.put_faults(self.plan)
        child = arena.start(command)
        until(lambda: child.ended or arena.struck(), "the storm begins")
        _ends_within(child, self.for_s)
        struck = arena.struck()
        arena.put_faults({})
        result = child.wait(HANGS_S)
        assert struck, "no fault struck: nothing was tested"
        return f"{struck} faults in {self.for_s} s", result.code


@dataclass(frozen=True)
class PlatformKilled:
    """The platform is killed so many seconds after the start, and comes back; the run goes on."""

    after_s: float
    away_s: float

    def disturb(self, arena, command):
        child = arena.start(command)
        _ends_within(child, self.after_s)
        arena.sandbox.kill()
        time.sleep(self.away_s)
        arena.sandbox.restart()
        return f"the platform killed after {self.after_s:.3f} s", child.wait(HANGS_S).code


@dataclass(frozen=True)
class BothKilled:
    """Program and platform are killed, so many seconds apart; the platform comes back."""

    after_s: float
    program_first: bool
    apart_s: float

    def disturb(self, arena, command):
        child = arena.start(command)
        _ends_within(child, self.after_s)
        killed = [child.kill, arena.sandbox.kill]
        if not self.program_first:
            killed.reverse()
        killed[0]()
        time.sleep(self.apart_s)
        killed[1]()
        arena.sandbox.restart()
        return f"both killed after {self.after_s:.3f} s, {self.apart_s:.3f} s apart", None
