"""Walking a prefix: every object in the order of keys, with folders listed at once.

A listing is a chain of questions, each of which begins where the answer before ended. What can be
asked at once are the folders of a prefix, and parts of a long one without folders (`chains.py`).
Their pages are handed on in order all the same, so that the last key handed on says all of where an
interrupted walk goes on. A few pages of each folder are fetched ahead, and so is the next page of
whatever is read just now.

What it costs beyond a plain listing is a question for each level that is split, and the last page
of each folder, which is seldom full. So a prefix with more folders than stand on one page (1,000)
is not split, and one with few is split further, level by level.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Protocol, Self

from migrator.source.chains import Chain, Chains, answers_to
from migrator.source.pages import ListPage

WALKS_AT_ONCE = 4
"""Walks of which the first pages are fetched while an earlier one is read."""

PAGES_AHEAD = 2
"""Pages of each of them that wait to be handed on."""

FEW, LEVELS = 16, 4
"""As long as there are fewer folders, those of the next level are looked for; so many times."""

DELIMITER = "/"


class Lister(Protocol):
    """What a walk asks: `source.s3.SourceS3`."""

    async def page(
        self, bucket: str, prefix: str, *, after: str = "", token: str = "", delimiter: str = ""
    ) -> ListPage:
        """One page of a listing behind the key `after`, or where `token` says."""
        ...


@dataclass(slots=True)
class Branch:
    """A folder to be listed behind `after`, or objects that are `known` already.

    What is `whole` is not split any more.
    """

    prefix: str
    known: ListPage | None = None
    after: str = ""
    whole: bool = False


async def walk(
    lister: Lister, bucket: str, prefix: str, after: str = ""
) -> AsyncGenerator[ListPage, None]:
    """Pages of all objects under `prefix` behind the key `after`, in order; none is empty.

    Raises what the lister raises. Close it where it is not read to its end.
    """
    parts = await branches(lister, bucket, prefix, after)
    ask = partial(lister.page, bucket)
    chains = Chains(ask, [Chain(each.prefix, each.after, each.known) for each in parts])
    async with aclosing(chains.pages()) as pages:
        async for page in pages:
            yield page


class Walks:
    """Several walks, read one after the other; the next few run ahead meanwhile.

    Each is (bucket, prefix, the key behind which it begins). Use as an async context manager.
    """

    def __init__(self, lister: Lister, begins: Iterable[tuple[str, str, str]]) -> None:
        self._waiting = deque(walk(lister, *begin) for begin in begins)
        self._running: deque[_Ahead] = deque()
        self._read: list[_Ahead] = []

    async def __aenter__(self) -> Self:
        self._begin()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        walks = (*self._read, *self._running)
        for each in walks:  # before the first wait, in which this may be cancelled itself
            each.cancel()
        for each in walks:
            await each.close()

    def next(self) -> AsyncIterator[ListPage]:
        """The pages of the next walk."""
        self._begin()
        self._read.append(self._running.popleft())
        return self._read[-1]

    def _begin(self) -> None:
        while self._waiting and len(self._running) < WALKS_AT_ONCE:
            self._running.append(_Ahead(self._waiting.popleft()))


class _Ahead:
    """A walk of which the first pages are fetched before anybody asks for them."""

    def __init__(self, pages: AsyncGenerator[ListPage, None]) -> None:
        self._pages = pages
        self._queue, self._task = _begin(pages)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ListPage:
        page = await self._queue.get()
        if page is None:
            raise StopAsyncIteration
        if isinstance(page, Exception):
            raise page
        return page

    def cancel(self) -> None:
        self._task.cancel()

    async def close(self) -> None:
        await asyncio.gather(self._task, return_exceptions=True)
        await self._pages.aclose()


def _begin(
    pages: AsyncGenerator[ListPage, None],
) -> tuple[asyncio.Queue[ListPage | Exception | None], asyncio.Task[None]]:
    queue: asyncio.Queue[ListPage | Exception | None] = asyncio.Queue(PAGES_AHEAD)

    async def fetch() -> None:
        try:
            async with aclosing(pages):
                async for page in pages:
                    await queue.put(page)
        except Exception as error:  # noqa: BLE001 - raised where the pages are read
            await queue.put(error)
        else:
            await queue.put(None)

    return queue, asyncio.ensure_future(fetch())


async def branches(
    lister: Lister, bucket: str, prefix: str, after: str = "", few: int = FEW
) -> list[Branch]:
    """What is left of a prefix behind `after`, split where it has folders; in order.

    As long as there are fewer than `few`, those of the next level are looked for.
    """
    found = [Branch(prefix, after=after)]
    for _ in range(LEVELS):
        open_ones = [each for each in found if each.known is None and not each.whole]
        if not open_ones or len(found) >= few:
            break
        levels = await answers_to(
            lister.page(bucket, each.prefix, delimiter=DELIMITER) for each in open_ones
        )
        split = dict(zip(map(id, open_ones), levels, strict=True))
        found = [
            part
            for each in found
            for part in (_split(each, split[id(each)]) if id(each) in split else [each])
        ]
    return found


def _split(branch: Branch, level: ListPage) -> list[Branch]:
    """A branch as its objects and folders, where all of them stand on one page."""
    if level.next_token is not None:
        rest = Branch(branch.prefix, after=branch.after, whole=True)
        if level.folders or branch.after or not level.keys:
            return [rest]
        rest.after = level.keys[-1]
        return [Branch(branch.prefix, level), rest]
    return list(_parts(branch, level))


def _parts(branch: Branch, level: ListPage) -> Iterator[Branch]:
    after = branch.after
    in_order = level.where(sorted(range(len(level.keys)), key=level.keys.__getitem__))
    begin = after
    for folder in sorted(level.folders):
        objects = in_order.between(begin, folder)
        if objects.keys:
            yield Branch(branch.prefix, objects)
        begin = max(after, folder)
        if after.startswith(folder):
            yield Branch(folder, after=after)
        elif folder > after:
            yield Branch(folder)
    objects = in_order.between(begin, None)
    if objects.keys:
        yield Branch(branch.prefix, objects)
