"""What a page of the platform's list, or one status, tells about our rows.

Every page that anything reads goes through here: copies in flight move on, further carriers of our
tags are noted as duplicates, and a live tag of another batch on one of our objects stops the run.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from migrator.checkpoint.change import Change, Transfer
from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.values import PlatformVideo
from migrator.engine import decide
from migrator.engine.book import Book
from migrator.engine.flights import Flight, Flights
from migrator.engine.stop import Stop
from migrator.engine.sweep import Page
from migrator.engine.tag import Tag, read_tag
from migrator.errors import StoppedByItself
from migrator.lifecycle import WITH_VIDEO, Event, State
from migrator.model import ELSEWHERE, LearnedBy
from migrator.pixop import wire


def is_master(video: wire.Video) -> bool:
    """Whether a listed video is an original: clips and processed videos may repeat its tag.

    Only an original has an upload (published document). One that has, and is not called a master
    (yet), must not hide that its object is there.
    """
    flags = video.flags or wire.VideoFlags()
    if flags.is_clip is True:
        return False
    derived = flags.is_processing is True or flags.is_processed is True or video.upload is None
    return flags.is_master is not False or not derived


def seen(video: wire.Video) -> decide.Seen:
    """A listed video, as far as adoption cares."""
    sight = decide.Sight.of(video)
    created_ms = wire.time_ms(video.created_at)
    return decide.Seen(video.id, created_ms, sight.upload_status, sight.file_size_bytes)


def _intended(
    others: Sequence[tuple[decide.Seen, Tag]], rows: Mapping[bytes | None, Transfer], batch: str
) -> list[tuple[int, int | None]]:
    """When the platform's clock showed the intent, and what createdAt says, of videos of ours."""
    return [
        (transfer.intent_date_s * 1000, sight.created_ms)
        for sight, tag in others
        if tag.batch == batch
        and (transfer := rows.get(tag.object_id)) is not None
        and transfer.intent_date_s is not None
    ]


def _learned(flight: Flight, learned_by: LearnedBy) -> LearnedBy:
    return LearnedBy.WEBHOOK if flight.told else learned_by


