"""Reading the platform's list of masters, newest first, back to a point in time.

The list is no snapshot: rows move between pages while it is read, and ties come in any order. A
sweep is *complete* when it provably saw every video that stood in its window from beginning to end:

- A pass begins with the first page. What is not on it, and yet not older than its newest video, was
  made since. Such videos do not count: else one could stand for another that no page has shown.
- While the pages were read, `total_last - total_first` videos were added (they push others down,
  so some are seen twice, none is skipped). The window's last position `p` counts those added ones,
  so at least `p - (total_last - total_first)` of the others must have been seen.
- A deletion pulls unread videos up past the reader: fewer are seen then than stood there. Where
  `totalElements` falls the pass does not count at all, since what it has shown may be gone.
- When ties change places, one may be skipped and another seen twice: too few distinct ids, and the
  list is read again. What was seen is kept if what is new on the first page accounts for the list's
  new length; else something was deleted in between, and may be among it.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal

from migrator.engine.gateway import Gateway
from migrator.pixop import wire
from migrator.pixop.client import Answer

PAGE_SIZE = 100
"""Videos a page: the API's largest."""

OTHER_PAGE_SIZE = 95
"""Videos a page of every second sweep: what stood at the edge of a page, where a list that moves
may hide it, stands inside a page now."""

HORIZON_SLACK_MS = 5 * 60 * 1000
"""How far behind the intent's `Date` a sweep reaches: the platform's clocks may differ."""


SORTED_BY_MS = 1000
"""A list may be sorted by whole seconds. What is further out of order is not sorted as asked."""

TIES_SETTLE_S = SORTED_BY_MS / 1000 + 0.1
"""Seconds after which what is made can no longer tie with a video that was shown before."""

SETTLINGS = 3
"""How often that is waited for, where a first page shows nothing but ties."""

FRUITFUL_PASSES = 40
"""Passes at most that showed something new, and so do not count against a sweep's `passes`: ties
whose order changes between the pages need many."""


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

    @property
    def made_ms(self) -> list[int]:
        """When its videos were made, as far as they tell (epoch milliseconds)."""
        made = (wire.time_ms(video.created_at) for video in self.videos)
        return [created_ms for created_ms in made if created_ms is not None]

    @property
    def is_newest_first(self) -> bool:
        """Whether it is sorted as it was asked for."""
        made = self.made_ms
        oldest = accumulate(made, min)
        return all(ms <= before + SORTED_BY_MS for ms, before in zip(made, oldest, strict=True))

    def first_before(self, horizon_ms: int) -> int | None:
        """The index of the first video made before the horizon, or None.

        None also where the page is not newest first: what comes after an old video may be a new
        one then, so that only the end of the list ends it.
        """
        if not self.is_newest_first:
            return None
        made = (wire.time_ms(video.created_at) for video in self.videos)
        return next(
            (index for index, ms in enumerate(made) if ms is not None and ms < horizon_ms), None
        )


