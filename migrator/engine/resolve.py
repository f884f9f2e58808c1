"""Settling unknown outcomes by looking, never by sending again.

A row is `unresolved` when its POST may have made a video and nobody heard of it. One sweep of the
team's list answers for all such rows: a video that carries the row's tag is taken over; when two
complete sweeps in a row do not show one, the first begun some time after the failure, the row is
presumed absent and may be sent again. What cannot be settled stays open, and is said.
"""

import asyncio
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import cycle

from migrator.checkpoint.change import Change, Transfer
from migrator.checkpoint.store import Checkpoint
from migrator.engine import decide
from migrator.engine.book import Book
from migrator.engine.feed import Feed
from migrator.engine.flights import Flights
from migrator.engine.gateway import Gateway
from migrator.engine.lag import ListLag
from migrator.engine.observe import Observer
from migrator.engine.request import Requests
from migrator.engine.sweep import (
    HORIZON_SLACK_MS,
    OTHER_PAGE_SIZE,
    PAGE_SIZE,
    ListReader,
    Page,
    sweep,
)
from migrator.engine.swept import SweptWindow, Untagged
from migrator.lifecycle import State
from migrator.log import ROW_CONTESTED, SWEEP_ENDED, tell
from migrator.model import LearnedBy
from migrator.pixop import wire

PASSES = 5
"""How often one sweep reads the list again before it is called incomplete."""

BETWEEN_SWEEPS_S = 2.0
"""Pause before further rows are looked for: one pair of sweeps settles all that came meanwhile."""

SHARE = 0.05
"""Share of the quota that sweeps may use while submitters wait for their turn."""

INCOMPLETE_TO_LEAVE_OPEN = 5
"""Incomplete sweeps in a row after which a row stays unresolved until the next run."""

LOOKS_AT_UNTOLD = 5
"""How often a video that does not yet tell its description or file is looked at again."""


@dataclass(slots=True)
class _Open:
    """An unresolved row: since when (engine's clock), and how many complete sweeps in a row.

    `untold` counts those that showed a video of which it could not yet be told whose it is.
    `alike` are untagged masters that any sweep since has shown: one that a moving list hides from
    the last of them is there all the same.
    `removed` is a video of the row that is proven gone: a list that shows it lags.
    """

    transfer: Transfer
    since_s: float
    complete: int = 0
    incomplete: int = 0
    untold: int = 0
    alike: dict[str, Untagged] = field(default_factory=dict)
    removed: str | None = None


