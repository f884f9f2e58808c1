"""Putting a sandbox together, and taking it apart again.

`DIR` holds `buckets/` (a directory for each bucket, where the user puts objects),
`platform/` (records, keys, and the files of videos: see `storage`) and, while a sandbox is ready
there and after it has stopped, `sandbox.env`.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aiohttp import web

from migrator.sandbox import checksum, s3, seal
from migrator.sandbox import keys as key_files
from migrator.sandbox.connection import HOST, listening
from migrator.sandbox.errors import SandboxError
from migrator.sandbox.faults import Faults
from migrator.sandbox.gate import BASE_PATH, Gate
from migrator.sandbox.ingestions import ClipRules
from migrator.sandbox.inspection import Inspection
from migrator.sandbox.media import workers
from migrator.sandbox.moments import Clock
from migrator.sandbox.page.routes import Page
from migrator.sandbox.plan import Plan, from_toml
from migrator.sandbox.platform import Platform, operations
from migrator.sandbox.quota import Quota
from migrator.sandbox.source import Source
from migrator.sandbox.sources import Sources
from migrator.sandbox.storage import Storage
from migrator.sandbox.validation import MAX_BODY_BYTES
from migrator.sandbox.web import WebSource, open_session

PORT_MAX = 65_535


@dataclass(frozen=True, kw_only=True)
class SandboxSettings:
    """What a sandbox is to be.

    `port` and `s3_port` 0 take any free port. With `copy` False no bytes are copied: a video
    is DONE once it is made, and there is nothing to look inside of. With `media` False nothing
    is done with what a video holds: its ingestion is DONE with its copy. `clips` is whether masters
    get the free clip (for all teams), and `clip_description` whether it repeats the description
    of its master. With `head` False the source is not
    looked at when a video is made, and its size is shown as 0 until it is copied.
    `allow_local_urls` lets videos be copied from plain http and from this machine, and webhooks
    be there. `faults` is the file of a plan. `copy_bytes_per_second` holds all copies together to
    that rate (0: no limit). `s3_cache_s` is how long the local S3 may take to see a new file;
    directories of many thousands of files want more of it (see `s3`).
    """

    directory: Path
    port: int = 0
    s3_port: int = 0
    requests_per_minute: int = 1200
    copy: bool = True
    media: bool = True
    clips: bool = True
    clip_description: Literal["master", "none"] = "master"
    head: bool = True
    allow_local_urls: bool = False
    faults: Path | None = None
    copy_bytes_per_second: int = 0
    s3_cache_s: float = 0.1

    def __post_init__(self) -> None:
        if not (0 <= self.port <= PORT_MAX and 0 <= self.s3_port <= PORT_MAX):
            raise SandboxError("a port is a number from 0 (any free one) to 65535")
        if self.requests_per_minute < 1:
            raise SandboxError("the quota must admit at least one request per minute")
        if self.copy_bytes_per_second < 0 or self.s3_cache_s < 0:
            raise SandboxError("a rate or a duration cannot be negative")

    @property
    def looks_inside(self) -> bool:
        """Whether anything is done with what videos hold."""
        return self.copy and self.media


async def serve(
    settings: SandboxSettings,
    *,
    ready: Callable[[Mapping[str, str]], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until `stop` is set or the task is cancelled.

    Once everything answers, `DIR/sandbox.env` is written and `ready` is called with the same
    names and values, secrets among them. Raises SandboxError where the sandbox cannot start,
    or where its S3 has ended.
    """
    async with _sandbox(settings, ready) as s3_ended:
        stopped = asyncio.create_task((stop or asyncio.Event()).wait())
        try:
            await asyncio.wait((stopped, s3_ended), return_when=asyncio.FIRST_COMPLETED)
            if not stopped.done():
                raise SandboxError(f"the local S3 has ended: {await s3_ended}")
        finally:
            stopped.cancel()


@asynccontextmanager
async def _sandbox(
    settings: SandboxSettings, ready: Callable[[Mapping[str, str]], None] | None
) -> AsyncIterator[asyncio.Task[str]]:
    """A running sandbox; yields what is done when its S3 has ended by itself."""
    checksum.require()
    seal.require()
    if settings.looks_inside:
        workers.require()
    try:
        directory = key_files.private_directory(settings.directory)
        buckets = key_files.private_directory(directory / "buckets")
        kept = key_files.private_directory(directory / "platform")
        storage = Storage.under(kept)
    except OSError as error:
        raise SandboxError(f"{settings.directory} cannot be used: {error.strerror}") from error
    environment = directory / "sandbox.env"
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(key_files.sole_use(kept / "lock", directory))
        environment.unlink(missing_ok=True)  # what it says is not true until we are ready
        keys = key_files.load_or_make(kept / "keys.json")
        server = await stack.enter_async_context(
            s3.serving(
                buckets,
                port=settings.s3_port,
                keys=(keys.own, keys.handed_over),
                cache_s=settings.s3_cache_s,
            )
        )
        clock = Clock()
        web_source = await stack.enter_async_context(
            WebSource(allow_local=settings.allow_local_urls)
        )
        session = await stack.enter_async_context(open_session())
        # Twice the time: the answer that is remembered may have been read at any point of it.
        s3_source = Source(server.url, session, recheck_s=settings.s3_cache_s * 2)
        platform = await stack.enter_async_context(
            Platform.opened(
                kept,
                storage,
                Sources(s3_source, web_source),
                clock,
                moves_bytes=settings.copy,
                looks_inside=settings.looks_inside,
                clips=ClipRules(
                    makes=settings.clips,
                    repeats_description=settings.clip_description == "master",
                ),
                bytes_per_second=settings.copy_bytes_per_second,
                head=settings.head,
                allow_local_urls=settings.allow_local_urls,
            )
        )
        quota = Quota(
            settings.requests_per_minute, monotonic_s=time.monotonic, wall_ms=clock.now_ms
        )
        known = operations(platform.routes())
        plan = Plan() if settings.faults is None else from_toml(settings.faults, known)
        faults = Faults(plan, known, clock)
        gate = Gate((keys.api_key, keys.further_api_key), quota, faults, clock)
        await stack.enter_async_context(platform.webhooks.delivering(faults.strike))
        inspection = Inspection(
            platform.records, quota, platform.copier, faults, platform.webhooks.keys
        )
        page = Page(platform.glances, platform.storage, platform.webhooks, quota, clock, gate.label)
        application = compose(platform, gate, inspection, page)
        port = await stack.enter_async_context(listening(application, gate, settings.port))
        variables = key_files.environment(
            keys, api_url=f"http://{HOST}:{port}{BASE_PATH}", s3_url=server.url
        )
        key_files.write_environment(environment, variables)
        if ready is not None:
            ready(variables)
        yield server.ended


def compose(platform: Platform, gate: Gate, inspection: Inspection, page: Page) -> web.Application:
    """The application: every route, with the gate before it."""
    application = web.Application(middlewares=[gate.pass_through], client_max_size=MAX_BODY_BYTES)
    application.add_routes([*platform.routes(), *inspection.routes(), *page.routes()])
    return application
