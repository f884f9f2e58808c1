"""Before a migration: read the rows, look at every object, ask the platform for its quota.

Nothing here changes anything on the platform. What is learned of the objects stays in the
checkpoint, where a run finds it: a plan is a run that has not begun to send.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from migrator.checkpoint.change import Transfer
from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.values import Foreseen
from migrator.engine.awake import AwakeClock
from migrator.engine.book import Book
from migrator.engine.feed import CHUNK, PREFLIGHTS, pending_chunk
from migrator.engine.gateway import Gateway
from migrator.engine.gateways import Gateways
from migrator.engine.inputs import Inputs
from migrator.engine.lanes import Key, gateway_of, keys_of, serving, teams_of
from migrator.engine.locations import calls_for_locations
from migrator.engine.ports import Ports
from migrator.engine.preflights import Preflights, foreseen_of, known
from migrator.engine.scouting import PAST_ALL, Scout
from migrator.engine.start import Place, loading_of, read_rows, take_place
from migrator.engine.stop import Stop, background, found_out
from migrator.engine.sweep import ListReader
from migrator.engine.webhooks.registration import PUBLIC_KEYS, REGISTERING, Registration
from migrator.filters import Filter
from migrator.lifecycle import State
from migrator.settings import BatchSettings
from migrator.source.preflight import Preflight


@dataclass(slots=True)
class Progress:
    """How far a plan is: `read` rows so far; `looked_at` of `pending` ones are known by now.

    Of those `asked` were headed by this plan.
    """

    phase: str = "starting"
    read: Callable[[], int] = lambda: 0
    pending: int = 0
    looked_at: int = 0
    asked: int = 0
    waiting_for: Callable[[], str] = lambda: ""
    cluster: Callable[[], str] = lambda: ""


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What the platform told a plan of one API key, that of lane `lane`.

    `per_minute` is what a run would use of its quota. `listed` counts the videos of the team's list
    that a run reads first; None where it does not read it whole. `reads_list`: it is this key that
    reads it, as the first of its team. `checks` counts the calls that a run makes beside its rows'.
    `webhooks` are the team's active ones; None where none are to be used.
    """

    lane: int
    name: str
    team_id: str
    announced_per_minute: int | None
    per_minute: int
    listed: int | None
    reads_list: bool
    checks: int
    webhooks: int | None = None


@dataclass(frozen=True, slots=True)
class PlatformFacts:
    """What the platform told a plan: of each key, the default one first.

    `calls` are those that this plan itself has made.
    """

    keys: tuple[KeyFacts, ...]
    calls: int

    @property
    def announced_per_minute(self) -> int | None:
        """The quotas of all keys together; None where none is announced."""
        told = [key.announced_per_minute for key in self.keys]
        return sum(each or 0 for each in told) if any(told) else None

    @property
    def per_minute(self) -> int:
        """What a run would use of them."""
        return sum(key.per_minute for key in self.keys)

    @property
    def listed(self) -> int | None:
        """Videos in the lists of all teams; None where they are not read whole."""
        told = [key.listed for key in self.keys if key.listed is not None]
        return sum(told) if told else None


async def plan(
    checkpoint: Checkpoint,
    settings: BatchSettings,
    inputs: Inputs | None,
    ports: Ports,
    stop: Stop,
    progress: Progress,
) -> PlatformFacts | None:
    """Learn all that a forecast needs; None when `stop` was requested, which then says why.

    The checkpoint holds the rows and what preflight says of each. Raises what a run would raise
    before its first POST.
    """
    keys, clock = keys_of(settings, ports), AwakeClock(ports.clock)
    gateways = Gateways([gateway_of(key, settings, ports, stop, clock) for key in keys])
    checkpoint.fold_log()
    journal = ports.journal(checkpoint, lambda _checkpoint: None)
    book = Book(journal, ports.wall_ms)
    try:
        jobs = (job for each in gateways for job in (each.pacer.run(), each.watch()))
        async with background(stop, *jobs):
            asking = _ask(book, settings, inputs, ports, stop, keys, gateways, progress)
            return await found_out(stop, asking)
    finally:
        await book.close()


