"""Pending rows from the checkpoint, through preflight, to the submitters.

The checkpoint is the queue: the feeder reads pending rows in row order in small chunks, and begins
again from the top when a row has come back to pending. Preflight runs ahead of submitting, as far
as the bounded queue between them reaches.
"""

import asyncio
import heapq
import random
from collections.abc import Callable
from dataclasses import replace

from migrator.checkpoint.change import Change, Facts, Transfer
from migrator.checkpoint.store import Checkpoint
from migrator.engine import decide
from migrator.engine.book import Book
from migrator.engine.gateway import Gateway
from migrator.engine.pacing import STEP_S
from migrator.engine.retries import backoff_s
from migrator.engine.stop import Stop
from migrator.errors import StoppedByItself
from migrator.lifecycle import State
from migrator.source.preflight import Preflight, Refusal, judge
from migrator.source.s3 import ObjectFacts, SourceUnreachable

CHUNK = 500
"""Rows that are read from the checkpoint at once."""

AHEAD = 1000
"""Rows that may have passed preflight and wait to be submitted."""

PREFLIGHTS = 48
"""HEADs at once."""

FRESH_MS = 24 * 3600 * 1000
"""What was learned of an object longer ago than this is asked again; also what the machine's clock,
having been set back, says to be as far in the future."""

SOURCE_PAUSE_S = (1.0, 60.0)
"""Longest wait before a source that does not answer is asked again, doubled each time, and its cap;
full jitter below it."""


class Feed:
    """The way of rows from the checkpoint to the submitters."""

    def __init__(
        self,
        book: Book,
        stop: Stop,
        preflight: Preflight | None,
        attempts: int,
        outage_s: float,
        gateway: Gateway,
        clock: Callable[[], float],
        chance: random.Random,
    ) -> None:
        self.ready: asyncio.Queue[Transfer] = asyncio.Queue(AHEAD)
        self.waiting_for_source = ""
        self._found: asyncio.Queue[Transfer] = asyncio.Queue(CHUNK)
        self._claimed: set[int] = set()
        self._again = asyncio.Event()
        self._came_back: dict[int, int] = {}
        self._repeats: list[tuple[float, int, Transfer]] = []
        self._repeat_added = asyncio.Event()
        self._book = book
        self._stop = stop
        self._preflight = preflight
        self._attempts = attempts
        self._gateway = gateway
        self._clock = clock
        self._chance = chance
        self._down_since_s: float | None = None
        self._outage_s = outage_s

    def done_with(self, row: int, *, failed: bool = False, pending_again: bool = False) -> None:
        """The submitters have finished with a row.

        `failed`: its POST may come to nothing, so that its next one in this run is a repetition.
        """
        self._claimed.discard(row)
        if failed:
            self._came_back[row] = self._came_back.get(row, 0) + 1
        else:
            self._came_back.pop(row, None)
        if pending_again:
            self.pending_again()

    def pending_again(self) -> None:
        """Some row is pending again."""
        self._again.set()

    async def read(self) -> None:
        """Read pending rows for ever, in order, each one once as long as it is claimed."""
        while True:
            self._again.clear()
            await self._pass()
            await self._again.wait()

    async def _pass(self) -> None:
        """One pass over the pending rows that are not claimed.

        A chunk is claimed as soon as it is read: while its rows wait for a place, those that were
        claimed before may be settled and let go, and must not be taken for pending ones then.
        """
        cursor = 0
        while chunk := await self._book.run(lambda c, after=cursor: c.pending_after(after, CHUNK)):  # type: ignore[misc]
            cursor = chunk[-1].row
            fresh = [transfer for transfer in chunk if transfer.row not in self._claimed]
            self._claimed.update(transfer.row for transfer in fresh)
            for transfer in fresh:
                await self._found.put(transfer)

    async def check(self) -> None:
        """One of the workers that preflight rows, for ever."""
        while True:
            transfer = await self._found.get()
            sent = transfer.attempts - transfer.forgiven
            if sent >= self._attempts and not self._gateway.posts.is_open:
                change = decide.gave_up(transfer, self._book.now_ms())
                await self._settle(transfer, change)
            elif self._preflight is None:
                await self._pass_on(transfer)
            else:
                await self._look(transfer, self._preflight)

    async def _look(self, transfer: Transfer, preflight: Preflight) -> None:
        assert transfer.bucket is not None
        assert transfer.key is not None
        facts, refusal = _known(transfer, self._book.now_ms())
        if facts is None:
            refusal = preflight.refused_bucket(transfer.bucket)
            if refusal is None:
                facts, refusal = await self._ask(preflight, transfer)
            if facts is not None and refusal is None:
                transfer = await self._keep(transfer, facts)
        if refusal is None:
            await self._pass_on(transfer)
        else:
            await self._settle(transfer, _refused(refusal, facts, self._book.now_ms()))

    async def _pass_on(self, transfer: Transfer) -> None:
        """To the submitters; a row that has failed in this run waits for its turn in `repeat`."""
        times = self._came_back.get(transfer.row)
        if times is None:
            await self.ready.put(transfer)
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
            await self.ready.put(transfer)

    async def _ask(
        self, preflight: Preflight, transfer: Transfer
    ) -> tuple[ObjectFacts | None, Refusal | None]:
        assert transfer.bucket is not None
        assert transfer.key is not None
        pause_s, longest_s = SOURCE_PAUSE_S
        while True:
            try:
                answer = await preflight.look(transfer.bucket, transfer.key, transfer.version_id)
            except SourceUnreachable as error:
                self.waiting_for_source = str(error)
                now_s = self._clock()
                if self._down_since_s is None:
                    self._down_since_s = now_s
                if now_s - self._down_since_s > self._outage_s:
                    self._stop.because(_source_outage(transfer.bucket, error))
                await asyncio.sleep(self._chance.uniform(0, pause_s))
                pause_s = min(pause_s * 2, longest_s)
            else:
                self.waiting_for_source = ""
                self._down_since_s = None
                return answer

    async def _keep(self, transfer: Transfer, facts: ObjectFacts) -> Transfer:
        """Keep what was told of an object that may be sent; of others the verdict keeps it."""
        now_ms = self._book.now_ms()

        def keep(checkpoint: Checkpoint) -> None:
            checkpoint.preflighted(
                transfer.row, facts.size_bytes, facts.etag, facts.last_modified_ms, now_ms
            )

        await self._book.run(keep)
        return replace(transfer, size_bytes=facts.size_bytes)

    async def _settle(self, transfer: Transfer, change: Change) -> None:
        await self._book.change(transfer.row, State.PENDING, change)
        self.done_with(transfer.row)


def _known(transfer: Transfer, now_ms: int) -> tuple[ObjectFacts | None, Refusal | None]:
    """What a listing of this run, or an earlier preflight, has told not long ago."""
    told_ms, size_bytes = transfer.preflighted_ms, transfer.size_bytes
    if told_ms is None or size_bytes is None or abs(now_ms - told_ms) > FRESH_MS:
        return None, None
    assert transfer.key is not None
    facts = ObjectFacts(size_bytes, transfer.etag, transfer.last_modified_ms)
    # Kept only of objects that may be sent, so that version and storage class were in order.
    return facts, judge(facts, transfer.key, None)


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


def _source_outage(bucket: str, error: Exception) -> StoppedByItself:
    return StoppedByItself(
        f"the source does not answer (bucket {bucket}: {error})",
        "check --s3-endpoint-url and the network, then resume: nothing is lost",
    )
