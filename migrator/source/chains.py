"""Parts of a listing read at once and handed on in order; a long part without folders is split.

A listing is a chain of questions, each of which begins where the answer before ended. Yet S3 begins
behind any key it is told, be it there or not: so the keys of a long chain can be read by two, up to
a place and behind it. Nobody knows where the keys are, but a page shows what they look like: the
next number, or letter, two places before its keys begin to differ lies some tens of pages on. One
question asks for what stands behind it, and only where its answer is in order, and the chain has
not come so far itself, is the chain split there. Such a question may be in vain, so that there is
none within the first pages, and each that was in vain doubles the answers until the next.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from operator import le
from typing import Protocol, TypeVar

from migrator.source.answers import SourceUnreachable
from migrator.source.pages import ListPage

T = TypeVar("T")

AT_ONCE = 32
"""Chains that are read at once."""

PAGES_AHEAD, PAGES_IN_ALL = 2, 64
"""Pages that wait to be handed on: of each chain so many in any case, and more within those of all.
With the chains at once they bound the memory."""

PAGES_ALONE, PAGES_A_LOOK = 10, 2
"""Answers before the first look for a place to split, and from one that was of use to the next."""

_SURROGATES = range(0xD800, 0xE000)
_LAST_CHARACTER = 0x10FFFF


class Ask(Protocol):
    """A question for a page of one bucket: `source.s3.SourceS3.page`."""

    async def __call__(self, prefix: str, *, after: str = "", token: str = "") -> ListPage:
        """One page of a listing behind the key `after`, or where `token` says."""
        ...


@dataclass(slots=True, eq=False)
class Chain:
    """The keys under `prefix` behind `after`, and up to `until`; or objects `known` already.

    `first` is its first page where that was asked for already.
    """

    prefix: str
    after: str = ""
    known: ListPage | None = None
    until: str | None = None
    first: ListPage | None = None
    pages: asyncio.Queue[ListPage | Exception | None] = field(default_factory=asyncio.Queue)
    task: asyncio.Task[None] | None = None


class Chains:
    """Chains in the order of their keys."""

    def __init__(self, ask: Ask, chains: Iterable[Chain]) -> None:
        self._ask = ask
        self._chains = list(chains)
        self._answered = 0
        self._next_look, self._pause = PAGES_ALONE, PAGES_A_LOOK
        self._ahead = 0
        self._taken = asyncio.Event()

    async def pages(self) -> AsyncGenerator[ListPage, None]:
        """All pages in order; none is empty. Raises what is raised where they are asked for."""
        try:
            while self._chains:
                for chain in self._chains[:AT_ONCE]:
                    self._begin(chain)
                page = await self._chains[0].pages.get()
                if isinstance(page, Exception):
                    raise page
                if page is None:
                    self._chains.pop(0)
                    continue
                self._ahead -= 1
                self._taken.set()
                if page.keys:
                    yield page
        finally:
            tasks = [chain.task for chain in self._chains if chain.task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, chain: Chain) -> None:
        if chain.task is None:
            chain.task = asyncio.ensure_future(self._read(chain))

    async def _read(self, chain: Chain) -> None:
        try:
            await self._follow(chain)
        except Exception as error:  # noqa: BLE001 - raised where the pages are handed on
            chain.pages.put_nowait(error)
        else:
            chain.pages.put_nowait(None)

    async def _follow(self, chain: Chain) -> None:
        if chain.known is not None:
            await self._put(chain, chain.known)
            return
        page = chain.first or await self._ask(chain.prefix, after=chain.after)
        chain.first = None
        while True:
            self._answered += 1
            await self._put(chain, _up_to(page, chain.until))
            is_past = chain.until is not None and any(key > chain.until for key in page.keys[-1:])
            if page.next_token is None or is_past:
                return
            place = self._place_to_split(chain, page)
            onward = self._ask(chain.prefix, after=chain.after, token=page.next_token)
            if place is None:
                page = await onward
                continue
            page, found = await answers_to([onward, self._ask(chain.prefix, after=place)])
            is_split = self._split(chain, page, place, found)
            self._pause = PAGES_A_LOOK if is_split else 2 * self._pause

    async def _put(self, chain: Chain, page: ListPage) -> None:
        while chain.pages.qsize() >= PAGES_AHEAD and self._ahead >= PAGES_IN_ALL:
            self._taken.clear()
            await self._taken.wait()
        self._ahead += 1
        chain.pages.put_nowait(page)

    def _place_to_split(self, chain: Chain, page: ListPage) -> str | None:
        """Where to look for the rest of a chain, if that is due."""
        running = sum(each.task is not None for each in self._chains)
        if self._answered <= self._next_look or running >= AT_ONCE or not page.keys:
            return None
        place = place_beyond(page.keys[0], page.keys[-1], len(chain.prefix))
        if place is None or (chain.until is not None and place >= chain.until):
            return None
        self._next_look = self._answered + self._pause
        return place

    def _split(self, chain: Chain, following: ListPage, place: str, found: ListPage) -> bool:
        """Split a chain at `place`, if what was `found` behind it is its rest; whether it was."""
        if following.next_token is None or not following.keys or not found.keys:
            return False
        in_order = _ascend(following.keys) and _ascend(found.keys)
        ends = found.keys[0] if chain.until is None else chain.until
        if not (in_order and following.keys[-1] < place < found.keys[0] <= ends):
            return False
        rest = Chain(chain.prefix, place, until=chain.until, first=found)
        chain.until = place
        self._chains.insert(self._chains.index(chain) + 1, rest)
        self._begin(rest)
        return True


def place_beyond(first: str, last: str, beginning: int) -> str | None:
    """A place well behind a page of keys from `first` to `last`; None where there is none.

    It differs from `last` no earlier than at character `beginning`.
    """
    pairs = enumerate(zip(first, last, strict=False))
    common = next((at for at, (one, other) in pairs if one != other), min(len(first), len(last)))
    for place in (common - 2, common - 1, common):
        if beginning <= place < len(last):
            following = ord(last[place]) + 1
            if following in _SURROGATES:
                following = _SURROGATES.stop
            if following <= _LAST_CHARACTER:
                return last[:place] + chr(following)
    return None


async def answers_to(questions: Iterable[Coroutine[None, None, T]]) -> list[T]:
    """The answers to all; where one fails the others are given up before it is raised."""
    tasks = [asyncio.ensure_future(question) for question in questions]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _up_to(page: ListPage, until: str | None) -> ListPage:
    if until is None:
        return page
    if not _ascend(page.keys):
        raise SourceUnreachable("S3 lists keys out of their order")
    return page.between("", until)


def _ascend(keys: Sequence[str]) -> bool:
    return all(map(le, keys[:-1], keys[1:]))