async def _ask(
    book: Book,
    settings: BatchSettings,
    inputs: Inputs | None,
    ports: Ports,
    stop: Stop,
    keys: Sequence[Key],
    gateways: Gateways,
    progress: Progress,
) -> PlatformFacts:
    # What a batch that has begun goes on with is no plan's business: what if is only asked.
    keep = not await book.run(Checkpoint.runs)
    places = [
        await take_place(
            book, settings, gateway, stop, keep=keep, key=key.name if key.lane else None
        )
        for key, gateway in zip(keys, gateways, strict=True)
    ]
    if ports.crew is not None:
        crew = ports.crew
        progress.cluster = lambda: crew.progress
    progress.read = lambda: book.tallies.rows
    progress.phase = "loading"
    before = gateways.by_key
    loading = None
    if inputs is not None:
        loading = loading_of(book, settings, inputs, ports, serving(keys))
    await read_rows(book, settings, loading, ports, gateways)
    projects = [now - then for now, then in zip(gateways.by_key, before, strict=True)]
    book.tallies.load(await book.run(Checkpoint.tallies))
    told = [
        await _of_key(book, settings, key, place, gateway, places)
        for key, place, gateway in zip(keys, places, gateways, strict=True)
    ]
    if settings.source.preflight:
        progress.phase = "looking at the source"
        preflights = Preflights(
            book,
            stop,
            Preflight(ports.source, settings.ways.by_url),
            settings.care.max_outage.total_seconds(),
            gateways.now_s,
            ports.chance,
            Filter(settings.inputs.filters),
        )
        progress.waiting_for = lambda: preflights.waiting_for_source
        progress.pending = book.tallies.states[State.PENDING]
        scout = None
        if ports.crew is not None:
            scout = Scout(ports.crew, book, preflights, skips=lambda _bucket: False)
        await Survey(book, stop, preflights, progress, scout).run()
    pending = await book.run(Checkpoint.pending_buckets)
    located = calls_for_locations(settings.ways, pending, teams_of(places))
    return PlatformFacts(
        tuple(
            replace(each, checks=each.checks + projects[each.lane] + located[each.lane])
            for each in told
        ),
        calls=gateways.counts.total,
    )


async def _of_key(
    book: Book,
    settings: BatchSettings,
    key: Key,
    place: Place,
    gateway: Gateway,
    places: Sequence[Place],
) -> KeyFacts:
    """What is asked for with one key; its `checks` are without its projects and locations."""
    is_first = teams_of(places)[place.team_id][0] == key.lane
    webhooks, own_calls = None, 0
    if settings.webhooks.address is not None:
        registration = Registration(book, gateway, "", place.team_id)
        webhooks = sum(each.active is not False for each in await registration.listed())
        own_calls = (REGISTERING if is_first else 0) + (0 if key.lane else PUBLIC_KEYS)
    quotas = gateway.pacer.quotas
    return KeyFacts(
        lane=key.lane,
        name=key.name,
        team_id=place.team_id,
        listed=await _listed(book, settings, gateway, place) if is_first else None,
        announced_per_minute=quotas.announced,
        per_minute=quotas.per_window,
        reads_list=is_first,
        checks=place.calls + own_calls,
        webhooks=webhooks,
    )


async def _listed(
    book: Book, settings: BatchSettings, gateway: Gateway, place: Place
) -> int | None:
    """How many videos stand in the list that a fresh batch reads first."""
    swept = await book.run(lambda checkpoint: checkpoint.meta("swept"))
    if settings.care.assume_empty or swept is not None:
        return None
    page = await ListReader(gateway, place.team_id).page(0, 1)
    return page.total


class Survey:
    """Looks at the object of every pending row, and keeps what is found with the row."""

    def __init__(
        self,
        book: Book,
        stop: Stop,
        preflights: Preflights,
        progress: Progress,
        scout: Scout | None = None,
    ) -> None:
        self._book = book
        self._stop = stop
        self._preflights = preflights
        self._progress = progress
        self._scout = scout
        self._unknown: asyncio.Queue[Transfer] = asyncio.Queue(CHUNK)

    async def run(self) -> None:
        """All of them, in any order; may be cancelled anywhere, and goes on from there."""
        ahead = [] if self._scout is None else [self._scout.run()]
        async with background(self._stop, *ahead, *(self._look() for _ in range(PREFLIGHTS))):
            cursor = 0
            while True:
                past = PAST_ALL if self._scout is None else self._scout.past
                chunk, foreseen = await self._book.run(lambda c, at=cursor: pending_chunk(c, at))  # type: ignore[misc]
                if not chunk:
                    break
                if self._scout is not None and chunk[-1].row > past:
                    await self._scout.reach(chunk[-1].row)
                    continue
                cursor = chunk[-1].row
                await self._sort(chunk, foreseen)
            await self._unknown.join()
        if self._scout is not None:
            self._progress.asked += self._scout.asked

    async def _sort(self, chunk: list[Transfer], foreseen: dict[int, Foreseen]) -> None:
        """What is known already is judged at once; the source is asked about the rest."""
        now_ms, news = self._book.now_ms(), dict[int, Foreseen]()
        for transfer in chunk:
            look = known(transfer, foreseen.get(transfer.row), now_ms)
            if look is None:
                await self._unknown.put(transfer)
                continue
            self._progress.looked_at += 1
            against = foreseen_of(look.refusal)
            if against is not None and transfer.row not in foreseen:
                news[transfer.row] = against
        if news:
            await self._book.run(lambda checkpoint: _foresee(checkpoint, news))

    async def _look(self) -> None:
        while True:
            transfer = await self._unknown.get()
            look = await self._preflights.look(transfer, None)
            await self._preflights.keep(transfer, look)
            self._progress.looked_at += 1
            self._progress.asked += 1
            self._unknown.task_done()


def _foresee(checkpoint: Checkpoint, news: dict[int, Foreseen]) -> None:
    for row, foreseen in news.items():
        checkpoint.foresee(row, foreseen)
