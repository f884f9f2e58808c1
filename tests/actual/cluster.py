"""A Dask cluster as its users start one: a scheduler and workers, each a process of its own."""

import os
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.actual.program import until

HOST = "127.0.0.1"


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


@dataclass
class Cluster:
    """Processes of Dask on loopback; what they say is in `directory`. `env` is the workers'."""

    directory: Path
    env: dict
    port: int = field(default_factory=free_port)
    dashboard: int = field(default_factory=free_port)
    scheduler: subprocess.Popen | None = None
    workers: list = field(default_factory=list)
    _count: int = 0

    @property
    def address(self):
        return f"tcp://{HOST}:{self.port}"

    def start(self, workers=2):
        self.start_scheduler()
        for _ in range(workers):
            self.start_worker()

    def start_scheduler(self):
        bare = {name: value for name, value in self.env.items() if "SECRET" not in name}
        self.scheduler = self._start(
            "scheduler", bare, "--host", HOST, "--port", self.port,
            "--dashboard-address", f"{HOST}:{self.dashboard}",
        )  # fmt: skip
        until(self._answers, "the scheduler listens")

    def start_worker(self):
        self.workers.append(
            self._start(
                "worker", self.env, self.address, "--host", HOST, "--nthreads", 1, "--no-nanny",
                "--dashboard-address", f"{HOST}:0", "--local-directory", self.directory,
            )
        )  # fmt: skip

    def kill(self, *processes):
        for process in processes:
            process.kill()
            process.wait(15)
            with suppress(ValueError):
                self.workers.remove(process)

    def close(self):
        self.kill(*self.workers, *([self.scheduler] if self.scheduler else []))

    def said(self):
        """All that scheduler and workers have said so far."""
        return b"".join(path.read_bytes() for path in sorted(self.directory.glob("*.log")))

    def _start(self, role, env, *words):
        self._count += 1
        with (self.directory / f"{role}-{self._count}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{role}", *map(str, words)],
                env=os.environ | env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def _answers(self):
        with suppress(OSError), socket.create_connection((HOST, self.port), 1):
            return True
        return False
