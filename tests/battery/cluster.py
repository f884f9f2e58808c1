"""`python -m tests.battery.cluster`: listings and plans by a cluster of which something is killed.

Each round kills, at a random moment of its work, a worker, all workers, the scheduler with them, or
the program itself. Workers and scheduler come back; where the program has ended it is
given the same command again. A listing must then hold every key once, and a plan must know the size
of every row. One table is printed; the exit code is 1 when anything is not as it should be.
"""

import argparse
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from tests.actual.cluster import Cluster
from tests.actual.program import until
from tests.actual.sandbox import Sandbox
from tests.actual.world import World
from tests.battery.table import aligned
from tests.benchmarks.children import server
from tests.benchmarks.s3_stub import keys_of

OBJECTS, DELAY_MS = 3_000, 150
VICTIMS = ("a worker", "all workers", "the scheduler", "the program")
VERBS = ("list", "plan")
WITHIN_S = 120
WORK_S = 5.0
"""About what a round takes once workers are at work: kills come within."""
MOST_STARTS = 5
SMALL_TASKS = "tests.battery.small_tasks"
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """How a round ended: `struck` says that the kill came before the end, `starts` counts those of
    the program, `kept` the parts that were there at the kill."""

    victim: str
    struck: bool
    starts: int
    rows: int
    lost: int
    doubled: int
    kept: int
    seconds: float


class Arena:
    """A source, a platform and a cluster, and the kills among them."""

    def __init__(self, world, cluster, chance):
        self.world = world
        self.cluster = cluster
        self.chance = chance
        self.count = 0

    def round(self, verb, victim):
        """One kill; how the rows came through."""
        self.count += 1
        began_s, out = time.monotonic(), self.world.directory / f"round-{self.count}"
        parts, words, rows_in = self._list(out) if verb == "list" else self._plan(out)
        child, starts = self._start(words), 1
        until(lambda: parts.exists() or child.ended, "the work has begun", WITHIN_S)
        time.sleep(self.chance.uniform(0, WORK_S))
        kept, struck = len(list(parts.glob("*.parquet"))), not child.ended
        self._kill(victim, child)
        while (result := child.wait(WITHIN_S)).code != 0:
            if starts == MOST_STARTS or result.code not in {1, 4, -signal.SIGKILL}:
                raise AssertionError(f"{verb}, {victim}: {result.code}\n{result.said[-3000:]}")
            child, starts = self._start(words), starts + 1
        found = Counter(rows_in())
        wanted = set(keys_of("spread", OBJECTS))
        return Ended(
            victim,
            struck,
            starts,
            len(wanted),
            len(wanted - set(found)),
            sum(found.values()) - len(set(found) & wanted),
            kept,
            time.monotonic() - began_s,
        )

    def _start(self, words):
        env = {"PYTHONPATH": str(ROOT)}
        return self.world.start(*words, "--cluster", self.cluster.address, "-q",
                                module=SMALL_TASKS, env=env)  # fmt: skip

    def _kill(self, victim, child):
        cluster = self.cluster
        if victim == "the program":
            child.kill()
        elif victim == "the scheduler":
            workers = len(cluster.workers)
            cluster.kill(cluster.scheduler, *cluster.workers)
            cluster.start(workers)
        else:
            workers = cluster.workers[: 1 if victim == "a worker" else None]
            cluster.kill(*workers)
            for _ in workers:
                cluster.start_worker()

    def _list(self, out):
        file = out.with_suffix(".parquet")
        parts = file.with_name(f"{file.name}.parts")
        words = ("list", "s3://spread", "-o", file)
        return parts, words, lambda: _keys_in(file)

    def _plan(self, out):
        manifest = self.world.directory / "catalogue.csv"
        if not manifest.exists():
            self.world.manifest([("spread", key) for key in keys_of("spread", OBJECTS)])

        def known():
            uri = f"file:{out / 'checkpoint.db'}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True)) as database:
                sql = "SELECT key FROM object WHERE state = 'pending' AND size_bytes >= 1000000000"
                return [key for (key,) in database.execute(sql)]

        return out / "parts", ("plan", "--manifest", manifest, "--out", out), known


def _keys_in(file):
    return pq.read_table(file)["key"].to_pylist()


@contextmanager
def arena(chance, workers):
    """A place to kill in; nothing of it is left behind."""
    with (
        tempfile.TemporaryDirectory(prefix="cluster-battery-") as scratch,
        server("tests.benchmarks.s3_stub", "--keys", OBJECTS, "--delay-ms", DELAY_MS) as stub,
    ):
        directory = Path(scratch)
        sandbox = Sandbox(directory / "sandbox", ("--requests-per-minute", "60000"))
        try:
            sandbox.start()
            world = World(sandbox, directory / "world")
            world.directory.mkdir()
            world.env["AWS_ENDPOINT_URL_S3"] = stub.said
            logs = directory / "dask"
            logs.mkdir()
            cluster = Cluster(logs, world.environment({}))
            try:
                cluster.start(workers)
                yield Arena(world, cluster, chance)
            finally:
                for child in world.children:
                    child.kill()
                cluster.close()
        finally:
            sandbox.stop()


def table(rounds):
    """A line for each victim with the sums over its rounds, and one for all."""
    headings = ("killed", "kills", "starts", "rows", "lost", "doubled", "kept", "seconds")
    rows = [headings]
    for victim in (*VICTIMS, "all"):
        group = [each for each in rounds if victim in {each.victim, "all"}]
        sums = [sum(getattr(each, what) for each in group) for what in headings[2:-1]]
        seconds = sum(each.seconds for each in group)
        rows.append(
            (
                victim,
                *(f"{value:,}" for value in (sum(each.struck for each in group), *sums)),
                f"{seconds:,.0f}",
            )
        )
    return aligned(rows)


def main():
    """The battery; answers the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.battery.cluster", description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    given = parser.parse_args()
    print(f"seed {given.seed}", file=sys.stderr)
    chance, rounds = random.Random(given.seed), []
    with arena(chance, given.workers) as place:
        for number in range(given.kills):
            victim = VICTIMS[number % len(VICTIMS)]
            verb = VERBS[number // len(VICTIMS) % 2] if given.kills > 4 else VERBS[number % 2]
            rounds.append(place.round(verb, victim))
            print(f"{number + 1}/{given.kills} {verb}: {rounds[-1]}", file=sys.stderr)
    print(table(rounds))
    return int(any(each.lost or each.doubled for each in rounds))


if __name__ == "__main__":
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    sys.exit(main())
