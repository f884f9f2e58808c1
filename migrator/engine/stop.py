"""How a run is told to end: once, with a reason, and gracefully.

Nothing is cancelled when a stop is requested: no further request leaves, those in flight are
waited for and written down, and then the run ends. A cancelled POST would be an orphan.
"""

from collections.abc import Callable

from migrator.errors import MigratorError
from migrator.log import RUN_STOPPING, tell


class Stopping(Exception):
    """Raised to whoever waits for leave to send something: there will be none any more."""


class Stop:
    """The one request to stop. `error` says why, unless a person asked (`interrupted`)."""

    def __init__(self) -> None:
        self.requested = False
        self.interrupted = False
        self.error: BaseException | None = None
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` when a stop is requested: it wakes those who wait."""
        self._listeners.append(listener)

    def interrupt(self) -> None:
        """A person or the system asks to stop."""
        self.interrupted = True
        tell(RUN_STOPPING, why="a signal")
        self._request()

    def because(self, error: MigratorError | BaseException) -> None:
        """The run itself has to stop; the first reason is the one that is told."""
        if self.error is None:
            self.error = error
            tell(RUN_STOPPING, why=error)
        self._request()

    def _request(self) -> None:
        if self.requested:
            return
        self.requested = True
        for listener in self._listeners:
            listener()
