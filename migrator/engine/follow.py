"""Following copies to their end, with the fewest calls per answer.

One page of the list shows a hundred copies; one status shows one. Each round reads the list from
the newest on while that pays, and asks for the rest by id.
"""

import asyncio
import math
from http import HTTPStatus

from migrator.engine import decide
from migrator.engine.flights import Flight, Flights
from migrator.engine.gateway import Gateway
from migrator.engine.observe import Observer
from migrator.engine.stop import Stopping
from migrator.engine.sweep import HORIZON_SLACK_MS, PAGE_SIZE, ListReader, Page
from migrator.lifecycle import State
from migrator.model import LearnedBy
from migrator.pixop import wire
from migrator.pixop.client import Answer, NotSent, Reply

SHARE = 0.03
"""Share of the quota that following may use while submitters wait for their turn."""

INTERVAL_S = (1.0, 30.0)
"""Shortest and longest pause between rounds."""

PRODUCTIVE = 40
"""Copies that a call must settle; a round that settles fewer makes the next pause longer."""

FALLBACK_S = (60.0, 300.0)
"""Shortest and longest pause where webhooks tell of the ends: rounds look for what never came."""

MISSED_SHARE, MISSED_AT_ONCE = 0.1, 3
"""Webhooks are relied on unless more than so many ends, and this share of them, were not told."""

RESTARTS_CHECKED_S = 0.25
"""How often it is looked whether a restart is due."""


class Follower:
    """Looks after the copies in flight until it is cancelled."""

    def __init__(
        self,
        flights: Flights,
        gateway: Gateway,
        reader: ListReader,
        observer: Observer,
        stuck_after_s: float,
        *,
        settle_s: float,
        hinted: bool = False,
    ) -> None:
        self.interval_s = INTERVAL_S[0]
        self._hinted = hinted
        self._flights = flights
        self._gateway = gateway
        self._reader = reader
        self._observer = observer
        self._stuck_after_s = stuck_after_s
        self._settle_s = settle_s

    async def run(self) -> None:
        """Rounds for ever. Raises Stopping when the run ends."""
        spent = 0
        while True:
            await self._gateway.rest(self.interval_s, spent, SHARE)
            # What was told of is looked at where that is cheapest (see `webhooks.confirm`).
            targets = [f for f in self._flights if f.state is not State.RESTARTING and not f.told]
            if not targets:
                spent = 0
                if not (self._hinted and len(self._flights)):
                    self.interval_s = INTERVAL_S[0]
                continue
            before = self._gateway.counts.list + self._gateway.counts.status
            await self._round(targets)
            spent = self._gateway.counts.list + self._gateway.counts.status - before
            settled = [f for f in targets if self._flights.get(f.video_id) is None]
            missed = sum(not flight.told for flight in settled)
            if self._hinted and is_relied_on(len(settled), missed):
                self.interval_s = self._fallback_s()
            else:
                self.interval_s = next_interval_s(self.interval_s, spent, len(settled))

    def _fallback_s(self) -> float:
        shortest_s, longest_s = FALLBACK_S
        wanted_s = max(shortest_s, min(self.interval_s * 2, longest_s))
        return min(wanted_s, self._stuck_after_s / 4)  # what does not move must have been looked at

    async def look(self, flight: Flight) -> None:
        """Look at one copy now, by its id."""
        await self._by_id(flight)

    async def _round(self, targets: list[Flight]) -> None:
        unseen = {flight.video_id: flight for flight in targets}
        oldest_ms = min((f.created_ms for f in targets if f.created_ms is not None), default=None)
        depth = self._depth(targets)
        barren = 0
        number = 0
        while unseen and list_pays(len(unseen), depth - number, barren):
            page = await self._reader.page(number)
            shown = await self._observer.page(page, LearnedBy.LIST)
            barren = 0 if shown & unseen.keys() else barren + 1
            for video_id in shown:
                unseen.pop(video_id, None)
            number += 1
            if number * PAGE_SIZE >= page.total or _is_beyond(page, oldest_ms):
                break
        now_s = self._gateway.now_s()
        for flight in unseen.values():
            # A 404 counts once it has lasted: not every part of a platform knows a new id at once.
            waits = flight.gone_s is not None and now_s - flight.gone_s < self._settle_s
            if self._flights.get(flight.video_id) is flight and not waits:
                await self._by_id(flight)
        await self._stuck(targets)

    def _depth(self, targets: list[Flight]) -> int:
        """Pages down to the oldest copy, as far as this run made the videos above it."""
        above = self._flights.newest_order - min(flight.order for flight in targets) + 1
        return math.ceil(above / PAGE_SIZE)

    async def _by_id(self, flight: Flight) -> None:
        reading = await self._gateway.read(
            "status", "GET", f"/v1/videos/{flight.video_id}/in/status"
        )
        if reading.began_s < flight.commanded_s or self._flights.get(flight.video_id) is None:
            return
        if decide.is_gone(reading.answer):
            if flight.gone_s is None:
                flight.gone_s = reading.began_s
            if reading.began_s - flight.gone_s >= self._settle_s:
                change = decide.deleted(self._observer.now_ms())
                await self._observer.apply(flight, change, reading.began_s)
            return
        status = wire.decode(reading.answer.body, wire.VideoInStatus)
        if reading.answer.ok and status is not None and status.video_id == flight.video_id:
            sight = decide.Sight.of(status)
            await self._observer.sight(flight, sight, LearnedBy.STATUS, reading.began_s)

    async def _stuck(self, targets: list[Flight]) -> None:
        now_s = self._gateway.now_s()
        for flight in targets:
            stuck = is_stuck(flight.moved_s, flight.seen_s, now_s, self._stuck_after_s)
            if stuck and self._flights.get(flight.video_id) is flight:
                hours = (now_s - flight.moved_s) / 3600
                change = decide.stuck(hours, self._observer.now_ms())
                await self._observer.apply(flight, change, now_s)

    async def restart(self) -> None:
        """Restart failed copies when they are due, for ever. Raises Stopping."""
        while True:
            await asyncio.sleep(RESTARTS_CHECKED_S)
            now_s = self._gateway.now_s()
            for flight in self._flights:
                if flight.state is State.RESTARTING and flight.restart_at_s <= now_s:
                    await self._restart(flight)

    async def _restart(self, flight: Flight) -> None:
        """The restart on the disk, then on the wire, then what its answer says."""
        if flight.restarts_not_sent:
            await self._gateway.may_repeat(flight.restarts_not_sent)
        permit_s = await self._gateway.permit(urgent=True)
        with self._gateway.commanding():
            before, observer = flight.restarts, self._observer
            flight.commanded_s = math.inf  # no look counts until the answer is there
            if flight.state is State.RESTARTING:
                await observer.apply(flight, decide.restart(before), self._gateway.now_s())
            if flight.restarts == before:  # a look has settled it meanwhile, or is being written
                self._gateway.unused()
                flight.commanded_s = self._gateway.now_s()
                return
            reply = await self._send_restart(flight, permit_s)
            if isinstance(reply, Answer) and reply.status == HTTPStatus.UNAUTHORIZED:
                self._gateway.key_refused(reply)
            if self._flights.get(flight.video_id) is not flight:  # gone, or stuck, meanwhile
                return
            now_s = self._gateway.now_s()
            flight.commanded_s = flight.moved_s = now_s
            change = decide.judge_restart(reply, before, observer.now_ms())
            if change is not None:
                await observer.apply(flight, change, now_s)
            not_sent = flight.state is State.RESTARTING
            flight.restarts_not_sent = flight.restarts_not_sent + 1 if not_sent else 0

    async def _send_restart(self, flight: Flight, permit_s: float) -> Reply:
        try:
            await self._gateway.fresh(permit_s)
        except Stopping:
            return NotSent("stopped before it was sent")
        self._gateway.count("restart")
        path = f"/v1/videos/{flight.video_id}/in/restart"
        return await self._gateway.exchange("restart", "POST", path)


