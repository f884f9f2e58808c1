"""The deliveries to one webhook: read a page at a time, evenly spaced, some of them at once."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from migrator.sandbox.faults import Struck
from migrator.sandbox.moments import Clock
from migrator.sandbox.plan import DeliveryFault, DeliveryLate, DeliveryReordered
from migrator.sandbox.webhooks.courier import Courier
from migrator.sandbox.webhooks.deliveries import Deliveries
from migrator.sandbox.webhooks.records import Webhook, Webhooks
from migrator.sandbox.webhooks.schedule import Spacing
from migrator.sandbox.webhooks.values import Event

AT_ONCE = 16
"""Deliveries to one webhook at a time: two teams with ten active webhooks take 320 sockets."""

PAGE = 100
"""How many events are read at a time, and held back at most."""

LONGEST_WAIT_MS = 60_000
"""So long a lane sleeps at most, so that a clock that was set, or a machine that slept, is seen."""

PAUSE_MS = 10_000
"""After an error of our own, such as a full disk."""

Strike = Callable[[str], Struck]
"""What goes wrong on purpose with the next delivery of an operation (see `plan.DELIVERIES`)."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Held:
    """An event that waits on purpose until `left` of the deliveries begun after it have ended."""

    event: Event
    begun_before: int
    left: int


class Lane:
    """Delivers to the webhook of one id, for as long as it is there."""

    def __init__(
        self,
        webhook_id: str,
        webhooks: Webhooks,
        deliveries: Deliveries,
        courier: Courier,
        clock: Clock,
        strike: Strike,
        group: asyncio.TaskGroup,
    ) -> None:
        self._webhook_id = webhook_id
        self._webhooks = webhooks
        self._deliveries = deliveries
        self._courier = courier
        self._clock = clock
        self._strike = strike
        self._group = group
        self._woken = asyncio.Event()
        self._spacing = Spacing()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._begun = 0
        self._under_way: set[int] = set()
        self._held: list[_Held] = []

    def wake(self) -> None:
        """Look for what is due: something may have come, or the webhook has changed."""
        self._woken.set()

    async def run(self) -> None:
        """Deliver until the webhook is deleted."""
        while (webhook := self._webhooks.get(self._webhook_id)) is not None:
            self._woken.clear()
            next_at = self._clock.machine_ms() + LONGEST_WAIT_MS
            try:
                if webhook.is_active:
                    next_at = min(next_at, await self._round())
            except Exception:
                log.exception("webhook %s: nothing could be delivered", self._webhook_id)
                next_at = self._clock.machine_ms() + PAUSE_MS
            await either(self._woken, self._clock, next_at)

    async def _round(self) -> int:
        """Begin what is due; when to look again, by the machine's clock."""
        # Before reading: what ends meanwhile has been read as it was, and must not begin again.
        busy = self._under_way | {one.event.event_number for one in self._held}
        pending = await self._deliveries.pending(self._webhook_id, PAGE + len(busy))
        now = self._clock.machine_ms()
        due = [event for event, due_at in pending if due_at <= now]
        due = [event for event in due if event.event_number not in busy]
        for event in due:
            await self._begin(event, may_be_struck=not event.was_put_off)
            await self._begin_ripe(none_to_come=False)
        if await self._begin_ripe(none_to_come=not due and not self._under_way) or due:
            return now
        return next((due_at for _, due_at in pending if due_at > now), now + LONGEST_WAIT_MS)

    async def _begin_ripe(self, *, none_to_come: bool) -> bool:
        """Begin what has waited for as many others as planned; all, where none are to come."""
        ripe = [one for one in self._held if one.left <= 0 or none_to_come]
        self._held = [one for one in self._held if one not in ripe]
        for one in ripe:
            await self._begin(one.event, may_be_struck=False)
        return bool(ripe)

    async def _begin(self, event: Event, *, may_be_struck: bool) -> None:
        """Begin a delivery once its turn has come; nothing if nothing is to be sent by then."""
        await self._slots.acquire()
        begun = False
        try:
            webhook = self._active()
            if webhook is None:
                return
            rate = webhook.rate_limit_per_second
            await self._clock.sleep(self._spacing.wait_s(self._clock.monotonic_s(), rate))
            webhook = self._active()  # it may have been changed, or deleted, meanwhile
            if webhook is None:
                return
            fault = None
            if may_be_struck:
                fault = self._strike(f"DELIVER {event.event_type}").delivery
            if await self._waits(event, fault):
                return
            self._under_way.add(event.event_number)
            self._group.create_task(self._deliver(event, webhook, fault, self._begun))
            self._begun += 1
            begun = True
        finally:
            if not begun:
                self._slots.release()

    def _active(self) -> Webhook | None:
        webhook = self._webhooks.get(self._webhook_id)
        return webhook if webhook is not None and webhook.is_active else None

    async def _waits(self, event: Event, fault: DeliveryFault | None) -> bool:
        """Whether an event is not sent now but later, as planned."""
        match fault:
            case DeliveryLate():
                due_at = self._clock.machine_ms() + round(1000 * fault.seconds)
                await self._deliveries.put_off(event, due_at)
                return True
            case DeliveryReordered() if len(self._held) < PAGE:
                self._held.append(_Held(event, self._begun, fault.places))
                return True
        return False

    async def _deliver(
        self, event: Event, webhook: Webhook, fault: DeliveryFault | None, ordinal: int
    ) -> None:
        try:
            await self._courier.deliver(event, webhook, fault)
        except Exception:
            log.exception("event %s: the delivery could not be noted", event.event_id)
            await self._clock.sleep(PAUSE_MS / 1000)  # it is due again at once
        finally:
            self._under_way.discard(event.event_number)
            self._slots.release()
            for one in self._held:
                one.left -= ordinal >= one.begun_before
            self.wake()


async def either(event: asyncio.Event, clock: Clock, until_ms: int) -> None:
    """Wait until `event` is set, or it is `until_ms` by the machine's clock."""
    waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(_until(clock, until_ms))]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waits:
            one.cancel()


async def _until(clock: Clock, until_ms: int) -> None:
    await clock.sleep((until_ms - clock.machine_ms()) / 1000)
