"""Before a migration: read the rows, look at every object, ask the platform for its quota.

Nothing here changes anything on the platform. What is learned of the objects stays in the
checkpoint, where a run finds it: a plan is a run that has not begun to send.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from migrator.checkpoint.change import Transfer
from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.values import Foreseen
from migrator.engine.awake import AwakeClock
from migrator.engine.book import Book
from migrator.engine.feed import CHUNK, PREFLIGHTS, pending_chunk
from migrator.engine.gateway import Gateway
from migrator.engine.inputs import Inputs
from migrator.engine.locations import calls_for_locations
from migrator.engine.pacing import Pacer
from migrator.engine.ports import Ports
from migrator.engine.preflights import Preflights, foreseen_of, known
from migrator.engine.quotas import Quotas
from migrator.engine.scouting import PAST_ALL, Scout
from migrator.engine.start import Place, projects_of, read_rows, take_place
from migrator.engine.stop import Stop, background, found_out
from migrator.engine.sweep import ListReader
from migrator.engine.webhooks.registration import OWN_CALLS, Registration
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
class PlatformFacts:
    """What the platform told a plan.

    `per_minute` is what a run would use of the quota. `listed` counts the videos of the team's
    list that a run reads first; None where it does not read it whole. `checks` counts the calls
    that a run makes beside its rows'; `calls` those that this plan itself has made. `webhooks` are
    the team's active ones; None where none are to be used.
    """

    team_id: str
    announced_per_minute: int | None
    per_minute: int
    listed: int | None
    checks: int
    calls: int
    webhooks: int | None = None


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
    quotas = Quotas(settings.pace.requests_per_minute, settings.pace.reserve_percent)
    pacer = Pacer(quotas, ports.chance, ports.clock, ports.window)
    outage_s = settings.care.max_outage.total_seconds()
    gateway = Gateway(ports.api, pacer, stop, ports.chance, outage_s, AwakeClock(ports.clock))
    checkpoint.fold_log()
    journal = ports.journal(checkpoint, lambda _checkpoint: None)
    book = Book(journal, ports.wall_ms)
    try:
        async with background(stop, pacer.run(), gateway.watch()):
            asking = _ask(book, settings, inputs, ports, stop, gateway, progress)
            return await found_out(stop, asking)
    finally:
        await book.close()


async def _ask(
    book: Book,
    settings: BatchSettings,
    inputs: Inputs | None,
    ports: Ports,
    stop: Stop,
    gateway: Gateway,
    progress: Progress,
) -> PlatformFacts:
    # What a batch that has begun goes on with is no plan's business: what if is only asked.
    keep = not await book.run(Checkpoint.runs)
    place = await take_place(book, settings, gateway, stop, keep=keep)
    if ports.crew is not None:
        crew = ports.crew
        progress.cluster = lambda: crew.progress
    progress.read = lambda: book.tallies.rows
    progress.phase = "loading"
    await read_rows(book, settings, inputs, ports, [gateway])
    book.tallies.load(await book.run(Checkpoint.tallies))
    listed = await _listed(book, settings, gateway, place)
    webhooks = None
    if settings.webhooks.address is not None:
        registration = Registration(book, gateway, "", place.team_id)
        webhooks = sum(each.active is not False for each in await registration.listed())
    if settings.source.preflight:
        progress.phase = "looking at the source"
        preflights = Preflights(
            book,
            stop,
            Preflight(ports.source, settings.ways.by_url),
            settings.care.max_outage.total_seconds(),
            gateway.now_s,
            ports.chance,
            Filter(settings.inputs.filters),
        )
        progress.waiting_for = lambda: preflights.waiting_for_source
        progress.pending = book.tallies.states[State.PENDING]
        scout = None
        if ports.crew is not None:
            scout = Scout(ports.crew, book, preflights, skips=lambda _bucket: False)
        await Survey(book, stop, preflights, progress, scout).run()
    projects = await book.run(lambda checkpoint: projects_of(checkpoint, settings))
    buckets = await book.run(Checkpoint.pending_buckets)
    quotas = gateway.pacer.quotas
    return PlatformFacts(
        team_id=place.team_id,
        announced_per_minute=quotas.announced,
        per_minute=quotas.per_window,
        listed=listed,
        checks=place.calls
        + len(projects)
        + calls_for_locations(settings.ways, buckets)
        + (0 if webhooks is None else OWN_CALLS),
        calls=gateway.counts.total,
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
