"""Copies that run on the platform now: the bounded set that `follow` looks after.

What may run, since nobody knows what became of its POST, has no place here, but its bytes count.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from migrator.checkpoint.change import Transfer
from migrator.engine.decide import Sight
from migrator.engine.meter import Meter, Unmetered
from migrator.engine.room import Room
from migrator.engine.stop import Stop, Stopping
from migrator.lifecycle import State


@dataclass(slots=True)
class Flight:
    """One copy in flight. Times ending in `_s` are of the engine's clock.

    `created_ms` is the platform's createdAt, or the platform's clock about then.
    `commanded_s` is when the last command (POST, restart) was answered: what was read in a request
    that began earlier says nothing. `moved_s` is when progress was last seen, `seen_s` when a look
    last showed anything of it. `submitted_s` is set where its POST
    was answered in this run. `order` grows with each video of this run (newer videos stand before
    it in the platform's list). `gone_s` is since when the platform does not know its id. `changing`
    is True while a change is being written. `told` says that a webhook told of its end.
    `changed_ms` is the platform's clock when the last command left. `overlooked`: what was last
    shown of it, if anything, did not count, so that the list of latest changes need not show it
    again. `passed` counts the readings of that list, since the last command, that did not show it.
    """

    row: int
    object_id: bytes
    video_id: str
    state: State
    size_bytes: int | None
    restarts: int
    created_ms: int | None
    commanded_s: float
    moved_s: float
    order: int
    restart_at_s: float = 0.0
    seen_s: float = 0.0
    submitted_s: float | None = None
    restarts_not_sent: int = 0
    last: Sight | None = None
    gone_s: float | None = None
    changing: bool = False
    changed_ms: int | None = None
    overlooked: bool = True
    passed: int = 0
    told: bool = False


ENDED_KEPT = 2_000
"""Copies that ended last and are remembered: they stand on the pages that are read next."""

NEWEST_SHARE = 0.05
"""Weight of the newest copy in the mean duration of copies: it forgets after some twenty."""


class Flights:
    """All copies in flight, and the room that is taken or promised.

    `size_bytes` is what is known of their sizes, `copy_s` how long copies of this run take on
    average until their end is seen; None before the first.
    """

    def __init__(
        self, limit: int, stop: Stop, meter: Meter | None = None, limit_bytes: int | None = None
    ) -> None:
        self.room = Room(limit, limit_bytes)
        self.size_bytes = 0
        self.copy_s: float | None = None
        self._meter = meter or Unmetered()
        self._by_video: dict[str, Flight] = {}
        self._ended: OrderedDict[str, bytes] = OrderedDict()
        self._doubtful: dict[int, int] = {}
        self._order = 0
        self._changed = asyncio.Event()
        self._stop = stop
        stop.listen(self._changed.set)

    def __len__(self) -> int:
        return len(self._by_video)

    def __iter__(self) -> Iterator[Flight]:
        return iter(list(self._by_video.values()))

    def get(self, video_id: str) -> Flight | None:
        """The flight of a video, if it is one of ours and still open."""
        return self._by_video.get(video_id)

    def ended(self, video_id: str) -> bytes | None:
        """The object of the copy with this video, if it has ended lately in this run."""
        return self._ended.get(video_id)

    async def promise(self, size_bytes: int | None) -> None:
        """Wait for room for one more copy of this size, and take it. Raises Stopping."""
        wish = self.room.wish(size_bytes)
        while not self.room.enters(wish):
            self._changed.clear()
            if self._stop.requested:
                self.room.leaves(wish)
                raise Stopping
            await self._changed.wait()
        if self.room.limit_bytes is not None:
            self._changed.set()  # those behind it stood back for it

    def withdraw(self, size_bytes: int | None) -> None:
        """Give promised room back."""
        self.room.give_back(self.room.weight(size_bytes))
        self._changed.set()

    def doubt(self, transfer: Transfer) -> None:
        """A row may have a copy that runs: its bytes count until it is known whether it has."""
        weight = self._doubtful[transfer.row] = self.room.weight(transfer.size_bytes)
        self.room.take(weight, places=0)

    def doubt_no_more(self, row: int) -> None:
        """What became of a row is known, or is not found out by this run."""
        self.room.give_back(self._doubtful.pop(row), places=0)
        self._changed.set()

    def add(
        self, transfer: Transfer, video_id: str, created_ms: int | None, state: State, now_s: float
    ) -> Flight:
        """A copy runs: from now on `follow` looks after it."""
        assert transfer.object_id is not None
        self._order += 1
        flight = Flight(
            row=transfer.row,
            object_id=transfer.object_id,
            video_id=video_id,
            state=state,
            size_bytes=transfer.size_bytes,
            restarts=transfer.restarts,
            created_ms=created_ms,
            commanded_s=now_s,
            moved_s=now_s,
            order=self._order,
        )
        self._by_video[video_id] = flight
        self.size_bytes += flight.size_bytes or 0
        self.room.take(self.room.weight(flight.size_bytes))
        return flight

    def remove(self, flight: Flight, now_s: float) -> None:
        """A copy ended, in the state that it has now."""
        del self._by_video[flight.video_id]
        self._ended[flight.video_id] = flight.object_id
        if len(self._ended) > ENDED_KEPT:
            self._ended.popitem(last=False)
        self.size_bytes -= flight.size_bytes or 0
        self.room.give_back(self.room.weight(flight.size_bytes))
        self._changed.set()
        if flight.submitted_s is not None:
            took_s = max(0.0, now_s - flight.submitted_s)
            mean_s = took_s if self.copy_s is None else self.copy_s
            self.copy_s = mean_s + (took_s - mean_s) * NEWEST_SHARE
            self._meter.copy_ended(flight.state.value, took_s)

    @property
    def newest_order(self) -> int:
        """The order of the latest copy of this run."""
        return self._order
