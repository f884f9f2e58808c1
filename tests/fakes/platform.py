"""A platform in memory whose every answer a test steers: for faults that must come at a moment.

It speaks the `Api` port of the client, so that the real engine runs on it, and keeps a log of every
create: the oracle for "never twice".
"""

import json
import uuid
from collections import Counter
from dataclasses import dataclass, field

from migrator.pixop.client import Answer, Lost, NotSent
from migrator.pixop.quota import Quota

TEAM = "11111111-1111-4111-8111-111111111111"
PROJECT = "22222222-2222-4222-8222-222222222222"
EPOCH_S = 1_764_000_000
QUOTA = Quota(limit=6_000_000, remaining=5_000_000, reset_s=60)


@dataclass
class FakeVideo:
    """A master on the platform."""

    id: str
    key: str
    description: str
    file_name: str
    created_ms: int
    size: int | None = 100
    status: str = "IN_PROGRESS"
    error: dict | None = None
    is_master: bool = True
    looks: int = 0
    failures_left: int = 0
    project: str | None = None
    ingestion: str | None = None

    def json(self):
        state = {"uploadStatus": self.status, "progressPercentage": min(99, self.looks)}
        if self.error and self.status == "FAILED":
            state["error"] = self.error
        upload = {"uploadState": state, "file": {"name": self.file_name}}
        if self.size is not None:
            upload["file"]["size"] = self.size
        return {
            "id": self.id,
            "name": self.key,
            "projectId": self.project,
            "ingestion": {"ingestionState": {"ingestionStatus": self.ingestion}},
            "createdAt": self.created_ms,
            "description": self.description,
            "flags": {"isMaster": self.is_master, "isClip": False},
            "upload": upload if self.is_master else None,  # what is derived has none
        }


