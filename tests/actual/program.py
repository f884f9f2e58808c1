"""The program as its users meet it: a real child process, its output in files."""

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

DEADLINE_S = 60.0
"""Far beyond what anything here takes: reaching it means that something hangs."""

POLL_S = 0.02

_NOT_OURS = re.compile(r"(?i)^(AWS_|PIXOP_|MIGRATOR_|RCLONE_|(https?|all|no)_proxy$)")


def until(condition, what, within_s=DEADLINE_S):
    """What `condition` answers once that is true; fails when it does not come true in time."""
    deadline = time.monotonic() + within_s
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {within_s:.0f} s: {what}"
        time.sleep(POLL_S)
    return answer


def clean_environment(home):
    """The environment of this process without whatever of the user's could reach a test."""
    kept = {name: value for name, value in os.environ.items() if not _NOT_OURS.match(name)}
    return kept | {
        "HOME": str(home),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(home / "no-such-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "no-such-credentials"),
    }


@dataclass(frozen=True)
class Result:
    """How a child ended."""

    code: int
    out: str
    err: str

    @property
    def said(self):
        return self.out + self.err


class Child:
    """`python -m migrator …` in a process group of its own, its output in files.

    `module` is what stands in the place of `migrator`: an entry of a test's own. No file of it may
    grow beyond `limit_bytes`. `stdin` is the file that it reads from; nothing else.
    """

    def __init__(
        self,
        arguments,
        environment,
        directory,
        umask=-1,
        module="migrator",
        limit_bytes=None,
        stdin=os.devnull,
    ):
        self.arguments = [str(argument) for argument in arguments]
        directory.mkdir(parents=True, exist_ok=True)
        number = next(_child_numbers)
        self._out = directory / f"child-{number}.out"
        self._err = directory / f"child-{number}.err"
        command = [sys.executable, "-m", module, *self.arguments]
        if limit_bytes is not None:
            command = ["prlimit", f"--fsize={limit_bytes}", *command]
        with (
            self._out.open("wb") as out,
            self._err.open("wb") as err,
            Path(stdin).open("rb") as given,
        ):
            self.process = subprocess.Popen(
                command,
                cwd=directory,
                env=environment,
                stdin=given,
                stdout=out,
                stderr=err,
                start_new_session=True,
                umask=umask,
            )

    @property
    def pid(self):
        return self.process.pid

    @property
    def out(self):
        return self._out.read_text(errors="replace")

    @property
    def err(self):
        return self._err.read_text(errors="replace")

    @property
    def ended(self):
        return self.process.poll() is not None

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """SIGKILL to it and to all that it started; nothing if it has ended."""
        if not self.ended:
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait(DEADLINE_S)

    def wait(self, within_s=DEADLINE_S):
        try:
            code = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"{self.arguments} hung for {within_s:.0f} s; it said:\n{self.err[-3000:]}"
            ) from None
        return Result(code, self.out, self.err)


_child_numbers = itertools.count(1)
