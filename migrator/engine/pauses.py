"""How long following rests between two rounds. Pure: seconds and counts in, seconds out.

A round costs a page at least, and reads again what changed just before the one before it. While
copies are begun, the pause doubles until a call settles enough of them.

Once none is begun any more, fewer end from round to round, and no pause makes a page worth its
call. Pauses grow all the same, so that the last copies cost few calls: slowly, and not far beyond
what pauses have been on average, since nobody's outcome is to come much later than the others'. The
very last are looked for the more rarely the longer they take.
"""

import math

INTERVAL_S = (1.0, 30.0)
"""Shortest and longest pause between rounds."""

SLOW_COPIES_S, SLOW_SHARE = 180.0, 0.1
"""Longest pause where copies take long: so much of their time, and never more seconds than that."""

PRODUCTIVE = 40
"""Copies that a call must settle while others are begun: each stands on two pages, and the readings
overlap."""

LONGER_PAUSE = 2.0
"""How many times as long the pause is after a round that settled fewer."""

QUIET_PAUSE, BEYOND_USUAL = 1.25, 1.85
"""The same after each round once no copy is begun, and how many times the mean pause it may be: 99
of 100 outcomes come within two pauses of the usual length then, however the copies end."""

LAST_SHARE = 0.01
"""Share of all copies of a run that are its last ones: the mean pause does not bound theirs."""

NEWEST_SHARE = 0.02
"""Weight of the newest pause in the mean, which forgets after some fifty."""

FALLBACK_S = (60.0, 300.0)
"""Shortest and longest pause where webhooks tell of the ends: rounds look for what never came."""


class Pauses:
    """The pauses of one follower. `next_s` is how long the next one is to be at least."""

    def __init__(self) -> None:
        self.next_s = INTERVAL_S[0]
        self._mean_s = 0.0
        self._rests = 0

    def rested(self, seconds: float) -> None:
        """A pause was made; others who wait for the quota may have made it longer."""
        self._rests += 1
        self._mean_s += (seconds - self._mean_s) * max(NEWEST_SHARE, 1 / self._rests)

    def begin_anew(self) -> None:
        """Nothing is in flight: the first copies to come may be short."""
        self.next_s = INTERVAL_S[0]

    def by_lists(
        self, calls: int, settled: int, longest_s: float, *, quiet: bool, last: bool = False
    ) -> None:
        """A round made so many calls and settled so many copies.

        `quiet`: none was begun since the one before. `last`: only the last ones are in flight.
        """
        if quiet:
            wanted_s = quiet_pause_s(self.next_s, math.inf if last else self._mean_s)
        else:
            wanted_s = busy_pause_s(self.next_s, calls, settled)
        self.next_s = max(INTERVAL_S[0], min(wanted_s, longest_s))

    def by_webhooks(self, longest_s: float) -> None:
        """Webhooks tell of the ends: a round looks for what they have left out."""
        shortest_s, usual_s = FALLBACK_S
        wanted_s = max(shortest_s, min(self.next_s * LONGER_PAUSE, usual_s))
        self.next_s = min(wanted_s, longest_s)


def longest_pause_s(copies_s: float) -> float:
    """The longest pause by lists, where copies take `copies_s`, or have taken so long already."""
    return max(INTERVAL_S[1], min(copies_s * SLOW_SHARE, SLOW_COPIES_S))


def busy_pause_s(pause_s: float, calls: int, settled: int) -> float:
    """The pause after this one while copies are begun: longer where a round was not worth it."""
    return pause_s if settled >= PRODUCTIVE * calls else pause_s * LONGER_PAUSE


def are_last(left: int, begun: int) -> bool:
    """Whether what is left in flight, of all copies that were begun, are the last ones."""
    return left < begun * LAST_SHARE


def quiet_pause_s(pause_s: float, mean_s: float) -> float:
    """The pause after this one once no copy is begun, where pauses took `mean_s` on average."""
    return max(pause_s, min(pause_s * QUIET_PAUSE, mean_s * BEYOND_USUAL))
