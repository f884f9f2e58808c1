"""Following copies to their end, with the fewest calls per answer.

One page of the list shows a hundred copies; one status shows one. Each round reads what has changed
since the one before (`changes.py`). Where the platform keeps no such list, and for copies that it
need not show, the list is read from the newest video on while that pays, and the rest is asked for
by id. Where webhooks tell of the ends, rounds look for those that were not told.
"""

import asyncio
import math
from http import HTTPStatus

from migrator.engine import decide
from migrator.engine.changes import Changes, Reading
from migrator.engine.checks import Checker
from migrator.engine.flights import Flight, Flights
from migrator.engine.gateway import Gateway
from migrator.engine.look import Looker
from migrator.engine.observe import Observer
from migrator.engine.pauses import Pauses, are_last, longest_pause_s
from migrator.engine.stop import Stopping
from migrator.engine.sweep import PAGE_SIZE, ListReader
from migrator.lifecycle import State
from migrator.log import CHANGES_NOT_LISTED, tell
from migrator.model import LearnedBy
from migrator.pixop import wire
from migrator.pixop.client import Answer, NotSent, Reply

SHARE = 0.025
"""Share of the quota that following may use while submitters wait for their turn."""

LONGER = 4
"""Pages that the list of latest changes may be longer than the one by creation: others may change
many videos at once."""

MISSED_SHARE, MISSED_AT_ONCE = 0.1, 3
"""Webhooks are relied on unless more than so many ends, and this share of them, were not told."""

TOLD_WITHIN_S = 10.0
"""By when an end is told, if all is well."""

RESTARTS_CHECKED_S = 0.25
"""How often it is looked whether a restart is due."""