def is_stuck(moved_s: float, seen_s: float, now_s: float, after_s: float) -> bool:
    """Whether a copy has not moved for `after_s` seconds, by looks that have shown it.

    What moved while nobody could look (an outage, answers that make no sense) is not stuck; only
    when nothing was shown of it for twice as long it is given up on.
    """
    return seen_s - moved_s > after_s or now_s - max(seen_s, moved_s) > 2 * after_s


def _is_beyond(page: Page, oldest_ms: int | None) -> bool:
    if not page.videos:
        return True
    return oldest_ms is not None and page.first_before(oldest_ms - HORIZON_SLACK_MS) is not None


def list_pays(unseen: int, pages_left: int, barren: int) -> bool:
    """Whether one more page is likely to be cheaper than asking for the unseen by id.

    `pages_left` is the estimate of pages down to the oldest; `barren` counts the pages in a row
    that showed none of them: where the estimate is wrong, ids are cheaper soon.
    """
    if unseen <= 1 + barren:
        return False
    return pages_left <= unseen or barren == 0


def is_relied_on(settled: int, missed: int) -> bool:
    """Whether webhooks tell of the ends: of `settled` copies none has told of `missed`."""
    return missed <= max(MISSED_AT_ONCE, settled * MISSED_SHARE)


def next_interval_s(interval_s: float, calls: int, settled: int) -> float:
    """The pause before the next round: longer while rounds settle little for their calls."""
    shortest_s, longest_s = INTERVAL_S
    productive = settled >= PRODUCTIVE * calls
    wanted_s = interval_s if productive else interval_s * 1.5
    return max(shortest_s, min(wanted_s, longest_s))
