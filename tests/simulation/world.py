"""One seed: the world, the starts of the program in it, and whether what always holds has held."""

import asyncio
import hashlib
import inspect
import json
import logging
import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from unittest import mock

from simulation import climate as climates
from simulation.climate import EPOCH_S
from simulation.disk import Disk, SimulatedJournal
from simulation.loop import Deadlock, VirtualLoop, VirtualWindow
from simulation.network import Network
from simulation.platform import Platform
from simulation.source import Source

from migrator.checkpoint.store import Checkpoint
from migrator.engine import follow, look, resolve, status, sweep
from migrator.engine.inputs import Inputs
from migrator.engine.ports import Ports
from migrator.engine.run import migrate
from migrator.engine.stop import Stop
from migrator.engine.tag import Tag
from migrator.errors import CheckpointError, MigratorError, UsageError
from migrator.model import Columns, InvalidRow, ManifestRow, Outcome, Reason
from migrator.report.reconcile import disagreements, outcome_of, totals
from migrator.settings import (
    ApiKeySettings,
    BatchSettings,
    CareSettings,
    InputSettings,
    PaceSettings,
    PlatformSettings,
    Secret,
    SourceSettings,
    StoppingSettings,
)
from migrator.source.credentials import KeyRing, SourceKeys

HANGS_AFTER_S = 86_400.0
"""No start of the program may take a (simulated) day: stuck copies are told after an hour."""

DRAINS_WITHIN_S = 600.0
"""A stop waits for answers in flight: two timeouts of the client, and then some."""

CALM_AFTER = 6
"""Starts beyond those that were planned, after which nothing goes wrong any more."""

BATCHES = "abcdefghijklmnopqrstuvwxyz"


class Violated(Exception):
    """Something that always holds did not."""


@dataclass
class Verdict:
    """What a seed came to. `rows` maps each row to its outcome and reason."""

    seed: int
    violation: str | None = None
    row: int | None = None
    simulated_s: float = 0.0
    starts: int = 0
    calls: int = 0
    digest: str = ""
    rows: dict = field(default_factory=dict)
    story: list = field(default_factory=list)


class World:
    """Everything outside the engine, and the log of it."""

    def __init__(self, climate, loop, root):
        self.climate = climate
        self.loop = loop
        self.tracing = False
        self.story = []
        self.violation = None
        self.violated_row = None
        self.calls = 0
        self.start = None
        self.batches = 0
        self.duplicates = []
        self.shown_s = {}
        self.lost_once = False
        self.last_crash_s = -1.0
        self.crashes = 0
        self.rows = {}
        self._hash = hashlib.blake2b(digest_size=8)
        self._things = {
            (thing.bucket, thing.key): thing
            for thing in climate.things
            if thing.again is None and thing.fate != "invalid"
        }
        self.platform = Platform(self)
        self.disk = Disk(self, root)
        self.left_open = set()

    @property
    def now_s(self):
        return self.loop.now_s

    @property
    def batch(self):
        """The name of the batch that is at work: another one once a checkpoint was lost."""
        return BATCHES[self.batches + 1] * 13

    def key_of(self, bucket):
        """The lane of the key that serves a bucket; those of invalid rows have none."""
        buckets = sorted({thing.bucket for thing in self.climate.things})
        return buckets.index(bucket) % self.climate.keys

    def wall_ms(self):
        """The local wall clock, which people and daemons set."""
        jumped_s = sum(jump_s for at_s, jump_s in self.climate.jumps if at_s <= self.now_s)
        return int((EPOCH_S + self.now_s + jumped_s) * 1000)

    def tag_text(self, object_id):
        return str(Tag(object_id, "x")).split(":")[1]

    def thing_of(self, bucket, key):
        return self._things[bucket, key]

    def thing_of_call(self, call):
        if call.is_submit:
            sent = json.loads(call.body)
            return self.thing_of(sent["s3Bucket"]["bucket"], sent["objectKey"])
        parts = call.path.strip("/").split("/")
        video = self.platform.by_id.get(parts[2]) if len(parts) > 2 else None
        return video.thing if video is not None else None

    def digest(self, text):
        self._hash.update(text.encode())

    def digested(self):
        return self._hash.hexdigest()

    def log(self, row, text):
        if self.tracing:
            self.story.append((self.now_s, row, text))

    def violate(self, thing, text):
        """Something does not hold: the first such thing is what the seed fails with."""
        row = thing.row if thing is not None and not isinstance(thing, int) else thing
        self.log(row, f"VIOLATION: {text}")
        if self.violation is None:
            self.violation, self.violated_row = text, row
            if self.start is not None:
                self.start.die()

    def duplicate(self, thing, there):
        """The platform has made a second video of an object."""
        ids = [video.id for video in there]
        self.log(thing.row, f"platform: a second video beside {ids}")
        self.duplicates.append(thing)
        if self.climate.strict:
            self.violate(thing, f"a second video is made beside {ids}")

    def shown(self, body):
        """A page of the list has reached the engine."""
        if self.climate.strict or not body.endswith(b"}"):
            return
        for item in json.loads(body)["items"]:
            self.shown_s[item["id"]] = self.now_s


