"""How often a call may be repeated, and after how long. Pure: chance and time are arguments.

A platform that is not well is not helped by more calls. Each repetition waits by capped exponential
backoff with full jitter, and all of them together draw on one budget: some are free, and beyond
those they may be a tenth of the calls that were answered. When it is spent, repetitions wait for
answers to other calls; no row is lost by it. Probes are apart: the breaker's, and the single
repetition that is let through now and then, so that something learns when all is well again.
"""

from dataclasses import dataclass

FREE = 50
"""Repetitions that need no answers."""

ANSWERS_PER_REPETITION = 10
"""Answers that pay for one more: at most ten percent more calls than answers."""

BACKOFF_S = (0.5, 20.0)
"""Longest wait before the first repetition, doubled before each further one, and its cap."""


@dataclass(slots=True)
class RetryBudget:
    """What may still be repeated. One for each run."""

    answers: int = 0
    repetitions: int = 0

    @property
    def left(self) -> int:
        """Repetitions that are left now."""
        return FREE + self.answers // ANSWERS_PER_REPETITION - self.repetitions

    @property
    def is_spent(self) -> bool:
        """Whether a repetition has to wait for answers."""
        return self.left <= 0

    def answered(self) -> None:
        """A call got an answer that settles it: neither a 429 nor a failure of the platform."""
        self.answers += 1

    def repeated(self) -> None:
        """A call is made once more."""
        self.repetitions += 1


def backoff_s(times: int, jitter: float) -> float:
    """Seconds to wait before a call is repeated that was made `times` times (from 1).

    `jitter` is by chance, at least 0 and below 1: full jitter, so that callers who failed together
    do not come back together.
    """
    first_s, cap_s = BACKOFF_S
    return jitter * float(min(cap_s, first_s * 2 ** (min(times, 30) - 1)))
