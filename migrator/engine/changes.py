"""How far back the list by latest change must be read, and whether it can be trusted. Pure.

A list of latest changes first shows what became of all copies since the last reading, be they ever
so old: two entries an object, of its beginning and its end. By creation it has to be read back to
the oldest copy in flight each time, done or not.

What it does not show has not changed, as long as the platform keeps such a list. That is checked:
the pages must be sorted by a time that each video tells, and now and then copies that were not
shown for long are looked at otherwise. An end that a reading should have shown makes the next ones
reach further back (not every part of a platform commits in the order of its clock); where that does
not help, the list is not read so any more in this run.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from migrator.pixop import wire

SORTED_BY_MS = 1000
"""A list may be sorted by whole seconds. What is further out of order is not sorted as asked."""

SLACK_MS = (2_000, 64_000)
"""How far a reading reaches back behind the one before, at first and at most."""

CHECKED_S = (60.0, 3600.0)
"""Seconds after which a copy that was not shown is looked at otherwise, at first and at most."""

QUIET_CHECKED_S = 900.0
"""The same at most, once all rows are sent."""

CHECKED_WITHIN = 4
"""It is looked at so many times, or more, before it would be called stuck."""

CHECKED = 4
"""So few copies are all looked at. Of more the page by creation is read on which the one stands
that was not shown for longest; an end that was missed there makes it all of them."""


def changed_ms(videos: Sequence[wire.Video]) -> list[int] | None:
    """When the videos of a page were changed; None where that is not told, or not latest first."""
    known = [ms for video in videos if (ms := wire.time_ms(video.updated_at)) is not None]
    if len(known) < len(videos):
        return None
    return None if any(after > ms + SORTED_BY_MS for ms, after in pairwise(known)) else known


@dataclass(slots=True)
class Reading:
    """One reading of the list by latest change, page by page, from the first on.

    It reaches back to `reach_ms`, or is one page long where that is None, and at most `longest`
    pages, not counting what is added meanwhile. `is_over`: no further page is needed. `is_whole`:
    it has shown all down to where it was to reach. `is_sorted` False: the list is not what it was
    asked for.
    """

    reach_ms: int | None
    longest: int
    latest_ms: int = 0
    pages: int = 0
    is_over: bool = False
    is_whole: bool = True
    is_sorted: bool = True
    _total: int = 0

    def take(self, videos: Sequence[wire.Video], total: int, size: int) -> None:
        """Take in the next page, of `size` videos at most; `total` is the length of the list."""
        known = changed_ms(videos)
        if known is None:
            self.is_sorted, self.is_whole, self.is_over = False, False, True
            return
        if self.pages == 0:
            self.latest_ms, self._total = max(known, default=0), total
        self.pages += 1
        added = max(0, total - self._total)  # while it was read, and above what is still to come
        if total < self._total:  # what was not read yet has moved up past the reader
            self.is_whole = False
        has_ended = not videos or self.pages * size >= total
        if self.reach_ms is None or has_ended or known[-1] < self.reach_ms:
            self.is_whole &= self.reach_ms is not None
            self.is_over = True
        elif self.pages >= self.longest + math.ceil(added / size):
            self.is_whole, self.is_over = False, True


@dataclass(slots=True)
class Changes:
    """What is known of the list by latest change.

    `began_s` is when the last reading began (engine's clock), `latest_ms` the latest change that it
    saw (the platform's clock; None before the first). `checked_s` is when copies that were not
    shown were last looked at otherwise, `all_checked_s` when that was all of them.
    """

    stuck_after_s: float
    is_trusted: bool = True
    began_s: float = 0.0
    latest_ms: int | None = None
    slack_ms: int = SLACK_MS[0]
    checked_s: float = 0.0
    all_checked_s: float = 0.0
    check_every_s: float = field(default_factory=lambda: CHECKED_S[0])

    def reach_ms(self, commanded_ms: Iterable[int], *, everyone: bool = False) -> int | None:
        """Back to when the next reading must reach; None where there was none before.

        `commanded_ms` are the platform's clocks at commands that no reading has shown the effect
        of yet: those answered only after the last one began, and those that the list hides still.
        `everyone`: those are all copies in flight, so that the first reading need not go further.
        """
        known = [] if self.latest_ms is None else [self.latest_ms]
        if not known and not everyone:
            return None
        return min((*known, *commanded_ms)) - self.slack_ms

    def read(self, latest_ms: int, began_s: float) -> None:
        """A reading that began then has shown all, down to where the one before it began."""
        if self.latest_ms is None:
            self.checked_s = self.all_checked_s = began_s
        self.latest_ms, self.began_s = latest_ms, began_s

    def is_missed(self, ended_ms: int | None) -> bool:
        """Whether an end, changed at `ended_ms`, should have been shown by the readings so far."""
        return ended_ms is None or ended_ms < (self.latest_ms or 0) - self.slack_ms

    def check_after_s(self, now_s: float, *, quiet: bool) -> float | None:
        """Copies that were not seen for so long are due to be looked at; None: no check is due.

        While rows are sent a check finds less to do the rarer it is; once all are sent (`quiet`)
        somebody waits for the last copies.
        """
        most_s = QUIET_CHECKED_S if quiet else CHECKED_S[1]
        every_s = min(self.check_every_s, most_s, self._all_every_s)
        return every_s if now_s - self.checked_s >= every_s else None

    @property
    def _all_every_s(self) -> float:
        return min(CHECKED_S[1], self.stuck_after_s / CHECKED_WITHIN)

    def how_many(self, unseen_s: Sequence[float], now_s: float) -> int | None:
        """How many copies a check looks at, of those not seen for so many seconds, longest first.

        None: at a page of them. Nobody is left out else whose turn it is: once an hour it is that
        of all who were not seen for an hour.
        """
        if now_s - self.all_checked_s < self._all_every_s:
            return CHECKED if len(unseen_s) <= CHECKED else None
        return max(CHECKED, sum(each >= self._all_every_s for each in unseen_s))

    def checked(self, missed: int, now_s: float, *, everyone: bool) -> bool:
        """Copies were looked at otherwise, or all; `missed` ends should have been shown before.

        False where readings that reach still further back would not help.
        """
        self.checked_s = now_s
        if everyone:
            self.all_checked_s = now_s
        if not missed:
            self.check_every_s = min(2 * self.check_every_s, CHECKED_S[1])
            return True
        self.check_every_s = CHECKED_S[0]
        self.slack_ms *= 2
        return self.slack_ms <= SLACK_MS[1]