class Start:
    """One start of the program, and how it will end if it gets that far."""

    def __init__(self, world, number, ending):
        self.world = world
        self.disk = world.disk
        self.number = number
        self.ending = ending
        self.dead = False
        self.stopped_s = self.died_s = None
        self.stop = Stop()
        self._main = None
        self._seen = Counter()

    def alive(self):
        """What is dead does nothing any more: everything unwinds as cancelled."""
        if self.dead:
            raise asyncio.CancelledError

    def event(self, kind, *, inside=True):
        """Something happens that a start may end at; answers whether it has. `inside`: a task."""
        self._seen[kind] += 1
        ending = self.ending
        if ending is not None and ending.event == kind and self._seen[kind] == ending.nth:
            self._end()
        if inside:
            self.alive()
        return self.dead

    def _end(self):
        how, loop = self.ending.how, self.world.loop
        self.world.log(None, f"{how} of start {self.number}, at {self.ending.event}")
        if how in {"kill", "lost"}:
            self.die()
        elif how == "full":
            self.disk.full_until_s = self.world.now_s + self.ending.lasts_s
        else:
            loop.call_soon(self.interrupt)
            if how == "abort":
                loop.call_later(self.ending.lasts_s / 15, self.die)

    def interrupt(self):
        """SIGINT, as the command line hands it on."""
        if self.stopped_s is None:
            self.stopped_s = self.world.now_s
            self.world.loop.call_later(DRAINS_WITHIN_S, self._hangs, "does not end after a stop")
            self.stop.interrupt()

    def die(self):
        """SIGKILL."""
        if not self.dead:
            self.dead, self.died_s = True, self.world.now_s
            if self._main is not None:
                self.world.loop.call_soon(self._main.cancel)

    def _hangs(self, text):
        if self._main is not None and not self._main.done():
            self.world.violate(None, text)

    async def run(self):
        """Run the engine once; its checkpoint is closed, or what a crash left of it, afterwards."""
        world, climate, loop = self.world, self.world.climate, self.world.loop
        world.log(None, f"start {self.number}")
        world.left_open.clear()
        checkpoint = self.disk.open()
        timers = [loop.call_later(HANGS_AFTER_S, self._hangs, "hangs")]
        if self.ending is not None and self.ending.event == "time":
            timers.append(loop.call_later(self.ending.after_s, self._end))
        ports = Ports(
            api=Network(world, self),
            source=Source(world, self),
            keys=KeyRing(SourceKeys("AKIAEXAMPLE", Secret("secret")), {}),
            clock=loop.time,
            wall_ms=world.wall_ms,
            chance=Random(f"engine {climate.seed} {self.number}"),
            journal=lambda opened, each: SimulatedJournal(world, self, opened, each),
            window=lambda limit: VirtualWindow(loop, limit),
            further_apis={
                name: Network(world, self, lane) for lane, name in enumerate(_names(climate), 1)
            },
        )
        sources = checkpoint.sources()
        frozen = bool(sources) and all(source.complete for source in sources)
        inputs = None if frozen else _inputs(climate)
        self._main = asyncio.ensure_future(
            migrate(
                Path("/nonexistent"),
                checkpoint,
                _settings(world),
                inputs,
                ports,
                self.stop,
                lambda _snapshot: None,
            )
        )
        await asyncio.wait([self._main])
        for timer in timers:
            timer.cancel()
        error = None if self._main.cancelled() else self._main.exception()
        if self.dead:
            world.last_crash_s = world.now_s
            world.crashes += 1
            self.disk.crash()
            return
        if error is not None:
            self._judge(error)
        if self.stop.error is not None:
            self._judge(self.stop.error)
            world.log(None, f"stopped: {self.stop.error}")
        coroutines = [t.get_coro() for t in asyncio.all_tasks() - {asyncio.current_task()}]
        # What a killed start was reading is closed when memory is tidied up, whoever runs by then.
        left = [c for c in coroutines if inspect.iscoroutine(c) or not world.crashes]
        if left:
            names = ", ".join(map(str, left))
            world.violate(None, f"{len(left)} tasks are left behind: {names}")
        self.disk.close()

    def _judge(self, error):
        """Whether what ended a run may end one."""
        if not isinstance(error, MigratorError) or isinstance(error, CheckpointError | UsageError):
            self.world.violate(None, f"the run ended by {type(error).__name__}: {error}")


