"""Webhooks put together: what is remembered, what delivers, and all routes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Self

from aiohttp import web

from migrator.sandbox.accounts import Accounts
from migrator.sandbox.database import Database
from migrator.sandbox.moments import Clock
from migrator.sandbox.seal import Sealer
from migrator.sandbox.webhooks.courier import Courier
from migrator.sandbox.webhooks.deliveries import Deliveries
from migrator.sandbox.webhooks.delivering import Deliverer
from migrator.sandbox.webhooks.event_routes import WebhookEventRoutes
from migrator.sandbox.webhooks.lane import Strike
from migrator.sandbox.webhooks.records import Webhooks
from migrator.sandbox.webhooks.routes import WebhookRoutes
from migrator.sandbox.webhooks.sending import Sender
from migrator.sandbox.webhooks.signing import SigningKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookParts:
    """All about webhooks. Nothing is delivered but within `delivering`."""

    webhooks: Webhooks
    deliveries: Deliveries
    keys: SigningKeys
    sender: Sender
    deliverer: Deliverer
    clock: Clock

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, database: Database, clock: Clock, sealer: Sealer, *, allow_local: bool
    ) -> AsyncIterator[Self]:
        """The webhooks as they were left. `allow_local`: also on this machine and by plain http."""
        keys = SigningKeys(database, clock, sealer)
        await keys.load()
        webhooks, deliveries = await Webhooks.load(database, clock), Deliveries(database, clock)
        async with Sender(clock, allow_local=allow_local) as sender:
            courier = Courier(deliveries, keys, sender, clock)
            deliverer = Deliverer(webhooks, deliveries, courier, clock)
            database.when_committed(deliverer.wake)
            yield cls(
                webhooks=webhooks,
                deliveries=deliveries,
                keys=keys,
                sender=sender,
                deliverer=deliverer,
                clock=clock,
            )

    @asynccontextmanager
    async def delivering(self, strike: Strike) -> AsyncIterator[None]:
        """Deliver for as long as the context lasts; `strike` says what goes wrong on purpose."""
        task = asyncio.create_task(self.deliverer.run(strike))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def routes(self, v1: str, accounts: Accounts) -> list[web.RouteDef]:
        """All routes, under `v1`."""
        webhooks = WebhookRoutes(
            accounts=accounts,
            webhooks=self.webhooks,
            deliveries=self.deliveries,
            sender=self.sender,
            clock=self.clock,
        )
        events = WebhookEventRoutes(deliveries=self.deliveries, keys=self.keys, clock=self.clock)
        return [*events.routes(v1), *webhooks.routes(v1)]
