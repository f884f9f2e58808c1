"""Looking at copies in flight: in the list by creation as long as that pays, and then by id."""

import math
from collections.abc import Awaitable, Callable, Container, Sequence
from collections.abc import Set as AbstractSet

from migrator.engine import decide
from migrator.engine.flights import Flight, Flights
from migrator.engine.gateway import Gateway
from migrator.engine.observe import Observer
from migrator.engine.sweep import HORIZON_SLACK_MS, PAGE_SIZE, ListReader, Page
from migrator.model import LearnedBy
from migrator.pixop import wire

Look = Callable[[Sequence[Flight]], Awaitable[dict[str, int | None]]]
"""A look at copies; answers when each was last changed, as far as that was told."""


class Looker:
    """Looks at copies. A 404 counts once it has lasted for `settle_s` seconds."""

    def __init__(
        self,
        flights: Flights,
        gateway: Gateway,
        reader: ListReader,
        observer: Observer,
        settle_s: float,
    ) -> None:
        self._flights = flights
        self._gateway = gateway
        self._reader = reader
        self._observer = observer
        self._settle_s = settle_s

    async def look(self, targets: Sequence[Flight]) -> dict[str, int | None]:
        """Look at each of these: in the list by creation as long as that pays, then by id.

        Answers when each was last changed, as far as that was told.
        """
        unseen = {flight.video_id: flight for flight in targets}
        changed: dict[str, int | None] = {}
        oldest_ms = min((f.created_ms for f in targets if f.created_ms is not None), default=None)
        depth = self.depth(targets)
        number = min((self.page_of(flight) for flight in targets), default=0)
        barren = 0
        while unseen and list_pays(len(unseen), depth - number, barren):
            page, shown = await self._read(number, unseen, changed)
            barren = 0 if shown & unseen.keys() else barren + 1
            for video_id in shown:
                unseen.pop(video_id, None)
            number += 1
            if number * PAGE_SIZE >= page.total or _is_beyond(page, oldest_ms):
                break
        for flight in unseen.values():
            if self._flights.get(flight.video_id) is flight and not self.waits(flight):
                changed[flight.video_id] = await self.by_id(flight)
        return changed

    async def glance(self, targets: Sequence[Flight]) -> dict[str, int | None]:
        """Look at the first of these, and at those that the page shows on which it stands."""
        changed: dict[str, int | None] = {}
        first = targets[0]
        if len(targets) > 1:
            await self._read(self.page_of(first), {f.video_id for f in targets}, changed)
        if first.video_id not in changed:
            changed[first.video_id] = await self.by_id(first)
        return changed

    async def _read(
        self, number: int, wanted: Container[str], changed: dict[str, int | None]
    ) -> tuple[Page, AbstractSet[str]]:
        """Read a page by creation, note when those `wanted` were changed; and whom it told of."""
        page = await self._reader.page(number)
        changed |= {v.id: wire.time_ms(v.updated_at) for v in page.videos if v.id in wanted}
        return page, await self._observer.page(page, LearnedBy.LIST)

    def depth(self, targets: Sequence[Flight]) -> int:
        """Pages down to the oldest copy, as far as this run made the videos above it."""
        above = self._flights.newest_order - min(f.order for f in targets) + 1 if targets else 0
        return math.ceil(above / PAGE_SIZE)

    def page_of(self, flight: Flight) -> int:
        """The page by creation on which it stands, unless others have made videos since."""
        return (self._flights.newest_order - flight.order) // PAGE_SIZE

    def waits(self, flight: Flight) -> bool:
        """Whether a copy that the platform does not know need not be asked for yet.

        Not every part of a platform knows a new id at once.
        """
        return flight.gone_s is not None and self._gateway.now_s() - flight.gone_s < self._settle_s

    async def by_id(self, flight: Flight) -> int | None:
        """Ask for one copy; answers when it was last changed, as far as that is told."""
        reading = await self._gateway.read(
            "status", "GET", f"/v1/videos/{flight.video_id}/in/status"
        )
        if reading.began_s < flight.commanded_s or self._flights.get(flight.video_id) is None:
            return None
        if decide.is_gone(reading.answer):
            if flight.gone_s is None:
                flight.gone_s = reading.began_s
            if reading.began_s - flight.gone_s >= self._settle_s:
                change = decide.deleted(self._observer.now_ms())
                await self._observer.apply(flight, change, reading.began_s)
            return None
        status = wire.decode(reading.answer.body, wire.VideoInStatus)
        if reading.answer.ok and status is not None and status.video_id == flight.video_id:
            sight = decide.Sight.of(status)
            await self._observer.sight(flight, sight, LearnedBy.STATUS, reading.began_s)
        state = status.upload and status.upload.upload_state if status is not None else None
        return wire.time_ms(state.updated_at) if state else None


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
