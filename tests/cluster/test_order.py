"""Work done by others, handed on in the order of the work."""

import asyncio
from contextlib import aclosing

import pytest

from migrator.cluster import order
from migrator.cluster.order import in_order


class Others:
    """Does work when it is told to; keeps how much was under way at most."""

    def __init__(self):
        self.under_way = {}
        self.most = 0
        self.cancelled = set()

    async def do(self, piece):
        self.under_way[piece] = asyncio.get_running_loop().create_future()
        self.most = max(self.most, len(self.under_way))
        try:
            return await self.under_way[piece]
        except asyncio.CancelledError:
            self.cancelled.add(piece)
            raise
        finally:
            del self.under_way[piece]

    async def finish(self, *pieces):
        for piece in pieces:
            while piece not in self.under_way:
                await asyncio.sleep(0)
            self.under_way[piece].set_result(f"<{piece}>")


async def work(count, broken=None):
    for piece in range(count):
        if piece == broken:
            raise ValueError(f"no piece {piece}")
        yield piece


async def test_results_come_in_the_order_of_the_work_however_it_ends():
    others = Others()
    finishing = asyncio.ensure_future(others.finish(2, 1, 0, 5, 3, 4))
    async with aclosing(in_order(work(6), others.do, lambda: 3)) as results:
        found = [each async for each in results]
    await finishing
    assert found == [(piece, f"<{piece}>") for piece in range(6)]
    assert others.most == 3


async def test_room_that_grows_is_used():
    others, room = Others(), 1
    results = in_order(work(9), others.do, lambda: room)
    finishing = asyncio.ensure_future(others.finish(*range(9)))
    assert (await anext(results))[0] == 0
    room = 4
    assert [piece async for piece, _ in results] == list(range(1, 9))
    await finishing
    assert 1 < others.most <= 4


async def test_no_more_results_wait_than_a_bound(monkeypatch):
    monkeypatch.setattr(order, "MOST_DONE", 5)
    others = Others()
    results = in_order(work(20), others.do, lambda: 3)
    reading = asyncio.ensure_future(anext(results))
    await others.finish(1, 2, 3, 4)  # piece 0 holds up all of them
    for _ in range(20):
        await asyncio.sleep(0)
    assert set(others.under_way) == {0}, "piece 5 was begun while five waited"
    await others.finish(0)
    assert await reading == (0, "<0>")
    await results.aclose()


async def test_what_breaks_is_raised_in_its_turn():
    async def do(piece):
        if piece == 1:
            raise KeyError(piece)
        return piece

    async def at_once(piece):
        return piece

    found = []

    async def read(results):
        async for piece, _ in results:
            found.append(piece)

    with pytest.raises(KeyError):
        await read(in_order(work(3), do, lambda: 3))
    assert found == [0]
    found.clear()
    with pytest.raises(ValueError, match="no piece 2"):
        await read(in_order(work(5, broken=2), at_once, lambda: 9))
    assert found == [0, 1]


async def test_what_is_under_way_is_given_up_with_the_reader():
    others = Others()
    results = in_order(work(9), others.do, lambda: 3)
    reading = asyncio.ensure_future(anext(results))
    await others.finish(0)
    await reading
    await results.aclose()
    assert others.cancelled
    assert not others.under_way
