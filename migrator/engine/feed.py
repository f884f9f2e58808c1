"""Pending rows from the checkpoint, through preflight, to the submitters.

The checkpoint is the queue: the feeder reads pending rows in small chunks, in row order or in that
of `--order-by`, and begins again from the top when a row has come back to pending. Preflight runs
ahead of submitting, as far as the bounded queue between them reaches. A row of which nothing is to
be asked goes there at once.
"""

import asyncio
import heapq
import random
import sys
from collections.abc import Callable

from migrator.checkpoint.change import Change, Facts, Transfer
from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.values import Foreseen
from migrator.engine import decide
from migrator.engine.book import Book
from migrator.engine.gateway import Gateway
from migrator.engine.guard import Guard
from migrator.engine.pacing import STEP_S
from migrator.engine.preflights import Preflights
from migrator.engine.retries import backoff_s
from migrator.engine.scouting import PAST_ALL, Scout
from migrator.engine.stop import Stop
from migrator.lifecycle import State
from migrator.source.answers import ObjectFacts
from migrator.source.preflight import Refusal

CHUNK = 500
"""Rows that are read from the checkpoint at once."""

AHEAD = 1000
"""Rows that may have passed preflight and wait to be submitted."""

PREFLIGHTS = 48
"""HEADs at once."""