class Resolver:
    """Looks after unresolved rows until it is cancelled."""

    def __init__(
        self,
        book: Book,
        gateway: Gateway,
        reader: ListReader,
        observer: Observer,
        flights: Flights,
        feed: Feed,
        requests: Requests,
        *,
        batch: str,
        tagging: bool,
        settle_s: float,
    ) -> None:
        self.left_open = 0
        self.lag = ListLag()
        self._book = book
        self._gateway = gateway
        self._reader = reader
        self._observer = observer
        self._flights = flights
        self._feed = feed
        self._requests = requests
        self._batch = batch
        self._tagging = tagging
        self._settle_s = settle_s
        self._page_sizes = cycle((PAGE_SIZE, OTHER_PAGE_SIZE))
        self._open: dict[int, _Open] = {}
        self._added = asyncio.Event()

    def add(self, transfer: Transfer, removed: str | None = None) -> None:
        """A row has become unresolved now; `intent_date_s` is set on it.

        `removed` is its old video, which is gone.
        """
        self._open[transfer.row] = _Open(transfer, self._gateway.now_s(), removed=removed)
        self._flights.doubt(transfer)
        self._added.set()

    @property
    def open(self) -> int:
        """Rows that are being looked for."""
        return len(self._open)

    async def run(self) -> None:
        """Sweep whenever there is something to settle, for ever. Raises Stopping."""
        while True:
            while not self._open:
                self._added.clear()
                await self._added.wait()
            due_s = min(entry.since_s for entry in self._open.values()) + self._patience_s
            wait_s = due_s - self._gateway.now_s()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            pages = await self._sweep()
            if self._open:
                pages += await self._sweep()
            await self._gateway.rest(BETWEEN_SWEEPS_S, pages, SHARE)

    @property
    def _patience_s(self) -> float:
        """Seconds after a failure until the list can be trusted: it may be seen to lag."""
        return self._settle_s + self.lag.lag_s

    async def _sweep(self) -> int:
        """Read the list once for all that is open; answers the pages that it took."""
        pages = 0
        entries = list(self._open.values())
        dates_s = [entry.transfer.intent_date_s for entry in entries]
        horizon_ms = (
            None
            if None in dates_s
            else min(date_s for date_s in dates_s if date_s is not None) * 1000
            - HORIZON_SLACK_MS
            - self._observer.created_behind_ms
        )
        behind_ms = self._observer.created_behind_ms
        objects = frozenset(e.transfer.object_id or b"" for e in entries)
        names = frozenset(self._requests.wanted(e.transfer).file_name for e in entries)
        window = SweptWindow(objects, names)

        async def keep(page: Page, videos: tuple[wire.Video, ...]) -> int:
            nonlocal pages
            pages += 1
            await self._observer.page(page, LearnedBy.SWEEP)
            for video in videos:
                window.take(video, self._batch, tagging=self._tagging)
            return len(window.ids)

        async def forget() -> None:
            nonlocal window
            window = SweptWindow(objects, names)

        page_size = next(self._page_sizes)
        swept = await sweep(self._reader, horizon_ms, keep, forget, PASSES, page_size)
        reached = self._observer.created_behind_ms <= max(behind_ms, HORIZON_SLACK_MS)
        complete = swept.complete and (
            not reached or await self._shows_what_is_there(window.ids, horizon_ms, swept.began_s)
        )
        tell(
            SWEEP_ENDED,
            rows=len(entries),
            videos=len(window.ids),
            result=("complete" if reached else "too short") if complete else "incomplete",
        )
        for entry in entries:
            counts = entry.since_s + self._patience_s <= swept.began_s
            # Where createdAt proves to lie far behind, the window was too short: look again.
            # Nor does a list count that shows what is gone: it may hide what is there.
            lags = entry.removed in window.carriers.get(entry.transfer.object_id or b"", {})
            proves = counts and complete and reached and not lags
            entry.complete = entry.complete + 1 if proves else 0
            if counts:
                entry.incomplete = 0 if complete and not lags else entry.incomplete + 1
            await self._settle(entry, window)
        return pages

    async def _shows_what_is_there(
        self, shown: AbstractSet[str], horizon_ms: int | None, began_s: float
    ) -> bool:
        """Learn how far the list lags, by what a sweep of it does not show and the platform knows.

        False where that is hidden for so long that it is no lag any more.
        """
        for told in self.lag.hidden(shown, horizon_ms, began_s):
            path = f"/v1/videos/{told.video_id}/in/status"
            reading = await self._gateway.read("status", "GET", path)
            if not decide.is_gone(reading.answer):
                return self.lag.proven(told, began_s)
            self.lag.forget(told.video_id)
        return True

    async def _settle(self, entry: _Open, window: SweptWindow) -> None:
        transfer = entry.transfer
        assert transfer.object_id is not None
        shown = window.carriers.get(transfer.object_id, {})
        carriers = {key: one for key, one in shown.items() if key != entry.removed}
        masters = window.masters_of(self._requests.wanted(transfer).file_name)
        hidden = {key: one for key, one in entry.alike.items() if key not in window.ids}
        entry.alike = hidden | {master.video_id: master for master in masters}
        if carriers:
            change: Change | None = None

            def unless_another_row_s(checkpoint: Checkpoint) -> Change | None:
                nonlocal change
                own = [s for s in carriers.values() if checkpoint.row_of_video(s.video_id) is None]
                change = decide.found(own, adopted=False) if own else None
                return change

            state = await self._book.change_by(transfer.row, State.UNRESOLVED, unless_another_row_s)
            if change is None:
                tell(ROW_CONTESTED, row=transfer.row)
                self._leave_open(transfer)
                return
            self._flights.add(
                transfer,
                change.facts["video_id"] or "",
                change.facts["video_created_ms"],
                state,
                self._gateway.now_s(),
            )
        elif entry.complete >= decide.COMPLETE_SWEEPS_TO_PRESUME:
            alike = (
                None
                if transfer.accepted
                else await self._look_alike(transfer, entry.alike.values())
            )
            if alike is not None and not (alike.described and alike.file_name):
                entry.untold += 1
                if entry.untold < LOOKS_AT_UNTOLD:
                    return
            if alike is not None and alike.file_name is None:
                self._leave_open(transfer)
                return
            now_ms = self._book.now_ms()
            settled = decide.ambiguous(alike.video_id, now_ms) if alike else decide.absent()
            await self._book.change(transfer.row, State.UNRESOLVED, settled)
            self._feed.pending_again()
        elif entry.incomplete >= INCOMPLETE_TO_LEAVE_OPEN:
            self._leave_open(transfer)
            return
        else:
            return
        self._close(transfer)

    def _leave_open(self, transfer: Transfer) -> None:
        """Not to be settled by this run; the next one looks again."""
        self._close(transfer)
        self.left_open += 1
        self._book.tallies.changed.set()

    def _close(self, transfer: Transfer) -> None:
        del self._open[transfer.row]
        self._flights.doubt_no_more(transfer.row)

    async def _look_alike(self, transfer: Transfer, masters: Iterable[Untagged]) -> Untagged | None:
        """A master without a tag that may be this row's: same file name, and not another size.

        What is not told (yet) differs from nothing: a description may be kept in another form, and
        a size may be known to neither side. What the first sweep saw stood there before any POST.
        """
        for master in masters:
            sizes = {transfer.size_bytes or None, master.size_bytes or None} - {None}
            if len(sizes) <= 1 and await self._book.run(lambda c, m=master: _is_nobody_s(c, m)):  # type: ignore[misc]
                return master
        return None


def _is_nobody_s(checkpoint: Checkpoint, master: Untagged) -> bool:
    """Whether a master is no row's, and was not there before the first POST."""
    return checkpoint.row_of_video(master.video_id) is None and not checkpoint.knows_platform_video(
        master.video_id
    )
