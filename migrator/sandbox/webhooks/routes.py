"""The routes of webhooks."""

import random
import uuid
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web

from migrator.sandbox.accounts import Accounts
from migrator.sandbox.addresses import ForbiddenUrlError
from migrator.sandbox.answers import Places, answer, get, listed
from migrator.sandbox.errors import ApiError, InvalidField, not_found
from migrator.sandbox.events import EVENT_TYPES
from migrator.sandbox.moments import Clock
from migrator.sandbox.validation import Findings, Query, path_uuid, read_object
from migrator.sandbox.webhooks.deliveries import Deliveries, TooManyTestsError
from migrator.sandbox.webhooks.fields import new_webhook, webhook_change
from migrator.sandbox.webhooks.records import TooManyActiveError, Webhook, WebhookChange, Webhooks
from migrator.sandbox.webhooks.sending import Sender
from migrator.sandbox.webhooks.shapes import event_shape, webhook_shape

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRoutes:
    """Webhooks of all teams of the user."""

    accounts: Accounts
    webhooks: Webhooks
    deliveries: Deliveries
    sender: Sender
    clock: Clock

    def routes(self, v1: str) -> list[web.RouteDef]:
        """All routes, under `v1`."""
        # What has a name of its own is no id: it must not be looked for as a webhook.
        webhook = f"{v1}/webhooks/{{id:(?!(?:events|public-keys)$)[^/]+}}"
        return [
            web.post(f"{v1}/webhooks", self.make),
            get(f"{v1}/webhooks", self.all),
            get(webhook, self.one),
            web.patch(webhook, self.change),
            web.delete(webhook, self.delete),
            web.post(f"{v1}/webhooks/{{id}}/activate", self.activate),
            web.post(f"{v1}/webhooks/{{id}}/deactivate", self.deactivate),
            web.post(f"{v1}/webhooks/{{id}}/test", self.test),
        ]

    async def make(self, request: web.Request) -> web.Response:
        """A new webhook of the selected team; 409 where it has too many that are active."""
        body = await read_object(request)
        findings = Findings()
        team_id = Query(request, findings).uuid("selectTeamId")
        new = new_webhook(body, findings)
        findings.check()
        self._check_url(new.url)
        team = Places(self.accounts, absent_status=400).team(team_id)
        made = await _with_room(self.webhooks.make(team, new))
        return answer(201, webhook_shape(made))

    async def all(self, request: web.Request) -> web.Response:
        """A page of the webhooks of all teams of the user, or of one."""
        findings = Findings()
        query = Query(request, findings)
        team_id = query.uuid("teamId")
        webhooks = [one for one in self.webhooks.all() if team_id in {None, one.team_id}]
        return listed(query, findings, webhooks, webhook_shape)

    async def one(self, request: web.Request) -> web.Response:
        """One webhook."""
        return answer(200, webhook_shape(self._named(request)))

    async def change(self, request: web.Request) -> web.Response:
        """Change what is given of a webhook; events that wait go where it leads from now on."""
        webhook_id = path_uuid(request, "id")
        body = await read_object(request)
        findings = Findings()
        wanted = webhook_change(body, findings)
        findings.check()
        if wanted.url is not None:
            self._check_url(wanted.url)
        return await self._changed(webhook_id, wanted)

    async def activate(self, request: web.Request) -> web.Response:
        """Have events delivered again; 409 where the team has too many that are active."""
        return await self._changed(path_uuid(request, "id"), WebhookChange(is_active=True))

    async def deactivate(self, request: web.Request) -> web.Response:
        """Have no events delivered; those that wait go on waiting."""
        return await self._changed(path_uuid(request, "id"), WebhookChange(is_active=False))

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a webhook, and soon after it its events."""
        if not await self.webhooks.delete(path_uuid(request, "id")):
            raise not_found("Webhook")
        return web.Response(status=204)

    async def test(self, request: web.Request) -> web.Response:
        """Send an event that is a test: of any video, of a type that the webhook asked for."""
        findings = Findings()
        query = Query(request, findings)
        video_id = query.uuid("videoId")
        asked = query.optional_choice("eventType", EVENT_TYPES)
        findings.check()
        webhook = self._named(request)
        if not webhook.is_active:
            raise ApiError(409, "WEBHOOK_NOT_ACTIVE", "Webhook is not active")
        event_type = random.choice(webhook.event_types) if asked is None else asked  # noqa: S311
        if event_type not in webhook.event_types:
            raise ApiError(409, "CONFLICT", "The webhook has not asked for events of this type")
        try:
            event = await self.deliveries.test(webhook, event_type, video_id or str(uuid.uuid4()))
        except TooManyTestsError as error:
            code = "TOO_MANY_WEBHOOK_TEST_EVENTS"
            raise ApiError(409, code, "Too many webhook test events") from error
        return answer(202, event_shape(event, self.clock))

    def _named(self, request: web.Request) -> Webhook:
        webhook = self.webhooks.get(path_uuid(request, "id"))
        if webhook is None:
            raise not_found("Webhook")
        return webhook

    async def _changed(self, webhook_id: str, wanted: WebhookChange) -> web.Response:
        changed = await _with_room(self.webhooks.change(webhook_id, wanted))
        if changed is None:
            raise not_found("Webhook")
        return answer(200, webhook_shape(changed))

    def _check_url(self, url: str) -> None:
        try:
            self.sender.check(url)
        except ForbiddenUrlError as error:
            message = f"Invalid HTTPS URL: {error}"
            invalid = [InvalidField("url", message)]
            raise ApiError(400, "INVALID_HTTPS_URL", message, invalid=invalid) from error


async def _with_room(making: Awaitable[Made]) -> Made:
    try:
        return await making
    except TooManyActiveError as error:
        code = "MAXIMUM_AMOUNT_OF_ACTIVE_WEBHOOKS_REACHED"
        raise ApiError(409, code, "Maximum amount of active webhooks reached") from error
