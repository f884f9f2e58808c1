"""Taking deliveries: judged at once and answered, with nothing waited for."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from multidict import MultiMapping

from migrator.engine.book import Book
from migrator.engine.gateway import Gateway
from migrator.engine.webhooks.hints import Hints
from migrator.engine.webhooks.judge import STATUS, Judge, Verdict
from migrator.engine.webhooks.keys import PublicKeys
from migrator.engine.webhooks.registration import Registration
from migrator.errors import UsageError
from migrator.log import DELIVERY_JUDGED, tell
from migrator.pixop import deliveries
from migrator.pixop.listener import Take
from migrator.settings import BatchSettings, WebhookSettings

DELETED = "video.deleted"

ENDS = {
    "copied": ("video_in.done", "video_in.failed", DELETED),
    "ingested": (
        "video_in.failed",
        "video_in_ingestion.done",
        "video_in_ingestion.failed",
        DELETED,
    ),
}
"""The events that can settle a row, by --until. A copy that is only half of what is waited for is
none of them: its ingestion shows that it is done, and each would cost a look."""

Listen = Callable[[str, int, Take], AbstractAsyncContextManager[None]]


class Webhooks:
    """The webhooks of a run, one in each team. `counts` are deliveries by what they were."""

    def __init__(
        self, settings: WebhookSettings, until: str, gateway: Gateway, book: Book, listen: Listen
    ) -> None:
        self.counts: Counter[Verdict] = Counter()
        self._hints: defaultdict[str, Hints] = defaultdict(Hints)
        self._teams: dict[str, str] = {}
        self._settings = settings
        self._event_types = ENDS[until]
        self._gateway = gateway
        self._book = book
        self._listen = listen
        self._keys = PublicKeys()
        self._judge = Judge(self._keys, self._event_types)
        self._keys_wanted = asyncio.Event()

    def hints(self, team_id: str) -> Hints:
        """What deliveries have told of the videos of a team."""
        return self._hints[team_id]

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Take deliveries for the block. Raises UsageError where that address cannot be had."""
        address = self._settings.address
        assert address is not None
        async with self._listen(*address, self.take):
            yield

    def take(self, headers: MultiMapping[str], body: bytes) -> int:
        """Judge one delivery; answers the HTTP status for it."""
        now_s = self._gateway.now_s()
        verdict, event = self._judge.judge(headers, body, self._gateway.platform_s())
        self.counts[verdict] += 1
        tell(DELIVERY_JUDGED, verdict=verdict)
        if verdict is Verdict.UNKNOWN_KEY and self._keys.may_ask(now_s):
            self._keys_wanted.set()
        if event is not None:
            hints = self._hints[self._teams[event.webhook_id]]
            hints.add(event.video_id, now_s, gone=event.event_type == DELETED)
        return STATUS[verdict]

    @asynccontextmanager
    async def registered(self, registrations: Iterable[Registration]) -> AsyncIterator[None]:
        """Have the platform deliver for the block. Raises what `Registration.make` raises."""
        if not await self._ask_for_keys():
            raise UsageError(
                "the platform publishes no keys to verify its deliveries with",
                "leave out --webhook-listen and --webhook-url: nothing was sent by this run",
            )
        async with AsyncExitStack() as stack:
            for registration in registrations:
                await stack.enter_async_context(self._registered(registration))
            yield

    @asynccontextmanager
    async def _registered(self, registration: Registration) -> AsyncIterator[None]:
        assert self._settings.webhook_url is not None
        webhook_id = await registration.make(self._settings.webhook_url, self._event_types)
        self._teams[webhook_id] = registration.team_id
        self._judge.webhook_ids.add(webhook_id)
        try:
            yield
        finally:
            self._judge.webhook_ids.remove(webhook_id)
            await registration.remove(webhook_id)

    async def refresh_keys(self) -> None:
        """Ask for the keys again when one is named that nobody knows, for ever. Raises Stopping."""
        while True:
            await self._keys_wanted.wait()
            await self._ask_for_keys()
            self._keys_wanted.clear()

    async def _ask_for_keys(self) -> bool:
        reading = await self._gateway.read("other", "GET", "/v1/webhooks/public-keys")
        keys = deliveries.read_keys(reading.answer.body) if reading.answer.ok else None
        now_s = self._gateway.now_s()
        self._keys.publish(keys or [], now_s)
        return bool(keys)


def webhooks_of(
    settings: BatchSettings, gateway: Gateway, book: Book, listen: Listen
) -> Webhooks | None:
    """The webhooks of a run, where its settings want any."""
    if settings.webhooks.address is None:
        return None
    return Webhooks(settings.webhooks, settings.platform.until, gateway, book, listen)
