"""Hours in milliseconds: an event loop whose clock jumps to the next timer when all is quiet."""

import types

import asyncio_throttle.throttler
from simulation.loop import VirtualLoop


def on_virtual_time(monkeypatch, play):
    """Run the coroutine function `play` with the loop's clock; asyncio-throttle reads it too."""
    loop = VirtualLoop()
    monkeypatch.setattr(
        asyncio_throttle.throttler, "time", types.SimpleNamespace(monotonic=loop.time)
    )
    try:
        return loop.run_until_complete(play(loop.time))
    finally:
        loop.close()
