"""Hours in milliseconds: an event loop whose clock jumps to the next timer when all is quiet."""

import asyncio
import types

import asyncio_throttle.throttler


class _Jump:
    """In the place of a selector: it waits by moving the clock."""

    def __init__(self, loop):
        self._loop = loop

    def select(self, timeout):
        assert timeout is not None, "everybody waits, and no timer is set"
        self._loop.now_s += max(0.0, timeout)
        return []

    def close(self):
        pass


class VirtualLoop(asyncio.BaseEventLoop):
    def __init__(self):
        super().__init__()
        self.now_s = 1000.0
        self._selector = _Jump(self)
        self._clock_resolution = 1e-9

    def time(self):
        return self.now_s

    def _process_events(self, events):
        pass

    def _write_to_self(self):
        pass


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
