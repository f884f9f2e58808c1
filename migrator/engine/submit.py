"""Submitting: a fixed pool of workers that each carry one row from intent to answer.

The order is the promise: a permit, then the intent on the disk, then the request on the wire, then
its answer on the disk. A worker that was told to stop finishes the row that it holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from migrator.checkpoint.change import Change, Transfer
from migrator.checkpoint.store import Checkpoint
from migrator.engine import decide
from migrator.engine.book import Book
from migrator.engine.breaker import BucketBreakers
from migrator.engine.feed import Feed
from migrator.engine.flights import Flights
from migrator.engine.gateway import Gateway
from migrator.engine.request import Requests, Wanted
from migrator.engine.resolve import Resolver
from migrator.engine.stop import Stop, Stopping
from migrator.errors import StoppedByItself
from migrator.lifecycle import Event, State
from migrator.pixop.client import Answer
from migrator.source.credentials import KeyRing


@dataclass(frozen=True, slots=True)
class Submitter:
    """What the workers share."""

    book: Book
    feed: Feed
    flights: Flights
    gateway: Gateway
    requests: Requests
    resolver: Resolver
    keys: KeyRing
    stop: Stop
    params: Mapping[str, str]
    buckets: BucketBreakers

    async def work(self) -> None:
        """One worker: a row at a time until the run stops."""
        while not self.stop.requested:
            transfer = await self.feed.ready.get()
            try:
                await self._send(transfer)
            except Stopping:  # before anything left: the row is pending as it was
                return

    async def _send(self, transfer: Transfer) -> None:
        assert transfer.bucket is not None
        refused = self.buckets.refusal(transfer.bucket)
        if refused is not None:
            facts = {**refused, "finished_ms": self.book.now_ms()}
            await self.book.change(transfer.row, State.PENDING, Change(Event.REJECT, facts))  # type: ignore[arg-type]
            self.feed.done_with(transfer.row)
            return
        await self.flights.promise()
        try:
            permit_s = await self.gateway.permit()
        except Stopping:
            self.flights.withdraw()
            raise
        with self.gateway.commanding():
            await self._carry(transfer, permit_s)

    async def _carry(self, transfer: Transfer, permit_s: float) -> None:
        """From a permit to an answer on the disk."""
        wanted = self.requests.wanted(transfer)
        self._count(transfer, 1)
        state = await self._intend(transfer, wanted)
        if state is not State.SUBMITTING:
            self._count(transfer, -1)
            self.gateway.unused()
            self._leave(transfer)
            return
        try:
            await self.gateway.fresh(permit_s)
        except Stopping:
            self._count(transfer, -1)
            await self._change(transfer, decide.given_back(transfer, "stopped before it was sent"))
            self._leave(transfer)
            raise
        await self._post(transfer, wanted)

    async def _intend(self, transfer: Transfer, wanted: Wanted) -> State:
        """Write the intent, unless the first sweep saw a master that may be this object."""
        now_ms = self.book.now_ms()
        intent = Change(
            Event.SUBMIT,
            {
                "attempts": transfer.attempts + 1,
                "intent_date_s": self.gateway.date_s,
                "submitted_ms": now_ms,
                "message": "the description was cut to make room for the tag"
                if wanted.description_was_cut
                else None,
            },
        )

        def write(checkpoint: Checkpoint) -> tuple[State, Change]:
            change = intent
            if transfer.size_bytes and transfer.attempts == 0:
                video_id = checkpoint.look_alike(wanted.file_name, transfer.size_bytes)
                if video_id is not None:
                    change = decide.ambiguous(video_id, now_ms)
            return checkpoint.apply(transfer.row, State.PENDING, change), change

        state, change = await self.book.run(write)
        self.book.tallies.move(State.PENDING, state, change.facts.get("reason"))
        return state

    async def _post(self, transfer: Transfer, wanted: Wanted) -> None:
        body = self.requests.body(transfer, wanted, self.keys)
        reply = await self.gateway.exchange("POST", "/v1/videos/in/s3", self.params, body)
        verdict = decide.judge_submit(reply, transfer, self.book.now_ms())
        if verdict.ask_account and not await self._account_answers():
            verdict = replace(
                verdict,
                change=decide.given_back(transfer, "the platform refused the key"),
                stops="the platform answers 403, also for the account",
            )
        await self._settle(transfer, verdict)

    async def _settle(self, transfer: Transfer, verdict: decide.Verdict) -> None:
        assert transfer.bucket is not None
        state = await self._change(transfer, verdict.change)
        if verdict.stops:
            self.stop.because(
                StoppedByItself(
                    verdict.stops, "mend the key or the team, then resume: nothing is lost"
                )
            )
        if state is State.COPYING:
            video_id = verdict.change.facts["video_id"]
            self.flights.withdraw()
            created_ms = None if self.gateway.date_s is None else self.gateway.date_s * 1000
            self.flights.add(transfer, video_id, created_ms, state, self.gateway.now_s())
            self.feed.done_with(transfer.row)
        elif state is State.UNRESOLVED:
            self.flights.withdraw()
            intent = replace(transfer, intent_date_s=self.gateway.date_s)
            self.resolver.add(intent)
            self.feed.done_with(transfer.row)
        else:
            self._leave(transfer, pending_again=state is State.PENDING)
        if state in {State.COPYING, State.REJECTED, State.MISSING}:
            self.buckets.observe(
                transfer.bucket, verdict.change.facts, keys_refused=verdict.keys_refused
            )

    async def _change(self, transfer: Transfer, change: Change) -> State:
        return await self.book.change(transfer.row, State.SUBMITTING, change)

    def _leave(self, transfer: Transfer, *, pending_again: bool = False) -> None:
        self.flights.withdraw()
        self.feed.done_with(transfer.row, pending_again=pending_again)

    def _count(self, transfer: Transfer, calls: int) -> None:
        self.gateway.count("submit", calls)
        if transfer.attempts:
            self.gateway.counts.retries += calls

    async def _account_answers(self) -> bool:
        try:
            reading = await self.gateway.read("other", "GET", "/v1/account")
        except Stopping:
            return False
        return isinstance(reading.answer, Answer) and reading.answer.ok
