"""All that watches a run: the log, the metrics, the display; begun and ended in one place."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from migrator.cli.display import showing
from migrator.cli.logs import configure_logs
from migrator.engine.meter import Meter, Unmetered
from migrator.engine.snapshot import Snapshot
from migrator.settings import DisplaySettings


@dataclass(frozen=True, slots=True)
class Observers:
    """Who watches: `meter` for the engine's durations, `showing` for its snapshots."""

    display: DisplaySettings
    meter: Meter
    measure: Callable[[Snapshot], None] | None = None

    @contextmanager
    def showing(self) -> Iterator[Callable[[Snapshot], None]]:
        """While the block runs, what it is given shows snapshots to whoever watches."""
        with showing(self.display) as show:
            measure = self.measure
            if measure is None:
                yield show
                return

            def both(snapshot: Snapshot) -> None:
                measure(snapshot)
                show(snapshot)

            yield both


@contextmanager
def observing(display: DisplaySettings) -> Iterator[Observers]:
    """Begin the log, and the metrics where they are asked for, which end with the block.

    Raises UsageError for a log file or an address that cannot be used.
    """
    configure_logs(display)
    if display.metrics_addr is None:
        yield Observers(display, Unmetered())
        return
    from migrator.cli.metrics import serving

    with serving(display.metrics_addr) as metrics:
        yield Observers(display, metrics, metrics.show)
