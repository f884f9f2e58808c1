"""Copies that run on the platform now: the bounded set that `follow` looks after."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from migrator.checkpoint.change import Transfer
from migrator.engine.decide import Sight
from migrator.engine.stop import Stop, Stopping
from migrator.lifecycle import State


@dataclass(slots=True)
class Flight:
    """One copy in flight. Times ending in `_s` are of the engine's clock.

    `created_ms` is the platform's createdAt, or the platform's clock about then.
    `commanded_s` is when the last command (POST, restart) was answered: what was read in a request
    that began earlier says nothing. `moved_s` is when progress was last seen, `seen_s` when a look
    last showed anything of it. `order` grows with each video of this run (newer videos stand before
    it in the platform's list). `gone_s` is since when the platform does not know its id. `changing`
    is True while a change is being written.
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
    restarts_not_sent: int = 0
    last: Sight | None = None
    gone_s: float | None = None
    changing: bool = False


class Flights:
    """All copies in flight, and the places that are taken or promised."""

    def __init__(self, limit: int, stop: Stop) -> None:
        self._limit = limit
        self._by_video: dict[str, Flight] = {}
        self._promised = 0
        self._order = 0
        self._room = asyncio.Event()
        self._stop = stop
        stop.listen(self._room.set)

    def __len__(self) -> int:
        return len(self._by_video)

    def __iter__(self) -> Iterator[Flight]:
        return iter(list(self._by_video.values()))

    def get(self, video_id: str) -> Flight | None:
        """The flight of a video, if it is one of ours and still open."""
        return self._by_video.get(video_id)

    async def promise(self) -> None:
        """Wait for a place for one more copy, and take it. Raises Stopping."""
        while len(self._by_video) + self._promised >= self._limit:
            self._room.clear()
            if self._stop.requested:
                raise Stopping
            await self._room.wait()
        self._promised += 1

    def withdraw(self) -> None:
        """Give a promised place back."""
        self._promised -= 1
        self._room.set()

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
        return flight

    def remove(self, flight: Flight) -> None:
        """A copy ended."""
        del self._by_video[flight.video_id]
        self._room.set()

    @property
    def newest_order(self) -> int:
        """The order of the latest copy of this run."""
        return self._order
