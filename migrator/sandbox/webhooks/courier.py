"""One attempt to deliver an event: signed, sent, and noted with what came of it."""

from collections.abc import Sequence

from migrator.sandbox.moments import Clock
from migrator.sandbox.plan import (
    DeliveryDoubled,
    DeliveryFault,
    DeliveryLost,
    DeliveryMissigned,
)
from migrator.sandbox.webhooks import schedule
from migrator.sandbox.webhooks.deliveries import Deliveries
from migrator.sandbox.webhooks.records import Webhook
from migrator.sandbox.webhooks.sending import Sender
from migrator.sandbox.webhooks.shapes import payload
from migrator.sandbox.webhooks.signing import SigningKeys
from migrator.sandbox.webhooks.values import Event, Response
from migrator.sandbox.wire import encoded

OLD_S = 600
"""How old a timestamp is by a fault on purpose: twice what receivers are told to refuse."""


class Courier:
    """Takes events to webhooks."""

    def __init__(
        self, deliveries: Deliveries, keys: SigningKeys, sender: Sender, clock: Clock
    ) -> None:
        self._deliveries = deliveries
        self._keys = keys
        self._sender = sender
        self._clock = clock

    async def deliver(self, event: Event, webhook: Webhook, fault: DeliveryFault | None) -> None:
        """Try once, as `fault` has it, and note what came of it and when it is tried again."""
        responses = await self._sent(event, webhook, fault)
        is_over = isinstance(fault, DeliveryLost) or any(one.is_success for one in responses)
        due_at = None if is_over else self._next_try(event, webhook, responses[-1])
        await self._deliveries.tried(event, responses, due_at)

    async def _sent(
        self, event: Event, webhook: Webhook, fault: DeliveryFault | None
    ) -> Sequence[Response]:
        if isinstance(fault, DeliveryLost):
            lost = ("DELIVERY_LOST", "Lost as planned")
            return [Response(self._clock.now_ms(), 0, 0, None, *lost)]
        body = encoded(payload(event, attempt_count=event.attempts + 1))
        times = 2 if isinstance(fault, DeliveryDoubled) else 1
        return [
            await self._sender.post(webhook.url, body, self._signed(body, fault))
            for _ in range(times)
        ]

    def _signed(self, body: bytes, fault: DeliveryFault | None) -> dict[str, str]:
        signer, now_s = self._keys.signer, self._clock.now_ms() // 1000
        match fault:
            case DeliveryMissigned(how="body"):
                return signer.headers(body + b" ", timestamp_s=now_s)
            case DeliveryMissigned(how="key"):
                return signer.stranger().headers(body, timestamp_s=now_s)
            case DeliveryMissigned(how="key_id"):
                return signer.unknown().headers(body, timestamp_s=now_s)
            case DeliveryMissigned():
                return signer.headers(body, timestamp_s=now_s - OLD_S)
        return signer.headers(body, timestamp_s=now_s)

    def _next_try(self, event: Event, webhook: Webhook, response: Response) -> int | None:
        now, retry_at = self._clock.machine_ms(), response.retry_at
        return schedule.next_try(
            now,
            attempts=event.attempts + 1,
            first_tried_at=now if event.first_tried_at is None else event.first_tried_at,
            within_ms=webhook.max_total_retry_delay_minutes * 60_000,
            not_before=None if retry_at is None else retry_at - self._clock.offset_ms,
        )
