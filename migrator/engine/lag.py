"""How far the platform's list lags behind its own answers, as far as a run gets to see it. Pure.

A list that is kept by an index, a replica or a cache shows a video only some time after the
platform has told of it. What a sweep does not show proves nothing as long as the same sweep does
not show videos either that are there for certain.
"""

from collections import OrderedDict
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

MAX_LAG_S = 120.0
"""A list that hides what is there for longer than this is not waited for: it proves no absence."""

KEPT = 10_000
"""Videos that are remembered at most, each for twice as long as a list may lag."""


@dataclass(frozen=True, slots=True)
class Told:
    """A video that the platform has told of: when (engine's clock), and made about when."""

    video_id: str
    told_s: float
    created_ms: int | None


@dataclass(slots=True)
class ListLag:
    """What the platform told of lately, and the longest that a list was seen to hide some of it."""

    lag_s: float = 0.0
    _told: OrderedDict[str, Told] = field(default_factory=OrderedDict)

    def told(self, video_id: str, created_ms: int | None, now_s: float) -> None:
        """The platform has answered with this video: from now on its list should show it."""
        self._told[video_id] = Told(video_id, now_s, created_ms)
        while len(self._told) > KEPT or self._oldest.told_s < now_s - 2 * MAX_LAG_S:
            self._told.popitem(last=False)

    @property
    def _oldest(self) -> Told:
        return next(iter(self._told.values()))

    def hidden(self, shown: AbstractSet[str], horizon_ms: int | None, began_s: float) -> list[Told]:
        """What a sweep back to `horizon_ms` that began at `began_s` hides, the longest first.

        Only what would be news: what is hidden for longer than was known.
        """
        return [
            told
            for told in self._told.values()
            if told.video_id not in shown
            and told.told_s < began_s - self.lag_s
            and (horizon_ms is None or (told.created_ms or 0) >= horizon_ms)
        ]

    def proven(self, told: Told, began_s: float) -> bool:
        """A sweep that began then hides it though it is there; True while that may be a lag."""
        hidden_s = began_s - told.told_s
        self.lag_s = max(self.lag_s, min(hidden_s, MAX_LAG_S))
        return hidden_s <= MAX_LAG_S

    def forget(self, video_id: str) -> None:
        """The video is not there any more."""
        self._told.pop(video_id, None)
