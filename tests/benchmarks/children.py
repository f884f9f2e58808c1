"""Child processes: servers that a line needs, and work that is measured in a process of its own.

Whatever is measured runs alone in a fresh interpreter: its CPU time and its memory are its own, and
nothing that an earlier line left behind is in them.
"""

import importlib
import json
import os
import re
import resource
import select
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]

READY_S = 30
"""Within this time a server prints where it is."""

STOP_S = 10
"""A server that was asked to stop is killed after this."""

WORK_S = 900
"""No measured work takes longer; it is killed then."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs. `said` is its first line."""

    process: subprocess.Popen
    said: str

    def cpu_s(self):
        """CPU seconds of the server so far, without those of its children."""
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    def pin_children(self, cores):
        """Have all threads of all children of the server run on these cores."""
        for child in psutil.Process(self.process.pid).children(recursive=True):
            for thread in child.threads():
                os.sched_setaffinity(thread.id, cores)


@contextmanager
def pinned(cores):
    """What is started within the block runs on these cores; on any where none are given."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def server(module, *flags):
    """`python -m module` as a child, until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *map(str, flags)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        ready, _, _ = select.select([process.stdout], [], [], READY_S)
        said = process.stdout.readline().strip() if ready else ""
        if not said:
            raise RuntimeError(f"{module} did not start")
        yield Server(process, said)
    finally:
        process.stdin.close()
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def measured(function, **arguments):
    """What `function` answers, called with `arguments` in a fresh interpreter (JSON both ways)."""
    name = f"{function.__module__}:{function.__name__}"
    ended = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.children", name],
        cwd=ROOT,
        input=json.dumps(arguments, default=str),
        stdout=subprocess.PIPE,
        text=True,
        timeout=WORK_S,
        check=True,
    )
    return json.loads(ended.stdout.splitlines()[-1])


def peak_memory_mb():
    """The highest resident memory of this process so far, in MB (10^6 bytes).

    Linux's VmHWM, where it is: `ru_maxrss` outlives exec there and may show the parent's memory.
    """
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    if found:
        return int(found[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


class Stopwatch:
    """Wall and CPU seconds of this process since it was made."""

    def __init__(self):
        self._wall_s, self._cpu_s = time.perf_counter(), time.process_time()

    def read(self):
        return {
            "wall_s": time.perf_counter() - self._wall_s,
            "cpu_s": time.process_time() - self._cpu_s,
        }


def main():
    module, _, name = sys.argv[1].partition(":")
    function = getattr(importlib.import_module(module), name)
    answer = function(**json.load(sys.stdin))
    os.write(1, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main()
