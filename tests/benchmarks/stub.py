"""A platform that costs next to nothing, so that whoever calls it is the limit.

`python -m tests.benchmarks.stub` prints its base URL and serves until its stdin is closed: it ends
with the bench, however that ends. It answers what a run asks for (account, POST, list, status by
id) at once and keeps videos in memory only, sorted by creation and by latest change. It counts the
calls of each window as the platform does and answers 429 beyond `--quota`. A webhook that is
registered is told of each copy that ends, signed.

Beside the API, for the bench alone: `GET /_stub/counts` and `/_stub/ends`, and `POST /_stub/forget`
to begin anew.
"""

import argparse
import asyncio
import heapq
import random
import sys
import time
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import islice

import aiohttp
import msgspec
from aiohttp import web

from tests.benchmarks.loop import run
from tests.benchmarks.manifests import OBJECT_BYTES
from tests.fakes.signing import Signer, event

WINDOW_S = 60.0
USER, TEAM = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
ACCOUNT = msgspec.json.encode({"user": {"id": USER}, "defaultTeam": {"id": TEAM, "name": "team"}})
JSON = {"Content-Type": "application/json"}


class Create(msgspec.Struct, rename="camel"):
    """What the stub keeps of a POST's body."""

    file_name: str
    description: str | None = None


@dataclass(slots=True)
class Video:
    """A master: `done_s` is when its copy ends (the stub's clock), `changes` counts its changes."""

    number: int
    created_at: str
    updated_at: str
    file_name: str
    description: str | None
    done_s: float
    changes: int = 0

    @property
    def id(self):
        return f"33333333-3333-4333-8333-{self.number:012x}"

    def upload(self, now_s):
        done = now_s >= self.done_s
        state = {
            "uploadStatus": "DONE" if done else "IN_PROGRESS",
            "progressPercentage": 100 if done else 50,
        }
        return {"uploadState": state, "file": {"name": self.file_name, "size": OBJECT_BYTES}}

    def listed(self, now_s):
        return {
            "id": self.id,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "description": self.description,
            "flags": {"isMaster": True, "isClip": False},
            "upload": self.upload(now_s),
        }


@dataclass(slots=True)
class Counts:
    """What came. Times are of the stub's clock; CPU seconds are the stub's own."""

    calls: dict = field(default_factory=dict)
    throttled: int = 0
    first_call_s: float | None = None
    first_post_s: float | None = None
    last_post_s: float | None = None
    calls_at_first_post: int = 0
    calls_at_last_post: int = 0
    cpu_at_first_post_s: float = 0.0
    cpu_at_last_post_s: float = 0.0

    def note(self, operation, now_s):
        if self.first_call_s is None:
            self.first_call_s = now_s
        self.calls[operation] = self.calls.get(operation, 0) + 1
        if operation == "submit":
            total = sum(self.calls.values())
            self.last_post_s, self.cpu_at_last_post_s = now_s, time.process_time()
            self.calls_at_last_post = total
            if self.first_post_s is None:
                self.first_post_s, self.cpu_at_first_post_s = (
                    self.last_post_s,
                    self.cpu_at_last_post_s,
                )
                self.calls_at_first_post = total


class Hook:
    """A webhook: what it is told, and that it is told one after the other, some at a time."""

    AT_ONCE = 16

    def __init__(self):
        self.id, self.url, self.signer = str(uuid.uuid4()), "", Signer()
        self._connector = aiohttp.TCPConnector(limit=self.AT_ONCE)
        self._session = aiohttp.ClientSession(connector=self._connector)
        self._telling = set()

    async def close(self):
        for task in self._telling:
            task.cancel()
        await self._session.close()

    def tell(self, video_id):
        task = asyncio.ensure_future(self._tell(video_id))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self, video_id):
        body = event(self.id, video_id)
        headers = self.signer.headers(body, int(time.time()))
        with suppress(aiohttp.ClientError):
            async with self._session.post(self.url, data=body, headers=headers):
                pass


