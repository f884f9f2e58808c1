"""Looking at what webhooks have told of: the page that shows most of it, once that pays."""

import asyncio
from collections.abc import Collection

from migrator.engine.book import Book
from migrator.engine.flights import Flights
from migrator.engine.follow import SHARE, Follower
from migrator.engine.gateway import Gateway
from migrator.engine.observe import Observer
from migrator.engine.sweep import ListReader
from migrator.engine.webhooks.hints import Chooser, Hints, Look, Told
from migrator.lifecycle import State
from migrator.model import LearnedBy

STEP_S = 0.2
"""How often it is looked whether a look pays."""

IDLE_S = 1.0
"""The same while nothing was told: a hint may be older than the answer that names its video."""

LOOKS = 3
"""So often a hint is looked at that nothing confirms; then it is left to following."""


class Confirmer:
    """Confirms hints until it is cancelled.

    `made` reads the list by creation, `changed` by the latest change; `follower` looks by id.
    """

    def __init__(
        self,
        hints: Hints,
        flights: Flights,
        book: Book,
        gateway: Gateway,
        made: ListReader,
        changed: ListReader,
        observer: Observer,
        follower: Follower,
    ) -> None:
        self._hints = hints
        self._flights = flights
        self._book = book
        self._gateway = gateway
        self._made = made
        self._changed = changed
        self._observer = observer
        self._follower = follower
        self._chooser = Chooser()

    async def run(self) -> None:
        """Look whenever it pays, for ever. Raises Stopping when the run ends."""
        while True:
            told = self._hints.of(self._flights)
            states = self._book.tallies.states
            look = self._chooser.choose(
                told,
                self._flights,
                self._hints.copy_s,
                self._gateway.now_s(),
                to_send=any(states[each] for each in _MAY_BE_SENT),
            )
            if look is None:
                await self._wait(STEP_S if told else IDLE_S)
                continue
            await self._take(look, told)
            await self._gateway.rest(0.0, 1, SHARE)

    async def _wait(self, longest_s: float) -> None:
        self._hints.came.clear()
        try:
            async with asyncio.timeout(longest_s):
                await self._hints.came.wait()
        except TimeoutError:
            return
        await asyncio.sleep(STEP_S)  # others come with it

    async def _take(self, look: Look, told: Told) -> None:
        if look.page is None:
            await self._follower.look(told[look.video_id][1])
            self._looked_at([look.video_id], told)
            return
        newest_order = self._flights.newest_order
        reader = self._changed if look.recent else self._made
        page = await reader.page(look.page, look.size)
        orders = [
            (index, flight.order)
            for index, video in enumerate(page.videos)
            if (flight := self._flights.get(video.id)) is not None
        ]
        shown = await self._observer.page(page, LearnedBy.LIST)
        found = told.keys() & shown
        if look.recent:
            fresh = [video_id for video_id, (hint, _) in told.items() if hint.is_fresh]
            for video_id in fresh:
                told[video_id][0].is_fresh = False
            self._chooser.showed(look, len(fresh), len(found))
        else:
            self._chooser.showed(look, 0, 0)
            self._chooser.stood(page.first, orders, newest_order)
        self._looked_at(found, told)
        if not found:  # the oldest is not where it should be: it is asked for by its id
            oldest = min(told, key=lambda video_id: told[video_id][0].told_s)
            await self._follower.look(told[oldest][1])
            self._looked_at([oldest], told)

    def _looked_at(self, video_ids: Collection[str], told: Told) -> None:
        """A look was taken: what it has settled is done with, the rest is looked at again."""
        for video_id in video_ids:
            hint, flight = told[video_id]
            hint.looks += 1
            hint.told_s = self._gateway.now_s()
            over = self._flights.get(video_id) is not flight
            if over or hint.looks >= LOOKS or flight.state is State.RESTARTING:
                self._hints.drop(video_id)
                flight.told = False  # following looks after it again


_MAY_BE_SENT = (State.PENDING, State.SUBMITTING, State.UNRESOLVED)
