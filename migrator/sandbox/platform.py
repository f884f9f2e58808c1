"""The platform put together: what it remembers, what copies and ingests, and all of its routes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from aiohttp import web

from migrator.sandbox import accounts, copies, copying, database, ingesting
from migrator.sandbox.account_routes import AccountRoutes
from migrator.sandbox.accounts import Accounts
from migrator.sandbox.copies import Copies
from migrator.sandbox.copying import Copier
from migrator.sandbox.create_routes import CreateRoutes
from migrator.sandbox.database import Database
from migrator.sandbox.gate import BASE_PATH, template_of
from migrator.sandbox.ingesting import Ingester
from migrator.sandbox.ingestions import ClipRules, Ingestions
from migrator.sandbox.location_routes import LocationRoutes
from migrator.sandbox.locations import Locations
from migrator.sandbox.media.workers import working
from migrator.sandbox.moments import Clock
from migrator.sandbox.records import Records
from migrator.sandbox.seal import Sealer
from migrator.sandbox.sources import Sources
from migrator.sandbox.storage import Storage
from migrator.sandbox.video_routes import VideoRoutes
from migrator.sandbox.webhooks.parts import WebhookParts

V1 = f"{BASE_PATH}/v1"

IDS_AT_A_TIME = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A running platform. With `head` False sources are not looked at when a video is made."""

    records: Records
    accounts: Accounts
    locations: Locations
    copies: Copies
    copier: Copier
    ingester: Ingester
    storage: Storage
    sources: Sources
    webhooks: WebhookParts
    head: bool

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        directory: Path,
        storage: Storage,
        sources: Sources,
        clock: Clock,
        *,
        moves_bytes: bool,
        looks_inside: bool,
        clips: ClipRules,
        bytes_per_second: int,
        head: bool,
        allow_local_urls: bool,
    ) -> AsyncIterator[Self]:
        """The platform that is kept in `directory`, with its files in `storage`.

        With `looks_inside` False nothing is done with what videos hold; what waits for that, from
        an earlier start, waits on.
        """
        sealer = Sealer(directory / "seal.key")
        path = directory / "records.db"
        database.prepare(path, clock, (accounts.seed, copies.interrupt))
        async with AsyncExitStack() as stack:
            kept = await stack.enter_async_context(Database(path))
            records = Records(kept, clock, sealer if moves_bytes else None)
            await records.load()
            held = Copies(kept, clock, sealer, looks_inside=looks_inside)
            workers = await stack.enter_async_context(working(directory))
            ingester = Ingester(Ingestions(kept, clock, clips), storage, workers)
            copier = Copier(
                held,
                sources,
                storage,
                ingester.enqueue,
                moves_bytes=moves_bytes,
                bytes_per_second=bytes_per_second,
            )
            await _remove_what_a_kill_left(records, storage)
            webhooks = await stack.enter_async_context(
                WebhookParts.opened(kept, clock, sealer, allow_local=allow_local_urls)
            )
            if looks_inside:
                await stack.enter_async_context(ingesting.running(ingester))
            await stack.enter_async_context(copying.running(copier))
            yield cls(
                records=records,
                accounts=await Accounts.load(kept, clock),
                locations=await Locations.load(kept, clock, sealer),
                copies=held,
                copier=copier,
                ingester=ingester,
                storage=storage,
                sources=sources,
                webhooks=webhooks,
                head=head,
            )

    def routes(self) -> Sequence[web.RouteDef]:
        """All routes, under the base path."""
        videos = VideoRoutes(
            records=self.records,
            copies=self.copies,
            copier=self.copier,
            ingester=self.ingester,
            storage=self.storage,
        )
        creates = CreateRoutes(
            records=self.records,
            accounts=self.accounts,
            locations=self.locations,
            copier=self.copier,
            sources=self.sources,
            storage=self.storage,
            head=self.head,
        )
        return [
            *creates.routes(V1),
            *videos.routes(V1),
            *AccountRoutes(self.accounts).routes(V1),
            *LocationRoutes(self.accounts, self.locations).routes(V1),
            *self.webhooks.routes(V1, self.accounts),
        ]


def operations(routes: Sequence[web.RouteDef]) -> frozenset[str]:
    """What can be asked of a platform with these routes, as `METHOD /template`."""
    return frozenset(f"{route.method} {template_of(route.path)}" for route in routes)


async def _remove_what_a_kill_left(records: Records, storage: Storage) -> None:
    """Remove the files of videos that had been deleted when the platform was killed."""
    kept = await asyncio.to_thread(storage.kept)
    for first in range(0, len(kept), IDS_AT_A_TIME):
        absent = await records.absent(kept[first : first + IDS_AT_A_TIME])
        await asyncio.to_thread(storage.remove, absent)