async def live(world):
    """Start the program until all is settled; then judge. The world holds what was violated."""
    number, pause_s = 0, 5.0
    planned = world.climate.starts
    while True:
        ending = planned[number] if number < len(planned) else None
        if number >= len(planned) + CALM_AFTER:
            climates.calm(world.climate)
        world.start = start = Start(world, number, ending)
        await start.run()
        number += 1
        if world.violation is not None:
            return number
        lost = ending is not None and ending.how == "lost" and start.dead
        if lost and world.climate.tag_in != "none" and not world.climate.assume_empty:
            world.lost_once = True
            world.batches += 1
            world.disk.lose()
            # Another start in another directory: not before what the first one sent has come in.
            settles_s = 70.0 + world.climate.late_s + world.climate.visible_s
            await asyncio.sleep(max(ending.gap_s, settles_s))
            continue
        if _balance(world):
            _judge_rows(world)
            return number
        if number > len(planned) + CALM_AFTER + 3:
            world.violate(None, "rows are left open although nothing goes wrong any more")
            return number
        if ending is None:
            pause_s = min(pause_s * 2, 1800.0)
        await asyncio.sleep(pause_s if ending is None else ending.gap_s)


def _balance(world):
    """Every row is accounted for; answers whether all of them are settled."""
    checkpoint = Checkpoint.open(world.disk.directory)
    try:
        sources = checkpoint.sources()
        loaded = bool(sources) and all(source.complete for source in sources)
        found = totals(checkpoint.tallies())
        outcomes = Counter(
            outcome_of(row.state, row.reason)[0] for row in checkpoint.transfers_after(0, 10_000)
        )
        rows = len(world.climate.things) if loaded else outcomes.total()
        looked_back = checkpoint.looked_back()
        wrong = disagreements(rows, found, {"objects": outcomes.total()}, outcomes)
        if wrong:
            world.violate(None, f"the report does not balance: {wrong}")
    finally:
        checkpoint.close()
    return loaded and looked_back and not found.outcomes[Outcome.UNFINISHED]


def _judge_rows(world):
    """Outcome and reason of each row are those that the world's verdict on its object is."""
    checkpoint = Checkpoint.open(world.disk.directory)
    try:
        rows = {row.row: row for row in checkpoint.transfers_after(0, 10_000)}
    finally:
        checkpoint.close()
    world.rows = {number: outcome_of(row.state, row.reason) for number, row in rows.items()}
    for thing in world.climate.things:
        row = rows[thing.row]
        verdict = world.rows[thing.row]
        if verdict not in thing.expected and not _excused(world, thing, row, verdict[1]):
            wanted = " or ".join(f"{o}/{r}" for o, r in sorted(thing.expected))
            world.violate(
                thing, f"{thing.fate}: is {verdict[0]}/{verdict[1]}, and should be {wanted}"
            )
        if verdict[1] is Reason.COPIED and row.video_id not in {v.id for v in thing.videos}:
            world.violate(thing, f"imported as {row.video_id}, which is another object's video")
    for thing in world.duplicates:
        row = rows[thing.row]
        told = json.loads(row.duplicate_video_ids or "[]")
        ids = {v.id for v in thing.videos if v.is_there(world.now_s)} - {row.video_id, *told}
        seen = [i for i in ids if world.shown_s.get(i, -1) > world.last_crash_s]
        if seen:
            world.violate(thing, f"the duplicates {seen} were seen, and are not in the report")


def _excused(world, thing, row, reason):
    """Verdicts that hang on what was lost when, and are right all the same."""
    climate = world.climate
    if reason is Reason.STUCK:  # both are right of a copy that is gone, where looks are rare
        return thing.fate == "vanishes"
    if reason is Reason.GAVE_UP:
        there = {video.id for video in thing.videos if video.is_there(world.now_s)}
        if not climate.strict:  # shown only once the row was given up: the report tells them
            there -= set(json.loads(row.duplicate_video_ids or "[]"))
        return row.attempts >= climate.attempts and not there
    if reason is Reason.COPY_FAILED:  # a restart counts with its intent, whatever becomes of it
        return thing.restarts + world.crashes >= climate.restarts
    if reason is Reason.AMBIGUOUS and climate.tag_in == "none":
        return thing.unknown > 0 or world.last_crash_s > 0 or world.disk.full_until_s > 0
    # A lost checkpoint adopts what is done without a HEAD, so that sizes are not compared.
    return reason is Reason.COPIED and thing.fate == "mismatch" and world.lost_once


def _names(climate):
    """The further keys, in the order of their lanes."""
    return [f"key{lane}" for lane in range(1, climate.keys)]


