"""SIGINT, SIGTERM and SIGHUP, from the first import of a verb to the exit code.

One handler for the whole life of the process, so that there is no moment in which a signal ends it
some other way: while a run submits it asks for a graceful stop, elsewhere it raises
KeyboardInterrupt, and a second signal aborts wherever it comes.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from migrator.errors import ExitCode

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """What a signal does here now. `requested` once one has come.

    `farewell` is written to stderr before an abort: what takes a live display away.
    """

    def __init__(self) -> None:
        self.requested = False
        self.farewell = b""
        self._gracefully: Callable[[], object] | None = None

    def watch(self) -> None:
        """Take the signals over, but for those that whoever started us chose to ignore (nohup)."""
        for number in STOPPING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)

    def unwatch(self) -> None:
        """The exit code is known and all is written: a signal would only change the code."""
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)

    @contextmanager
    def graceful(self, stop: Callable[[], object]) -> Iterator[None]:
        """While the block runs, call `stop` for the first signal in the place of an exception."""
        self._gracefully = stop
        try:
            yield
        finally:
            self._gracefully = None

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.requested:
            # Not an exit handler more: the checkpoint is as safe as after a kill.
            said = b"\nmigrator: aborted; the next run looks what became of open requests\n"
            os.write(2, self.farewell + said)
            os._exit(ExitCode.INTERRUPTED)
        self.requested = True
        if self._gracefully is None:
            raise KeyboardInterrupt
        self._gracefully()


INTERRUPTS = Interrupts()
"""The signals of this process: there is one set of them."""
