"""Everything between the engine and the platform's client, composed in one place.

A request waits for a permit (pacing), is counted, is sent, and its end is shown to the quota, to
the breaker and to the retry budget. `exchange` sends exactly once: it is what a POST goes through.
`read` is for requests that may be repeated, and repeats them until the platform answers. Whatever
is repeated, by it or by others, asks `may_repeat` first.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

from migrator.checkpoint.values import Calls
from migrator.engine import patience
from migrator.engine.breaker import is_outage
from migrator.engine.calls import Operation, Reading, no_use, outline, result
from migrator.engine.meter import Meter, Unmetered
from migrator.engine.pacing import Pacer
from migrator.engine.patience import Patience
from migrator.engine.stop import Stop, Stopping
from migrator.errors import StoppedByItself
from migrator.log import API_CALL, is_told, tell
from migrator.pixop.client import Answer, Api, Reply

LAST_WORDS_S = 5.0
"""Seconds that a request after the end may take, its place in the quota included."""

STALE_PERMIT_S = 1.0
"""A permit not used for this long was for another moment of the window: take a new one."""


class Gateway(Patience):
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
        meter: Meter | None = None,
        *,
        variable: str = "PIXOP_API_KEY",
    ) -> None:
        self._variable = variable
        super().__init__(pacer, stop, chance, max_outage_s, clock)
        self.date_s: int | None = None
        self._date_at_s = 0.0
        self.caught_up = False
        self.commands = 0
        self.senseless = ""
        self._api = api
        self._meter = meter or Unmetered()
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

    def platform_s(self) -> float:
        """The platform's clock now: its last `Date`, and what has passed since. Epoch seconds.

        By this machine's clock where the platform has told none.
        """
        if self.date_s is None:
            return time.time()
        return self.date_s + self._clock() - self._date_at_s

    async def permit(self, *, urgent: bool = False) -> float:
        """Leave to send one request; answers when it was given. Raises Stopping."""
        await self.pacer.permit(urgent=urgent)
        return self._clock()

    def unused(self) -> None:
        """Give a permit back that was not used."""
        self.pacer.unused()

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
            self.pacer.unused()
            given_s = await self.permit()

    def count(self, operation: Operation, calls: int = 1) -> None:
        """Count a request that is about to leave (-1: that did not leave after all).

        A POST is counted before its intent is written, so that the count is durable with it.
        """
        setattr(self.counts, operation, getattr(self.counts, operation) + calls)

    async def exchange(
        self,
        operation: Operation,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        """Send one request under a permit that the caller holds, and that it has counted."""
        began_s = self._clock()
        try:
            reply = await self._api.call(method, path, params, body)
        except BaseException:
            self.pacer.ended()
            raise
        seconds = self._clock() - began_s
        self._meter.call_ended(operation, result(reply), seconds)
        if is_told(API_CALL):
            # Paths and statuses only: a query, a header or a body may hold what nobody should read.
            answer = outline(reply)
            tell(API_CALL, method=method, path=path, answer=answer, seconds=round(seconds, 3))
        if isinstance(reply, Answer):
            if reply.date_s:
                self.date_s, self._date_at_s = reply.date_s, self._clock()
            if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
                self.counts.throttled += 1
                self.pacer.refused(reply.quota)
            else:
                self.pacer.answered(reply.quota)
        else:
            self.pacer.ended()
        self._watched(reply, began_s)
        return reply

    async def read(
        self,
        operation: Operation,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        body: bytes | None = None,
        sensible: Callable[[Answer], bool] = lambda _answer: True,
    ) -> Reading:
        """Ask until the platform answers below 500, and `sensible` agrees.

        Raises Stopping when the run ends, also because of a refused key, an outage, or because this
        very request has had no answer that makes sense for as long as an outage may last.
        """
        times = 0
        failing_since_s: float | None = None
        while True:
            await self.pacer.permit(urgent=True)
            began_s = self._clock()
            self.count(operation)
            reply = await self.exchange(operation, method, path, params, body)
            times += 1
            if isinstance(reply, Answer):
                if reply.status == HTTPStatus.UNAUTHORIZED:
                    self.key_refused(reply)
                    raise Stopping
                if not is_outage(reply) and reply.status != HTTPStatus.TOO_MANY_REQUESTS:
                    if sensible(reply):
                        self.senseless = ""
                        return Reading(reply, began_s)
                    self.senseless = f"{method} {path}: HTTP {reply.status}"
            if not isinstance(reply, Answer) or reply.status != HTTPStatus.TOO_MANY_REQUESTS:
                if failing_since_s is None:
                    failing_since_s = began_s
                if began_s - failing_since_s > self._max_outage_s:
                    self._stop.because(no_use(f"{method} {path}", reply, self._max_outage_s))
            await self.may_repeat(times)

    def key_refused(self, answer: Answer) -> None:
        """The platform does not take the API key: nothing further can be done."""
        self._stop.because(
            StoppedByItself(
                f"the platform refuses the API key (HTTP {answer.status})",
                f"set {self._variable} to a valid key, then do the same again: nothing is lost",
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
                asked_for_s = self.breaker.asked_s - self._clock()
                least_s = max(patience.PROBE_INTERVAL_S, self.pacer.held_for_s)
                await self._rest(max(least_s, asked_for_s))
                if self.breaker.is_open and not self._stop.requested:
                    await self._probe()

    async def _probe(self) -> None:
        await self.pacer.probe()
        self.count("other")
        reply = await self.exchange("other", "GET", "/v1/account")
        if isinstance(reply, Answer) and reply.status == HTTPStatus.UNAUTHORIZED:
            self.key_refused(reply)

    async def last_words(self, method: str, path: str) -> Reply | None:
        """One request, which may come to the same when repeated, also once the run was stopped.

        It keeps to the quota as all do; None where there is no room or no answer within seconds.
        """
        if self.pacer.held_for_s > LAST_WORDS_S:
            return None
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                await self.pacer.probe()
                self.count("other")
                return await self.exchange("other", method, path)
        except TimeoutError:
            return None
