"""What has failed is asked again, in time: repetitions, and POSTs while all of them fail.

Backoff first, then the budget (`retries`): what is repeated by many at once waits for answers, or
goes one after the other.
"""

import asyncio
import math
import random
from collections.abc import Callable
from http import HTTPStatus

from migrator.engine.breaker import Breaker, is_outage
from migrator.engine.calls import CallCounts
from migrator.engine.pacing import STEP_S, Pacer
from migrator.engine.quotas import WINDOW_S, rest_s
from migrator.engine.retries import ANSWERS_PER_REPETITION, RetryBudget, backoff_s
from migrator.engine.stop import Stop, Stopping
from migrator.errors import StoppedByItself
from migrator.pixop.client import Answer, Reply

PROBE_INTERVAL_S = 1.0
"""Seconds between two probes of a platform that does not answer, or between two POSTs while all of
them fail."""

REST_STEP_S = 1.0
"""How often who rests between rounds looks whether submitters still wait."""


class Patience:
    """When a call may be repeated, and when a round may begin.

    `breaker` watches all calls, `posts` the POSTs alone.
    """

    def __init__(
        self,
        pacer: Pacer,
        stop: Stop,
        chance: random.Random,
        max_outage_s: float,
        clock: Callable[[], float],
    ) -> None:
        self.pacer = pacer
        self.breaker = Breaker()
        self.posts = Breaker()
        self.counts = CallCounts()
        self.budget = RetryBudget()
        self.waiting_to_repeat = 0
        self._one_post = asyncio.Lock()
        self._last_probing_post_s = -math.inf
        self._one_repetition = asyncio.Lock()
        self._recoveries = 0
        self._not_well = asyncio.Event()
        self._stop = stop
        self._chance = chance
        self._max_outage_s = max_outage_s
        self._clock = clock

    async def may_repeat(self, times: int) -> None:
        """Wait until a call that was made `times` times may be repeated: backoff, then the budget.

        Raises nothing, also when the run stops.
        """
        await self._rest(backoff_s(times, self._chance.random()))
        await self.repetition()

    async def repetition(self) -> None:
        """Wait for the budget's leave to repeat a call. Raises nothing, also when the run stops.

        While it is spent one waits at a time, for answers to other calls or for so long that it
        counts as a probe.
        """
        self.waiting_to_repeat += 1
        try:
            async with self._one_repetition:
                if self.budget.is_spent:
                    per_window = self.pacer.quotas.per_window
                    pause_s = max(PROBE_INTERVAL_S, ANSWERS_PER_REPETITION * WINDOW_S / per_window)
                    await self._rest(pause_s, lambda: not self.budget.is_spent)
                if not self.budget.is_spent:
                    self.budget.repeated()
                self.counts.retries += 1
        finally:
            self.waiting_to_repeat -= 1

    async def post_turn(self) -> None:
        """Wait while POSTs alone fail, though the platform answers reads. Raises Stopping.

        They are tried one after the other then, one a second at most, up to --max-outage: else
        every row would be sent, looked for and given up in turn.
        """
        if not self.posts.is_open:
            return
        async with self._one_post:
            due_s = self._last_probing_post_s + PROBE_INTERVAL_S
            await self._rest(due_s - self._clock(), lambda: not self.posts.is_open)
            self._last_probing_post_s = self._clock()
            failing = self.posts.is_open and not self.breaker.is_open
            if failing and self.posts.outage_s(self._clock()) > self._max_outage_s:
                self._stop.because(
                    StoppedByItself(
                        f"the platform has failed every POST for {self._max_outage_s:.0f} seconds "
                        f"({self.posts.detail})",
                        "resume when it is back: nothing is lost",
                    )
                )
            if self._stop.requested:
                raise Stopping

    async def rest(self, least_s: float, calls: int, share: float) -> None:
        """Pause for `least_s`; longer while submitters wait, or all POSTs fail.

        So what settles rows keeps to its `share` of the quota, of which it has just made `calls`.
        """
        began_s = self._clock()
        while True:
            pause_s = least_s
            if self.pacer.contested or self.posts.is_open:
                pause_s = max(pause_s, rest_s(calls, share, self.pacer.quotas.per_window))
            left_s = began_s + pause_s - self._clock()
            if left_s <= 0:
                return
            await asyncio.sleep(min(left_s, REST_STEP_S))

    async def _rest(self, seconds: float, enough: Callable[[], bool] = lambda: False) -> None:
        """Sleep, but not beyond a stop, the end of an outage, or what is `enough`."""
        until_s, recoveries = self._clock() + seconds, self._recoveries
        while not (self._stop.requested or enough()) and recoveries == self._recoveries:
            left_s = until_s - self._clock()
            if left_s <= 0:
                return
            await asyncio.sleep(min(left_s, STEP_S))

    def _watched(self, reply: Reply, began_s: float) -> None:
        """Show how a request ended to the breakers and to the retry budget."""
        was_open = self.breaker.is_open
        self.breaker.observe(reply, began_s, self._clock())
        if was_open and not self.breaker.is_open:
            self._recoveries += 1
        if self.breaker.is_open:
            self._not_well.set()
        throttled = isinstance(reply, Answer) and reply.status == HTTPStatus.TOO_MANY_REQUESTS
        if not is_outage(reply) and not throttled:
            self.budget.answered()
