"""The garbage collector while rows are sent: asked for less, and not of what stays anyway."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLDS = (20_000, 20, 20)
"""Objects made beyond those freed until the young are looked through, and so on.

A request makes some hundred objects, of which next to none are in cycles."""


@contextmanager
def rarely_collected() -> Iterator[None]:
    """For the block, what is there at its beginning is not looked through any more.

    The modules of the program are some 300,000 objects: to look through them takes tens of
    milliseconds, in which nothing is sent.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