class ListReader:
    """Reads pages of the team's masters, or of its clips alone.

    `shown` of `total` is how far the latest page reached.
    Newest first; with `sort_by` "updatedAt" those first that have changed last.
    """

    def __init__(
        self,
        gateway: Gateway,
        team_id: str,
        sort_by: Literal["createdAt", "updatedAt"] = "createdAt",
        *,
        clips: bool = False,
    ) -> None:
        self.shown = 0
        self.total = 0
        self._gateway = gateway
        self._params = {
            "teamId": team_id,
            "clipMode": "ONLY" if clips else "EXCLUDE",
            "sortBy": sort_by,
            "sortDirection": "DESC",
        }

    async def page(self, number: int, size: int = PAGE_SIZE) -> Page:
        """Page `number` (from 0). Raises Stopping when the run ends."""
        listed = None

        def is_page(answer: Answer) -> bool:
            nonlocal listed
            listed = wire.decode_page(answer.body) if answer.ok else None
            return listed is not None

        params = {**self._params, "pageSize": str(size), "pageNumber": str(number)}
        reading = await self._gateway.read("list", "GET", "/v1/videos", params, sensible=is_page)
        assert listed is not None  # `sensible` has seen to it
        total, videos = listed
        self.shown, self.total = number * size + len(videos), total
        return Page(number * size, total, videos, reading.began_s)

    async def pages(self, size: int = PAGE_SIZE) -> AsyncGenerator[Page]:
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


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first page of a pass, by which later pages tell what was made since.

    `newest_ms` is None where the list tells no times or is not newest first: nothing is known of
    additions then. `reaches` says whether the page shows a video that cannot tie with its newest.
    """

    ids: frozenset[str]
    total: int
    newest_ms: int | None
    reaches: bool

    @classmethod
    def of(cls, page: Page) -> "Beginning":
        """What the first page of a pass says."""
        made = page.made_ms
        newest_ms = max(made) if made and page.is_newest_first else None
        reaches = (
            newest_ms is None
            or len(page.videos) >= page.total
            or min(made) < newest_ms - 2 * SORTED_BY_MS  # within each second in any order
        )
        return cls(frozenset(video.id for video in page.videos), page.total, newest_ms, reaches)

    def is_before(self, video: wire.Video) -> bool:
        """Whether a video of a later page was made before this one was read, or may have been."""
        created_ms = wire.time_ms(video.created_at)
        if self.newest_ms is None or created_ms is None or video.id in self.ids:
            return True
        return created_ms <= self.newest_ms - (SORTED_BY_MS if self.reaches else 0)

    def leads_to(self, page: Page) -> bool:
        """Whether nothing was deleted until this first page of the next pass was read."""
        added = sum(not self.is_before(video) for video in page.videos)
        return self.total + added == page.total


@dataclass(slots=True)
class Pass:
    """The arithmetic of completeness of one pass. Pure.

    `made_since` is what it has shown that was made after its first page was read.
    """

    beginning: Beginning
    fell: bool = False
    made_since: set[str] = field(default_factory=set)
    _positions: int = 0
    _total: int = 0
    _newest_first: bool = True

    def take(self, page: Page, window: tuple[wire.Video, ...]) -> None:
        """Take in a page, and its videos within the window."""
        self.fell |= page.total < self._total
        self._total = page.total
        self._newest_first &= page.is_newest_first
        self._positions = page.first + len(window)
        self.made_since.update(v.id for v in window if not self.beginning.is_before(v))

    def end_of_list(self) -> None:
        """The list has ended: all that `totalElements` promises must have been shown."""
        self._positions = max(self._positions, self._total)

    def counted(self, distinct: int) -> int:
        """How many of the distinct ids seen within the window stood there when it began."""
        return distinct - len(self.made_since) if self._newest_first else distinct

    def is_complete(self, counted: int) -> bool:
        """Whether all of its window was seen, when `counted` of it were."""
        return not self.fell and counted >= self._positions - (self._total - self.beginning.total)

    def leads_to(self, page: Page) -> bool:
        """Whether all that was seen stood there still when the next pass read its first page."""
        return not (self.fell or self.made_since) and self.beginning.leads_to(page)


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

    At most `passes` passes are vain; one that shows more than those before earns another, up to
    FRUITFUL_PASSES. `forget` is called when what was seen before no longer counts. Raises Stopping.
    """
    if horizon_ms is not None:
        horizon_ms -= horizon_ms % SORTED_BY_MS  # a window ends between seconds: no ties across it
    latest: Pass | None = None
    began_s = 0.0  # when the first page was read of all that counts by now
    seen = vain = fruitful = 0
    while vain < passes and fruitful < FRUITFUL_PASSES:
        newest_ms = latest.beginning.newest_ms if latest is not None else None
        async with aclosing(_settled_pages(reader, page_size, newest_ms)) as pages:
            first = await anext(pages)
            if latest is not None and not latest.leads_to(first):
                latest = None
                await forget()
            if latest is None:
                began_s, seen = first.began_s, 0
            latest = Pass(Beginning.of(first))
            counted = latest.counted(await _read(latest, first, pages, horizon_ms, keep))
        if latest.is_complete(counted):
            return Swept(complete=True, began_s=began_s)
        if 0 < seen < counted:
            fruitful += 1
        else:
            vain += 1
        seen = counted
    return Swept(complete=False, began_s=began_s)


async def _read(
    reading: Pass, first: Page, others: AsyncIterator[Page], horizon_ms: int | None, keep: Keep
) -> int:
    """Read a pass to the end of its window; answers the distinct ids seen by then."""
    page: Page | None = first
    distinct = 0
    while page is not None:
        end = None if horizon_ms is None else page.first_before(horizon_ms)
        window = page.videos[:end]
        reading.take(page, window)
        distinct = await keep(page, window)
        if end is not None:
            return distinct
        page = await anext(others, None)
    reading.end_of_list()
    return distinct


async def _settled_pages(
    reader: ListReader, page_size: int, newest_ms: int | None
) -> AsyncGenerator[Page]:
    """All pages, from a first one that tells what is made after it, as far as that can be had.

    `newest_ms` is when the newest video was made that an earlier first page has shown.
    """
    for settling in range(SETTLINGS + 1):
        async with aclosing(reader.pages(page_size)) as pages:
            first = await anext(pages)
            beginning = Beginning.of(first)
            settled = beginning.reaches or beginning.newest_ms == newest_ms
            if settled or settling == SETTLINGS:
                yield first
                async for page in pages:
                    yield page
                return
        newest_ms = beginning.newest_ms
        await asyncio.sleep(TIES_SETTLE_S)
