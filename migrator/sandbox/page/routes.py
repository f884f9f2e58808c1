"""`GET /`, and what it needs: its style, its script, pictures and web videos.

Names, keys, errors and whatever else stands on the page were written by others. Every value is
escaped by the template engine, what hides or reorders text is spelled out (`plain`), and a policy
lets the browser run and load what comes from here alone. Files are found by what is read as a UUID
and written anew, never by a path from outside.
"""

import asyncio
import re
import uuid
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import get_args

import jinja2
from aiohttp import web

from migrator.sandbox.loopback import INSPECTION_PATH, PAGE_PATH
from migrator.sandbox.moments import Clock
from migrator.sandbox.page import words
from migrator.sandbox.page.glance import Glances, Kind, Shown, View
from migrator.sandbox.quota import Quota
from migrator.sandbox.storage import Available, Storage
from migrator.sandbox.webhooks.parts import WebhookParts
from migrator.text import plain

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; media-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

FILES = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}

KINDS: Mapping[str, Kind] = {kind: kind for kind in get_args(Kind)}

WEBHOOKS = 20
DELIVERIES = 5
"""How many webhooks are shown, active ones first, and how many deliveries of each."""

MAX_NUMBER = (1 << 63) - 1


class Page:
    """The routes of the page. `key` is how the platform's key stands in the quota, masked."""

    def __init__(
        self,
        glances: Glances,
        storage: Storage,
        webhooks: WebhookParts,
        quota: Quota,
        clock: Clock,
        key: str,
    ) -> None:
        self._glances = glances
        self._storage = storage
        self._webhooks = webhooks
        self._quota = quota
        self._clock = clock
        self._key = key
        self._templates = resources.files(__package__).joinpath("templates")
        environment = jinja2.Environment(
            autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        environment.filters |= {
            "plain": plain,
            "time": words.clock_time,
            "counted": words.counted,
            "source": words.source_of,
            "facts": words.facts_of,
            "duration": words.duration_in_words,
            "address": words.address_of,
            "outcome": words.outcome_of,
            "answer": words.answer_of,
        }
        text = self._templates.joinpath("page.html.j2").read_text(encoding="utf-8")
        self._template = environment.from_string(text)

    def routes(self) -> list[web.RouteDef]:
        """All routes."""
        video = f"{INSPECTION_PATH}/videos/{{videoId}}"
        return [
            web.get(PAGE_PATH, self.page),
            web.get(f"{INSPECTION_PATH}/page/{{file}}", self.file),
            web.get(f"{video}/thumbnail.jpg", self.thumbnail),
            web.get(f"{video}/web.mp4", self.web_video),
        ]

    async def page(self, request: web.Request) -> web.Response:
        """What is there at this moment; 404 for a view that there cannot be."""
        view = _view(request.query)
        glance = await self._glances.look(view)
        webhooks = sorted(self._webhooks.webhooks.all(), key=lambda one: not one.is_active)
        text = self._template.render(
            view=view,
            glance=glance,
            there=await asyncio.to_thread(self._available, glance.shown),
            webhooks=webhooks[:WEBHOOKS],
            more_webhooks=len(webhooks[WEBHOOKS:]),
            told=await self._webhooks.deliveries.latest(DELIVERIES),
            windows=self._quota.open_windows(),
            limit=self._quota.requests_per_minute,
            key=self._key,
            host=request.headers["Host"],
            now=self._clock.now_ms(),
            machine_ms=self._clock.machine_ms(),
        )
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
        return web.Response(text=text, content_type="text/html", headers=headers)

    def _available(self, shown: Iterable[Shown]) -> Mapping[str, Available]:
        """What there is to be seen of the videos on the page, and of their relatives."""
        videos = (video for one in shown for video in (one.video, one.relative) if video)
        return {video.video_id: self._storage.available(video.video_id) for video in videos}

    async def file(self, request: web.Request) -> web.Response:
        """The style, the script or the icon."""
        name = request.match_info["file"]
        if name not in FILES:
            raise web.HTTPNotFound
        return web.Response(
            text=self._templates.joinpath(name).read_text(encoding="utf-8"),
            content_type=FILES[name],
            headers={"Cache-Control": "no-cache"},
        )

    async def thumbnail(self, request: web.Request) -> web.StreamResponse:
        """The picture from the middle of a video."""
        there = await asyncio.to_thread(self._storage.thumbnails, _video_id(request))
        if not there:
            raise web.HTTPNotFound
        return _handed_out(there[len(there) // 2], "image/jpeg")

    async def web_video(self, request: web.Request) -> web.StreamResponse:
        """The web video, or the range of it that is asked for."""
        return _handed_out(self._storage.web_video(_video_id(request)), "video/mp4")


def _handed_out(path: Path, content_type: str) -> web.FileResponse:
    """A file; the answer is a 404 where there is none."""
    headers = {"Content-Type": content_type, "Cache-Control": "no-cache"}
    return web.FileResponse(path, headers=headers)


def _video_id(request: web.Request) -> str:
    """An id in the one form in which files are named by it."""
    try:
        return str(uuid.UUID(request.match_info["videoId"]))
    except ValueError:
        raise web.HTTPNotFound from None


def _view(query: Mapping[str, str]) -> View:
    kind = KINDS.get(query.get("kind", "masters"))
    if kind is None:
        raise web.HTTPNotFound
    return View(kind=kind, before=_number(query, "before"), after=_number(query, "after"))


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if re.fullmatch("[0-9]{1,19}", text) is None or (number := int(text)) > MAX_NUMBER:
        raise web.HTTPNotFound
    return number
