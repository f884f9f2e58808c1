"""The routes of what was, or is to be, delivered to webhooks, and of the keys to verify it with."""

from dataclasses import dataclass

import msgspec
from aiohttp import web

from migrator.sandbox import wire
from migrator.sandbox.answers import answer, get, page_wanted
from migrator.sandbox.errors import ApiError, not_found
from migrator.sandbox.moments import Clock
from migrator.sandbox.validation import Findings, Query, path_uuid
from migrator.sandbox.webhooks.deliveries import Deliveries
from migrator.sandbox.webhooks.shapes import event_shape, key_shape
from migrator.sandbox.webhooks.signing import SigningKeys
from migrator.sandbox.webhooks.values import EventFilter, FilterMode

MODES: tuple[FilterMode, ...] = ("INCLUDE", "EXCLUDE", "ONLY")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEventRoutes:
    """Events of all teams of the user, and the published keys."""

    deliveries: Deliveries
    keys: SigningKeys
    clock: Clock

    def routes(self, v1: str) -> list[web.RouteDef]:
        """All routes, under `v1`."""
        return [
            get(f"{v1}/webhooks/events", self.all),
            get(f"{v1}/webhooks/events/{{id}}", self.one),
            get(f"{v1}/webhooks/public-keys", self.public_keys),
            get(f"{v1}/webhooks/public-keys/{{id}}", self.public_key),
        ]

    async def all(self, request: web.Request) -> web.Response:
        """A page of the events of all teams of the user, or of those the filters leave."""
        findings = Findings()
        query = Query(request, findings)
        number, size = page_wanted(query)
        wanted = EventFilter(
            team_id=query.uuid("teamId"),
            successful=query.choice("successfulMode", MODES),
            tests=query.choice("testMode", MODES),
            occurred_from=query.moment("occurredAtFrom"),
            occurred_until=query.moment("occurredAtUntil"),
            by_update=query.choice("sortBy", ("createdAt", "updatedAt")) == "updatedAt",
            descending=query.choice("sortDirection", ("ASC", "DESC")) == "DESC",
        )
        findings.check()
        first, last = wanted.occurred_from, wanted.occurred_until
        if first is not None and last is not None and first > last:
            raise ApiError(400, "INVALID_DATE_TIME_RANGE", "Invalid date time range")
        total, events = await self.deliveries.page(wanted, limit=size, offset=number * size)
        items = [event_shape(event, self.clock) for event in events]
        return answer(200, wire.page(items, number=number, size=size, total=total))

    async def one(self, request: web.Request) -> web.Response:
        """One event, with what came of each attempt."""
        event = await self.deliveries.one(path_uuid(request, "id"))
        if event is None:
            raise not_found("Webhook event")
        return answer(200, event_shape(event, self.clock))

    async def public_keys(self, _request: web.Request) -> web.Response:
        """The keys that are valid now; the one that signs is the last."""
        shapes = [key_shape(key) for key in await self.keys.published()]
        return web.Response(body=msgspec.json.encode(shapes), content_type="application/json")

    async def public_key(self, request: web.Request) -> web.Response:
        """One key; 404 once it is no longer valid."""
        key_id = path_uuid(request, "id")
        for key in await self.keys.published():
            if key.key_id == key_id:
                return answer(200, key_shape(key))
        raise not_found("Webhook public key")
