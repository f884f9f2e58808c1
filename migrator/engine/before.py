"""Before the first POST of a run: what the platform has of its rows already is looked at.

Nothing but an input location is made here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from migrator.checkpoint.store import Checkpoint
from migrator.engine.adopt import adopt, catch_up, first_sweep
from migrator.engine.book import Book
from migrator.engine.gateways import Gateways
from migrator.engine.inputs import SENT_SINCE
from migrator.engine.lanes import Lane, one_a_team, rules
from migrator.engine.locations import Locations
from migrator.engine.status import StatusKeeper
from migrator.settings import BatchSettings


@dataclass(frozen=True, slots=True)
class LookBefore:
    """The looks of a run before it sends. `meanwhile`: it lists further rows while it sends."""

    book: Book
    gateways: Gateways
    lanes: Sequence[Lane]
    locations: Sequence[Locations]
    settings: BatchSettings
    keeper: StatusKeeper
    meanwhile: bool

    async def look(self, since_s: int | None) -> bool:
        """Look at all; then rows may be sent. Answers whether the first sweep was an earlier run's.

        `since_s` is the platform's clock when the last run on this batch ended, if there was one.
        """
        book, began_s = self.book, self.gateways.first.date_s or 0
        is_later = await book.run(lambda c: c.meta("adopted")) is not None
        if self.meanwhile:
            for lane in self.lanes:
                lane.observer.rows_to_come = True
            if (sent_since := await book.run(lambda c: c.meta(SENT_SINCE))) is not None:
                # Rows to come were in no run: all that was made since then may be theirs.
                since_s = int(sent_since)
        await self._platform(since_s, began_s)
        if not is_later:
            await adopt(book, rules(self.settings))
            await book.run(lambda c: self._may_send(c, began_s))
        pending = await book.run(Checkpoint.pending_buckets)
        for each in self.locations:
            ours = [lane.key.lane for lane in self.lanes if lane.place.team_id == each.team_id]
            await each.settle(sorted({b for lane in ours for b in pending.get(lane, ())}))
        return is_later

    async def _platform(self, since_s: int | None, began_s: int) -> None:
        """The team's list: all of it for the first time, later what was made since the last."""
        book, settings, lanes = self.book, self.settings, one_a_team(self.lanes)
        is_swept = await book.run(lambda c: c.meta("swept")) is not None
        is_first = not settings.care.assume_empty and not is_swept
        if is_first:
            self.keeper.enter("sweeping")
            readers = [lane.reader for lane in lanes]
            await first_sweep(book, readers, tagging=settings.platform.tag_in != "none")
        elif since_s is not None:
            self.keeper.enter("sweeping")
            for lane in lanes:
                await catch_up(book, lane.reader, lane.observer, since_s, rules(settings))
        for gateway in self.gateways:
            gateway.caught_up = True
        if is_first:  # in one commit with the date that the next run reads back to
            await book.run(lambda c: c.set_meta("swept", str(began_s)))

    def _may_send(self, checkpoint: Checkpoint, began_s: int) -> None:
        """From this commit on rows may be sent.

        `began_s` is the platform's clock when this run began to look, which was the first to do so
        unless one is kept.
        """
        checkpoint.set_meta("adopted", "1")
        if self.meanwhile:
            checkpoint.set_meta(SENT_SINCE, checkpoint.meta("swept") or str(began_s))
