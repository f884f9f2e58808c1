"""Checks of copies that nobody has shown for long: whether the end of any was missed."""

from collections.abc import Callable, Sequence

from migrator.engine.changes import Changes
from migrator.engine.flights import Flight, Flights
from migrator.engine.gateway import Gateway
from migrator.engine.look import Look, Looker

Missed = Callable[[Flight, int | None], bool]
"""Whether the end of a copy, which was changed at that time, should have been known before."""


class Checker:
    """Looks at copies otherwise than they are followed.

    `changed_ms` is when videos were changed, as far as the looks of a round have told.
    """

    def __init__(
        self, flights: Flights, gateway: Gateway, looker: Looker, changes: Changes
    ) -> None:
        self.changed_ms: dict[str, int | None] = {}
        self._flights = flights
        self._gateway = gateway
        self._looker = looker
        self._changes = changes

    async def look(self, targets: Sequence[Flight]) -> None:
        """Look at all of these."""
        self.changed_ms |= await self._looker.look(targets)

    async def check(self, unseen: Sequence[Flight], is_missed: Missed) -> tuple[int, bool]:
        """Look at some of these, and at all where an end was missed.

        Answers how many were missed, and whether nobody was left out whose turn it is.
        """
        now_s = self._gateway.now_s()
        known_s = {flight.video_id: max(flight.seen_s, flight.commanded_s) for flight in unseen}
        longest = sorted(unseen, key=lambda flight: known_s[flight.video_id])
        unseen_s = [now_s - known_s[flight.video_id] for flight in longest]
        some = self._changes.how_many(unseen_s, now_s)
        if some is None:
            page = self._looker.page_of(longest[0])
            chosen = [flight for flight in longest if self._looker.page_of(flight) == page]
            missed = await self._missed(chosen, self._looker.glance, is_missed)
        else:
            chosen = longest[:some]
            missed = await self._missed(chosen, self._looker.look, is_missed)
        if missed:
            known = {flight.video_id for flight in chosen}
            rest = [flight for flight in longest if flight.video_id not in known]
            missed += await self._missed(rest, self._looker.look, is_missed)
        return missed, bool(missed) or some is not None

    async def _missed(self, unseen: Sequence[Flight], look: Look, is_missed: Missed) -> int:
        """Look at copies; answers of how many the end was missed."""
        states = [(flight, flight.state) for flight in unseen]
        ended_ms = await look(unseen)
        self.changed_ms |= ended_ms
        return sum(
            (self._flights.get(flight.video_id) is not flight or flight.state is not before)
            and is_missed(flight, ended_ms.get(flight.video_id))
            for flight, before in states
        )