class Observer:
    """Applies what is seen to the rows of this batch.

    `returned` holds videos with our own tag of rows that wait to be sent: they were presumed
    absent, or the checkpoint is of an earlier time. Whoever is about to send such a row takes them
    over instead. `saw_untagged`: the first sweep may have seen masters without a tag, which may be
    objects of this batch. `created_behind_ms` is the most that the `createdAt` of a video of this
    batch was seen to lie before its intent's `Date`: the platform's clocks, or what stands between,
    differ. `rows_to_come`: rows are listed still, so that a tag that no row has may be that of one
    to come; its video is kept beside those of the first sweep, and taken over when the row comes.
    """

    def __init__(
        self,
        book: Book,
        flights: Flights,
        stop: Stop,
        batch: str,
        rules: decide.CopyRules,
    ) -> None:
        self._book = book
        self._flights = flights
        self._stop = stop
        self._batch = batch
        self._rules = rules
        self.returned: dict[bytes, tuple[decide.Seen, ...]] = {}
        self.saw_untagged = True
        self.rows_to_come = False
        self.created_behind_ms = 0

    @property
    def restarts_wait(self) -> bool:
        """Whether any copy has failed and waits for its restart."""
        return self._book.tallies.states[State.RESTARTING] > 0

    def now_ms(self) -> int:
        """Now, for the record (epoch milliseconds)."""
        return self._book.now_ms()

    async def page(self, page: Page, learned_by: LearnedBy) -> AbstractSet[str]:
        """Take in a page; answers the ids on it that were in flight and whose state it told."""
        told: set[str] = set()
        changes: list[tuple[Flight, Change]] = []
        others: list[tuple[decide.Seen, Tag]] = []
        for video in page.videos:
            flight = self._flights.get(video.id)
            if flight is not None:
                tells, change = self._shown(flight, video, learned_by, page.began_s)
                if tells:
                    told.add(video.id)
                if change is not None:
                    changes.append((flight, change))
            elif is_master(video) and (tag := read_tag(video.description)) is not None:
                if (self._flights.ended(video.id), self._batch) == (tag.object_id, tag.batch):
                    continue  # the one of its row, and settled
                others.append((seen(video), tag))
        if self._rules.url_ends_ms is not None:
            changes = [
                (flight, await self._unless_expired(flight, change, learned_by))
                for flight, change in changes
            ]
        await self._apply(changes, page.began_s)  # at once: what a page ends shares a commit
        if others:
            await self._other_carriers(others)
        return told

    def _shown(
        self, flight: Flight, video: wire.Video, learned_by: LearnedBy, began_s: float
    ) -> tuple[bool, Change | None]:
        """Take in a video in flight: whether it tells how far it is, and what that changes.

        Where it does not, it is asked for by its id.
        """
        created_ms = wire.time_ms(video.created_at)
        self._learn_behind([(flight.created_ms, created_ms)])
        flight.created_ms = created_ms or flight.created_ms
        sight = decide.Sight.of(video)
        if sight.upload_status is None:
            return False, None
        tells = flight.state is not State.INGESTING or sight.ingestion_status is not None
        return tells, self._judged(flight, sight, learned_by, began_s)

    def _learn_behind(self, made: Iterable[tuple[int | None, int | None]]) -> None:
        for intent_ms, created_ms in made:
            if intent_ms is not None and created_ms is not None:
                self.created_behind_ms = max(self.created_behind_ms, intent_ms - created_ms)

    async def sight(
        self, flight: Flight, sight: decide.Sight, learned_by: LearnedBy, began_s: float
    ) -> None:
        """Take in what one look showed of a copy in flight, if it is not older than its command."""
        change = self._judged(flight, sight, learned_by, began_s)
        if change is not None:
            change = await self._unless_expired(flight, change, learned_by)
            await self.apply(flight, change, began_s)

    def _judged(
        self, flight: Flight, sight: decide.Sight, learned_by: LearnedBy, began_s: float
    ) -> Change | None:
        if began_s < flight.commanded_s:  # the list of latest changes is read back to the command
            return None
        flight.overlooked = flight.changing
        if flight.changing:
            return None
        flight.gone_s = None
        flight.seen_s = began_s
        if flight.last != sight:
            flight.last, flight.moved_s = sight, began_s
        return decide.judge_copy(
            flight.state,
            flight.restarts,
            flight.size_bytes,
            sight,
            self._rules,
            _learned(flight, learned_by),
            self._book.now_ms(),
        )

    async def _unless_expired(
        self, flight: Flight, change: Change, learned_by: LearnedBy
    ) -> Change:
        """The change, unless it is a restart of a copy whose URL opens nothing any more."""
        if self._rules.url_ends_ms is None or change.event is not Event.COPY_FAILED:
            return change
        transfer = await self._book.run(lambda checkpoint: checkpoint.transfer(flight.row))
        learned_by, now_ms = _learned(flight, learned_by), self._book.now_ms()
        return decide.unless_expired(change, transfer, self._rules, learned_by, now_ms)

    async def apply(self, flight: Flight, change: Change, now_s: float) -> None:
        """Let a change happen to a copy in flight, unless another is just being written.

        Following and resolving look at the same copies: what both see at once happens once, and
        what is passed over here is seen again by the next look.
        """
        await self._apply([(flight, change)], now_s)

    async def _apply(self, changes: Iterable[tuple[Flight, Change]], now_s: float) -> None:
        """The same of changes to several copies, which are written at once."""
        applied: list[tuple[Flight, Change]] = []
        written: list[asyncio.Future[State]] = []
        for flight, change in changes:
            if flight.changing or self._flights.get(flight.video_id) is not flight:
                continue
            flight.changing = True
            applied.append((flight, change))
            size_bytes = flight.size_bytes
            written.append(
                self._book.changing(flight.row, flight.state, change, size_bytes=size_bytes)
            )
        try:
            states = await asyncio.gather(*written)
        finally:
            for flight, _ in applied:
                flight.changing = False
        for (flight, change), state in zip(applied, states, strict=True):
            flight.state = state
            self._applied(flight, change, now_s)

    def _applied(self, flight: Flight, change: Change, now_s: float) -> None:
        flight.restarts = change.facts.get("restarts", flight.restarts)
        if flight.state not in WITH_VIDEO:
            self._flights.remove(flight, now_s)
        elif flight.state is State.RESTARTING:
            flight.told = False
            due_ms = change.facts.get("not_before_ms") or 0
            wait_s = max(0.0, (due_ms - self._book.now_ms()) / 1000)
            # The machine's clock may have been set back meanwhile: never longer than it can be.
            flight.restart_at_s = now_s + min(wait_s, decide.copies.RESTART_DELAYS_S[-1])

    def _of_rows_to_come(
        self, others: Iterable[tuple[decide.Seen, Tag]], rows: Collection[bytes | None]
    ) -> list[PlatformVideo]:
        """Videos whose tags no row has, while further rows are listed."""
        if not self.rows_to_come:
            return []
        return [
            PlatformVideo(
                video_id=sight.video_id,
                object_id=tag.object_id,
                batch=tag.batch,
                file_name=None,
                size_bytes=sight.size_bytes,
                created_ms=sight.created_ms,
                upload_status=sight.upload_status,
            )
            for sight, tag in others
            if tag.object_id not in rows
        ]

    async def _other_carriers(self, others: Sequence[tuple[decide.Seen, Tag]]) -> None:
        """Tags on videos that are not in flight: done rows, further carriers, other batches."""
        returned: list[tuple[bytes, decide.Seen]] = []

        def look(
            checkpoint: Checkpoint,
        ) -> tuple[list[tuple[str, Tag, Transfer]], list[tuple[int, int | None]]]:
            rows = {
                transfer.object_id: transfer
                for transfer in checkpoint.transfers_of_objects(
                    [tag.object_id for _, tag in others]
                )
                if transfer.reason not in ELSEWHERE  # another batch's, and known
            }
            checkpoint.keep_platform_videos(self._of_rows_to_come(others, rows))
            strangers = []
            for sight, tag in others:
                video_id = sight.video_id
                transfer = rows.get(tag.object_id)
                if transfer is None or transfer.video_id == video_id:
                    continue
                if tag.batch != self._batch:
                    if not checkpoint.knows_platform_video(video_id):
                        strangers.append((video_id, tag, transfer))
                elif (  # where it is a row's all the same, an answer named it wrongly
                    transfer.state is State.PENDING and checkpoint.row_of_video(video_id) is None
                ):
                    returned.append((tag.object_id, sight))
                elif transfer.state not in {State.PENDING, State.SUBMITTING, State.UNRESOLVED}:
                    checkpoint.add_duplicate_videos(transfer.row, [video_id])
            return strangers, _intended(others, rows, self._batch)

        strangers, made = await self._book.run(look)
        self._learn_behind(made)
        for object_id, sight in returned:
            known = {one.video_id: one for one in self.returned.get(object_id, ())}
            self.returned[object_id] = (*{**known, sight.video_id: sight}.values(),)
        for video_id, tag, transfer in strangers:
            self._stop.because(
                StoppedByItself(
                    f"another batch ({tag.batch}) has made video {video_id} of "
                    f"s3://{transfer.bucket}/{transfer.key}, which is row {transfer.row} here: "
                    "two batches are at work on one catalogue",
                    "stop the other one, or begin this one anew in an empty --out directory: what "
                    "the other has made is adopted then",
                )
            )
