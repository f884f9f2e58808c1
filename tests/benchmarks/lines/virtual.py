"""A day of a real quota in minutes: the engine's own code on virtual time."""

import asyncio
import statistics
from itertools import pairwise
from pathlib import Path
from random import Random

from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.writer import GROUP_LIMIT
from migrator.engine.inputs import open_inputs
from migrator.engine.ports import Ports
from migrator.engine.run import migrate
from migrator.engine.stop import Stop
from migrator.engine.tag import new_batch_id
from migrator.lifecycle import State
from migrator.pixop.client import Answer
from migrator.pixop.quota import read_quota
from migrator.settings import (
    BatchSettings,
    InputSettings,
    PaceSettings,
    PlatformSettings,
    Secret,
    SourceSettings,
)
from migrator.source.credentials import KeyRing, SourceKeys
from tests.benchmarks import manifests
from tests.benchmarks.children import measured
from tests.benchmarks.stub import ACCOUNT, Stub
from tests.benchmarks.table import Line, against
from tests.simulation.loop import VirtualLoop, VirtualWindow

QUOTA = 1_200
COPY_SECONDS = 600.0
ANSWERS_S, COMMITS_S = (0.02, 0.4), (0.001, 0.02)
TOO_MANY, ACCEPTED = 429, 202


def measure(scale, directory):
    """Calls from the first POST to the last against what the quota less the reserve allows, calls
    for each object, and answers 429: copies of ten minutes on average, and a platform, a network
    and a disk that take their time. The checkpoint is a real one; no flush is waited for."""
    objects = scale.virtual_objects
    path = manifests.write_csv(directory / "manifest.csv", manifests.rows(objects, scale.seed))
    told = measured(play, directory=directory / "batch", manifest=path, seed=scale.seed)
    reserve = PaceSettings().reserve_percent / 100
    allowed = QUOTA * (1 - reserve) * told["minutes"]
    part, note = "Quota, virtual time", f"{told['minutes']:,.0f} virtual minutes of sending"
    return [
        Line(
            part=part, what=f"calls from first to last POST, {objects:,} objects",
            figure=told["between"], unit="calls",
            **against(f"{QUOTA:,}/min less {reserve:.0%}", told["between"], allowed),
            limit=">= 0.99", note=note,
        ),
        Line(
            part=part, what=f"calls per object, {objects:,} objects",
            figure=told["calls"] / objects, unit="calls",
            **against("one POST each", told["calls"] / objects, 1.0),
            limit="<= 1.03 from 10,000 objects on",
        ),
        Line(part=part, what="answers 429", figure=told["throttled"], unit="answers", limit="0"),
        *(
            Line(part=part, what=f"from a copy's end to its outcome, {what}", figure=figure,
                 unit="s", **against("interval of following", figure, told["interval_s"]),
                 limit=limit, note="of all copies, the last ones included")
            for what, figure, limit in (
                ("median", told["median_s"], "<= 1"), ("99 of 100", told["most_s"], "<= 2"),
            )
        ),
    ]  # fmt: skip


class Api:
    """The stub as the engine's port to the platform, over a network that takes its time."""

    def __init__(self, stub, chance):
        self._stub, self._chance = stub, chance

    async def call(self, method, path, params=None, body=None):
        await asyncio.sleep(self._chance.uniform(*ANSWERS_S) / 2)
        status, answer = self._answer(method, path, params, body)
        date_s = int(self._stub.epoch_s + self._stub.clock())
        quota = read_quota(self._stub.quota_headers(), date_s)
        await asyncio.sleep(self._chance.uniform(*ANSWERS_S) / 2)
        return Answer(status, answer, quota, date_s)

    def _answer(self, method, path, params, body):
        stub = self._stub
        if stub.admitted() is None:
            stub.counts.throttled += 1
            return TOO_MANY, b"{}"
        operation = stub.operation(method, path)
        stub.counts.note(operation, stub.clock())
        if operation == "submit":
            return ACCEPTED, stub.create(body)
        if operation == "list":
            return 200, stub.json(stub.page(params)).body
        return 200, stub.json(stub.status(path)).body if operation == "status" else ACCOUNT


class Journal:
    """Group commit on virtual time: what waits is committed at once, a moment later."""

    def __init__(self, checkpoint, before_commit, chance):
        self._checkpoint, self._before_commit, self._chance = checkpoint, before_commit, chance
        self._waiting = []

    async def run(self, work):
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting.append((work, future))
        if len(self._waiting) == 1:
            loop.call_later(self._chance.uniform(*COMMITS_S), self._commit)
        return await future

    def _commit(self):
        group, self._waiting = self._waiting[:GROUP_LIMIT], self._waiting[GROUP_LIMIT:]
        with self._checkpoint.transaction():
            results = [work(self._checkpoint) for work, _ in group]
            self._before_commit(self._checkpoint)
        for (_, future), result in zip(group, results, strict=True):
            if not future.done():
                future.set_result(result)
        if self._waiting:
            asyncio.get_running_loop().call_later(self._chance.uniform(*COMMITS_S), self._commit)

    async def close(self):
        pass


def play(directory, manifest, seed):
    """Migrate `manifest` on virtual time; answers what the platform counted."""
    directory, chance, loop = Path(directory), Random(f"virtual {seed}"), VirtualLoop()
    directory.mkdir()
    stub = Stub(QUOTA, COPY_SECONDS, seed, loop.time)
    settings = BatchSettings(
        inputs=InputSettings(manifest=str(manifest)),
        platform=PlatformSettings(api_url="http://127.0.0.1:1/api"),
        source=SourceSettings(preflight=False),
        pace=PaceSettings(max_in_flight=100_000),
    )
    checkpoint = Checkpoint.create(directory, {"batch": new_batch_id()})
    checkpoint._db.execute("PRAGMA synchronous = OFF")
    ports = Ports(
        api=Api(stub, chance),
        source=None,
        keys=KeyRing(SourceKeys("AKIABENCHMARK", Secret("made-up")), {}),
        clock=loop.time,
        wall_ms=lambda: int((stub.epoch_s + loop.time()) * 1000),
        chance=Random(f"engine {seed}"),
        journal=lambda opened, each: Journal(opened, each, chance),
        window=lambda limit: VirtualWindow(loop, limit),
    )
    inputs = open_inputs(settings.inputs)
    try:
        loop.run_until_complete(
            migrate(directory, checkpoint, settings, inputs, ports, Stop(), lambda _snapshot: None)
        )
        if {tally.state for tally in checkpoint.tallies()} != {State.IMPORTED}:
            raise RuntimeError("not every row was imported")
        ended_s, rounds_s = stub.followed().values()
        waited_s = [
            row.finished_ms / 1000 - ended_s[row.video_id]
            for row in checkpoint.transfers_after(0, len(ended_s))
        ]
    finally:
        checkpoint.close()
        loop.close()
    counts = stub.counts
    return {
        "minutes": (counts.last_post_s - counts.first_post_s) / 60,
        "between": counts.calls_at_last_post - counts.calls_at_first_post,
        "calls": sum(counts.calls.values()),
        "throttled": counts.throttled,
        "interval_s": statistics.median(later - before for before, later in pairwise(rounds_s)),
        "median_s": statistics.median(waited_s),
        "most_s": statistics.quantiles(waited_s, n=100)[-1],
    }
