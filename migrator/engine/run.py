"""One start of the program on a batch: from its inputs to a checkpoint in which all is said.

`migrate` composes the parts and watches over them. Nothing in here decides about a row.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from migrator.checkpoint.change import Change, Transfer
from migrator.checkpoint.store import Checkpoint
from migrator.engine import decide
from migrator.engine.adopt import adopt, catch_up, first_sweep, look_back
from migrator.engine.awake import AwakeClock
from migrator.engine.book import Book
from migrator.engine.breaker import BucketBreakers
from migrator.engine.crossing import Crossing, url_ends_ms
from migrator.engine.feed import PREFLIGHTS, Feed
from migrator.engine.flights import Flights
from migrator.engine.follow import Follower
from migrator.engine.gateway import Gateway
from migrator.engine.guard import Guard
from migrator.engine.load import Inputs
from migrator.engine.locations import Locations
from migrator.engine.observe import Observer
from migrator.engine.pacing import Pacer
from migrator.engine.ports import Ports
from migrator.engine.preflights import Preflights
from migrator.engine.quotas import Quotas
from migrator.engine.recorder import Recorder
from migrator.engine.replace import Replacer
from migrator.engine.request import Requests
from migrator.engine.resolve import Resolver
from migrator.engine.snapshot import Snapshot
from migrator.engine.start import Place, read_rows, take_place
from migrator.engine.status import StatusKeeper
from migrator.engine.stop import Stop, Stopping, background, unless_stopped
from migrator.engine.submit import Submitter
from migrator.engine.sweep import ListReader
from migrator.engine.waiting import Holds
from migrator.engine.webhooks.confirm import Confirmer
from migrator.engine.webhooks.receive import Webhooks, webhooks_of
from migrator.engine.webhooks.registration import Registration
from migrator.errors import StoppedByItself
from migrator.filters import Filter
from migrator.lifecycle import WITH_VIDEO, Event, State
from migrator.settings import BatchSettings
from migrator.source.preflight import Preflight

EXPECTED, EXPECTED_S = 100, 3600
"""Of the last run's videos so many, and no older ones (seconds), a list must show."""

DRAIN_STEP_S = 0.02
"""How often it is looked whether the answers in flight have come, when the run stops."""


@dataclass(slots=True)
class Engine:
    """The parts of a run, joined."""

    book: Book
    gateway: Gateway
    stop: Stop
    flights: Flights
    reader: ListReader
    observer: Observer
    feed: Feed
    resolver: Resolver
    submitter: Submitter
    follower: Follower
    replacer: Replacer
    guard: Guard
    locations: Locations
    registration: Registration
    webhooks: Webhooks | None
    confirmer: Confirmer | None


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
    quotas = Quotas(settings.pace.requests_per_minute, settings.pace.reserve_percent)
    pacer = Pacer(quotas, ports.chance, ports.clock, ports.window)
    outage_s = settings.care.max_outage.total_seconds()
    clock = AwakeClock(ports.clock)
    gateway = Gateway(ports.api, pacer, stop, ports.chance, outage_s, clock, ports.meter)
    since_s = checkpoint.last_platform_date()
    run_id = _start_run(checkpoint, ports.wall_ms())
    journal = ports.journal(checkpoint, lambda c: c.count_calls(run_id, gateway.calls))
    book = Book(journal, ports.wall_ms)
    guard = Guard(book, stop, settings.stopping)
    batch = checkpoint.meta("batch") or ""
    keeper = StatusKeeper(directory, batch, book, gateway, show)
    recorder = Recorder(book, gateway, run_id, keeper.waiting_on)
    webhooks = webhooks_of(settings, gateway, book, ports.listen)
    keeper.deliveries = None if webhooks is None else webhooks.counts
    try:
        jobs = (gateway.pacer.run(), gateway.watch(), keeper.run(), recorder.run())
        async with background(stop, *jobs, guard.watch_duration(ports.clock)):
            try:
                async with nullcontext() if webhooks is None else webhooks.listening():
                    engine = await unless_stopped(
                        stop,
                        _prepare(
                            book, settings, inputs, ports, stop, gateway, guard, keeper,
                            since_s, webhooks,
                        ),
                    )  # fmt: skip
                    await _carry_out(engine, settings, keeper)
            except Stopping:
                pass
            except StoppedByItself as error:
                stop.because(error)
        if not book.tallies.rows:  # stopped before they were counted
            await _count(book)
        keeper.enter("stopped" if book.tallies.open else "settled")
    finally:
        try:
            await book.run(guard.remember)
            await book.run(recorder.sample)  # with the last counts
        finally:
            await journal.close()