@dataclass
class FakePlatform:
    """`submits` maps a key to the faults of its POSTs in turn: what is left of a list is used up,
    then all goes well. `copies` maps a key to how many times its copy fails first."""

    submits: dict[str, list[str]] = field(default_factory=dict)
    copies: dict[str, int] = field(default_factory=dict)
    videos: list[FakeVideo] = field(default_factory=list)
    looks_to_done: int = 1
    size: int | None = 100
    clock_s: int = EPOCH_S
    creates: Counter = field(default_factory=Counter)
    calls: Counter = field(default_factory=Counter)
    quota: Quota = QUOTA
    down: int = 0
    key_refused: bool = False
    hidden: set = field(default_factory=set)
    derivatives: dict = field(default_factory=dict)
    gone: set = field(default_factory=set)
    bodies: list = field(default_factory=list)
    on_call: object = None
    clips: object = None

    async def call(self, method, path, params=None, body=None):
        operation = self.operation(method, path)
        self.calls[operation] += 1
        if self.on_call is not None:
            self.on_call(self, operation)
        if self.down:
            self.down -= 1
            return NotSent("connection refused")
        if self.key_refused:
            return self.error(401, "INVALID_API_KEY", "the key is unknown")
        return getattr(self, operation)(path, params or {}, body)

    @staticmethod
    def operation(method, path):
        if path == "/v1/account":
            return "account"
        if path.startswith(("/v1/projects", "/v1/teams")):
            return "place"
        if path.endswith("/in/status"):
            return "status"
        if path.endswith("/in/restart"):
            return "restart"
        if method == "DELETE":
            return "abandon" if path.endswith("/in/abandon") else "delete"
        if path.startswith("/v1/videos/") and method == "GET":
            return "derived" if path.endswith("/derived") else "video"
        return "submit" if method == "POST" else "list"

    def answer(self, status, body):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Answer(status, raw, self.quota, self.clock_s)

    def error(self, status, code, message):
        return self.answer(status, {"errorCode": code, "message": message, "statusCode": status})

    def account(self, _path, _params, _body):
        place = {"id": TEAM, "name": "team"}
        return self.answer(200, {"user": {"id": PROJECT}, "defaultTeam": place})

    def place(self, path, _params, _body):
        place_id = path.rsplit("/", 1)[1].replace("default", PROJECT)
        if place_id not in {TEAM, PROJECT} - self.gone:
            return self.error(404, "RESOURCE_NOT_FOUND", "no such thing")
        return self.answer(200, {"id": place_id, "name": "x"})

    def submit(self, _path, params, body):
        sent = json.loads(body)
        self.bodies.append(sent)
        key = sent["objectKey"]
        assert params["selectTeamId"] == TEAM
        faults = self.submits.get(key, [])
        fault = faults.pop(0) if faults else "ok"
        if fault == "not_sent":
            return NotSent("connection refused")
        if fault == "429":
            return Answer(429, b"{}", Quota(retry_after_s=1), self.clock_s)
        if fault in {"lost_before", "500_before"}:
            return Lost("reset") if fault == "lost_before" else self.error(500, "INTERNAL", "oops")
        if fault[0].isdigit() and "_" not in fault:
            return self.error(int(fault), sent.get("name", "X"), "refused")
        if fault.startswith("refuse:"):
            _, status, code, message = fault.split(":", 3)
            return self.error(int(status), code, message)
        video = self.create(key, sent.get("description", ""), sent["fileName"])
        if fault == "lost_after":
            return Lost("reset by peer")
        if fault == "500_after":
            return self.error(500, "INTERNAL_SERVER_ERROR", "oops")
        if fault == "html":
            return self.answer(200, b"<html>welcome</html>")
        if fault == "truncated":
            return self.answer(202, b'{"videoId": "' + video.id.encode()[:9])
        return self.answer(202, {"videoId": video.id, "upload": {}})

    def create(self, key, description, file_name, **more):
        self.creates[key] += 1
        values = {"size": self.size, "failures_left": self.copies.get(key, 0), **more}
        made = values.pop("created_ms", self.clock_s * 1000)
        video = FakeVideo(str(uuid.uuid4()), key, description, file_name, made, **values)
        self.videos.append(video)
        return video

    def look(self, video):
        video.looks += 1
        if video.status == "IN_PROGRESS" and video.looks >= self.looks_to_done:
            if video.failures_left:
                video.failures_left -= 1
                video.status = "FAILED"
                video.error = {"code": "COPY_ERROR", "message": "part 3 could not be read"}
            else:
                video.status = "DONE"
        return video.json()

    def list(self, _path, params, _body):
        assert params["teamId"] == TEAM
        if params["clipMode"] == "ONLY":
            return self.list_clips(params)
        assert params["clipMode"] == "EXCLUDE"
        assert params["sortDirection"] == "DESC"
        assert params.keys() & {"projectId", "masterVideoId", "clipId"} == set()
        number, size = int(params["pageNumber"]), int(params["pageSize"])
        shown = [video for video in self.videos if video.id not in self.hidden]
        order = sorted(shown, key=lambda video: -video.created_ms)
        items = [self.look(video) for video in order[number * size : (number + 1) * size]]
        return self.answer(200, {"totalElements": len(order), "items": items})

    def list_clips(self, params):
        """The clips that `clips` makes of the masters, newest first."""
        self.calls["clips"] += 1
        number, size = int(params["pageNumber"]), int(params["pageSize"])
        shown = [clip for clip in map(self.clips, reversed(self.videos)) if clip is not None]
        items = shown[number * size : (number + 1) * size]
        return self.answer(200, {"totalElements": len(shown), "items": items})

    def find(self, path):
        video_id = path.split("/")[3]
        return next((video for video in self.videos if video.id == video_id), None)

    def status(self, path, _params, _body):
        video = self.find(path)
        if video is None:
            return self.error(404, "RESOURCE_NOT_FOUND", "no such video")
        return self.answer(200, {"videoId": video.id, "upload": self.look(video)["upload"]})

    def restart(self, path, _params, _body):
        video = self.find(path)
        if video is None:
            return self.error(404, "RESOURCE_NOT_FOUND", "no such video")
        if video.status != "FAILED":
            return self.error(409, "VIDEO_IN_OPERATION_NOT_FAILED", "it is not failed")
        video.status, video.looks = "IN_PROGRESS", 0
        return self.answer(202, {"videoId": video.id, "upload": {}})

    def video(self, path, _params, _body):
        video = self.find(path)
        if video is None or video.id in self.hidden:
            return self.error(404, "RESOURCE_NOT_FOUND", "no such video")
        return self.answer(200, video.json())

    def derived(self, path, _params, _body):
        items = self.derivatives.get(self.find(path).key, [])
        return self.answer(200, {"totalElements": len(items), "items": items})

    def delete(self, path, _params, body):
        video = self.find(path)
        if video is None:
            return self.error(404, "RESOURCE_NOT_FOUND", "no such video")
        derived = {item["id"] for item in self.derivatives.get(video.key, [])}
        if body is not None and not derived <= set(json.loads(body)):
            return self.error(409, "CONFLICTING_DERIVED_VIDEO_IDS", "more derives from it")
        self.videos.remove(video)
        return self.answer(200, [video.id])

    def abandon(self, path, params, body):
        video = self.find(path)
        if video is not None and video.status != "FAILED":
            return self.error(409, "VIDEO_IN_OPERATION_NOT_FAILED", "it is not failed")
        return self.delete(path, params, body)
