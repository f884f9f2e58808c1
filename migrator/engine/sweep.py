"""Reading the platform's list of masters, newest first, back to a point in time.

The list is no snapshot: rows move between pages while it is read, and ties come in any order. A
sweep is *complete* when it provably saw every video that stood in its window from beginning to end:

- While the pages were read, `total_last - total_first` videos were added (they push others down,
  so some are seen twice, none is skipped). The window's last position `p` counts those added ones,
  so at least `p - (total_last - total_first)` distinct ids must have been seen.
- A deletion pulls unread videos up past the reader. Then `totalElements` falls, and the sweep does
  not count as complete; what an earlier pass saw is dropped, since it may count what is gone.
- When ties change places, one may be skipped and another seen twice: too few distinct ids, and the
  list is read again while what was seen is kept.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from migrator.engine.gateway import Gateway
from migrator.pixop import wire

PAGE_SIZE = 100
"""Videos a page: the API's largest."""

OTHER_PAGE_SIZE = 95
"""Videos a page of every second sweep: what stood at the edge of a page, where a list that moves
may hide it, stands inside a page now."""

HORIZON_SLACK_MS = 5 * 60 * 1000
"""How far behind the intent's `Date` a sweep reaches: the platform's clocks may differ."""


SORTED_BY_MS = 1000
"""A list may be sorted by whole seconds. What is further out of order is not sorted as asked."""

FRUITFUL_PASSES = 40
"""Passes at most that showed something new, and so do not count against a sweep's `passes`.

Only of a list that keeps its length: ties whose order changes between the pages need many. Where
others add videos, one that was deleted since may stand for one that no pass has shown.
"""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of masters as it was read.

    `first` is the position of its first video in the list, `total` the list's length, `began_s`
    when its request began.
    """

    first: int
    total: int
    videos: tuple[wire.Video, ...]
    began_s: float

    def first_before(self, horizon_ms: int) -> int | None:
        """The index of the first video made before the horizon, or None.

        None also where the page is not newest first, as it was asked for: what comes after an old
        video may be a new one then, so that only the end of the list ends it.
        """
        made = [wire.time_ms(video.created_at) for video in self.videos]
        known = [created_ms for created_ms in made if created_ms is not None]
        oldest = accumulate(known, min)
        if any(ms > before + SORTED_BY_MS for ms, before in zip(known, oldest, strict=True)):
            return None
        return next(
            (index for index, ms in enumerate(made) if ms is not None and ms < horizon_ms), None
        )


class ListReader:
    """Reads pages of the team's masters. `shown` of `total` is how far the latest page reached.

    Newest first; with `sort_by` "updatedAt" those first that have changed last.
    """

    def __init__(
        self,
        gateway: Gateway,
        team_id: str,
        sort_by: Literal["createdAt", "updatedAt"] = "createdAt",
    ) -> None:
        self.shown = 0
        self.total = 0
        self._gateway = gateway
        self._params = {
            "teamId": team_id,
            "clipMode": "EXCLUDE",
            "sortBy": sort_by,
            "sortDirection": "DESC",
        }

    async def page(self, number: int, size: int = PAGE_SIZE) -> Page:
        """Page `number` (from 0), newest first. Raises Stopping when the run ends."""
        reading = await self._gateway.read(
            "list",
            "GET",
            "/v1/videos",
            {**self._params, "pageSize": str(size), "pageNumber": str(number)},
            sensible=lambda answer: answer.ok and wire.decode_page(answer.body) is not None,
        )
        listed = wire.decode_page(reading.answer.body)
        assert listed is not None  # `sensible` has seen to it
        total, videos = listed
        self.shown, self.total = number * size + len(videos), total
        return Page(number * size, total, videos, reading.began_s)

    async def pages(self, size: int = PAGE_SIZE) -> AsyncIterator[Page]:
        """All pages from the newest on, until the list ends.

        A full page may have another after it, whatever `totalElements` says: a count may lag.
        """
        number = 0
        while True:
            page = await self.page(number, size)
            yield page
            number += 1
            if not page.videos or (number * size >= page.total and len(page.videos) < size):
                return


@dataclass(slots=True)
class Ledger:
    """The arithmetic of completeness over one or more passes. Pure; `distinct` comes in."""

    total_first: int | None = None
    total_last: int = 0
    fell: bool = False
    grew: bool = False
    _floor: int = 0

    def begin_pass(self) -> None:
        """Start to read from the newest page again."""
        self.total_first = None

    def take(self, total: int) -> None:
        """Take in a page's `totalElements`."""
        if total < self._floor:
            self.fell = True
        self.grew |= 0 < self._floor < total
        self._floor = max(self._floor, total)
        if self.total_first is None:
            self.total_first = total
        self.total_last = total

    def is_complete(self, positions: int, distinct: int) -> bool:
        """Whether a pass that ended at `positions` has shown its whole window.

        `distinct` counts the distinct ids seen within the window since the ledger began.
        """
        assert self.total_first is not None
        return not self.fell and distinct >= positions - (self.total_last - self.total_first)


Keep = Callable[[Page, tuple[wire.Video, ...]], Awaitable[int]]
"""Takes a page and its videos within the window; answers the distinct ids seen so far."""


@dataclass(frozen=True, slots=True)
class Swept:
    """How a sweep ended: whether it is complete, and when it began."""

    complete: bool
    began_s: float


async def sweep(
    reader: ListReader,
    horizon_ms: int | None,
    keep: Keep,
    forget: Callable[[], Awaitable[None]],
    passes: int,
    page_size: int = PAGE_SIZE,
) -> Swept:
    """Read back to `horizon_ms` (None: to the end) until complete.

    At most `passes` passes are vain; one that shows more of a list that keeps its length earns
    another, up to FRUITFUL_PASSES. `forget` is called when what was seen before no longer counts.
    Raises Stopping.
    """
    ledger = Ledger()
    began_s = 0.0  # when the first page was read of all that counts by now
    anew = True
    seen = vain = fruitful = 0
    while vain < passes and fruitful < FRUITFUL_PASSES:
        ledger.begin_pass()
        positions = distinct = 0
        async for page in reader.pages(page_size):
            if anew:
                anew, began_s = False, page.began_s
            ledger.take(page.total)
            end = None if horizon_ms is None else page.first_before(horizon_ms)
            distinct = await keep(page, page.videos[:end])
            positions = page.first + len(page.videos[:end])
            if end is not None:
                break
        else:  # the list has ended: all that `totalElements` promises must have been shown
            positions = max(positions, ledger.total_last)
        if ledger.is_complete(positions, distinct):
            return Swept(complete=True, began_s=began_s)
        if 0 < seen < distinct and not (ledger.fell or ledger.grew):
            fruitful += 1
        else:
            vain += 1
        seen = distinct
        if ledger.fell:
            ledger, anew, seen = Ledger(), True, 0
            await forget()
    return Swept(complete=False, began_s=began_s)
