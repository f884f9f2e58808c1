"""What webhooks have told of and nobody has looked at yet, and which page shows most of it. No I/O.

A page of the list confirms a hundred hints at once, if so many stand on it. Two orders are tried.
By the latest change, what was told just now stands on the first page, unless copies under way
change all the time, or deliveries come late: how often it held is learned. By creation, it is known
on which page each copy stands; a page fills up as its copies end. So hints wait, for a bounded
time.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Collection
from dataclasses import dataclass

from migrator.engine.flights import Flight, Flights
from migrator.engine.sweep import PAGE_SIZE
from migrator.lifecycle import State

MOST_EARLY = 20_000
"""Hints kept of videos that are not in flight: those of a POST whose answer is still to come, and
those of other programs of the team. The oldest are dropped; lists find what they told of."""

GATHERED = 85
"""Hints that are worth a page of 100 by the latest change: others end while it is read."""

FILLED, SIZES = 96, range(96, PAGE_SIZE + 1)
"""Hints that are worth a page by creation, and its sizes: by another size a page has other edges,
so that it need not cover what was confirmed before.
"""

PATIENCE_S, PATIENCE_COPIES = (30.0, 300.0), 5
"""Shortest and longest time that a hint waits for others on its page: as long as five copies take,
by when nearly all that were begun with it have ended. Then it is looked at, whatever that costs.
"""

FULL_SHARE = 0.05
"""Share of the copies in flight that may be hints while no room is left: they take it."""

HOPEFUL, NEWEST_SHARE, REGAINED = 0.75, 0.3, 0.002
"""The first page by the latest change is tried while it has shown this share of what was hoped for;
the weight of the newest such page in that; and how much hope comes back with each page by creation.
New videos stand there too, so that it shows half of what is hoped for while many are made.
"""


NEWEST_COPY = 0.02
"""Weight of the newest copy in how long they take."""


@dataclass(slots=True)
class Hint:
    """A copy that has ended, by what was told. Times are of the engine's clock.

    `looks` counts the looks that did not show it so. `is_fresh`: no page by the latest change has
    failed to show it. `gone`: the video was deleted.
    """

    told_s: float
    gone: bool = False
    looks: int = 0
    is_fresh: bool = True


Told = dict[str, tuple[Hint, Flight]]
"""Hints about copies in flight, by the ids of their videos."""


class Hints:
    """All hints that wait. `came` is set with each; `copy_s` is how long copies take on average."""

    def __init__(self) -> None:
        self.came = asyncio.Event()
        self.copy_s = 0.0
        self._waiting: OrderedDict[str, Hint] = OrderedDict()

    def add(self, video_id: str, now_s: float, *, gone: bool) -> None:
        """A delivery says that this video has ended."""
        if len(self._waiting) >= MOST_EARLY and video_id not in self._waiting:
            self._waiting.popitem(last=False)
        self._waiting[video_id] = Hint(now_s, gone)
        self.came.set()

    def drop(self, video_id: str) -> None:
        """It was looked at, or need not be."""
        self._waiting.pop(video_id, None)

    def of(self, flights: Flights) -> Told:
        """The hints about copies in flight. Those of copies whose failure is known are dropped."""
        found: Told = {}
        for video_id, hint in list(self._waiting.items()):
            flight = flights.get(video_id)
            if flight is None:
                continue
            if flight.state is State.RESTARTING:
                self.drop(video_id)
                continue
            if not flight.told:
                flight.told = True
                if flight.submitted_s is not None:
                    took_s = max(0.0, hint.told_s - flight.submitted_s)
                    self.copy_s += (took_s - self.copy_s) * (NEWEST_COPY if self.copy_s else 1)
            found[video_id] = (hint, flight)
        return found


@dataclass(frozen=True, slots=True)
class Look:
    """A page of `size` videos to look at, by the latest change (`recent`) or by creation.

    `page` None: at `video_id` by itself.
    """

    page: int | None
    size: int = PAGE_SIZE
    recent: bool = False
    video_id: str = ""


class Chooser:
    """Chooses the look that confirms most, once it pays. Pure; moments come in.

    `shift` is how many videos of others stand above ours in the list by creation, `hope` the share
    of what was hoped for that pages by the latest change have shown.
    """

    def __init__(self) -> None:
        self.hope = 0.5
        self.shift = 0
        self._to_send = True

    def choose(
        self, told: Told, flights: Flights, copy_s: float, now_s: float, *, to_send: bool
    ) -> Look | None:
        """What to look at now; None: wait.

        `to_send` says whether rows may still be sent: where none may and all copies in flight have
        ended, there is nothing to wait for. Where no place in flight is left, hints hold up others.
        """
        if not told:
            return None
        gone = next((video_id for video_id, (hint, _) in told.items() if hint.gone), None)
        if gone is not None:  # no list shows it
            return Look(None, video_id=gone)
        if to_send != self._to_send:  # no new videos stand before those that ended, or do so again
            self._to_send, self.hope = to_send, 1.0
        fresh = min(PAGE_SIZE, sum(hint.is_fresh for hint, _ in told.values()))
        if self.hope >= HOPEFUL and fresh >= GATHERED:
            return Look(0, recent=True)
        places = [self._place(flight, flights) for _, flight in told.values()]
        most, look = _best(places)
        if most >= FILLED:
            return look
        if not to_send and most >= self._under(look, flights):  # nothing will be added to it
            return look
        oldest_id, (oldest, flight) = min(told.items(), key=lambda item: item[1][0].told_s)
        room = flights.room
        is_full = room.is_full or room.is_crowded
        held_up = is_full and len(told) >= len(flights) * FULL_SHARE
        if now_s - oldest.told_s >= patience_s(copy_s):
            most, look = _best(places, self._place(flight, flights))
        elif not held_up and (to_send or len(told) < len(flights)):
            return None
        if oldest.is_fresh and self.hope * fresh > most:
            return Look(0, recent=True)
        return look if most > 1 else Look(None, video_id=oldest_id)

    def _place(self, flight: Flight, flights: Flights) -> int:
        """The index of its video in the list by creation, newest first."""
        return max(0, flights.newest_order - flight.order + self.shift)

    def _under(self, look: Look, flights: Flights) -> int:
        """How many copies are under way of those on a page, ended or not."""
        return sum(
            self._place(each, flights) // look.size == look.page
            for each in flights
            if each.state is not State.RESTARTING
        )

    def showed(self, look: Look, hoped: int, found: int) -> None:
        """What a page has shown, of so many hints that it might have."""
        if look.recent:
            share = found / max(1, min(hoped, PAGE_SIZE))
            self.hope += (share - self.hope) * NEWEST_SHARE
        else:
            self.hope = min(1.0, self.hope + REGAINED)

    def stood(self, first: int, orders: Collection[tuple[int, int]], newest_order: int) -> None:
        """Where ours stood on a page by creation: (index on the page, order) of each."""
        if orders:
            shifts = sorted(first + index - (newest_order - order) for index, order in orders)
            self.shift = max(0, shifts[len(shifts) // 2])


def patience_s(copy_s: float) -> float:
    """How long a hint waits for others."""
    shortest_s, longest_s = PATIENCE_S
    return max(shortest_s, min(PATIENCE_COPIES * copy_s, longest_s))


def _best(places: Collection[int], on_it: int | None = None) -> tuple[int, Look]:
    """The page by creation with most of these places, and how many; one with `on_it`, if given."""
    best = (0, PAGE_SIZE, 0)
    for size in reversed(SIZES):
        counts = Counter(place // size for place in places)
        if on_it is None:
            page, most = counts.most_common(1)[0]
        else:
            page = on_it // size
            most = counts[page]
        if most > best[0]:
            best = (most, size, page)
    most, size, page = best
    return most, Look(page, size)
