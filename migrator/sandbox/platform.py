"""The platform put together: what it remembers, what copies, and all of its routes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from aiohttp import web

from migrator.sandbox import accounts, copies, copying, database
from migrator.sandbox.account_routes import AccountRoutes
from migrator.sandbox.accounts import Accounts
from migrator.sandbox.copies import Copies
from migrator.sandbox.copying import Copier
from migrator.sandbox.create_routes import CreateRoutes
from migrator.sandbox.database import Database
from migrator.sandbox.gate import BASE_PATH, template_of
from migrator.sandbox.location_routes import LocationRoutes
from migrator.sandbox.locations import Locations
from migrator.sandbox.moments import Clock
from migrator.sandbox.records import Records
from migrator.sandbox.seal import Sealer
from migrator.sandbox.sources import Sources
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
    sources: Sources
    webhooks: WebhookParts
    head: bool

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        directory: Path,
        videos: Path,
        sources: Sources,
        clock: Clock,
        *,
        moves_bytes: bool,
        bytes_per_second: int,
        head: bool,
        allow_local_urls: bool,
    ) -> AsyncIterator[Self]:
        """The platform that is kept in `directory`, with its copies in `videos`."""
        sealer = Sealer(directory / "seal.key")
        path = directory / "records.db"
        database.prepare(path, clock, (accounts.seed, copies.interrupt))
        async with AsyncExitStack() as stack:
            kept = await stack.enter_async_context(Database(path))
            records = Records(kept, clock, sealer if moves_bytes else None)
            await records.load()
            held = Copies(kept, clock, sealer)
            copier = Copier(
                held, sources, videos, moves_bytes=moves_bytes, bytes_per_second=bytes_per_second
            )
            await _remove_what_a_kill_left(records, copier)
            webhooks = await stack.enter_async_context(
                WebhookParts.opened(kept, clock, sealer, allow_local=allow_local_urls)
            )
            await stack.enter_async_context(copying.running(copier))
            yield cls(
                records=records,
                accounts=await Accounts.load(kept, clock),
                locations=await Locations.load(kept, clock, sealer),
                copies=held,
                copier=copier,
                sources=sources,
                webhooks=webhooks,
                head=head,
            )

    def routes(self) -> Sequence[web.RouteDef]:
        """All routes, under the base path."""
        videos = VideoRoutes(records=self.records, copies=self.copies, copier=self.copier)
        creates = CreateRoutes(
            records=self.records,
            accounts=self.accounts,
            locations=self.locations,
            copier=self.copier,
            sources=self.sources,
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


async def _remove_what_a_kill_left(records: Records, copier: Copier) -> None:
    """Remove the files of videos that had been deleted when the platform was killed."""
    kept = await asyncio.to_thread(copier.kept)
    for first in range(0, len(kept), IDS_AT_A_TIME):
        absent = await records.absent(kept[first : first + IDS_AT_A_TIME])
        await asyncio.to_thread(copier.remove_files, absent)
