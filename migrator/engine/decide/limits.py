"""When a run stops by itself because of what its rows have come to. Pure."""

import math
from dataclasses import dataclass, field
from enum import Enum

from migrator.lifecycle import FINAL, State
from migrator.model import DecidedBy

LEAST_SAMPLE = 100
"""Rows that must have been tried before a share of failures means something: with fewer, a handful
of bad ones among the first would stop a catalogue that is well within what is tolerated."""

SMALL_CATALOGUE_SHARE = 4
"""Of a small catalogue a quarter of the rows is sample enough."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Rows as far as tolerance cares. `invalid` ones are known before anything is tried.

    `failed` rows are rejected, missing or failed for another reason; `tried` ones were looked at or
    sent, whatever became of them by now: those in flight count, so that a share never overstates.
    """

    failed: int
    tried: int
    invalid: int

    def __sub__(self, other: "Tally") -> "Tally":
        return Tally(
            max(0, self.failed - other.failed),
            max(0, self.tried - other.tried),
            max(0, self.invalid - other.invalid),
        )


def least_sample(rows: int | None) -> int:
    """Rows of a catalogue that must have been tried before a share counts; None: not all known."""
    if rows is None:
        return LEAST_SAMPLE
    return min(LEAST_SAMPLE, math.ceil(rows / SMALL_CATALOGUE_SHARE))


def too_many_failures(
    since: Tally, rows: int | None, percentage: float | None, count: int | None
) -> str | None:
    """Why the failures `since` the start, or since they were last accepted, end the run; or None.

    A share is one of the rows tried, once they are sample enough; that of unusable rows of a
    manifest is one of all its `rows`, and known before anything is sent. While further rows are
    listed nobody knows how many there are (None).
    """
    failures = since.failed + since.invalid
    if count is not None and failures > count:
        return f"{failures:,} rows have failed, and --tolerated-failure-count is {count:,}"
    if percentage is None:
        return None
    if rows is not None and since.invalid * 100 > percentage * rows:
        return (
            f"{since.invalid:,} of {rows:,} rows are invalid, and --tolerated-failure-percentage "
            f"is {percentage:g}"
        )
    if since.tried >= least_sample(rows) and since.failed * 100 > percentage * since.tried:
        return (
            f"{since.failed:,} of {since.tried:,} rows tried have failed, and "
            f"--tolerated-failure-percentage is {percentage:g}"
        )
    return None


class News(Enum):
    """What the end of a row means for a canary."""

    NOTHING = "nothing"
    ROOM = "another row may go in its place: it never reached the platform"
    PASSED = "all are imported: the rest may go"
    BAD = "one was not imported"


@dataclass(slots=True)
class Canary:
    """The first `size` rows to be sent, which must be imported before any other is sent.

    `imported` counts those that were, `out` holds the rows that were let go and have no end yet.
    """

    size: int
    imported: int = 0
    out: set[int] = field(default_factory=set)

    @property
    def passed(self) -> bool:
        """Whether the rest may go."""
        return self.imported >= self.size

    def lets(self, row: int) -> bool:
        """Whether a row may go now; it is then one of them, as long as not all are imported."""
        if self.passed or row in self.out:
            return True
        if self.imported + len(self.out) >= self.size:
            return False
        self.out.add(row)
        return True

    def settled(self, row: int, state: State, decided_by: DecidedBy | None) -> News:
        """A row has moved to `state`."""
        if self.passed or row not in self.out or state not in FINAL:
            return News.NOTHING
        self.out.remove(row)
        if state is State.IMPORTED:
            self.imported += 1
            return News.PASSED if self.passed else News.NOTHING
        return News.BAD if decided_by is DecidedBy.PLATFORM else News.ROOM
