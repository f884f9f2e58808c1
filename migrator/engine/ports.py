"""What the engine reaches the world with: the platform, the source, time, chance, disk and meter.

The defaults are the real ones. A simulation on virtual time brings all of them.
"""

import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from migrator.checkpoint.change import Transfer
from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.writer import Journal, Writer
from migrator.engine.book import wall_ms
from migrator.engine.meter import Meter, Unmetered
from migrator.engine.pacing import Window, announced_window
from migrator.pixop.client import Api
from migrator.pixop.listener import Take, listening
from migrator.source.credentials import KeyRing
from migrator.source.pages import ListPage
from migrator.source.preflight import Told
from migrator.source.s3 import SourceS3
from migrator.source.walk import Lister

Batch = TypeVar("Batch", bound=Sequence[Transfer])


class Walking(Protocol):
    """Walks of several prefixes, read one after the other: `source.walk.Walks`."""

    def next(self) -> AsyncIterator[ListPage]:
        """The pages of the next walk."""
        ...


class Crew(Protocol):
    """The workers of a cluster, as far as the engine knows them: `cluster.crew.Crew`."""

    @property
    def progress(self) -> str:
        """How far they are, in a few words."""
        ...

    def walks(
        self, lister: Lister, begins: Sequence[tuple[str, str, str]]
    ) -> AbstractAsyncContextManager[Walking]:
        """Walks of prefixes by them, with the pages of a walk by this process."""
        ...

    def heads(
        self,
        batches: AsyncIterator[Batch],
        by_url: Callable[[str], bool],
        patience: Callable[[str, str, int], Awaitable[None]],
    ) -> AsyncGenerator[tuple[Batch, dict[int, Told]], None]:
        """What the source says of each row of a batch, batch by batch. Raises RunFailed."""
        ...

    async def forget(self) -> None:
        """What they have left is of no use any more, and they may go."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """One start of the program's ways to the world.

    `clock` answers seconds that only grow and goes with the event loop's timers, `wall_ms` epoch
    milliseconds for the record, `journal` a way to write to a checkpoint (its second argument adds
    to every commit), `window` a limiter for so many requests a window. `meter` is shown durations.
    `further_apis` are those of the keys of migrator.toml, by name. `listen` takes the platform's
    deliveries at a host and a port. `crew` lists and heads in the place of this process, if
    there is one.
    """

    api: Api
    source: SourceS3
    keys: KeyRing
    clock: Callable[[], float] = time.monotonic
    wall_ms: Callable[[], int] = wall_ms
    chance: random.Random = field(default_factory=random.Random)  # jitter, no secret
    journal: Callable[[Checkpoint, Callable[[Checkpoint], None]], Journal] = Writer
    window: Callable[[int], Window] = announced_window
    meter: Meter = field(default_factory=Unmetered)
    further_apis: Mapping[str, Api] = field(default_factory=dict)
    crew: Crew | None = None
    listen: Callable[[str, int, Take], AbstractAsyncContextManager[None]] = listening
