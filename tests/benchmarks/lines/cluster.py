"""HEADs by the workers of a cluster: how they grow with the workers, and what a cluster costs.

Workers are processes of this machine, all of which share its cores with the source.
"""

import os
import sys
import tempfile
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice

import pyarrow.parquet as pq

from migrator.cluster.crew import Crew
from migrator.cluster.partition import Reach
from migrator.settings import StoreSettings
from tests.benchmarks.children import Stopwatch, measured, server
from tests.benchmarks.lines.listing import KEY, SECRET, timed
from tests.benchmarks.lines.preflight import PREFLIGHTS, look
from tests.benchmarks.loop import run
from tests.benchmarks.s3_stub import keys_of
from tests.benchmarks.table import Line, against

SLOW_MS = 100
CONNECTIONS = 16
"""Of each worker, in the lines about a slow source."""

SLOW_TASK, TASK = 400, 2_000
"""Rows in a task: few where each takes long, and else as many as the engine has."""

MANY = 4


@dataclass(frozen=True)
class Row:
    row: int
    bucket: str
    key: str
    version_id: str | None = None


def measure(scale, directory):
    """HEADs a second of one and of four workers; the same rows, and a listing, by one process."""
    return [_growth(scale), _overhead(scale), *_listing(scale, directory)]


def _growth(scale):
    heads = scale.cluster_slow_heads
    with server("tests.benchmarks.s3_stub", "--keys", heads, "--delay-ms", SLOW_MS) as stub:
        alone, many = (
            measured(
                look_by_crew, url=stub.said, heads=heads, workers=workers, a_task=SLOW_TASK,
                at_once=CONNECTIONS,
            )["wall_s"]
            for workers in (1, MANY)
        )  # fmt: skip
    return Line(
        part="Cluster", what=f"{heads:,} HEADs, {SLOW_MS} ms each: {MANY} workers",
        figure=heads / many, unit="HEADs/s", **against("1 worker", heads / many, heads / alone),
        limit=">= 3.5", note=f"{CONNECTIONS} connections a worker; the workers were there before",
    )  # fmt: skip


def _overhead(scale):
    heads = scale.cluster_heads
    with server("tests.benchmarks.s3_stub", "--keys", heads) as stub:
        ours = measured(
            look_by_crew, url=stub.said, heads=heads, workers=1, a_task=TASK, at_once=PREFLIGHTS
        )["wall_s"]
        alone = measured(look, url=stub.said, heads=heads)["wall_s"]
    return Line(
        part="Cluster", what=f"{heads:,} HEADs by one worker: in all", figure=ours, unit="s",
        **against("one process", ours, alone), limit="shown",
        note="tasks, parts written and read, scheduler; the source shares the cores",
    )  # fmt: skip


def _listing(scale, directory):
    """A whole listing by a cluster of this machine, and what of it differs from one process'."""
    keys = scale.listing_keys
    with server("tests.benchmarks.s3_stub", "--keys", keys) as stub:
        took, tables = {}, {}
        for name, words in {"one": (), "many": ("--cluster", f"local:{MANY}")}.items():
            file = directory / f"{name}.parquet"
            command = [sys.executable, "-m", "migrator", "list", "s3://spread", "-q", "-o", file]
            took[name], _ = timed([*command, *words], stub.said)
            tables[name] = pq.read_table(file)
    same = tables["one"].equals(tables["many"]) and tables["one"].num_rows == keys
    yield Line(
        part="Cluster", what=f"{keys:,} keys by {MANY} workers: as by one process",
        figure=float(same), unit="", limit="1", note="1: the same rows in the same order; 0: not",
    )  # fmt: skip
    yield Line(
        part="Cluster", what=f"{keys:,} keys by {MANY} workers: in all", figure=took["many"],
        unit="s", **against("one process", took["many"], took["one"]), limit="shown",
        note="begun and ended with the program; the source shares the cores",
    )  # fmt: skip


def look_by_crew(url, heads, workers, a_task, at_once):
    """Seconds of so many looks, from the first task to the last answer read."""
    os.environ |= {
        "PIXOP_SOURCE_ACCESS_KEY_ID": KEY,
        "PIXOP_SOURCE_SECRET_ACCESS_KEY": SECRET,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return run(_look(url, heads, workers, a_task, at_once))


async def _look(url, heads, workers, a_task, at_once):
    rows = [Row(row, "flat", key) for row, key in enumerate(islice(keys_of("flat", heads), heads))]
    with tempfile.TemporaryDirectory() as parts:
        reach = Reach(StoreSettings(s3_endpoint_url=url), {}, "us-east-1", parts, at_once)
        async with Crew(f"local:{workers}", reach, "bench") as crew:
            await _all(crew, [(row,) for row in rows[: 8 * workers]])  # all have begun then
            watch = Stopwatch()
            found = await _all(crew, [rows[at : at + a_task] for at in range(0, heads, a_task)])
            took = watch.read()
    assert found == heads
    return took


async def _all(crew, batches):
    async def given():
        for batch in batches:
            yield batch

    async def patience(where, why, _tries):
        raise AssertionError(f"{where}: {why}")

    found = 0
    async with aclosing(crew.heads(given(), lambda _bucket: False, patience)) as told:
        async for _, answers in told:
            found += len(answers)
    return found