class Follower:
    """Looks after the copies in flight until it is cancelled.

    `reader` reads the list by creation, `latest` by latest change.
    """

    def __init__(
        self,
        flights: Flights,
        gateway: Gateway,
        reader: ListReader,
        latest: ListReader,
        observer: Observer,
        stuck_after_s: float,
        *,
        settle_s: float,
        hinted: bool = False,
    ) -> None:
        self._pauses = Pauses()
        self._hinted = self._is_told = hinted
        self._flights = flights
        self._gateway = gateway
        self._latest = latest
        self._observer = observer
        self._stuck_after_s = stuck_after_s
        self._looker = Looker(flights, gateway, reader, observer, settle_s)
        self._changes = Changes(stuck_after_s)
        self._newest_checked = self._newest_followed = self._ended = 0
        self._checker = Checker(flights, gateway, self._looker, self._changes)

    async def run(self) -> None:
        """Rounds for ever. Raises Stopping when the run ends."""
        pauses, spent = self._pauses, 0
        while True:
            rests_s = self._gateway.now_s()
            await self._gateway.rest(pauses.next_s, spent, SHARE)
            # What was told of is looked at where that is cheapest (see `webhooks.confirm`).
            targets = [f for f in self._flights if f.state is not State.RESTARTING and not f.told]
            if not targets:
                spent = 0
                if not (self._hinted and len(self._flights)):
                    pauses.begin_anew()
                continue
            pauses.rested(self._gateway.now_s() - rests_s)
            before, newest = self._calls, self._flights.newest_order
            checks = await self._round(targets)
            spent = self._calls - before
            # By creation a round reads all pages down to the oldest: no time for more of them.
            quiet = newest == self._newest_followed and self._changes.is_trusted
            self._newest_followed = newest
            settled = [f for f in targets if self._flights.get(f.video_id) is None]
            self._is_told = self._hinted and self._are_told(settled)
            if self._is_told:  # what does not move must have been looked at before it is stuck
                pauses.by_webhooks(self._stuck_after_s / 4)
            else:
                longest_s = longest_pause_s(max(self._flights.copy_s or 0.0, self._age_s(targets)))
                last = are_last(len(self._flights), newest)
                pauses.by_lists(spent - checks, len(settled), longest_s, quiet=quiet, last=last)

    @property
    def _calls(self) -> int:
        return self._gateway.counts.list + self._gateway.counts.status

    def _age_s(self, targets: list[Flight]) -> float:
        """How long these copies have taken so far, on average."""
        now_s = self._gateway.now_s()
        return sum(max(0.0, now_s - flight.commanded_s) for flight in targets) / len(targets)

    def _are_told(self, settled: list[Flight]) -> bool:
        """Whether webhooks tell of the ends, by those that a round has found itself."""
        before, self._ended = self._ended, self._flights.newest_order - len(self._flights)
        missed = sum(self._is_untold(f, self._checker.changed_ms.get(f.video_id)) for f in settled)
        return is_relied_on(self._ended - before, missed)

    def _is_untold(self, flight: Flight, ended_ms: int | None) -> bool:
        """Whether an end should have been told of by now, and was not."""
        late_ms = (self._gateway.platform_s() - TOLD_WITHIN_S) * 1000
        return not flight.told and (ended_ms is None or ended_ms < late_ms)

    async def look(self, flight: Flight) -> None:
        """Look at one copy now, by its id."""
        await self._looker.by_id(flight)

    async def _round(self, targets: list[Flight]) -> int:
        """Look at all of these; answers how many calls were checks of what was not shown."""
        checks = 0
        self._checker.changed_ms.clear()
        if self._is_told:
            checks = await self._round_by_webhooks(targets)
        elif self._changes.is_trusted:
            checks = await self._round_by_changes(targets)
        else:
            await self._checker.look(targets)
        await self._stuck(targets)
        return checks

    async def _round_by_webhooks(self, targets: list[Flight]) -> int:
        """Look for ends that nobody told of: on a page, and further where that shows one.

        Answers how many calls were checks.
        """
        due = [flight for flight in targets if self._is_due(flight)]
        await self._checker.look(due)
        before = self._calls
        _, everyone = await self._checker.check(
            [f for f in targets if f not in due], self._is_untold
        )
        if everyone:
            self._changes.all_checked_s = self._gateway.now_s()
        return self._calls - before

    async def _round_by_changes(self, targets: list[Flight]) -> int:
        """Read what has changed, and look otherwise at what that need not show.

        Answers how many calls were checks.
        """
        unseen = await self._read_changes(targets)
        now_s, changes = self._gateway.now_s(), self._changes
        if not changes.is_trusted:
            await self._checker.look(unseen)
            return 0
        newest = self._flights.newest_order
        after_s = changes.check_after_s(now_s, quiet=newest == self._newest_checked)
        await self._checker.look([f for f in unseen if self._is_due(f)])
        before = self._calls
        if after_s is not None:
            self._newest_checked = newest
            missed, everyone = await self._checker.check(
                [f for f in unseen if now_s - max(f.seen_s, f.commanded_s) >= after_s],
                lambda _flight, ended_ms: changes.is_missed(ended_ms),
            )
            if not changes.checked(missed, now_s, everyone=everyone):
                self._distrust()
        return self._calls - before

    def _is_due(self, flight: Flight) -> bool:
        if flight.gone_s is not None:
            return not self._looker.waits(flight)
        return flight.overlooked

    async def _read_changes(self, targets: list[Flight]) -> list[Flight]:
        """Read the list by latest change back to the last such reading; answers who was not shown.

        All that were not are to be looked at where the reading was no use (`overlooked`).
        """
        changes, unseen = self._changes, {flight.video_id: flight for flight in targets}
        # A command has changed them, and no reading has gone back to it yet.
        late = [f for f in targets if f.seen_s < f.commanded_s and not f.passed]
        for flight in late:
            flight.overlooked |= flight.changed_ms is None
        commanded_ms = [f.changed_ms for f in late if f.changed_ms is not None]
        reach_ms = changes.reach_ms(commanded_ms, everyone=len(commanded_ms) == len(targets))
        reading, began_s = Reading(reach_ms, self._looker.depth(targets) + LONGER), 0.0
        while unseen and not reading.is_over:
            page = await self._latest.page(reading.pages)
            told = await self._observer.page(page, LearnedBy.LIST)
            began_s = began_s or page.began_s
            reading.take(page.videos, page.total, PAGE_SIZE)
            self._checker.changed_ms |= {v.id: wire.time_ms(v.updated_at) for v in page.videos}
            for video in page.videos:
                if video.id not in told and video.id in unseen:
                    unseen[video.id].overlooked = True
            for video_id in told:
                unseen.pop(video_id, None)
        if reading.is_sorted:
            changes.read(reading.latest_ms, began_s)
        else:
            self._distrust()
        left = [f for f in unseen.values() if self._flights.get(f.video_id) is f]
        for flight in left:
            # What changes while the list is read moves to its top: the next reading shows it.
            if flight.seen_s < flight.commanded_s <= began_s:
                flight.passed += 1
            flight.overlooked |= not reading.is_whole or flight.passed > 1
        return left

    def _distrust(self) -> None:
        self._changes.is_trusted = False
        tell(CHANGES_NOT_LISTED, copies=len(self._flights))

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
            if not self._observer.restarts_wait:
                continue
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
            date_s = self._gateway.date_s
            flight.changed_ms, flight.passed = None if date_s is None else date_s * 1000, 0
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


def is_relied_on(settled: int, missed: int) -> bool:
    """Whether webhooks tell of the ends: of `settled` copies none has told of `missed`."""
    return missed <= max(MISSED_AT_ONCE, settled * MISSED_SHARE)
