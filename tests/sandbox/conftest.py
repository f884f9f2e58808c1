"""A sandbox on free ports, and a client that holds every answer against the API's document."""

import asyncio
import io
import json
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from contracts.openapi import Contract

from migrator.sandbox.run import SandboxSettings, serve

DEADLINE_S = 20.0
ROOT = Path(__file__).parents[2]


# -------------------------------------------------------------------- a client


@dataclass
class Answer:
    status: int
    headers: dict
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        return self.json["errorCode"]

    @property
    def invalid(self) -> set:
        return {one["field"] for one in self.json.get("validationErrors", ())}


@dataclass
class Client:
    """Calls one sandbox, with its keys unless told otherwise."""

    env: dict
    directory: Path
    session: aiohttp.ClientSession
    contract: Contract
    api_key: str | None = ""
    seen: list = field(default_factory=list)

    async def call(self, method, path, *, data=None, headers=None, api_key="", **query) -> Answer:
        sent = dict(headers or {})
        key = self.env["PIXOP_API_KEY"] if api_key == "" else api_key
        if key is not None:
            sent["X-API-Key"] = key
        if isinstance(data, dict | list):
            sent.setdefault("Content-Type", "application/json")
            data = json.dumps(data).encode()
        if isinstance(data, bytes):
            data = io.BytesIO(data)  # aiohttp warns of large bodies given as bytes
        url = self.env["PIXOP_API_URL"] + path
        async with self.session.request(
            method, url, data=data, headers=sent, params=query
        ) as response:
            answer = Answer(response.status, dict(response.headers), await response.text())
        self.seen.append(answer)
        for name in ("Limit", "Remaining", "Reset"):
            assert answer.headers[f"X-RateLimit-{name}"].isdigit()
        self.contract.check(method, path, answer.status, answer.headers, answer.text.encode())
        return answer

    async def raw(self, method, path, *, data=None, **query) -> Answer:
        """A call whose answer may break every rule."""
        headers = {"X-API-Key": self.env["PIXOP_API_KEY"], "Content-Type": "application/json"}
        body = None if data is None else json.dumps(data)
        url = self.env["PIXOP_API_URL"] + path
        async with self.session.request(
            method, url, data=body, headers=headers, params=query
        ) as response:
            return Answer(response.status, dict(response.headers), await response.text())

    def get(self, path, **query):
        return self.call("GET", path, **query)

    def delete(self, path, data=None):
        return self.call("DELETE", path, data=data)

    def patch(self, path, data):
        return self.call("PATCH", path, data=data)

    def body(self, key="film.mov", bucket="films", *, within=None, **fields) -> dict:
        pair = {
            "bucket": bucket,
            "accessKey": self.env["PIXOP_SOURCE_ACCESS_KEY_ID"],
            "secretAccessKey": self.env["PIXOP_SOURCE_SECRET_ACCESS_KEY"],
        }
        whole = {"name": "A film", "objectKey": key, "s3Bucket": {**pair, **(within or {})}}
        return {**whole, **fields}

    def post(self, body, **query):
        return self.call("POST", "/v1/videos/in/s3", data=body, **query)

    async def create(self, key="film.mov", **fields) -> str:
        answer = await self.post(self.body(key, **fields))
        assert answer.status == 202, answer.text
        return answer.json["videoId"]

    async def inspect(self, what) -> Any:
        base = self.env["PIXOP_API_URL"].removesuffix("/api")
        async with self.session.get(f"{base}/_sandbox/{what}") as response:
            assert response.status == 200
            return await response.json()

    async def plan(self, *rules, **top) -> Any:
        """Put a plan of faults in force; what the sandbox says to it."""
        url = self.env["PIXOP_API_URL"].removesuffix("/api") + "/_sandbox/faults"
        async with self.session.put(url, json={"rules": rules, **top}) as response:
            return response.status, await response.json()

    async def upload(self, video_id) -> dict:
        answer = await self.get(f"/v1/videos/{video_id}/in/status")
        return answer.json["upload"]["uploadState"]

    async def ended(self, video_id) -> dict:
        return await self.until(video_id, lambda state: state["uploadStatus"] in {"DONE", "FAILED"})

    async def until(self, video_id, holds) -> dict:
        deadline = time.monotonic() + DEADLINE_S
        while not holds(state := await self.upload(video_id)):
            assert time.monotonic() < deadline, f"still {state}"
            await asyncio.sleep(0.01)
        return state

    async def video(self, video_id) -> dict:
        answer = await self.get(f"/v1/videos/{video_id}")
        assert answer.status == 200, answer.text
        return answer.json

    async def ingested(self, video_id) -> dict:
        """The video once its ingestion has ended."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            video = await self.video(video_id)
            state = video.get("ingestion", {}).get("ingestionState", {})
            if state.get("ingestionStatus") in {"DONE", "FAILED"}:
                return video
            assert time.monotonic() < deadline, f"still {video}"
            await asyncio.sleep(0.01)

    async def derived(self, video_id) -> list:
        return (await self.get(f"/v1/videos/{video_id}/derived")).json["items"]

    async def clip(self, video_id) -> dict:
        """The clip of a video, once both are ingested."""
        await self.ingested(video_id)
        [clip] = await self.derived(video_id)
        return await self.ingested(clip["id"])

    def put(self, key="film.mov", content=b"pictures", bucket="films") -> Path:
        path = self.directory / "buckets" / bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    async def restart(self, video_id, **query) -> Answer:
        return await self.call("POST", f"/v1/videos/{video_id}/in/restart", **query)

    def copied(self, video_id) -> Path:
        return self.directory / "platform" / "videos" / video_id


@pytest.fixture
def connect(contract):
    """A client of the sandbox that serves a directory."""

    @asynccontextmanager
    async def connected(directory, env):
        async with aiohttp.ClientSession() as session:
            yield Client(dict(env), directory, session, contract)

    return connected


# -------------------------------------------------------------------- sandboxes


@pytest.fixture
def sandbox(tmp_path, connect):
    """A sandbox in this process, over the test's own directory: `async with sandbox(...)`.

    Nothing is done with what videos hold, unless a test asks for it: worker processes take time.
    """

    @asynccontextmanager
    async def running(directory=tmp_path / "sandbox", **settings):
        settings = {"requests_per_minute": 100_000, "media": False, **settings}
        ready = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        serving = asyncio.create_task(
            serve(
                SandboxSettings(directory=directory, **settings), ready=ready.set_result, stop=stop
            )
        )
        await asyncio.wait((ready, serving), return_when=asyncio.FIRST_COMPLETED)
        try:
            if serving.done():
                await serving
            async with connect(directory, ready.result()) as client:
                yield client
        finally:
            stop.set()
            await serving

    return running


@pytest.fixture
async def client(sandbox):
    """A sandbox with one bucket and one small film."""
    async with sandbox() as client:
        client.put()
        yield client


@pytest.fixture
def spawn():
    """A sandbox in a process of its own, which is killed at the end of the test."""
    started = []

    def spawned(directory, *flags):
        command = [sys.executable, "-m", "migrator.sandbox", "--dir", str(directory), *flags]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline().startswith("platform"), "it did not come up"
        lines = (directory / "sandbox.env").read_text().splitlines()
        return process, dict(line.split("=", 1) for line in lines)

    yield spawned
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()