async def _count(book: Book) -> None:
    book.tallies.load(await book.run(Checkpoint.tallies))


async def _prepare(
    book: Book,
    settings: BatchSettings,
    inputs: Inputs | None,
    ports: Ports,
    stop: Stop,
    gateway: Gateway,
    guard: Guard,
    keeper: StatusKeeper,
    since_s: int | None,
    webhooks: Webhooks | None,
) -> Engine:
    """All that comes before the first POST: nothing but an input location is made by it.

    `since_s` is the platform's clock when the last run on this batch ended, if there was one.
    """
    # A million rows take half a second to count: the platform is asked meanwhile.
    place, _ = await asyncio.gather(take_place(book, settings, gateway, stop), _count(book))
    if inputs is not None:
        keeper.enter("loading")
    await read_rows(book, settings, inputs, ports, gateway)
    batch = await book.run(lambda c: c.meta("batch")) or ""
    engine = await _join(book, batch, settings, ports, stop, gateway, guard, place, webhooks)
    keeper.holds = Holds(
        gateway, engine.feed, engine.flights, engine.resolver, engine.reader, guard, book.tallies
    )
    is_first = not settings.care.assume_empty and await book.run(lambda c: c.meta("swept")) is None
    if is_first:
        keeper.enter("sweeping")
        await first_sweep(book, engine.reader, tagging=settings.platform.tag_in != "none")
    elif since_s is not None:
        keeper.enter("sweeping")
        await catch_up(book, engine.reader, engine.observer, since_s, _rules(settings))
    gateway.caught_up = True
    if is_first:  # in one commit with the date that the next run reads back to
        await book.run(lambda c: c.set_meta("swept", "1"))
    if await book.run(lambda c: c.meta("adopted")) is None:
        await adopt(book, _rules(settings))
        await book.run(lambda c: c.set_meta("adopted", "1"))
    await engine.locations.settle(await book.run(Checkpoint.pending_buckets))
    return engine


async def _carry_out(engine: Engine, settings: BatchSettings, keeper: StatusKeeper) -> None:
    """Submit, follow and resolve until every row is settled, or until a stop; then drain."""
    await _take_up(engine)
    await engine.guard.begin()
    keeper.enter("migrating")
    async with _told(engine), _workers(engine, settings):
        await _until_settled(engine)
        if not engine.stop.requested and not await engine.book.run(Checkpoint.looked_back):
            keeper.enter("checking")
            await look_back(engine.book, engine.reader, engine.observer)
        if engine.stop.requested:
            keeper.enter("stopping")
        while engine.gateway.commands:
            await asyncio.sleep(DRAIN_STEP_S)
    settled = not engine.stop.requested and not engine.book.tallies.open
    if settled and settings.crossing.remove_input_location:
        await engine.locations.remove()


async def _join(
    book: Book,
    batch: str,
    settings: BatchSettings,
    ports: Ports,
    stop: Stop,
    gateway: Gateway,
    guard: Guard,
    place: Place,
    webhooks: Webhooks | None,
) -> Engine:
    care, platform = settings.care, settings.platform
    tagging = platform.tag_in != "none"
    sources = await book.run(Checkpoint.sources)
    naming = settings.inputs.naming
    requests = Requests(sources, batch, platform.project_id, naming, tagged=tagging)
    flights = Flights(settings.pace.max_in_flight, stop, ports.meter)
    observer = Observer(book, flights, stop, batch, _rules(settings))
    reader = ListReader(gateway, place.team_id)
    outage_s = care.max_outage.total_seconds()
    preflights = None
    if settings.source.preflight:
        preflights = Preflights(
            book, stop, Preflight(ports.source, settings.ways.by_url), outage_s, gateway.now_s,
            ports.chance, Filter(settings.inputs.filters),
        )  # fmt: skip
    feed = Feed(book, stop, preflights, care.attempts, guard, gateway, gateway.now_s, ports.chance)
    guard.rows_may_go = feed.pending_again
    resolver = Resolver(
        book, gateway, reader, observer, flights, feed, requests,
        batch=batch, tagging=tagging, settle_s=care.settle_seconds,
    )  # fmt: skip
    params = {"selectTeamId": place.team_id}
    if platform.full_ingestion:
        params["fullIngestion"] = "true"
    locations = Locations(book, gateway, place.team_id, settings.ways, ports.keys)
    crossing = Crossing(settings.ways, ports.keys, ports.source, params, locations.ids)
    submitter = Submitter(
        book, feed, flights, gateway, requests, resolver, crossing, stop, place.team_id,
        BucketBreakers(),
        observer,
    )  # fmt: skip
    stuck_after_s = care.stuck_after.total_seconds()
    latest = ListReader(gateway, place.team_id, "updatedAt")
    follower = Follower(
        flights, gateway, reader, latest, observer, stuck_after_s,
        settle_s=care.settle_seconds, hinted=webhooks is not None,
    )  # fmt: skip
    confirmer = None
    if webhooks is not None:
        confirmer = Confirmer(
            webhooks.hints, flights, book, gateway, reader, latest, observer, follower
        )
    replacer = Replacer(book, gateway, flights, resolver, tagging)
    return Engine(
        book,
        gateway,
        stop,
        flights,
        reader,
        observer,
        feed,
        resolver,
        submitter,
        follower,
        replacer,
        guard,
        locations,
        Registration(book, gateway, batch, place.team_id),
        webhooks,
        confirmer,
    )


