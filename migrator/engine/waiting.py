"""What holds a run up right now: one word for programs, and words for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from migrator.engine.book import Tallies
from migrator.engine.feed import Feed
from migrator.engine.flights import Flights
from migrator.engine.gateway import Gateway
from migrator.engine.guard import Guard
from migrator.engine.resolve import Resolver
from migrator.engine.sweep import ListReader
from migrator.lifecycle import State

WaitsOn = Literal[
    "", "platform", "posts", "sense", "source", "repetitions", "in_flight_limit", "in_flight_bytes",
    "quota", "canary", "list", "removals", "lost_answers", "copies",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Waiting:
    """`on` is "" when nothing holds the run up."""

    on: WaitsOn = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Holds:
    """The parts of a run that may have to wait."""

    gateway: Gateway
    feed: Feed
    flights: Flights
    resolver: Resolver
    reader: ListReader
    guard: Guard
    tallies: Tallies

    def now(self, phase: str) -> Waiting:
        """What holds the run up, the worst first."""
        gateway = self.gateway
        if gateway.breaker.is_open:
            words = f"the platform: it does not answer ({gateway.breaker.detail})"
            return Waiting("platform", words)
        if gateway.posts.is_open:
            words = f"the platform: it fails one POST after the other ({gateway.posts.detail})"
            return Waiting("posts", words)
        if gateway.senseless:
            return Waiting("sense", f"an answer that makes sense ({gateway.senseless})")
        if self.feed.waiting_for_source:
            words = f"the source: it does not answer ({self.feed.waiting_for_source})"
            return Waiting("source", words)
        if gateway.waiting_to_repeat:
            words = f"answers: {gateway.waiting_to_repeat} calls that failed wait to be repeated"
            return Waiting("repetitions", words)
        return self._limit() or self._work(phase)

    def _limit(self) -> Waiting | None:
        """A limit that was set, or announced."""
        room = self.flights.room
        if room.is_full and self.tallies.states[State.PENDING]:
            words = f"a place in flight: {room.limit:,} copies run (--max-in-flight)"
            return Waiting("in_flight_limit", words)
        if room.is_crowded:
            words = (
                f"bytes in flight: {room.taken_bytes:,} of {room.limit_bytes:,} are taken "
                "(--max-in-flight-bytes)"
            )
            return Waiting("in_flight_bytes", words)
        held_for_s = self.gateway.pacer.held_for_s
        if held_for_s > 1:
            return Waiting("quota", f"the quota: next window in {held_for_s:.0f} s")
        return None

    def _work(self, phase: str) -> Waiting:
        """Work that is under way while nothing is sent."""
        states, reader = self.tallies.states, self.reader
        if phase in {"sweeping", "checking"}:
            words = f"the team's list: {reader.shown:,} of {reader.total:,} videos read"
            return Waiting("list", words)
        canary = self.guard.canary
        if canary is not None and not canary.passed and len(self.flights) == len(canary.out):
            words = f"the canary: {canary.imported:,} of {canary.size:,} are imported"
            return Waiting("canary", words)
        if states[State.PENDING] or states[State.SUBMITTING]:
            return Waiting()
        if states[State.REPLACING]:
            return Waiting("removals", f"{states[State.REPLACING]} old videos to be removed")
        if self.resolver.open:
            words = f"{self.resolver.open} answers that were lost: the platform's list is read"
            return Waiting("lost_answers", words)
        if len(self.flights):
            return Waiting("copies", f"{len(self.flights):,} copies to end")
        return Waiting()


@dataclass(frozen=True, slots=True)
class AllHolds:
    """The lanes of a run: it is held up where all of them are."""

    lanes: Sequence[Holds]

    def now(self, phase: str) -> Waiting:
        """What holds all of them up, in the words of the first."""
        each = [lane.now(phase) for lane in self.lanes]
        return each[0] if all(waiting.on for waiting in each) else Waiting()

    @property
    def in_flight(self) -> int:
        """Copies in flight."""
        return sum(len(lane.flights) for lane in self.lanes)

    @property
    def in_flight_bytes(self) -> int:
        """Their known bytes."""
        return sum(lane.flights.size_bytes for lane in self.lanes)

    @property
    def max_in_flight(self) -> int:
        """Places in flight."""
        return sum(lane.flights.room.limit for lane in self.lanes)

    @property
    def max_in_flight_bytes(self) -> int | None:
        """How many bytes may be in flight; None for any number."""
        limits = [lane.flights.room.limit_bytes for lane in self.lanes]
        return sum(limit for limit in limits if limit is not None) or None

    @property
    def copy_s(self) -> float | None:
        """How long copies take on average, by the slowest lane; None before the first has ended."""
        return max((each for lane in self.lanes if (each := lane.flights.copy_s)), default=None)
