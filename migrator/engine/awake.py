"""The engine's clock: seconds in which the program could act.

A machine that was asleep, or a program that was stopped (SIGSTOP), has not watched an outage go by.
The quota's windows are another matter: they pass meanwhile, so pacing reads the machine's clock.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

ASLEEP_S = 150.0
"""Seconds without a look at the clock: awake, the engine looks several times a second, and no
request takes longer than the client lets it (a minute)."""

WAKING_S = 2.0
"""What a sleep counts for: long enough that a permit given before it is stale."""


@dataclass(slots=True)
class AwakeClock:
    """`machine`, a clock that only grows, without the time that passed asleep."""

    machine: Callable[[], float]
    _last_s: float = field(init=False)
    _slept_s: float = 0.0

    def __post_init__(self) -> None:
        self._last_s = self.machine()

    def __call__(self) -> float:
        """Now, in seconds."""
        now_s = self.machine()
        if now_s - self._last_s > ASLEEP_S:
            self._slept_s += now_s - self._last_s - WAKING_S
        self._last_s = now_s
        return now_s - self._slept_s