def _settings(world):
    climate = world.climate
    buckets = {thing.bucket for thing in climate.things}
    return BatchSettings(
        api_keys={
            name: ApiKeySettings(
                api_key_env="KEY", buckets=tuple(b for b in buckets if world.key_of(b) == lane)
            )
            for lane, name in enumerate(_names(climate), 1)
        },
        inputs=InputSettings(order_by=climate.order_by),
        platform=PlatformSettings(until=climate.until, tag_in=climate.tag_in),
        source=SourceSettings(preflight=climate.preflight),
        pace=PaceSettings(
            reserve_percent=climate.reserve_percent,
            max_concurrency=climate.concurrency,
            max_in_flight=climate.max_in_flight,
            max_in_flight_bytes=climate.max_in_flight_bytes,
        ),
        care=CareSettings(
            assume_empty=climate.assume_empty,
            settle_seconds=climate.settle_s,
            restarts=climate.restarts,
            attempts=climate.attempts,
            stuck_after=timedelta(seconds=climate.stuck_s),
            max_outage=timedelta(seconds=climate.max_outage_s),
        ),
        stopping=StoppingSettings(**climate.stopping),
    )


class Manifest:
    """A manifest in memory, read a few rows at a time."""

    columns = Columns.of(("bucket", "key", "version_id", "size"))

    def __init__(self, things):
        self._rows = [_row(thing) for thing in things]

    def batches(self, first_row=1):
        for first in range(first_row - 1, len(self._rows), 7):
            yield self._rows[first : first + 7]


def _row(thing):
    if thing.fate == "invalid":
        return InvalidRow(thing.row, "key", "is empty", (thing.bucket, "", None, None))
    named = thing.again or thing
    told = str(named.size) if named.row % 3 else None
    return ManifestRow(thing.row, named.bucket, named.key, named.version_id, (told,))


def _inputs(climate):
    if climate.listing:
        buckets = sorted({thing.bucket for thing in climate.things})
        prefixes = tuple(f"s3://{bucket}/" for bucket in buckets)
        return Inputs(None, None, "", prefixes, order_by=climate.order_by)
    manifest = Manifest(climate.things)
    return Inputs("rows.csv", manifest, "digest", (), order_by=climate.order_by)


class _Trace(logging.Handler):
    """The engine's own log, into the story of the seed."""

    def __init__(self, world):
        super().__init__(logging.DEBUG)
        self._world = world

    def emit(self, record):
        text = record.getMessage()
        words = text.split()
        row = int(words[1]) if words[0] == "row" else None
        self._world.log(row, f"engine: {text}")


def play(seed, *, climate=None, trace=False):
    """Play a seed to its end; answers its verdict, with the whole story where `trace` is asked."""
    climate = climate or climates.draw(seed)
    loop = VirtualLoop()
    with ExitStack() as stack:
        shared = Path("/dev/shm")
        place = tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None)
        root = Path(stack.enter_context(place))
        for patch in _constants(climate.page_size):
            stack.enter_context(patch)
        world = World(climate, loop, root)
        stack.enter_context(_noting_what_is_left_open(world))
        world.tracing = trace
        if trace:
            engine = logging.getLogger("migrator")
            handler, level = _Trace(world), engine.level
            engine.addHandler(handler)
            engine.setLevel(logging.DEBUG)
            stack.callback(engine.setLevel, level)
            stack.callback(engine.removeHandler, handler)
        loop.set_exception_handler(lambda _loop, context: _unhandled(world, context))
        starts = 0
        try:
            starts = loop.run_until_complete(live(world))
        except Deadlock as error:
            world.violate(None, str(error))
        finally:
            loop.close()
    return Verdict(
        seed, world.violation, world.violated_row, loop.now_s, starts, world.calls,
        world.digested(), world.rows, world.story,
    )  # fmt: skip


def _constants(size):
    """Small pages, so that few rows make a list of many pages that shifts; and what only looks."""
    yield mock.patch.object(follow, "RESTARTS_CHECKED_S", 2.0)
    yield mock.patch.object(status, "INTERVAL_S", 60.0)
    yield mock.patch.object(follow, "PAGE_SIZE", size)
    yield mock.patch.object(look, "PAGE_SIZE", size)
    yield mock.patch.object(resolve, "PAGE_SIZE", size)
    yield mock.patch.object(resolve, "OTHER_PAGE_SIZE", max(1, size * 95 // 100))
    yield mock.patch.object(sweep.ListReader.page, "__defaults__", (size,))
    yield mock.patch.object(sweep.ListReader.pages, "__defaults__", (size,))
    yield mock.patch.object(sweep.sweep, "__defaults__", (size,))


def _noting_what_is_left_open(world):
    """Rows of which a start looks no more for what became of them: their bytes count no more."""
    leave_open = resolve.Resolver._leave_open

    def noting(self, transfer):
        world.left_open.add(transfer.row)
        leave_open(self, transfer)

    return mock.patch.object(resolve.Resolver, "_leave_open", noting)


def _unhandled(world, context):
    if world.start is None or not world.start.dead:
        world.violate(None, f"unhandled in a task: {context.get('exception') or context}")
