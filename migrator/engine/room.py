"""Room in flight: how many copies may run at once, and how many bytes of them. Pure.

A row that does not fit waits, and smaller ones behind it may go meanwhile: the platform shall not
stand idle for it. What goes past a row is bounded, so that it waits for at most as much again as
may be in flight at once, and then nothing more goes before it does.
"""

from dataclasses import dataclass

MOST_PASSED = 1000
"""Rows that may go past one that waits: small ones by the million would hold it up for hours."""


@dataclass(slots=True, eq=False)
class Wish:
    """A row that wants room: its weight in bytes, and what went past it while it waited."""

    weight: int
    passed: int = 0
    passed_bytes: int = 0


class Room:
    """Places, and bytes where `limit_bytes` bounds them.

    A row that is larger than the bound goes when nothing else is in flight. One of unknown size
    counts as the whole bound.
    """

    def __init__(self, limit: int, limit_bytes: int | None = None) -> None:
        self.limit = limit
        self.limit_bytes = limit_bytes
        self.taken = 0
        self.taken_bytes = 0
        self._waiting: list[Wish] = []

    def weight(self, size_bytes: int | None) -> int:
        """What a row of this size, or of an unknown one, counts as."""
        return (self.limit_bytes or 0) if size_bytes is None else size_bytes

    @property
    def is_full(self) -> bool:
        """Whether no place is left, whatever the size."""
        return self.taken >= self.limit

    @property
    def is_crowded(self) -> bool:
        """Whether the row that waits longest does so for bytes and not for a place."""
        return not self.is_full and bool(self._waiting) and not self._fits(self._waiting[0].weight)

    def wish(self, size_bytes: int | None) -> Wish:
        """A row wants room, and stands in the queue until it `enters` or `leaves`."""
        wish = Wish(self.weight(size_bytes))
        self._waiting.append(wish)
        return wish

    def enters(self, wish: Wish) -> bool:
        """Take the room for a row that waits, if it may go now."""
        if self.is_full or not self._fits(wish.weight):
            return False
        before = self._waiting[: self._waiting.index(wish)] if self.limit_bytes is not None else ()
        if any(self._fits(each.weight) or not self._lets_past(each, wish) for each in before):
            return False
        for each in before:
            each.passed += 1
            each.passed_bytes += wish.weight
        self.leaves(wish)
        self.take(wish.weight)
        return True

    def leaves(self, wish: Wish) -> None:
        """A row does not wait any more."""
        self._waiting.remove(wish)

    def take(self, weight: int, places: int = 1) -> None:
        """Something is in flight, whether there is room or not; of 0 places it may be."""
        self.taken += places
        self.taken_bytes += weight

    def give_back(self, weight: int, places: int = 1) -> None:
        """It is not, any more."""
        self.taken -= places
        self.taken_bytes -= weight

    def _fits(self, weight: int) -> bool:
        if self.limit_bytes is None or not self.taken_bytes:
            return True
        return self.taken_bytes + weight <= self.limit_bytes

    def _lets_past(self, waiting: Wish, wish: Wish) -> bool:
        assert self.limit_bytes is not None
        few = waiting.passed < MOST_PASSED
        return few and waiting.passed_bytes + wish.weight <= self.limit_bytes
