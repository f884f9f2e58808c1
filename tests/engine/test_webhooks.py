"""Webhooks on a platform that a test steers: registered once, removed, believed in nothing."""

import asyncio
import json
import socket
import uuid
from dataclasses import dataclass, field, replace

import aiohttp
import pytest
from fakes.platform import FakePlatform
from fakes.signing import Signer, event

from migrator.checkpoint.store import Checkpoint
from migrator.engine import pauses
from migrator.engine.webhooks import confirm, hints
from migrator.errors import RunFailed, UsageError
from migrator.lifecycle import State
from migrator.model import LearnedBy
from migrator.pixop.client import Lost
from migrator.settings import WebhookSettings


@dataclass
class TellingPlatform(FakePlatform):
    """One that delivers: `posts` and `removals` are faults of those requests, used up in turn.

    `tells` says what is delivered of a video once it is made; None: nothing.
    """

    hooks: list = field(default_factory=list)
    posts: list = field(default_factory=list)
    removals: list = field(default_factory=list)
    tells: str | None = "video_in.done"
    signer: Signer = field(default_factory=Signer)
    told: set = field(default_factory=set)

    @staticmethod
    def operation(method, path):
        if path.startswith("/v1/webhooks"):
            kind = "keys" if path.endswith("public-keys") else "hook"
            return f"{kind}_{method.lower()}"
        return FakePlatform.operation(method, path)

    def keys_get(self, _path, _params, _body):
        return self.answer(200, [self.signer.published()])

    def hook_get(self, _path, params, _body):
        assert "teamId" in params
        return self.answer(200, {"totalElements": len(self.hooks), "items": self.hooks})

    def hook_post(self, _path, params, body):
        assert "selectTeamId" in params
        fault = self.posts.pop(0) if self.posts else "ok"
        if fault == "lost_before":
            return Lost("reset")
        if fault == "refused":
            return self.error(400, "INVALID_HTTPS_URL", "not public")
        self.hooks.append({"id": str(uuid.uuid4()), **json.loads(body)})
        if fault == "lost_after":
            return Lost("reset")
        return self.answer(201, self.hooks[-1])

    def hook_delete(self, path, _params, _body):
        if self.removals and self.removals.pop(0) == "500":
            return self.error(500, "INTERNAL_SERVER_ERROR", "oops")
        self.hooks = [hook for hook in self.hooks if not path.endswith(hook["id"])]
        return self.answer(204, b"")

    def create(self, *args, **more):
        video = super().create(*args, **more)
        if self.tells is not None:
            task = asyncio.ensure_future(self._tell(video.id))
            self.told.add(task)
            task.add_done_callback(self.told.discard)
        return video

    async def _tell(self, video_id):
        hook = self.hooks[-1]
        body = event(hook["id"], video_id, self.tells)
        headers = self.signer.headers(body, self.clock_s)
        async with (
            aiohttp.ClientSession() as session,
            session.post(hook["url"], data=body, headers=headers) as answer,
        ):
            assert answer.status == 204


@pytest.fixture
def telling(bench, monkeypatch):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.setattr(pauses, "FALLBACK_S", (0.2, 0.5))
    monkeypatch.setattr(hints, "PATIENCE_S", (0.05, 0.1))
    monkeypatch.setattr(confirm, "STEP_S", 0.01)
    webhooks = WebhookSettings(webhook_listen=address, webhook_url=f"http://{address}/x")
    bench.settings = replace(bench.settings, webhooks=webhooks)
    bench.platform = TellingPlatform()
    bench.manifest("a.mp4", "b.mp4", "c.mp4")
    return bench


async def test_what_was_told_is_confirmed_and_says_so(telling, monkeypatch):
    monkeypatch.setattr(pauses, "INTERVAL_S", (5.0, 5.0))  # following comes too late
    rows = await telling.run()
    assert {row.state for row in rows.values()} == {State.IMPORTED}
    assert {row.learned_by for row in rows.values()} == {LearnedBy.WEBHOOK}
    assert telling.platform.hooks == []
    assert telling.platform.calls["hook_post"] == telling.platform.calls["hook_delete"] == 1
    assert telling.platform.calls["hook_get"] == 0


async def test_a_delivery_that_is_not_so_settles_nothing(telling):
    telling.platform.looks_to_done = 12  # they are told of as done long before
    rows = await telling.run()
    assert {row.state for row in rows.values()} == {State.IMPORTED}
    assert all(video.looks >= 12 for video in telling.platform.videos)


async def test_a_failure_that_is_told_is_looked_at_and_restarted(telling):
    telling.platform.copies["b.mp4"] = 1
    rows = await telling.run()
    assert {row.state for row in rows.values()} == {State.IMPORTED}
    assert telling.platform.calls["restart"] == 1


async def test_a_deletion_that_is_told_is_proven_by_id(telling):
    telling.platform.tells = "video.deleted"
    telling.platform.looks_to_done = 4
    rows = await telling.run()
    assert {row.state for row in rows.values()} == {State.IMPORTED}  # it is there all the same
    assert telling.platform.calls["status"] >= 1


async def test_a_registration_whose_answer_is_lost_is_looked_for_and_not_made_twice(telling):
    telling.platform.posts = ["lost_after"]
    await telling.run()
    assert telling.platform.calls["hook_post"] == 1
    assert telling.platform.hooks == []

    # It was in doubt, so that the next run looks once more.
    assert _mark(telling)


async def test_a_registration_that_never_arrived_is_made_again(telling):
    telling.platform.posts = ["lost_before", "lost_before"]
    rows = await telling.run()
    assert telling.platform.calls["hook_post"] == 3
    assert {row.state for row in rows.values()} == {State.IMPORTED}


async def test_a_registration_that_never_arrives_ends_the_run_before_anything_is_sent(telling):
    telling.platform.posts = ["lost_before"] * 5
    with pytest.raises(RunFailed, match="does not say whether it registered"):
        await telling.run()
    assert telling.platform.calls["submit"] == 0


async def test_a_registration_that_is_refused_ends_it_and_leaves_no_mark(telling):
    telling.platform.posts = ["refused"]
    with pytest.raises(UsageError, match="INVALID_HTTPS_URL: not public"):
        await telling.run()
    assert telling.platform.calls["submit"] == 0
    assert not _mark(telling)


async def test_what_cannot_be_removed_is_left_and_the_next_run_removes_it(telling, caplog):
    telling.platform.removals = ["500"]
    telling.platform.submits["c.mp4"] = ["401"]  # so that there is a next run
    caplog.set_level("INFO", "migrator")
    await telling.run()
    assert len(telling.platform.hooks) == 1
    assert "could not be removed" in caplog.text

    telling.settings = replace(telling.settings, webhooks=WebhookSettings())
    rows = await telling.run()
    assert telling.platform.hooks == []
    assert {row.state for row in rows.values()} == {State.IMPORTED}
    assert not _mark(telling)


async def test_webhooks_of_others_are_left_alone(telling):
    other = {"id": str(uuid.uuid4()), "name": "another's", "url": "https://a.example/"}
    telling.platform.hooks = [other]
    telling.platform.posts = ["lost_after"]
    await telling.run()
    assert telling.platform.hooks == [other]


def _mark(bench):
    checkpoint = Checkpoint.open(bench.directory)
    try:
        return checkpoint.meta("webhook")
    finally:
        checkpoint.close()
