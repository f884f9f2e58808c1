"""Stopping by itself: holds a run against what its operator tolerates.

`decide.limits` decides; here the counts are kept, over all runs of a batch. A stop for failures or
for a bad canary is remembered, and the next start is a person's word that they were looked at: it
counts failures anew, and sends another canary.
"""

import asyncio
from collections.abc import Callable

import msgspec

from migrator.checkpoint.change import Facts
from migrator.checkpoint.store import Checkpoint
from migrator.engine.book import Book, Tallies
from migrator.engine.decide.limits import Canary, News, Tally, too_many_failures
from migrator.engine.stop import Stop
from migrator.errors import BadCanary, StoppedByItself
from migrator.lifecycle import FINAL, State
from migrator.model import Reason
from migrator.settings import StoppingSettings

FAILURES, CANARY = "failures", "canary"
"""What a batch can have been stopped for, as the checkpoint keeps it."""


LONGEST_SLEEP_S = 3600.0
"""An event loop's timer takes no span of years."""


class Guard:
    """What the operator allows a run. `rows_may_go` is called once a canary lets others go."""

    def __init__(self, book: Book, stop: Stop, settings: StoppingSettings) -> None:
        self.rows_may_go: Callable[[], None] = lambda: None
        self.canary: Canary | None = None
        self._book = book
        self._stop = stop
        self._settings = settings
        self._looked_at = 0
        self._already_tried = 0
        self._accepted = Tally(0, 0, 0)
        self._stopped_by = ""

    async def begin(self) -> None:
        """Take up the counts of earlier runs; none of the rows is sent yet."""
        settings, tallies = self._settings, self._book.tallies
        self._already_tried = _tried(tallies)
        accepted, canary = await self._book.run(
            lambda checkpoint: _take_up(checkpoint, settings.canary, self._tally(tallies))
        )
        self._accepted = accepted
        if isinstance(canary, Canary):
            self.canary = canary
        elif canary:
            self._bad_canary(f"{canary} of its rows were not imported")
        self._book.listen(self._moved)
        self.judge()

    def tried(self) -> None:
        """One more row was looked at, or is about to be sent."""
        self._looked_at += 1

    def lets(self, row: int) -> bool:
        """Whether a row may be sent as far as the canary goes."""
        return self.canary is None or self.canary.lets(row)

    def remember(self, checkpoint: Checkpoint) -> None:
        """Write what the run was stopped for: the last thing that it writes."""
        if self._stopped_by:
            checkpoint.set_meta("stopped_by", self._stopped_by)
        if self.canary is not None and self.canary.passed:
            checkpoint.set_meta("canary_passed", "1")

    async def watch_duration(self, clock: Callable[[], float]) -> None:
        """Stop the run once it has lasted for --max-duration."""
        if self._settings.max_duration is None:
            return
        longest_s = self._settings.max_duration.total_seconds()
        until_s = clock() + longest_s
        while (left_s := until_s - clock()) > 0:
            await asyncio.sleep(min(left_s, LONGEST_SLEEP_S))
        self._stop.because(
            StoppedByItself(
                f"--max-duration is over: this run has lasted {longest_s / 3600:.4g} hours",
                "resume when it may go on, for as long again: nothing is lost",
            )
        )

    def _moved(self, row: int, state: State, facts: Facts) -> None:
        if state not in FINAL:
            return
        if self.canary is not None:
            news = self.canary.settled(row, state, facts.get("decided_by"))
            if news in {News.PASSED, News.ROOM}:
                self.rows_may_go()
            elif news is News.BAD:
                self._bad_canary(f"row {row} ended as {state} ({facts.get('reason')})")
        self.judge()

    def _tally(self, tallies: Tallies) -> Tally:
        invalid = tallies.reasons[Reason.INVALID_ROW]
        states = tallies.states
        failed = states[State.REJECTED] + states[State.MISSING] + states[State.FAILED] - invalid
        return Tally(failed, self._already_tried + self._looked_at, invalid)

    def judge(self) -> None:
        """Stop the run where too many rows have failed."""
        tallies = self._book.tallies
        if not (tallies.states[State.PENDING] or tallies.growing):  # nothing is left to be spared
            return
        since = self._tally(tallies) - self._accepted
        why = too_many_failures(
            since,
            None if tallies.growing else tallies.rows,
            self._settings.tolerated_failure_percentage,
            self._settings.tolerated_failure_count,
        )
        if why is not None and not self._stop.requested:
            self._stopped_by = FAILURES
            self._stop.because(
                StoppedByItself(
                    f"too many failures: {why}",
                    "look at report.html, mend what is wrong, then resume: failures are counted "
                    "anew from there, and `retry` opens these rows again",
                )
            )

    def _bad_canary(self, why: str) -> None:
        assert self._settings.canary is not None
        if self._stop.requested:
            return
        self._stopped_by = CANARY
        imported = 0 if self.canary is None else self.canary.imported
        self._stop.because(
            BadCanary(
                f"the canary is bad: {why}, {imported:,} of {self._settings.canary:,} are "
                "imported, and nothing else was sent",
                "look at report.html and mend what is wrong; delete the videos that are listed "
                "where they shall not stay; resume then sends another canary",
            )
        )


def _tried(tallies: Tallies) -> int:
    """Rows that were looked at or sent by earlier runs."""
    states = tallies.states
    apart = states[State.PENDING] + states[State.SKIPPED] + tallies.reasons[Reason.INVALID_ROW]
    return tallies.rows - apart


class _Kept(msgspec.Struct, array_like=True):
    failed: int = 0
    tried: int = 0
    invalid: int = 0


def _take_up(
    checkpoint: Checkpoint, size: int | None, now: Tally
) -> tuple[Tally, Canary | int | None]:
    """Failures that were accepted, and the canary: None without one, a number where it is bad."""
    stopped_by = checkpoint.meta("stopped_by")
    if stopped_by:
        checkpoint.set_meta("stopped_by", "")
    if stopped_by == FAILURES:
        kept = msgspec.json.encode(_Kept(now.failed, now.tried, now.invalid)).decode()
        checkpoint.set_meta("tolerated", kept)
    accepted = msgspec.json.decode(checkpoint.meta("tolerated") or "[]", type=_Kept)
    tally = Tally(accepted.failed, accepted.tried, accepted.invalid)
    if size is None or checkpoint.meta("canary_passed") is not None:
        return tally, None
    imported, refused = checkpoint.sent_and_ended()
    if stopped_by == CANARY:
        checkpoint.set_meta("canary_from", f"{imported} {refused}")
    imported_before, refused_before = map(int, (checkpoint.meta("canary_from") or "0 0").split())
    if imported - imported_before >= size:
        checkpoint.set_meta("canary_passed", "1")
        return tally, None
    if refused > refused_before:
        return tally, refused - refused_before
    out = set(checkpoint.sent_and_open(size))
    return tally, Canary(size, max(0, imported - imported_before), out)
