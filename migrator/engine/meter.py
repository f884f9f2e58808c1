"""Who measures a run: the port that durations are shown to, one by one.

Everything that is counted stands in the snapshots; only a distribution needs each of its values.
"""

from typing import Protocol


class Meter(Protocol):
    """Takes in what took how long. Must not block, and must not raise."""

    def call_ended(self, operation: str, result: str, seconds: float) -> None:
        """A call of the platform ended; `result` is 1xx to 5xx, `lost` or `not_sent`."""
        ...

    def copy_ended(self, outcome: str, seconds: float) -> None:
        """A copy that this run submitted was seen to have ended, that long after its POST."""
        ...


class Unmetered:
    """Nobody measures."""

    def call_ended(self, operation: str, result: str, seconds: float) -> None:
        """Nothing."""

    def copy_ended(self, outcome: str, seconds: float) -> None:
        """Nothing."""