class Stub:
    """The platform. A copy takes a random time around `copy_s` seconds (exponential; 0: none)."""

    def __init__(self, quota, copy_s, seed, clock=time.monotonic):
        self.quota, self.copy_s, self.seed, self.clock = quota, copy_s, seed, clock
        self.epoch_s = time.time() - clock()  # what the clock's zero was, of the wall clock
        self.forget()

    def forget(self):
        self.videos, self.counts = [], Counts()
        self.running, self.changed = [], []  # a heap of (done_s, number); (video, its changes then)
        self.chance = random.Random(self.seed)
        self.window_began_s, self.window_calls = -WINDOW_S, 0
        self.rounds_s = []  # when the first page of the list was asked for
        self.hook = None

    async def answer(self, request):
        method, path = request.method, request.path
        if path.startswith("/_stub/"):
            if method == "POST":
                self.forget()
            return self.json(self.followed() if path.endswith("ends") else asdict(self.counts))
        operation = self.operation(method, path)
        headers = self.admitted()
        if headers is None:
            self.counts.throttled += 1
            return web.Response(status=429, headers=self.quota_headers())
        self.counts.note(operation, self.clock())
        if operation == "submit":
            body = self.create(await request.read())
            return web.Response(status=202, body=body, headers=headers)
        if operation == "list":
            return self.json(self.page(request.query), headers)
        if operation == "status":
            return self.json(self.status(path), headers)
        if path.endswith("/v1/account"):
            return web.Response(body=ACCOUNT, headers=headers)
        if "/v1/webhooks" in path:
            return await self.webhooks(request, headers)
        return web.Response(status=404, headers=headers)

    @staticmethod
    def operation(method, path):
        if "/v1/webhooks" in path:
            return "webhook"
        if method == "POST":
            return "submit" if path.endswith("/in/s3") else "restart"
        if path.endswith("/v1/videos"):
            return "list"
        return "status" if path.endswith("/in/status") else "other"

    def tell(self, video_id):
        if self.hook is not None:
            self.hook.tell(video_id)

    @staticmethod
    def json(value, headers=None):
        return web.Response(body=msgspec.json.encode(value), headers=headers or JSON)

    def admitted(self):
        now_s = self.clock()
        if now_s - self.window_began_s >= WINDOW_S:
            self.window_began_s, self.window_calls = now_s, 0
        self.window_calls += 1
        return None if self.window_calls > self.quota else self.quota_headers()

    def quota_headers(self):
        reset_s = str(int(self.window_began_s + WINDOW_S - self.clock()) + 1)
        headers = {
            **JSON,
            "X-RateLimit-Limit": str(self.quota),
            "X-RateLimit-Remaining": str(max(0, self.quota - self.window_calls)),
            "X-RateLimit-Reset": reset_s,
        }
        if self.window_calls > self.quota:
            headers["X-RateLimit-Retry-After"] = reset_s
        return headers

    def create(self, body):
        sent = msgspec.json.decode(body, type=Create)
        takes_s = self.chance.expovariate(1 / self.copy_s) if self.copy_s else 0.0
        now_s = self.clock()
        self.advance(now_s)
        number, done_s, now = len(self.videos), now_s + takes_s, self.iso(now_s)
        video = Video(number, now, now, sent.file_name, sent.description, done_s)
        self.videos.append(video)
        self.changed.append((video, 0))
        heapq.heappush(self.running, (done_s, number))
        if self.hook is not None:
            asyncio.get_running_loop().call_later(takes_s, self.tell, video.id)
        return b'{"videoId":"%s","upload":{"uploadState":{"uploadStatus":"INITIAL"}}}' % (
            video.id.encode()
        )

    def page(self, query):
        number, size = int(query["pageNumber"]), int(query["pageSize"])
        first, now_s = number * size, self.clock()
        self.advance(now_s)
        if number == 0:
            self.rounds_s.append(now_s)
        if query["sortBy"] == "updatedAt":
            latest = (v for v, changes in reversed(self.changed) if changes == v.changes)
            shown = list(islice(latest, first, first + size))
        else:
            end = len(self.videos) - first
            shown = self.videos[max(0, end - size) : max(0, end)][::-1]
        items = [video.listed(now_s) for video in shown]
        return {"totalElements": len(self.videos), "items": items}

    def advance(self, now_s):
        """Note the ends of copies up to now, in their order."""
        while self.running and self.running[0][0] <= now_s:
            done_s, number = heapq.heappop(self.running)
            video = self.videos[number]
            video.updated_at, video.changes = self.iso(done_s), video.changes + 1
            self.changed.append((video, video.changes))

    async def webhooks(self, request, headers):
        """The one webhook, its end, and the key that its deliveries are signed with."""
        if request.method == "DELETE":
            hook, self.hook = self.hook, None
            await hook.close()
            return web.Response(status=204, headers=headers)
        self.hook = self.hook or Hook()
        if request.method == "GET":
            return self.json([self.hook.signer.published()], headers)
        self.hook.url = msgspec.json.decode(await request.read())["url"]
        return self.json({"id": self.hook.id, "name": "bench", "active": True}, headers)

    def status(self, path):
        video = self.videos[int(path.split("/")[-3][-12:], 16)]
        return {"videoId": video.id, "upload": video.upload(self.clock())}

    def iso(self, at_s):
        """A moment of the stub's clock, as the platform writes times."""
        at = datetime.fromtimestamp(self.epoch_s + at_s, UTC)
        return at.isoformat(timespec="milliseconds")

    def followed(self):
        """When copies ended by video, and when rounds of following began: epoch seconds."""
        return {
            "ended_s": {video.id: self.epoch_s + video.done_s for video in self.videos},
            "rounds_s": [self.epoch_s + at_s for at_s in self.rounds_s],
        }


async def serve(stub):
    """Answer on a free port of 127.0.0.1 until stdin is closed."""
    # The bare server: routing would cost as much again as the answers.
    runner = web.ServerRunner(web.Server(stub.answer, access_log=None))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        await asyncio.to_thread(sys.stdin.read)
    finally:
        await runner.cleanup()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quota", type=int, default=10_000_000, help="requests a minute")
    parser.add_argument("--copy-seconds", type=float, default=0.0, help="mean length of a copy")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    run(serve(Stub(given.quota, given.copy_seconds, given.seed)))


if __name__ == "__main__":
    main()
