"""Everything between the engine and the platform's client, composed in one place.

A request waits for a permit (pacing), is counted, is sent, and its end is shown to the quota and to
the breaker. `exchange` sends exactly once: it is what a POST goes through. `read` is for requests
that may be repeated, and repeats them until the platform answers.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from migrator.checkpoint.store import Calls
from migrator.engine.breaker import FAILURES_TO_OPEN, Breaker, is_outage
from migrator.engine.pacing import WINDOW_S, Pacer
from migrator.engine.stop import Stop, Stopping
from migrator.errors import StoppedByItself
from migrator.pixop.client import Answer, Api, Reply

log = logging.getLogger(__name__)

Operation = Literal["submit", "list", "status", "restart", "other"]

PROBE_INTERVAL_S = 1.0
"""Seconds between two probes of a platform that does not answer."""

POST_PAUSE_S = 30.0
"""Longest pause between two POSTs while all of them fail."""

STALE_PERMIT_S = 1.0
"""A permit not used for this long was for another moment of the window: take a new one."""

READ_BACKOFF_S = (0.5, 20.0)
"""First and longest wait before a read is repeated; full jitter below them."""


@dataclass(slots=True)
class CallCounts:
    """Calls of this run, by operation; see checkpoint.store.Calls."""

    submit: int = 0
    list: int = 0
    status: int = 0
    restart: int = 0
    other: int = 0
    throttled: int = 0
    retries: int = 0

    @property
    def total(self) -> int:
        """All calls."""
        return self.submit + self.list + self.status + self.restart + self.other


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer to a read, and when its request began (of the engine's clock).

    What it shows of a row counts only if that was after the row's last command.
    """

    answer: Answer
    began_s: float


def _senseless(what: str, answer: Answer) -> StoppedByItself:
    words = answer.body[:200].decode(errors="replace")
    return StoppedByItself(
        f"the platform's answers to {what} make no sense or are a refusal: {words}",
        "check the API key's rights and --api-url, then resume: nothing is lost",
    )


def _outline(reply: Reply) -> str:
    if isinstance(reply, Answer):
        return str(reply.status)
    return f"{type(reply).__name__}: {reply.detail}"


