"""What the engine reaches the world with: the platform, the source, time, chance, disk and meter.

The defaults are the real ones. A simulation on virtual time brings all of them.
"""

import random
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.writer import Journal, Writer
from migrator.engine.book import wall_ms
from migrator.engine.meter import Meter, Unmetered
from migrator.engine.pacing import Window, announced_window
from migrator.pixop.client import Api
from migrator.pixop.listener import Take, listening
from migrator.source.credentials import KeyRing
from migrator.source.s3 import SourceS3


@dataclass(frozen=True, slots=True)
class Ports:
    """One start of the program's ways to the world.

    `clock` answers seconds that only grow and goes with the event loop's timers, `wall_ms` epoch
    milliseconds for the record, `journal` a way to write to a checkpoint (its second argument adds
    to every commit), `window` a limiter for so many requests a window. `meter` is shown durations.
    `further_apis` are those of the keys of migrator.toml, by name. `listen` takes the platform's
    deliveries at a host and a port.
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
    listen: Callable[[str, int, Take], AbstractAsyncContextManager[None]] = listening
