"""One start of the program on a batch: from its inputs to a checkpoint in which all is said.

`migrate` composes the parts and watches over them. Nothing in here decides about a row.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from migrator.checkpoint.store import Checkpoint
from migrator.engine.adopt import look_back
from migrator.engine.arrivals import Arrivals
from migrator.engine.awake import AwakeClock
from migrator.engine.before import LookBefore
from migrator.engine.book import Book
from migrator.engine.clips import ClipNoter
from migrator.engine.collecting import rarely_collected
from migrator.engine.feed import PREFLIGHTS
from migrator.engine.gateways import Gateways
from migrator.engine.guard import Guard
from migrator.engine.inputs import Inputs
from migrator.engine.lanes import (
    Key,
    Lane,
    Shared,
    gateway_of,
    join,
    keys_of,
    one_a_team,
    rules,
    serving,
    teams_of,
)
from migrator.engine.load import Loading
from migrator.engine.locations import Locations
from migrator.engine.ports import Ports
from migrator.engine.preflights import Preflights
from migrator.engine.recorder import Recorder
from migrator.engine.scouting import Scout
from migrator.engine.snapshot import Snapshot
from migrator.engine.start import (
    Place,
    loading_of,
    may_send_meanwhile,
    read_rows,
    take_place,
)
from migrator.engine.status import StatusKeeper
from migrator.engine.stop import Stop, Stopping, background, unless_stopped
from migrator.engine.take_up import take_up
from migrator.engine.waiting import AllHolds, Holds
from migrator.engine.webhooks.confirm import Confirmer
from migrator.engine.webhooks.receive import Webhooks, webhooks_of
from migrator.engine.webhooks.registration import Registration
from migrator.errors import StoppedByItself
from migrator.filters import Filter
from migrator.settings import BatchSettings
from migrator.source.preflight import Preflight

DRAIN_STEP_S = 0.02
"""How often it is looked whether the answers in flight have come, when the run stops."""


@dataclass(frozen=True, slots=True)
class Engine:
    """The parts of a run, joined: those that all keys share, and a lane for each key.

    `locations` and `registrations` are a team's each, the default key's first. `loading` is what
    lists further rows while others are sent, where that is done.
    """

    book: Book
    stop: Stop
    guard: Guard
    locations: Sequence[Locations]
    gateways: Gateways
    lanes: Sequence[Lane]
    registrations: Sequence[Registration]
    webhooks: Webhooks | None
    scout: Scout | None = None
    loading: Loading | None = None


async def migrate(
    directory: Path,
    checkpoint: Checkpoint,
    settings: BatchSettings,
    inputs: Inputs | None,
    ports: Ports,
    stop: Stop,
    show: Callable[[Snapshot], None],
) -> None:
    """Run until every row is settled or `stop` is requested.

    `inputs` None says that all of them are in the checkpoint already.

    The checkpoint is complete and consistent when this returns, whatever happened; `stop` then
    holds why it ended early. Raises what ended it before anything could be sent.
    """
    keys = keys_of(settings, ports)
    clock = AwakeClock(ports.clock)
    gateways = Gateways([gateway_of(key, settings, ports, stop, clock) for key in keys])
    since_s = checkpoint.last_platform_date()
    run_id = _start_run(checkpoint, ports.wall_ms())
    journal = ports.journal(checkpoint, lambda c: gateways.count(c, run_id))
    book = Book(journal, ports.wall_ms)
    guard = Guard(book, stop, settings.stopping)
    batch = checkpoint.meta("batch") or ""
    keeper = StatusKeeper(directory, batch, book, gateways, show)
    if ports.crew is not None:
        crew = ports.crew
        keeper.cluster = lambda: crew.progress
    keeper.keys = tuple(key.name for key in keys)
    recorder = Recorder(book, gateways, run_id, keeper.waiting_on)
    webhooks = webhooks_of(settings, gateways.first, book, ports.listen)
    keeper.deliveries = None if webhooks is None else webhooks.counts
    try:
        jobs = [keeper.run(), recorder.run(), guard.watch_duration(ports.clock)]
        jobs += [job for each in gateways for job in (each.pacer.run(), each.watch())]
        async with background(stop, *jobs):
            try:
                async with nullcontext() if webhooks is None else webhooks.listening():
                    preparing = _prepare(
                        book, settings, inputs, ports, stop, keys, gateways, guard, keeper, webhooks
                    )
                    engine = await unless_stopped(stop, preparing)
                    before = LookBefore(
                        book, engine.gateways, engine.lanes, engine.locations, settings, keeper,
                        meanwhile=engine.loading is not None,
                    )  # fmt: skip
                    is_later = await unless_stopped(stop, before.look(since_s))
                    arrivals = Arrivals(book, engine.lanes, rules(settings), look_again=is_later)
                    with rarely_collected():
                        await _carry_out(engine, settings, keeper, arrivals)
            except Stopping:
                pass
            except StoppedByItself as error:
                stop.because(error)
        tallies = book.tallies
        if not tallies.rows:  # stopped before they were counted
            await _count(book)
        keeper.enter("stopped" if tallies.open or tallies.growing else "settled")
    finally:
        try:
            await book.run(guard.remember)
            await book.run(recorder.sample)  # with the last counts
        finally:
            await book.close()


async def _count(book: Book) -> None:
    book.tallies.load(await book.run(Checkpoint.tallies))


async def _prepare(
    book: Book,
    settings: BatchSettings,
    inputs: Inputs | None,
    ports: Ports,
    stop: Stop,
    keys: Sequence[Key],
    gateways: Gateways,
    guard: Guard,
    keeper: StatusKeeper,
    webhooks: Webhooks | None,
) -> Engine:
    """The account and the team of each key, the rows, and the parts joined."""
    # A million rows take half a second to count: the platform is asked meanwhile.
    places, _ = await asyncio.gather(
        _take_places(book, settings, stop, keys, gateways), _count(book)
    )
    loading, meanwhile = None, False
    if inputs is not None:
        keeper.enter("loading")
        loading = loading_of(book, settings, inputs, ports, serving(keys))
        meanwhile = await may_send_meanwhile(book, inputs, settings, ports)
        book.tallies.growing = meanwhile
    await read_rows(book, settings, loading, ports, gateways, meanwhile=meanwhile)
    batch = await book.run(lambda c: c.meta("batch")) or ""
    now_s, outage_s = gateways.now_s, settings.care.max_outage.total_seconds()
    preflights = None
    if settings.source.preflight:
        preflights = Preflights(
            book, stop, Preflight(ports.source, settings.ways.by_url), outage_s, now_s,
            ports.chance, Filter(settings.inputs.filters),
        )  # fmt: skip
    teams = [
        (team_id, gateways.of(lanes[0]), not number)
        for number, (team_id, lanes) in enumerate(teams_of(places).items())
    ]
    locations = [
        Locations(book, gateway, team_id, settings.ways, ports.keys, is_first=is_first)
        for team_id, gateway, is_first in teams
    ]
    shared = Shared(
        book, batch, settings, await book.run(Checkpoint.sources), ports, stop, guard, preflights,
        hinted=webhooks is not None, located={each.team_id: each.ids for each in locations},
    )  # fmt: skip
    lanes = _join(keys, places, gateways, shared)
    scout = None
    if ports.crew is not None and preflights is not None:
        scout = Scout(ports.crew, book, preflights, skips=preflights.by_url)
        for lane in lanes:
            lane.feed.scout = scout
    keeper.holds = AllHolds([_holds(lane, shared) for lane in lanes])
    registrations = [
        Registration(book, gateway, batch, team_id, is_first=is_first)
        for team_id, gateway, is_first in teams
    ]
    return Engine(
        book, stop, guard, locations, gateways, lanes, registrations, webhooks, scout,
        loading if meanwhile else None,
    )  # fmt: skip


async def _take_places(
    book: Book, settings: BatchSettings, stop: Stop, keys: Sequence[Key], gateways: Gateways
) -> list[Place]:
    return [
        await take_place(book, settings, gateway, stop, key=key.name if key.lane else None)
        for key, gateway in zip(keys, gateways, strict=True)
    ]


def _join(
    keys: Sequence[Key], places: Sequence[Place], gateways: Gateways, shared: Shared
) -> list[Lane]:
    lanes = [
        join(key, place, gateway, shared)
        for key, place, gateway in zip(keys, places, gateways, strict=True)
    ]
    for lane in lanes:  # whatever list shows a video of a pending row, its own lane must know
        lane.observer.returned = lanes[0].observer.returned

    def rows_may_go() -> None:
        for lane in lanes:
            lane.feed.pending_again()

    shared.guard.rows_may_go = rows_may_go
    return lanes


def _holds(lane: Lane, shared: Shared) -> Holds:
    return Holds(
        lane.gateway, lane.feed, lane.flights, lane.resolver, lane.reader, shared.guard,
        shared.book.tallies,
    )  # fmt: skip


async def _carry_out(
    engine: Engine, settings: BatchSettings, keeper: StatusKeeper, arrivals: Arrivals
) -> None:
    """Submit, follow and resolve until every row is settled, or until a stop; then drain."""
    await take_up(engine.book, engine.lanes)
    saw_untagged = await engine.book.run(Checkpoint.saw_untagged)
    for lane in engine.lanes:
        lane.observer.saw_untagged = saw_untagged
    await engine.guard.begin()
    keeper.enter("migrating" if engine.loading is None else "listing and migrating")
    async with _told(engine), _workers(engine, settings, keeper, arrivals):
        await _until_settled(engine)
        if not engine.stop.requested and not await engine.book.run(Checkpoint.looked_back):
            keeper.enter("checking")
            lists = [(lane.reader, lane.observer) for lane in one_a_team(engine.lanes)]
            await look_back(engine.book, lists)
        if not engine.stop.requested and settings.platform.with_clips:
            keeper.enter("clips")
            await _note_clips(engine)
        if engine.stop.requested:
            keeper.enter("stopping")
        while engine.gateways.commands:
            await asyncio.sleep(DRAIN_STEP_S)
    settled = not engine.stop.requested and not engine.book.tallies.open
    if settled and settings.crossing.remove_input_location:
        for locations in engine.locations:
            await locations.remove()


async def _note_clips(engine: Engine) -> None:
    lanes = one_a_team(engine.lanes)
    gateways = [lane.gateway for lane in engine.lanes]
    await ClipNoter(engine.book, engine.stop, lanes, gateways).run()


@asynccontextmanager
async def _told(engine: Engine) -> AsyncIterator[None]:
    """For the block the platform tells of ends by webhooks, where they are wanted."""
    for registration in engine.registrations:
        await registration.remove_stale()
    if engine.webhooks is None:
        yield
        return
    async with engine.webhooks.registered(engine.registrations):
        yield


@asynccontextmanager
async def _workers(
    engine: Engine, settings: BatchSettings, keeper: StatusKeeper, arrivals: Arrivals
) -> AsyncIterator[None]:
    jobs: list[Awaitable[None]] = [] if engine.scout is None else [engine.scout.run()]
    if engine.loading is not None:
        jobs.append(_read_on(engine, engine.loading, arrivals, keeper))
    preflights = max(1, PREFLIGHTS // len(engine.lanes))
    for lane in engine.lanes:
        jobs += [
            lane.feed.read(),
            lane.feed.repeat(),
            lane.resolver.run(),
            lane.replacer.run(),
            lane.follower.run(),
            lane.follower.restart(),
            *(lane.feed.check() for _ in range(preflights)),
            *(lane.submitter.work() for _ in range(settings.pace.max_concurrency)),
        ]
    if engine.webhooks is not None:
        jobs += [engine.webhooks.refresh_keys()]
        jobs += [_confirmer(engine.book, lane, engine.webhooks).run() for lane in engine.lanes]
    async with background(engine.stop, *jobs):
        yield


async def _read_on(
    engine: Engine, loading: Loading, arrivals: Arrivals, keeper: StatusKeeper
) -> None:
    """List what is left of the rows, while others are sent."""
    await loading.meanwhile(arrivals.store)
    arrivals.end()
    engine.guard.judge()
    if not engine.stop.requested:
        keeper.enter("migrating")


def _confirmer(book: Book, lane: Lane, webhooks: Webhooks) -> Confirmer:
    return Confirmer(
        webhooks.hints(lane.place.team_id), lane.flights, book, lane.gateway, lane.reader,
        lane.latest, lane.observer, lane.follower,
    )  # fmt: skip


async def _until_settled(engine: Engine) -> None:
    """Wait until no row is open that this run could still settle, or until a stop."""
    tallies = engine.book.tallies
    engine.stop.listen(tallies.changed.set)

    def is_open() -> bool:
        left_open = sum(lane.resolver.left_open for lane in engine.lanes)
        return tallies.growing or tallies.open > left_open

    while not engine.stop.requested and is_open():
        tallies.changed.clear()
        await tallies.changed.wait()


def _start_run(checkpoint: Checkpoint, now_ms: int) -> int:
    with checkpoint.transaction():
        run_id = checkpoint.start_run(now_ms)
    checkpoint.fold_log()  # before the first call, so that a stray log is told from our own
    return run_id
