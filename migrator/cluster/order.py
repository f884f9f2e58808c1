"""Work done by others, its results in the order of the work; knows nothing of Dask."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TypeVar

W = TypeVar("W")
R = TypeVar("R")

MOST_DONE = 1_000
"""Results that may wait for an earlier one: names of parts, not what is in them."""


async def in_order(
    work: AsyncIterator[W], do: Callable[[W], Awaitable[R]], room: Callable[[], int]
) -> AsyncGenerator[tuple[W, R], None]:
    """Each piece of work with what `do` answers, in the order of `work`.

    `room` says how many may be under way just now. Raises what `work` or `do` raises, in its turn:
    all before it is handed on. Close it where it is not read to its end.
    """
    begun: deque[tuple[W, asyncio.Future[R]]] = deque()
    under_way: set[asyncio.Future[R]] = set()
    is_more, broken = True, None
    try:
        while is_more or begun:
            while is_more and len(under_way) < room() and len(begun) < MOST_DONE:
                try:
                    piece = await anext(work)
                except StopAsyncIteration:
                    is_more = False
                except Exception as error:  # noqa: BLE001 - raised in its turn
                    is_more, broken = False, error
                else:
                    task: asyncio.Future[R] = asyncio.ensure_future(do(piece))
                    begun.append((piece, task))
                    under_way.add(task)
            if begun and begun[0][1].done():
                piece, task = begun.popleft()
                yield piece, task.result()
                under_way = {each for each in under_way if not each.done()}
            elif begun:
                _, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        if broken is not None:
            raise broken
    finally:
        for _, task in begun:
            task.cancel()
        await asyncio.gather(*(task for _, task in begun), return_exceptions=True)
