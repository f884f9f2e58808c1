"""Delivering events: each webhook has a lane of its own, so that none waits for another.

What is under way when the platform ends is still due when it starts again: an event may come
twice, but is never forgotten.
"""

import asyncio
import logging

from migrator.sandbox.moments import Clock
from migrator.sandbox.webhooks.courier import Courier
from migrator.sandbox.webhooks.deliveries import Deliveries
from migrator.sandbox.webhooks.lane import Lane, Strike, either
from migrator.sandbox.webhooks.records import Webhooks

SWEEP_EVERY_MS = 3_600_000

log = logging.getLogger(__name__)


class Deliverer:
    """Delivers what is due to all webhooks, and removes what is kept no longer."""

    def __init__(
        self, webhooks: Webhooks, deliveries: Deliveries, courier: Courier, clock: Clock
    ) -> None:
        self._webhooks = webhooks
        self._deliveries = deliveries
        self._courier = courier
        self._clock = clock
        self._lanes: dict[str, Lane] = {}
        self._sweep_wanted = asyncio.Event()

    def wake(self) -> None:
        """Have each lane look for what is due."""
        for lane in self._lanes.values():
            lane.wake()

    async def run(self, strike: Strike) -> None:
        """Deliver until cancelled. `strike` says what goes wrong on purpose."""
        async with asyncio.TaskGroup() as group:

            def changed(webhook_id: str) -> None:
                if self._webhooks.get(webhook_id) is None:
                    self._sweep_wanted.set()
                elif webhook_id not in self._lanes:
                    self._lanes[webhook_id] = self._lane(webhook_id, strike, group)
                if webhook_id in self._lanes:
                    self._lanes[webhook_id].wake()

            self._webhooks.when_changed = changed
            for webhook in self._webhooks.all():
                changed(webhook.webhook_id)
            group.create_task(self._sweep())

    def _lane(self, webhook_id: str, strike: Strike, group: asyncio.TaskGroup) -> Lane:
        lane = Lane(
            *(webhook_id, self._webhooks, self._deliveries, self._courier, self._clock),
            strike=strike,
            group=group,
        )
        task = group.create_task(lane.run())
        task.add_done_callback(lambda _task: self._lanes.pop(webhook_id))
        return lane

    async def _sweep(self) -> None:
        while True:
            self._sweep_wanted.clear()
            try:
                await self._deliveries.sweep()
            except Exception:
                log.exception("old events could not be removed")
            await either(self._sweep_wanted, self._clock, self._clock.machine_ms() + SWEEP_EVERY_MS)
