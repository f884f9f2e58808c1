"""Rows that come in while others are sent: each is held against the platform in its own commit.

What the first sweep saw, and every tag of no row that a list has shown since, is in the checkpoint.
So a row comes in either together with the video that it has already, or pending.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from migrator.checkpoint.store import Checkpoint
from migrator.engine import decide
from migrator.engine.adopt import adopt_rows
from migrator.engine.book import Book
from migrator.engine.lanes import Lane
from migrator.engine.take_up import follow
from migrator.lifecycle import WITH_VIDEO


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Takes rows in, and gives them to the lanes once they are durable.

    `look_again`: the first sweep was an earlier run's, so that what it saw may be gone by now: a
    video that was done is looked at before its row is settled.
    """

    book: Book
    lanes: Sequence[Lane]
    rules: decide.CopyRules
    look_again: bool

    def store(self, checkpoint: Checkpoint, first: int, last: int) -> Callable[[], None]:
        """In the commit that the rows `first` to `last` come in with: adopt what they have.

        Answers what is to be done once they are durable.
        """
        adopted = adopt_rows(
            checkpoint, first, last, self.rules, self.book.now_ms(), look_again=self.look_again
        )
        tallies = checkpoint.tallies_between(first, last)
        have_videos = [
            transfer
            for transfer in map(checkpoint.transfer, adopted)
            if transfer.state in WITH_VIDEO
        ]

        def stored() -> None:
            self.book.tallies.add(tallies)
            for transfer in have_videos:
                follow(self.book, self.lanes[transfer.lane], transfer, transfer.state)
            for lane in self.lanes:
                lane.feed.pending_again(first - 1)

        return stored

    def end(self) -> None:
        """All rows are there."""
        for lane in self.lanes:
            lane.observer.rows_to_come = False
        self.book.tallies.growing = False
        self.book.tallies.changed.set()