def _rules(settings: BatchSettings) -> decide.CopyRules:
    until_ingested = settings.platform.until == "ingested"
    ways = settings.ways
    return decide.CopyRules(
        settings.care.restarts,
        until_ingested=until_ingested,
        url_ends_ms=partial(url_ends_ms, ways) if ways.use_urls else None,
    )


async def _expect_the_latest(engine: Engine, unresolved: Sequence[Transfer]) -> None:
    """What the last run was told of not long ago, a list must show before it proves an absence."""
    gateway = engine.gateway
    since_s = max(
        min(transfer.intent_date_s or 0 for transfer in unresolved),
        (gateway.date_s or 0) - EXPECTED_S,
    )
    for video_id, date_s in await engine.book.run(lambda c: c.latest_videos(since_s, EXPECTED)):
        engine.resolver.lag.told(video_id, date_s * 1000, gateway.now_s())


async def _take_up(engine: Engine) -> None:
    """Take up what an earlier run left open, and the copies that were adopted."""
    book = engine.book
    for transfer in await book.run(lambda c: c.in_state(State.SUBMITTING)):
        # Nobody knows whether the request left: look, never send again.
        change = Change(Event.OUTCOME_UNKNOWN, {"message": "the program ended before the answer"})
        await book.change(transfer.row, State.SUBMITTING, change)
    unresolved = await book.run(lambda c: c.in_state(State.UNRESOLVED))
    if unresolved:
        await _expect_the_latest(engine, unresolved)
    for transfer in unresolved:
        engine.resolver.add(transfer)
    for state in sorted(WITH_VIDEO):
        for transfer in await book.run(lambda c, s=state: c.in_state(s)):  # type: ignore[misc]
            assert transfer.video_id is not None
            created_ms = transfer.video_created_ms
            if created_ms is None and transfer.intent_date_s is not None:
                created_ms = transfer.intent_date_s * 1000
            flight = engine.flights.add(transfer, transfer.video_id, created_ms, state, 0.0)
            flight.moved_s = engine.gateway.now_s()
            due_ms = (transfer.not_before_ms or 0) - book.now_ms()
            flight.restart_at_s = engine.gateway.now_s() + max(0.0, min(due_ms / 1000, 60.0))


@asynccontextmanager
async def _told(engine: Engine) -> AsyncIterator[None]:
    """For the block the platform tells of ends by webhooks, where they are wanted."""
    await engine.registration.remove_stale()
    if engine.webhooks is None:
        yield
        return
    async with engine.webhooks.registered(engine.registration):
        yield


@asynccontextmanager
async def _workers(engine: Engine, settings: BatchSettings) -> AsyncIterator[None]:
    jobs: list[Awaitable[None]] = [
        engine.feed.read(),
        engine.feed.repeat(),
        engine.resolver.run(),
        engine.replacer.run(),
        engine.follower.run(),
        engine.follower.restart(),
        *(engine.feed.check() for _ in range(PREFLIGHTS)),
        *(engine.submitter.work() for _ in range(settings.pace.max_concurrency)),
    ]
    if engine.webhooks is not None and engine.confirmer is not None:
        jobs += [engine.webhooks.refresh_keys(), engine.confirmer.run()]
    async with background(engine.stop, *jobs):
        yield


async def _until_settled(engine: Engine) -> None:
    """Wait until no row is open that this run could still settle, or until a stop."""
    tallies = engine.book.tallies
    engine.stop.listen(tallies.changed.set)
    while not engine.stop.requested and tallies.open > engine.resolver.left_open:
        tallies.changed.clear()
        await tallies.changed.wait()


def _start_run(checkpoint: Checkpoint, now_ms: int) -> int:
    with checkpoint.transaction():
        run_id = checkpoint.start_run(now_ms)
    checkpoint.fold_log()  # before the first call, so that a stray log is told from our own
    return run_id
