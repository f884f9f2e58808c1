"""`doctor`'s look at webhooks: is there room for one, and does the URL lead here?"""

import asyncio
import secrets
from http import HTTPStatus

import aiohttp

from migrator.cli.health import Check
from migrator.engine.webhooks.registration import MOST_ACTIVE
from migrator.errors import MigratorError
from migrator.pixop import deliveries
from migrator.pixop.client import Answer, Reply
from migrator.pixop.listener import listening
from migrator.settings import WebhookSettings

NAME = "webhooks"

PATIENCE_S = 10.0
"""The platform waits so long for the answer to a delivery."""

NONE_USED = Check(
    NAME,
    "ok",
    "none are used: copies are followed by the platform's list, and nothing has to reach this "
    "machine",
)


def judge_room(reply: Reply) -> Check:
    """Whether the team may have one more active webhook, by the first page of its list. Pure."""
    page = deliveries.read_webhooks(reply.body) if isinstance(reply, Answer) and reply.ok else None
    if page is None:
        told = f"HTTP {reply.status}" if isinstance(reply, Answer) else reply.detail
        return Check(NAME, "fail", f"GET /v1/webhooks: {told}",
                     "check that the key may use the team's webhooks")  # fmt: skip
    active = sum(each.active is not False for each in page.items)
    found = f"{active} of {MOST_ACTIVE} active webhooks of the team are there"
    if active >= MOST_ACTIVE:
        return Check(NAME, "fail", found, "deactivate or delete one on the platform")
    return Check(NAME, "ok", f"{found}; a run registers one while it lasts")


async def reach(settings: WebhookSettings) -> Check:
    """Listen as a run would, and send something to the URL: does it come?

    It is asked for from here, not from the platform: a way that is open to this network alone looks
    open.
    """
    address, url = settings.address, settings.webhook_url
    assert address is not None
    assert url is not None
    word, came = secrets.token_bytes(16), asyncio.Event()

    def take(_headers: object, body: bytes) -> int:
        if body == word:
            came.set()
            return HTTPStatus.NO_CONTENT
        return HTTPStatus.SERVICE_UNAVAILABLE  # a delivery of the platform's: again, later

    hint = "let the proxy that has --webhook-url forward POSTs to --webhook-listen"
    try:
        async with listening(*address, take), aiohttp.ClientSession() as session:
            timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
            async with session.post(
                url, data=word, timeout=timeout, allow_redirects=False
            ) as answer:
                told = f"HTTP {answer.status}"
    except MigratorError as error:
        return Check("webhook url", "fail", error.message, error.hint)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        told = str(error) or "no answer"
    if came.is_set():
        return Check("webhook url", "ok", f"{url} leads here, asked for from this machine")
    return Check("webhook url", "fail", f"{url} does not lead here ({told})", hint)
