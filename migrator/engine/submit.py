"""Submitting: a fixed pool of workers that each carry one row from intent to answer.

The order is the promise: a permit, then the intent on the disk, then the request on the wire, then
its answer on the disk. A worker that was told to stop finishes the row that it holds.
"""

from dataclasses import dataclass, replace

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
from migrator.source.s3 import S3Refusal, SourceUnreachable


@dataclass(frozen=True, slots=True)
class Submitter:
    """What the workers share."""

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
        await self.gateway.post_turn()
        await self.flights.promise(transfer.size_bytes)
        try:
            permit_s = await self.gateway.permit()
        except Stopping:
            self.flights.withdraw(transfer.size_bytes)
            raise
        with self.gateway.commanding():
            await self._carry(transfer, permit_s)

    async def _carry(self, transfer: Transfer, permit_s: float) -> None:
        """From a permit to an answer on the disk."""
        wanted = self.requests.wanted(transfer)
        try:
            post = await self.crossing.post(transfer, wanted, self.feed.checksums.get(transfer.row))
        except (S3Refusal, SourceUnreachable) as error:
            self.gateway.unused()
            self._leave(transfer)
            self.stop.because(
                StoppedByItself(
                    f"no URL can be made for bucket {transfer.bucket}: {error}",
                    "check --s3-endpoint-url and the network, then resume: nothing is lost",
                )
            )
            return
        self.gateway.count("submit")
        # A row that was presumed absent is looked for from its first intent on: it may have two.
        intent_date_s = transfer.intent_date_s if transfer.attempts else self.gateway.date_s
        state = await self._intend(transfer, wanted, intent_date_s)
        if state is not State.SUBMITTING:
            self.gateway.count("submit", -1)
            self.gateway.unused()
            self._leave(transfer)
            return
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
        verdict = decide.judge_submit(reply, transfer, self.book.now_ms())
        if verdict.ask_account:
            verdict = await self._ask(transfer, verdict, "/v1/account")
        elif verdict.ask_place:
            if post.place:
                verdict = await self._ask(transfer, verdict, post.place)
            if not verdict.stops:
                project_id = wanted.project_id
                place = f"/v1/projects/{project_id}" if project_id else f"/v1/teams/{self.team_id}"
                verdict = await self._ask(transfer, verdict, place)
        await self._settle(replace(transfer, intent_date_s=intent_date_s), verdict)

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
            if transfer.size_bytes and transfer.attempts == 0 and not transfer.accepted:
                video_id = checkpoint.look_alike(wanted.file_name, transfer.size_bytes)
                if video_id is not None:
                    return decide.ambiguous(video_id, now_ms)
            return intent

        if returned is None:
            return await self.book.change(transfer.row, State.PENDING, unless_it_is_there)
        change = decide.found(returned, adopted=False)  # presumed absent, and there it is
        state = await self.book.change(transfer.row, State.PENDING, change)
        video_id, created_ms = change.facts["video_id"], change.facts["video_created_ms"]
        assert video_id is not None
        self.flights.add(transfer, video_id, created_ms, state, self.gateway.now_s())
        return state

    async def _settle(self, transfer: Transfer, verdict: decide.Verdict) -> None:
        assert transfer.bucket is not None

        def unless_it_is_another_row_s(checkpoint: Checkpoint) -> Change:
            video_id = verdict.change.facts.get("video_id")
            owner = None if video_id is None else checkpoint.row_of_video(video_id)
            return verdict.change if owner is None else decide.mistaken(verdict.change, owner)

        if verdict.stops:  # at once: the disk may take its time
            self.stop.because(
                StoppedByItself(
                    verdict.stops,
                    "mend the key, the team or the project, then resume: nothing is lost",
                )
            )
        row = transfer.row
        state = await self.book.change(row, State.SUBMITTING, unless_it_is_another_row_s)
        if state is State.COPYING:
            video_id = verdict.change.facts["video_id"]
            assert video_id is not None
            date_s = transfer.intent_date_s
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
            self.resolver.add(transfer)
            self.feed.done_with(transfer.row, failed=True)
        else:
            self._leave(transfer, pending_again=state is State.PENDING)
        if state in {State.COPYING, State.REJECTED, State.MISSING}:
            self.buckets.observe(
                transfer.bucket, verdict.change.facts, keys_refused=verdict.keys_refused
            )

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
