"""What the source says of rows before they cost a call: kept a day, else a HEAD, with patience."""

import asyncio
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass

from migrator.checkpoint.change import Transfer
from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.values import Foreseen
from migrator.engine.book import Book
from migrator.engine.stop import Stop
from migrator.errors import StoppedByItself
from migrator.filters import STANDARD, Facts, Filter
from migrator.model import Reason
from migrator.source.answers import ObjectFacts, SourceUnreachable
from migrator.source.preflight import Preflight, Refusal, Told, judge

FRESH_MS = 24 * 3600 * 1000
"""What was learned of an object longer ago than this is asked again; also what the machine's clock,
having been set back, says to be as far in the future."""

SOURCE_PAUSE_S = (1.0, 60.0)
"""Longest wait before a source that does not answer is asked again, doubled each time, and its cap;
full jitter below it."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of an object, and what is against sending it; `asked` says that it is new."""

    facts: ObjectFacts | None
    refusal: Refusal | None
    asked: bool = False


class Preflights:
    """Looks at the objects of rows, and asks the source only where nothing fresh is known."""

    def __init__(
        self,
        book: Book,
        stop: Stop,
        preflight: Preflight,
        outage_s: float,
        clock: Callable[[], float],
        chance: random.Random,
        wanted: Filter | None = None,
    ) -> None:
        self.waiting_for_source = ""
        self._book = book
        self._stop = stop
        self._preflight = preflight
        self._outage_s = outage_s
        self._clock = clock
        self._chance = chance
        self._wanted = wanted
        self._down_since_s: float | None = None

    async def look(self, transfer: Transfer, foreseen: Foreseen | None) -> Look:
        """Look at the object of a pending row, of which an earlier preflight may have foreseen.

        A source that does not answer is asked again and again; it stops the run when that lasts.
        """
        return self.told(transfer, foreseen) or await self.ask(transfer)

    def told(self, transfer: Transfer, foreseen: Foreseen | None) -> Look | None:
        """The same where the source need not be asked; None where it must be."""
        look = known(transfer, foreseen, self._book.now_ms())
        assert transfer.bucket is not None
        # What only a HEAD tells goes with a URL: the checksum.
        if look is None or (look.refusal is None and self._preflight.by_url(transfer.bucket)):
            return None
        return look

    async def ask(self, transfer: Transfer) -> Look:
        """Look at the object of a row now, whatever is known of it."""
        assert transfer.bucket is not None
        shared = self._preflight.refused_bucket(transfer.bucket)
        if shared is not None:
            return Look(None, shared, asked=True)
        return await self._ask(transfer)

    async def keep(self, transfer: Transfer, look: Look) -> None:
        """Keep what was told of the object of a row that stays pending; durable then."""
        await self._book.run(lambda checkpoint: self.store(checkpoint, transfer, look))

    def store(self, checkpoint: Checkpoint, transfer: Transfer, look: Look) -> None:
        """The same, as a part of what else is done on the checkpoint."""
        facts = look.facts
        checkpoint.preflighted(
            transfer.row,
            facts.size_bytes if facts else None,
            facts.etag if facts else None,
            facts.last_modified_ms if facts else None,
            self._book.now_ms(),
            foreseen_of(look.refusal),
        )

    def learn(self, transfer: Transfer, told: Told) -> Look:
        """What another process was told of the object of a row, as this one would look at it."""
        assert transfer.bucket is not None
        facts, refusal = self._preflight.learn(transfer.bucket, told)
        self._answered()
        return Look(facts, self._filtered(transfer, facts) or refusal, asked=True)

    def by_url(self, bucket: str) -> bool:
        """Whether the platform gets URLs of a bucket's objects."""
        return self._preflight.by_url(bucket)

    async def patience(self, where: str, why: str, tries: int) -> None:
        """Wait before a source that has not answered is asked again; stops the run after a time.

        `tries` is how often it was asked before, `where` a bucket or several.
        """
        self.waiting_for_source = why
        now_s = self._clock()
        if self._down_since_s is None:
            self._down_since_s = now_s
        if now_s - self._down_since_s > self._outage_s:
            self._stop.because(_source_outage(where, why))
        first_s, longest_s = SOURCE_PAUSE_S
        await asyncio.sleep(self._chance.uniform(0, min(first_s * 2 ** min(tries, 10), longest_s)))

    def _answered(self) -> None:
        self.waiting_for_source = ""
        self._down_since_s = None

    async def _ask(self, transfer: Transfer) -> Look:
        assert transfer.bucket is not None
        assert transfer.key is not None
        for tries in itertools.count():
            try:
                facts, refusal = await self._preflight.look(
                    transfer.bucket, transfer.key, transfer.version_id
                )
            except SourceUnreachable as error:
                await self.patience(f"bucket {transfer.bucket}", str(error), tries)
            else:
                self._answered()
                return Look(facts, self._filtered(transfer, facts) or refusal, asked=True)
        raise AssertionError  # it is asked until it answers

    def _filtered(self, transfer: Transfer, facts: ObjectFacts | None) -> Refusal | None:
        """What the filters say now that the source has told of the object.

        A row that was sent once was wanted then, and may have a video: it is asked no more.
        """
        if self._wanted is None or facts is None or transfer.attempts:
            return None
        told = Facts(facts.size_bytes, facts.last_modified_ms, facts.storage_class or STANDARD)
        words = self._wanted.against_facts(told)
        return None if words is None else Refusal(Reason.FILTERED, message=words)


def is_fresh(told_ms: int | None, now_ms: int) -> bool:
    """Whether what was learned at `told_ms` need not be asked again."""
    return told_ms is not None and abs(now_ms - told_ms) <= FRESH_MS


def known(transfer: Transfer, foreseen: Foreseen | None, now_ms: int) -> Look | None:
    """What a listing of this batch, or an earlier preflight, has told not long ago."""
    if not is_fresh(transfer.preflighted_ms, now_ms):
        return None
    facts = None
    if transfer.size_bytes is not None:
        facts = ObjectFacts(transfer.size_bytes, transfer.etag, transfer.last_modified_ms)
    if foreseen is not None:
        return Look(facts, _refusal_of(foreseen))
    if facts is None:
        return None
    assert transfer.key is not None
    # Kept without a word against it, so that version and storage class were in order.
    return Look(facts, judge(facts, transfer.key, None))


def foreseen_of(refusal: Refusal | None) -> Foreseen | None:
    """A refusal as the checkpoint keeps it of a row that stays pending."""
    if refusal is None:
        return None
    return Foreseen(
        refusal.reason, refusal.decided_by, refusal.code, refusal.status, refusal.message
    )


def _refusal_of(foreseen: Foreseen) -> Refusal:
    return Refusal(
        foreseen.reason,
        foreseen.decided_by,
        foreseen.error_code,
        foreseen.http_status,
        foreseen.message,
    )


def _source_outage(where: str, why: str) -> StoppedByItself:
    return StoppedByItself(
        f"the source does not answer ({where}: {why})",
        "check --s3-endpoint-url and the network, then resume: nothing is lost",
    )
