"""Pictures of the sandbox's page in the middle of a rehearsal, in which not all goes well.

`make pictures` takes them; they are looked at by people, and compared with nothing.
"""

import argparse
import asyncio
import contextlib
import tempfile
from pathlib import Path

import aiohttp
from aiohttp import web

from tests.actual.sandbox import Sandbox
from tests.browser import opened
from tests.fakes.films import film

WIDTHS = {1280: 1400, 400: 1600}
"""Widths of the window, with their heights: some videos and all that stands beside them."""

SETTLED_S = 120
FILMS = {
    "2019/Nordlicht über Tromsø (Langfassung)/reel-01.mp4": {"rate": 25, "frames": 300},
    "archive/interview.mov": {"rate": 30, "frames": 45, "size": (320, 180)},
    "archive/portrait.mp4": {"rate": 24, "frames": 60, "size": (180, 320)},
    "映画/海の上の灯台.mkv": {"rate": 25, "frames": 50, "size": (640, 272)},
}


class Rehearsal:
    """A sandbox with all sorts of videos in it, and two webhooks of which one does not listen."""

    def __init__(self, sandbox, session, listener):
        self.sandbox = sandbox
        self.listener = listener
        self._session = session

    async def ask(self, method, path, body=None, *, inside="", **query):
        base = self.sandbox.env["PIXOP_API_URL"]
        url = base.removesuffix("/api") + path if inside == "_sandbox" else base + path
        headers = {"X-API-Key": self.sandbox.env["PIXOP_API_KEY"]}
        async with self._session.request(
            method, url, json=body, headers=headers, params=query
        ) as answer:
            return await answer.json()

    async def submit(self, key, *, name=None, full="true"):
        env = self.sandbox.env
        bucket = {
            "bucket": "masters",
            "accessKey": env["PIXOP_SOURCE_ACCESS_KEY_ID"],
            "secretAccessKey": env["PIXOP_SOURCE_SECRET_ACCESS_KEY"],
        }
        body = {"name": name or key, "objectKey": key, "s3Bucket": bucket}
        await self.ask("POST", "/v1/videos/in/s3", body, fullIngestion=full)

    async def webhook(self, name, url):
        body = {
            "name": name,
            "url": url,
            "active": True,
            "rateLimitPerSecond": 100,
            "maxTotalRetryDelayMinutes": 60,
            "eventTypes": ["video_in.done", "video_in.failed", "clip_ingestion.done"],
        }
        await self.ask("POST", "/v1/webhooks", body)

    async def fill(self):
        await self.webhook("The archive", f"{self.listener}/told?token=secret")
        await self.webhook("Nobody listens", f"{self.listener}/nowhere")
        for key, form in FILMS.items():
            path = self.sandbox.directory / "buckets" / "masters" / key
            path.parent.mkdir(parents=True, exist_ok=True)
            film(path, **form)
        self.sandbox.put("masters", "notes.txt.mp4", b"no video at all")
        self.sandbox.put("masters", "stays.mxf", 40_000_000)
        for number in range(19):
            await self.submit("archive/interview.mov", name=f"Reel {number:02}", full="false")
        for key in FILMS:
            await self.submit(key, name=Path(key).stem)
        await self.submit("notes.txt.mp4")
        hostile = "<img src=x onerror=alert(1)> \u202egpj.exe"
        await self.submit("archive/interview.mov", name=hostile, full="false")
        await self._settled()
        await self._plan({"fault": "copy_fails", "at_percent": 40, "code": "HEAD_OBJECT_ERROR"})
        await self.submit("archive/portrait.mp4", name="A copy that failed")
        await self._plan({"fault": "copy_stalls", "at_percent": 62})
        await self.submit("stays.mxf", name="A copy under way")
        await asyncio.sleep(1)

    async def _plan(self, *rules):
        await self.ask("PUT", "/_sandbox/faults", {"rules": rules}, inside="_sandbox")

    async def _settled(self):
        """Waits until all that was submitted is ingested, clips too."""
        async with asyncio.timeout(SETTLED_S):
            while True:
                items = (await self.ask("GET", "/v1/videos", pageSize=100))["items"]
                states = [
                    one.get("ingestion", {}).get("ingestionState", {}).get("ingestionStatus")
                    for one in items
                ]
                if all(state in {"DONE", "FAILED"} for state in states):
                    return
                await asyncio.sleep(0.2)


@contextlib.asynccontextmanager
async def listening():
    """A program that takes what webhooks tell it, at `/told` alone."""

    async def told(_request):
        return web.Response(status=204)

    application = web.Application()
    application.router.add_post("/told", told)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def rehearsal():
    with tempfile.TemporaryDirectory() as directory:
        sandbox = Sandbox(Path(directory) / "sandbox", ("--allow-local-urls",))
        sandbox.start()
        try:
            async with aiohttp.ClientSession() as session, listening() as listener:
                shown = Rehearsal(sandbox, session, listener)
                await shown.fill()
                yield shown
        finally:
            sandbox.stop()


async def take(url, out):
    for width, height in WIDTHS.items():
        for scheme in ("light", "dark"):
            window = {"viewport": {"width": width, "height": height}, "color_scheme": scheme}
            async with opened(url, **window) as tab:
                await tab.page.wait_for_load_state("networkidle")
                picture = out / f"sandbox-{width}-{scheme}.png"
                await tab.page.screenshot(path=picture)
                print(picture, flush=True)


async def main():
    parser = argparse.ArgumentParser(prog="python -m tests.pictures.sandbox", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("pictures"), help="where they are put")
    out = parser.parse_args().out
    out.mkdir(exist_ok=True)
    async with rehearsal() as shown:
        await take(shown.sandbox.env["PIXOP_API_URL"].removesuffix("api"), out)


if __name__ == "__main__":
    asyncio.run(main())
