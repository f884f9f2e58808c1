"""Submitting: a fixed pool of workers that each carry one row from intent to answer.

The order is the promise: a permit, then the intent on the disk, then the request on the wire, then
its answer on the disk. A worker that was told to stop finishes the row that it holds.

A worker does not wait for its answer to be on the disk: it goes on with its next row, whose intent
is written behind it, mostly in the same commit.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from migrator.checkpoint.change import Change, Transfer
from migrator.checkpoint.store import Checkpoint
from migrator.engine import decide
from migrator.engine.book import Book
from migrator.engine.breaker import BucketBreakers, is_outage
from migrator.engine.crossing import Crossing
from migrator.engine.feed import Feed
from migrator.engine.flights import Flights
from migrator.engine.gateway import Gateway
from migrator.engine.observe import Observer
from migrator.engine.request import Requests, Wanted
from migrator.engine.resolve import Resolver
from migrator.engine.stop import Stop, Stopping
from migrator.errors import StoppedByItself
from migrator.lifecycle import Event, State
from migrator.pixop.client import Reply
from migrator.source.answers import S3Refusal, SourceUnreachable


@dataclass(frozen=True, slots=True)
class _Sent:
    """A row whose POST has left, and what its answer means.

    `intent_date_s` is the platform's clock at its first intent.
    """

    transfer: Transfer
    intent_date_s: int | None
    verdict: decide.Verdict


@dataclass(frozen=True, slots=True)
class Submitter:
    """What the workers share. There are as many of them as requests may be in flight."""

    book: Book
    feed: Feed
    flights: Flights
    gateway: Gateway
    requests: Requests
    resolver: Resolver
    crossing: Crossing
    stop: Stop
    team_id: str
    buckets: BucketBreakers
    observer: Observer

    async def work(self) -> None:
        """One worker: a row at a time until the run stops."""
        while not self.stop.requested:
            transfer = await self.feed.next()
            try:
                await self._send(transfer)
            except Stopping:  # before anything left: the row is pending as it was
                return

    async def _send(self, transfer: Transfer) -> None:
        if await self._is_refused(transfer):
            return
        await self.flights.promise(transfer.size_bytes)
        if await self._is_refused(transfer):  # since
            self.flights.withdraw(transfer.size_bytes)
            return
        try:
            await self.gateway.post_turn()
            permit_s = await self.gateway.permit()
        except Stopping:
            self.flights.withdraw(transfer.size_bytes)
            raise
        with self.gateway.commanding():
            sent = await self._carry(transfer, permit_s)
            if sent is not None:
                self._write(sent)

    async def _is_refused(self, transfer: Transfer) -> bool:
        """Reject a row whose bucket's keys the platform refuses: it costs no call."""
        assert transfer.bucket is not None
        refused = self.buckets.refusal(transfer.bucket)
        if refused is None:
            return False
        facts = {**refused, "finished_ms": self.book.now_ms()}
        await self.book.change(transfer.row, State.PENDING, Change(Event.REJECT, facts))  # type: ignore[arg-type]
        self.feed.done_with(transfer.row)
        return True

    async def _carry(self, transfer: Transfer, permit_s: float) -> _Sent | None:
        """From a permit to an answer; None where the row did not leave after all."""
        wanted = self.requests.wanted(transfer)
        try:
            post = await self.crossing.post(transfer, wanted, self.feed.checksums.get(transfer.row))
        except (S3Refusal, SourceUnreachable, StoppedByItself) as error:
            self.gateway.unused()
            self._leave(transfer)
            self.stop.because(_no_url(transfer, error))
            return None
        self.gateway.count("submit")
        # A row that was presumed absent is looked for from its first intent on: it may have two.
        intent_date_s = transfer.intent_date_s if transfer.attempts else self.gateway.date_s
        state = await self._intend(transfer, wanted, intent_date_s)
        if state is not State.SUBMITTING:
            self.gateway.count("submit", -1)
            self.gateway.unused()
            self._leave(transfer)
            return None
        try:
            await self.gateway.fresh(permit_s)
        except Stopping:
            self.gateway.count("submit", -1)
            change = decide.given_back(transfer, "stopped before it was sent")
            await self.book.change(transfer.row, State.SUBMITTING, change)
            self._leave(transfer)
            raise
        began_s = self.gateway.now_s()
        reply = decide.as_told(
            post.masked(
                await self.gateway.exchange("submit", "POST", post.path, post.params, post.body)
            )
        )
        if not (transfer.attempts and is_outage(reply)):  # a row that fails again is its own fault
            self.gateway.posts.observe(reply, began_s, self.gateway.now_s())
        project_id = wanted.project_id
        place = f"/v1/projects/{project_id}" if project_id else f"/v1/teams/{self.team_id}"
        asked_at = (post.place, place) if post.place else (place,)
        verdict = await self._judged(transfer, reply, asked_at)
        if verdict.change.event in {Event.ACCEPT, Event.REJECT, Event.MISS}:
            assert transfer.bucket is not None
            self.buckets.observe(
                transfer.bucket, verdict.change.facts, keys_refused=verdict.keys_refused
            )
        return _Sent(transfer, intent_date_s, verdict)

    async def _judged(
        self, transfer: Transfer, reply: Reply, asked_at: Sequence[str]
    ) -> decide.Verdict:
        """What a reply means, once it is asked whom a refusal is about.

        `asked_at` is what is asked for where a 404 does not say what is absent.
        """
        verdict = decide.judge_submit(reply, transfer, self.book.now_ms())
        if verdict.ask_account:
            return await self._ask(transfer, verdict, "/v1/account")
        if verdict.ask_place:
            for path in asked_at:
                if not verdict.stops:
                    verdict = await self._ask(transfer, verdict, path)
        return verdict

    async def _intend(self, transfer: Transfer, wanted: Wanted, intent_date_s: int | None) -> State:
        """Write the intent, unless the platform is known to hold what may be this object."""
        assert transfer.object_id is not None
        now_ms = self.book.now_ms()
        returned = self.observer.returned.pop(transfer.object_id, None)
        intent = Change(
            Event.SUBMIT,
            {
                "attempts": transfer.attempts + 1,
                # A probe of POSTs that all fail says nothing about the row.
                "forgiven": transfer.forgiven + self.gateway.posts.is_open,
                "intent_date_s": intent_date_s,
                "submitted_ms": now_ms,
                "message": "; ".join(wanted.cuts) or None,
            },
        )

        def unless_it_is_there(checkpoint: Checkpoint) -> Change:
            video_id = checkpoint.look_alike(wanted.file_name, transfer.size_bytes or 0)
            return intent if video_id is None else decide.ambiguous(video_id, now_ms)

        if returned is None:
            is_first = transfer.attempts == 0 and not transfer.accepted
            if self.observer.saw_untagged and transfer.size_bytes and is_first:
                return await self.book.change_by(transfer.row, State.PENDING, unless_it_is_there)
            return await self.book.change(transfer.row, State.PENDING, intent)
        change = decide.found(returned, adopted=False)  # presumed absent, and there it is
        state = await self.book.change(transfer.row, State.PENDING, change)
        video_id, created_ms = change.facts["video_id"], change.facts["video_created_ms"]
        assert video_id is not None
        self.flights.add(transfer, video_id, created_ms, state, self.gateway.now_s())
        return state

    def _write(self, sent: _Sent) -> None:
        """Have an answer written, and what follows from it done once it is on the disk."""
        verdict = sent.verdict
        if verdict.stops:  # at once: the disk may take its time
            self.stop.because(
                StoppedByItself(
                    verdict.stops,
                    "mend the key, the team or the project, then resume: nothing is lost",
                )
            )
        mistaken = partial(decide.mistaken, verdict.change)
        self.gateway.commands += 1  # a stop waits for it
        written = self.book.changing(
            sent.transfer.row, State.SUBMITTING, verdict.change, if_taken=mistaken
        )
        written.add_done_callback(partial(self._written, sent))

    def _written(self, sent: _Sent, written: asyncio.Future[State]) -> None:
        self.gateway.commands -= 1
        if written.cancelled():  # with the whole run
            return
        try:
            self._settle(sent, written.result())
        except Exception as error:  # noqa: BLE001 - told at the end of the run, after draining
            self.stop.because(error)

    def _settle(self, sent: _Sent, state: State) -> None:
        """What a row does in its new `state`."""
        transfer, date_s, verdict = sent.transfer, sent.intent_date_s, sent.verdict
        if state is State.COPYING:
            video_id = verdict.change.facts["video_id"]
            assert video_id is not None
            created_ms = None if date_s is None else date_s * 1000
            self.flights.withdraw(transfer.size_bytes)
            now_s = self.gateway.now_s()
            flight = self.flights.add(transfer, video_id, created_ms, state, now_s)
            flight.submitted_s = now_s
            flight.changed_ms, flight.overlooked = created_ms, False
            self.resolver.lag.told(video_id, created_ms, now_s)
            self.feed.done_with(transfer.row)
        elif state is State.UNRESOLVED:
            self.flights.withdraw(transfer.size_bytes)
            self.resolver.add(transfer._replace(intent_date_s=date_s))
            self.feed.done_with(transfer.row, failed=True)
        else:
            self._leave(transfer, pending_again=state is State.PENDING)

    def _leave(self, transfer: Transfer, *, pending_again: bool = False) -> None:
        self.flights.withdraw(transfer.size_bytes)
        self.feed.done_with(transfer.row, failed=pending_again, pending_again=pending_again)

    async def _ask(self, transfer: Transfer, verdict: decide.Verdict, path: str) -> decide.Verdict:
        """A 403 is about the row where the account still answers, and else about the key.

        Likewise a 404: about the object where its project or team is still there.
        """
        try:
            reading = await self.gateway.read("other", "GET", path)
        except Stopping:  # not known any more: the row is looked at again by the next run
            return decide.Verdict(decide.given_back(transfer, "stopped at a refusal"))
        if reading.answer.ok:
            return verdict
        status = reading.answer.status
        return decide.Verdict(
            decide.given_back(transfer, f"the platform answered {status} for {path}"),
            stops=f"the platform refuses every row: it answers {status} for {path} too",
        )


def _no_url(transfer: Transfer, error: Exception) -> StoppedByItself:
    if isinstance(error, StoppedByItself):
        return error
    return StoppedByItself(
        f"no URL can be made for bucket {transfer.bucket}: {error}",
        "check --s3-endpoint-url and the network, then resume: nothing is lost",
    )
