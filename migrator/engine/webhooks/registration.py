"""The platform's registration of our webhook: made once, found again after a crash, removed.

Its name carries the batch, and that one is about to be made is durable before the request leaves:
whatever is killed when, a later start on this batch finds it and removes it.
"""

import asyncio
from http import HTTPStatus

import msgspec

from migrator.checkpoint.store import Checkpoint
from migrator.engine.book import Book
from migrator.engine.gateway import Gateway
from migrator.engine.stop import Stopping
from migrator.errors import RunFailed, UsageError
from migrator.log import WEBHOOK_LEFT, WEBHOOK_REGISTERED, WEBHOOK_REMOVED, tell
from migrator.pixop import deliveries, wire
from migrator.pixop.client import Answer, Reply

RETRY_MINUTES = 10
"""How long the platform goes on trying to deliver an event: lists have found its copy by then."""

RATE_PER_SECOND = (20, 1000)
"""Fewest and most deliveries a second that are asked for; 1000 is the API's own limit."""

TRIES = 5
"""A registration whose answer is lost is looked for, and asked for so often."""

MARK = "webhook"
"""In `meta` while a registration of this batch may be on the platform."""

LIST_PAGE = 100

PUBLIC_KEYS, REGISTERING = 1, 2
"""Calls of a run for its webhooks: the keys that deliveries are signed with; and for each team the
registration and its end."""

MOST_ACTIVE = 10
"""Active webhooks that a team may have (published document)."""


def name_of(batch: str) -> str:
    """The name of a batch's registration (1 to 47 characters)."""
    return f"migrator {batch}"


def rate_per_second(calls_per_minute: int) -> int:
    """Deliveries a second that suffice: twice as many as copies can begin, for a rush."""
    least, most = RATE_PER_SECOND
    return max(least, min(2 * calls_per_minute // 60, most))


class Registration:
    """The registration of one batch, in one team; `is_first`: in that of the default key."""

    def __init__(
        self, book: Book, gateway: Gateway, batch: str, team_id: str, *, is_first: bool = True
    ) -> None:
        self.team_id = team_id
        self._mark = MARK if is_first else f"{MARK} in team {team_id}"
        self._book = book
        self._gateway = gateway
        self._name = name_of(batch)
        self._doubtful = False

    async def remove_stale(self) -> None:
        """Remove what earlier runs on this batch have left. Raises Stopping."""
        if await self._book.run(lambda c: c.meta(self._mark)):
            for webhook_id in await self._ours():
                await self._gateway.read(
                    "other", "DELETE", f"/v1/webhooks/{webhook_id}", sensible=_is_removed
                )
                tell(WEBHOOK_REMOVED, webhook_id=webhook_id)
            await self._book.run(self._unmark)

    async def make(self, url: str, event_types: tuple[str, ...]) -> str:
        """Register; answers the webhook's id.

        Raises Stopping, UsageError where the platform refuses it, and RunFailed where it does not
        say whether it did it.
        """
        await self._book.run(lambda c: c.set_meta(self._mark, self._name))
        rate = rate_per_second(self._gateway.pacer.quotas.per_window)
        post = deliveries.WebhookPost(
            active=True,
            name=self._name,
            url=url,
            rate_limit_per_second=rate,
            max_total_retry_delay_minutes=RETRY_MINUTES,
            event_types=event_types,
        )
        for times in range(1, TRIES + 1):
            reply = await self._post(msgspec.json.encode(post))
            webhook_id = await self._made(reply)
            if webhook_id is not None:
                tell(WEBHOOK_REGISTERED, webhook_id=webhook_id, url=url)
                return webhook_id
            await self._gateway.may_repeat(times)
        raise RunFailed(
            "the platform does not say whether it registered the webhook",
            "try again later, or leave out --webhook-listen and --webhook-url: nothing was sent",
        )

    async def _post(self, body: bytes) -> Reply:
        await self._gateway.permit(urgent=True)
        self._gateway.count("other")
        params = {"selectTeamId": self.team_id}
        return await self._gateway.exchange("other", "POST", "/v1/webhooks", params, body)

    async def _made(self, reply: Reply) -> str | None:
        """The id of what a POST has made; None: ask again. It is no repeated POST of a video."""
        if isinstance(reply, Answer):
            webhook = deliveries.read_webhook(reply.body) if reply.ok else None
            if webhook is not None:
                return webhook.id
            if reply.status == HTTPStatus.UNAUTHORIZED:
                self._gateway.key_refused(reply)
                raise Stopping
            if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
                return None
            error = wire.decode(reply.body, wire.ApiError) or wire.ApiError()
            if reply.status in {400, 403, 404, 409, 422}:
                await self._book.run(self._unmark)
                words = ": ".join(word for word in (error.error_code, error.message) if word)
                raise UsageError(
                    f"the platform does not register the webhook (HTTP {reply.status} "
                    f"{words[:300]})",
                    "check --webhook-url, or leave it and --webhook-listen out: "
                    "nothing was sent by this run",
                )
        self._doubtful = True  # its answer is lost, and it may be there
        found = await self._ours()
        return found[0] if found else None

    async def _ours(self) -> list[str]:
        return [each.id for each in await self.listed() if each.name == self._name]

    async def listed(self) -> list[deliveries.Webhook]:
        """All webhooks of the team. Raises Stopping."""
        found: list[deliveries.Webhook] = []
        number = 0
        while True:
            params = {
                "teamId": self.team_id, "pageSize": str(LIST_PAGE), "pageNumber": str(number),
            }  # fmt: skip
            reading = await self._gateway.read(
                "other", "GET", "/v1/webhooks", params,
                sensible=lambda answer: answer.ok
                and deliveries.read_webhooks(answer.body) is not None,
            )  # fmt: skip
            page = deliveries.read_webhooks(reading.answer.body)
            assert page is not None  # `sensible` has seen to it
            found += page.items
            number += 1
            if not page.items or number * LIST_PAGE >= page.total_elements:
                return found

    async def remove(self, webhook_id: str) -> None:
        """Remove it at the end, also of a run that was told to stop.

        Where the platform does not answer soon it is left, and said: the next run removes it. So is
        one that may be there twice.
        """
        reply = await self._gateway.last_words("DELETE", f"/v1/webhooks/{webhook_id}")
        if not isinstance(reply, Answer) or not _is_removed(reply):
            tell(WEBHOOK_LEFT, webhook_id=webhook_id)
            return
        tell(WEBHOOK_REMOVED, webhook_id=webhook_id)
        if not self._doubtful:
            await asyncio.shield(self._book.run(self._unmark))

    def _unmark(self, checkpoint: Checkpoint) -> None:
        checkpoint.set_meta(self._mark, "")


def _is_removed(answer: Answer) -> bool:
    return answer.ok or answer.status == HTTPStatus.NOT_FOUND