class Feed:
    """The way of rows from the checkpoint to the submitters, behind a `scout` if there is one.

    `checksums` are the CRC-32C of objects of claimed rows, where S3 has told them. `by_place` says
    that the batch has another order than that of rows.
    """

    def __init__(
        self,
        book: Book,
        stop: Stop,
        preflights: Preflights | None,
        attempts: int,
        guard: Guard,
        gateway: Gateway,
        clock: Callable[[], float],
        chance: random.Random,
        lane: int = 0,
        *,
        by_place: bool = False,
    ) -> None:
        self.scout: Scout | None = None
        self._lane = lane
        self._by_place = by_place
        self._ready: asyncio.Queue[Transfer] = asyncio.Queue()
        self._has_room = asyncio.Event()
        self.checksums: dict[int, int] = {}
        self._found: asyncio.Queue[Transfer] = asyncio.Queue(CHUNK)
        self._claimed: set[int] = set()
        self._foreseen: dict[int, Foreseen] = {}
        self._again = asyncio.Event()
        self._again_after = 0
        self._came_back: dict[int, int] = {}
        self._repeats: list[tuple[float, int, Transfer]] = []
        self._repeat_added = asyncio.Event()
        self._book = book
        self._stop = stop
        self._preflights = preflights
        self._attempts = attempts
        self._guard = guard
        self._gateway = gateway
        self._clock = clock
        self._chance = chance

    @property
    def waiting_for_source(self) -> str:
        """Why the source is asked again and again; "" while it answers."""
        return "" if self._preflights is None else self._preflights.waiting_for_source

    def done_with(self, row: int, *, failed: bool = False, pending_again: bool = False) -> None:
        """The submitters have finished with a row.

        `failed`: its POST may come to nothing, so that its next one in this run is a repetition.
        """
        self._claimed.discard(row)
        self.checksums.pop(row, None)
        if failed:
            self._came_back[row] = self._came_back.get(row, 0) + 1
        else:
            self._came_back.pop(row, None)
        if pending_again:
            self.pending_again()

    def pending_again(self, after: int = 0) -> None:
        """Some row beyond row `after` is pending, or is so again."""
        self._again_after = min(self._again_after, after)
        self._again.set()

    async def next(self) -> Transfer:
        """The next row to be sent."""
        transfer = await self._ready.get()
        if self._ready.qsize() <= AHEAD // 2:  # one by one, each would wake who brings the next
            self._has_room.set()
        return transfer

    async def _hand_over(self, transfer: Transfer) -> None:
        """To the submitters, once there is room for it."""
        while self._ready.qsize() >= AHEAD:
            self._has_room.clear()
            await self._has_room.wait()
        self._ready.put_nowait(transfer)

    async def read(self) -> None:
        """Read pending rows for ever, in order, each one once as long as it is claimed."""
        while True:
            self._again.clear()
            after, self._again_after = self._again_after, sys.maxsize
            await self._pass(after)
            await self._again.wait()

    async def _pass(self, cursor: int) -> None:
        """One pass over the pending rows beyond row `cursor` that are not claimed.

        A chunk is claimed as soon as it is read: while its rows wait for a place, those that were
        claimed before may be settled and let go, and must not be taken for pending ones then.
        """
        await self._canaries()
        while True:
            past = PAST_ALL if self.scout is None else self.scout.past
            chunk, foreseen = await self._book.run(
                lambda c, after=cursor: self._chunk(c, after)  # type: ignore[misc]
            )
            if not chunk:
                return
            last = max(transfer.row for transfer in chunk)
            if self.scout is not None and last > past:
                await self.scout.reach(last)
                continue  # with what it has learned meanwhile
            cursor = chunk[-1].row
            fresh = [transfer for transfer in chunk if transfer.row not in self._claimed]
            let = [transfer for transfer in fresh if self._guard.lets(transfer.row)]
            self._claimed.update(transfer.row for transfer in let)
            self._foreseen.update((t.row, foreseen[t.row]) for t in let if t.row in foreseen)
            for transfer in let:
                if self._is_known(transfer):
                    self._guard.tried()
                    await self._hand_over(transfer)
                else:
                    await self._found.put(transfer)
            if len(let) < len(fresh):  # the rest waits for the canary
                return

    def _is_known(self, transfer: Transfer) -> bool:
        """Whether a row may be sent as it is: nothing to ask, to settle or to wait for."""
        if transfer.attempts or transfer.row in self._came_back or transfer.row in self._foreseen:
            return False
        if self._preflights is None:
            return True
        look = self._preflights.told(transfer, None)
        return look is not None and look.refusal is None

    def _chunk(
        self, checkpoint: Checkpoint, after: int
    ) -> tuple[list[Transfer], dict[int, Foreseen]]:
        if not self._by_place:
            return pending_chunk(checkpoint, after, self._lane)
        chunk = checkpoint.pending_by_place_after(after, CHUNK, self._lane)
        return chunk, checkpoint.foreseen_of([transfer.row for transfer in chunk])

    async def _canaries(self) -> None:
        """Rows of a canary that are pending again, wherever they stand."""
        canary = self._guard.canary
        if canary is None or canary.passed:
            return
        for row in sorted(canary.out - self._claimed):
            transfer = await self._book.run(lambda c, row=row: c.transfer(row))  # type: ignore[misc]
            ours = transfer.lane == self._lane and row not in self._claimed
            if transfer.state is State.PENDING and ours:
                self._claimed.add(row)
                await self._found.put(transfer)

    async def check(self) -> None:
        """One of the workers that preflight rows, for ever."""
        while True:
            transfer = await self._found.get()
            foreseen = self._foreseen.pop(transfer.row, None)
            if transfer.row not in self._came_back:
                self._guard.tried()
            sent = transfer.attempts - transfer.forgiven
            if sent >= self._attempts and not self._gateway.posts.is_open:
                change = decide.gave_up(transfer, self._book.now_ms())
                await self._settle(transfer, change)
            elif self._preflights is None:
                await self._pass_on(transfer)
            else:
                await self._look(transfer, foreseen, self._preflights)

    async def _look(
        self, transfer: Transfer, foreseen: Foreseen | None, preflights: Preflights
    ) -> None:
        look = await preflights.look(transfer, foreseen)
        if look.refusal is not None:
            change = _refused(look.refusal, look.facts, self._book.now_ms())
            await self._settle(transfer, change)
            return
        if look.asked and look.facts is not None:
            await preflights.keep(transfer, look)
            if look.facts.crc32c is not None:
                self.checksums[transfer.row] = look.facts.crc32c
            transfer = transfer._replace(size_bytes=look.facts.size_bytes)
        await self._pass_on(transfer)

    async def _pass_on(self, transfer: Transfer) -> None:
        """To the submitters; a row that has failed in this run waits for its turn in `repeat`."""
        times = self._came_back.get(transfer.row)
        if times is None:
            await self._hand_over(transfer)
            return
        due_s = self._clock() + backoff_s(times, self._chance.random())
        heapq.heappush(self._repeats, (due_s, transfer.row, transfer))
        self._repeat_added.set()

    async def repeat(self) -> None:
        """Let rows whose POST failed in this run through again, for ever: not one worker waits.

        While POSTs alone fail each one is a probe, and draws on no budget.
        """
        while True:
            while not self._repeats:
                self._repeat_added.clear()
                await self._repeat_added.wait()
            wait_s = self._repeats[0][0] - self._clock()
            if wait_s > 0:
                await asyncio.sleep(min(wait_s, STEP_S))
                continue
            _, _, transfer = heapq.heappop(self._repeats)
            if not self._gateway.posts.is_open:
                await self._gateway.repetition()
            await self._hand_over(transfer)

    async def _settle(self, transfer: Transfer, change: Change) -> None:
        await self._book.change(transfer.row, State.PENDING, change)
        self.done_with(transfer.row)


def pending_chunk(
    checkpoint: Checkpoint, after: int, lane: int | None = None
) -> tuple[list[Transfer], dict[int, Foreseen]]:
    """Pending rows beyond row `after`, and what an earlier preflight has against some of them.

    Of one lane, or of all; in the order of rows.
    """
    chunk = checkpoint.pending_after(after, CHUNK, lane)
    return chunk, checkpoint.foreseen_of([transfer.row for transfer in chunk])


def _refused(refusal: Refusal, told: ObjectFacts | None, now_ms: int) -> Change:
    facts: Facts = {
        "reason": refusal.reason,
        "decided_by": refusal.decided_by,
        "finished_ms": now_ms,
        "error_code": refusal.code,
        "http_status": refusal.status,
        "message": refusal.message,
    }
    if told is not None:
        facts["size_bytes"] = told.size_bytes
        facts["etag"] = told.etag
        facts["last_modified_ms"] = told.last_modified_ms
    return Change(refusal.event, facts)