class Gateway:
    """The paced, counted and watched way to the platform.

    `date_s` is the platform's own clock at its last answer. `caught_up` says that the list has been
    read back to where the last run ended: from then on the date is kept for the next run.
    """

    def __init__(
        self,
        api: Api,
        pacer: Pacer,
        stop: Stop,
        chance: random.Random,
        max_outage_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pacer = pacer
        self.breaker = Breaker()
        self.counts = CallCounts()
        self.date_s: int | None = None
        self.caught_up = False
        self.commands = 0
        self.senseless = ""
        self.posts = Breaker()
        self._one_post = asyncio.Lock()
        self._not_well = asyncio.Event()
        self._api = api
        self._stop = stop
        self._chance = chance
        self._max_outage_s = max_outage_s
        self._clock = clock
        pacer.pause_while(self.breaker.paused_until_s)
        stop.listen(pacer.close)
        stop.listen(self._not_well.set)

    @property
    def calls(self) -> Calls:
        """The counters as the checkpoint keeps them."""
        counts = self.counts
        date_s = self.date_s if self.caught_up else None
        return Calls(
            counts.submit, counts.list, counts.status, counts.restart, counts.other,
            counts.throttled, counts.retries, self.pacer.quotas.announced, date_s,
        )  # fmt: skip

    def now_s(self) -> float:
        """The engine's clock: seconds that only grow."""
        return self._clock()

    async def permit(self) -> float:
        """Leave to send one request; answers when it was given. Raises Stopping."""
        await self.pacer.permit()
        return self._clock()

    async def post_turn(self) -> None:
        """Wait while POSTs alone fail, though the platform answers reads. Raises Stopping.

        They are tried one after the other then, with growing pauses, up to --max-outage: else
        every row would be sent, looked for and given up in turn.
        """
        if not self.posts.is_open:
            return
        async with self._one_post:
            beyond = self.posts.failures - FAILURES_TO_OPEN
            if self.posts.is_open:
                await self._sleep(min(PROBE_INTERVAL_S * 2 ** min(beyond, 10), POST_PAUSE_S))
            if self.posts.is_open and self.posts.outage_s(self._clock()) > self._max_outage_s:
                self._stop.because(
                    StoppedByItself(
                        f"the platform has failed every POST for {self._max_outage_s:.0f} seconds "
                        f"({self.posts.detail})",
                        "resume when it is back: nothing is lost",
                    )
                )
            if self._stop.requested:
                raise Stopping

    def unused(self) -> None:
        """Give a permit back that was not used."""
        self.pacer.ended()

    @contextmanager
    def commanding(self) -> Iterator[None]:
        """From a permit to the answer on the disk: a stop waits for `commands` under way."""
        self.commands += 1
        try:
            yield
        finally:
            self.commands -= 1

    async def fresh(self, given_s: float) -> None:
        """Trade a permit that has grown stale (a slow disk) for a new one. Raises Stopping."""
        while self._clock() - given_s > STALE_PERMIT_S:
            self.pacer.ended()
            given_s = await self.permit()

    def count(self, operation: Operation, calls: int = 1) -> None:
        """Count a request that is about to leave (-1: that did not leave after all).

        A POST is counted before its intent is written, so that the count is durable with it.
        """
        setattr(self.counts, operation, getattr(self.counts, operation) + calls)

    async def exchange(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        """Send one request under a permit that the caller holds, and that it has counted."""
        try:
            reply = await self._api.call(method, path, params, body)
        except BaseException:
            self.pacer.ended()
            raise
        # Paths and statuses only: a query, a header or a body may hold what is nobody's business.
        log.debug("call %s %s: %s", method, path, _outline(reply))
        if isinstance(reply, Answer):
            self.date_s = reply.date_s or self.date_s
            if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
                self.counts.throttled += 1
                self.pacer.refused(reply.quota)
            else:
                self.pacer.answered(reply.quota)
        else:
            self.pacer.ended()
        self.breaker.observe(reply, self._clock())
        if self.breaker.is_open:
            self._not_well.set()
        return reply

    async def read(
        self,
        operation: Operation,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        sensible: Callable[[Answer], bool] = lambda _answer: True,
    ) -> Reading:
        """Ask until the platform answers below 500, and `sensible` agrees.

        Raises Stopping when the run ends, also because of a refused key, an outage, or answers
        that have made no sense for as long as an outage may last.
        """
        attempt = 0
        senseless_since_s: float | None = None
        while True:
            await self.pacer.permit(urgent=True)
            began_s = self._clock()
            self.count(operation)
            reply = await self.exchange(method, path, params)
            if isinstance(reply, Answer):
                if reply.status == HTTPStatus.UNAUTHORIZED:
                    self.key_refused(reply)
                    raise Stopping
                if not is_outage(reply) and reply.status != HTTPStatus.TOO_MANY_REQUESTS:
                    if sensible(reply):
                        self.senseless = ""
                        return Reading(reply, began_s)
                    self.senseless = f"{method} {path}: HTTP {reply.status}"
                    if senseless_since_s is None:
                        senseless_since_s = began_s
                    if began_s - senseless_since_s > self._max_outage_s:
                        self._stop.because(_senseless(self.senseless, reply))
            attempt += 1
            first_s, longest_s = READ_BACKOFF_S
            limit_s = min(longest_s, first_s * 2 ** min(attempt, 10))
            await self._sleep(self._chance.uniform(0, limit_s))

    def key_refused(self, answer: Answer) -> None:
        """The platform does not take the API key: nothing further can be done."""
        self._stop.because(
            StoppedByItself(
                f"the platform refuses the API key (HTTP {answer.status})",
                "set PIXOP_API_KEY to a valid key, then run it again: it resumes where it stopped",
            )
        )

    async def watch(self) -> None:
        """Probe a platform that does not answer, and stop the run when that lasts too long."""
        while not self._stop.requested:
            if not self.breaker.is_open:
                self._not_well.clear()
                await self._not_well.wait()
            elif self.breaker.outage_s(self._clock()) > self._max_outage_s:
                self._stop.because(
                    StoppedByItself(
                        f"the platform has not answered for {self._max_outage_s:.0f} seconds "
                        f"({self.breaker.detail})",
                        "resume when it is back: nothing is lost",
                    )
                )
            else:
                pause_s = max(PROBE_INTERVAL_S, WINDOW_S / self.pacer.quotas.per_window)
                await self._sleep(max(pause_s, self.pacer.held_for_s))
                if self.breaker.is_open and not self._stop.requested:
                    await self._probe()

    async def _probe(self) -> None:
        self.pacer.outstanding += 1
        self.count("other")
        reply = await self.exchange("GET", "/v1/account")
        if isinstance(reply, Answer) and reply.status == HTTPStatus.UNAUTHORIZED:
            self.key_refused(reply)

    async def _sleep(self, seconds: float) -> None:
        """Sleep in steps, so that a stop is noticed soon. Raises nothing."""
        until_s = self._clock() + seconds
        while not self._stop.requested and (left_s := until_s - self._clock()) > 0:
            await asyncio.sleep(min(left_s, 0.25))
