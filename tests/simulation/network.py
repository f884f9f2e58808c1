"""The simulated network between the engine and the platform, and the rules at its door.

Everything that the engine sends passes here, so that it is checked here: what may be sent at all,
when, and that the intent of a POST is in the committed checkpoint first.
"""

import asyncio
import json
from dataclasses import dataclass
from random import Random

from migrator.pixop.client import Answer, Lost, NotSent

LEAVING_S = 3.5
"""What got its permit before a stop or a hold may leave that much later: a slow disk."""


@dataclass
class Call:
    """One request on its way."""

    method: str
    path: str
    params: dict
    body: bytes | None
    thing: object
    told_limit: int | None
    sent_s: float
    key: int = 0
    answered: object = None

    @property
    def is_submit(self):
        return self.method == "POST" and self.path == "/v1/videos/in/s3"

    def __str__(self):
        return f"{self.method} {self.path} {self.params.get('pageNumber', '')}".strip()


class Network:
    """The `Api` of one start of the program, with one of its keys (by its lane)."""

    def __init__(self, world, start, key=0):
        self._key = key
        self._world = world
        self._start = start
        self._climate = world.climate
        self._chance = Random(f"network {world.climate.seed} {start.number}{key or ''}")
        self._told_limit = None
        self._held_until_s = self._held_since_s = 0.0
        self._refused_s = None

    async def call(self, method, path, params=None, body=None):
        start, world = self._start, self._world
        start.alive()
        call = Call(
            method, path, dict(params or {}), body, None, self._told_limit, world.now_s, self._key
        )
        call.thing = world.thing_of_call(call)
        self._check(call)
        start.event("send")
        if call.is_submit:
            start.event("post")
        world.log(call.thing.row if call.thing is not None else None, f"sends {call}")
        call.answered = world.loop.create_future()
        self._travel(call)
        try:
            reply = await call.answered
        except asyncio.CancelledError:
            if call.method == "POST" and not start.dead:
                world.violate(call.thing, f"{call} was cancelled: an orphan")
            raise
        start.alive()
        start.event("answer")
        return reply

    # -- what may be sent -----------------------------------------------------------------------

    def _check(self, call):
        world, now_s = self._world, self._world.now_s
        world.digest(f"{now_s:.6f} {call}")
        world.calls += 1
        if self._held_since_s + LEAVING_S < now_s < self._held_until_s - 0.01:
            world.violate(call.thing, f"{call} left though a 429 said to wait")
        if self._refused_s is not None and now_s > self._refused_s + LEAVING_S:
            world.violate(call.thing, f"{call} left though the key was refused")
        stopped_s = self._start.stopped_s
        if stopped_s is not None and now_s > stopped_s + LEAVING_S and call.method == "POST":
            world.violate(call.thing, f"{call} left {now_s - stopped_s:.1f} s after the stop")
        if call.path == "/v1/videos":
            wanted = {"teamId": world.platform.team_ids[self._key], "clipMode": "EXCLUDE",
                      "sortDirection": "DESC"}  # fmt: skip
            sorts = call.params.get("sortBy") in {"createdAt", "updatedAt"}
            whole = sorts and wanted.items() <= call.params.items()
            if not whole or int(call.params["pageSize"]) > 100:
                world.violate(None, f"{call}: not the list that is wanted: {call.params}")
        if call.is_submit:
            self._check_submit(call)
        elif call.method == "POST" and call.thing is not None:
            call.thing.restarts += 1

    def _check_submit(self, call):
        world, thing = self._world, call.thing
        thing.posts += 1
        sent = json.loads(call.body)
        if self._key != world.key_of(thing.bucket):
            world.violate(thing, f"a POST with the key {self._key}, which does not serve it")
        if call.params["selectTeamId"] != world.platform.team_ids[self._key]:
            world.violate(thing, f"a POST for another team: {call.params}")
        if len(sent.get("description") or "") > 511:
            world.violate(thing, "a description that is too long")
        row = self._start.disk.committed(thing.row)
        if row is None or row["state"] != "submitting":
            state = None if row is None else row["state"]
            world.violate(thing, f"sent before its intent was durable: the disk says {state}")
        elif row["video_id"] is not None:
            world.violate(thing, f"sent again although its video {row['video_id']} is known")
        answered = [v.id for v in thing.videos if v.id in thing.known and v.is_there(world.now_s)]
        if answered and self._climate.strict and self._climate.tag_in != "none":
            world.violate(thing, f"sent again although {answered} was answered for it")

    # -- what becomes of it -----------------------------------------------------------------------

    def _travel(self, call):
        fault = self._fault(call)
        chance, later = self._chance, self._world.loop.call_later
        there_s = chance.uniform(*self._climate.delay_s)
        back_s = chance.uniform(*self._climate.delay_s)
        if fault and call.thing is not None:
            self._world.log(call.thing.row, f"network: {fault}")
        if fault == "refused":
            self._unknown(call, certain=True)
            later(there_s, self._end, call, NotSent("connection refused"))
        elif fault == "lost_before":
            self._unknown(call)
            later(there_s, self._end, call, Lost("connection reset by peer"))
        elif fault == "late":
            lost_s = there_s + chance.choice([0.0, 60.0])
            self._unknown(call)
            later(lost_s, self._end, call, Lost("timed out"))
            later(lost_s + chance.uniform(0, self._climate.late_s), self._arrive_late, call)
        else:
            if fault == "slow":
                back_s += chance.uniform(5, 55)
            if fault == "withheld":
                back_s += chance.uniform(60, 120)
            later(there_s, self._arrive, call, fault, back_s)

    def _fault(self, call):
        outage = self._climate.outage(self._world.now_s)
        if outage is not None:
            if outage.kind == "posts":
                if call.is_submit:
                    return self._chance.choice(["error_before", "error_before", "error_after"])
            else:
                return {
                    "down": ["refused", "refused", "lost_before"],
                    "silent": ["lost_before", "withheld", "late"],
                    "errors": ["error_before", "error_before", "error_before", "error_after"],
                    "key": ["key"],
                }[outage.kind][self._chance.randrange(3)
                               if outage.kind != "key" else 0]  # fmt: skip
        for fault, rate in self._climate.rates.items():
            if self._chance.random() < rate:
                return fault
        return ""

    def _arrive_late(self, call):
        # What a killed program has sent comes in soon after, or never: its connection is gone.
        died_s = self._start.died_s
        if died_s is None or self._world.now_s <= died_s + self._climate.late_s:
            self._arrive(call, "", None)

    def _arrive(self, call, fault, back_s):
        """The platform gets the request; `back_s` None: nobody waits for the answer any more."""
        platform, chance = self._world.platform, self._chance
        platform.key = call.key
        reply = platform.admit(call)
        if reply is None:
            reply = self._act(call, fault)
        if call.is_submit and not self._is_definite(reply):
            self._unknown(call)
        if back_s is not None:
            cut = fault == "truncated" and (not reply.ok or chance.random() < 0.5)
            if fault in {"lost_after", "withheld"} or cut:
                self._unknown(call)
                status = reply.status if cut else None  # the client has seen it
                reply = Lost("timed out" if fault == "withheld" else "reset", status)
            self._world.loop.call_later(back_s, self._end, call, reply)

    def _act(self, call, fault):
        platform, chance = self._world.platform, self._chance
        if fault == "error_before":
            return platform.error(chance.choice([500, 502, 503]), "INTERNAL_SERVER_ERROR", "oops")
        if fault == "throttle":
            platform.forgive(call)
            return platform.error(429, "TOO_MANY_REQUESTS", "injected", self._odd_wait())
        if fault == "key":
            return platform.error(401, "INVALID_API_KEY", "no")
        if fault == "odd" and chance.random() < 0.5:
            return platform.answer(chance.choice([302, 408]), b"")
        reply = platform.handle(call.method, call.path, call.params, call.body)
        if fault == "error_after":
            return platform.error(chance.choice([500, 502, 504]), "INTERNAL_SERVER_ERROR", "oops")
        if fault == "odd":
            return platform.answer(chance.choice([301, 408]), b"")
        if fault == "html":
            return platform.answer(200, b"<html>welcome</html>")
        if fault == "truncated" and reply.ok:
            return platform.answer(reply.status, reply.body[: chance.randint(0, 60)])
        return reply

    def _odd_wait(self):
        seconds = self._chance.randint(1, 20)
        epoch_s = self._world.platform.date_s + seconds
        return self._chance.choice([
            {"X-RateLimit-Retry-After": str(seconds)},
            {"Retry-After": str(seconds)},
            {"X-RateLimit-Retry-After": str(epoch_s)},
            {"X-RateLimit-Retry-After": "-5", "X-RateLimit-Reset": "soon"},
            {"X-RateLimit-Retry-After": "99999999"},
            {"X-RateLimit-Remaining": "-1", "X-RateLimit-Limit": "banana"},
        ])  # fmt: skip

    @staticmethod
    def _is_definite(reply):
        if not isinstance(reply, Answer):
            return False
        if reply.ok:
            return b'"videoId":"' in reply.body and reply.body.endswith(b"}")
        return 400 <= reply.status < 500 and reply.status != 408

    @staticmethod
    def _unknown(call, *, certain=False):
        if call.is_submit and not certain:
            call.thing.unknown += 1

    def _end(self, call, reply):
        """The reply reaches whoever waits for it still."""
        if call.answered.done():
            return
        world = self._world
        if self._start.dead:
            call.answered.cancel()
            return
        if call.thing is not None:
            text = reply.status if isinstance(reply, Answer) else reply
            world.log(call.thing.row, f"{call}: {text}")
        if isinstance(reply, Answer):
            self._take_note(call, reply)
        call.answered.set_result(reply)

    def _take_note(self, call, reply):
        now_s, quota = self._world.now_s, reply.quota
        if quota.limit is not None:
            self._told_limit = quota.limit
        if reply.status == 401:
            self._refused_s = self._refused_s or now_s
        if reply.status == 429:
            told_s = quota.retry_after_s or quota.reset_s
            if told_s and now_s + told_s > self._held_until_s:
                if now_s > self._held_until_s:
                    self._held_since_s = now_s
                self._held_until_s = now_s + told_s
        if call.is_submit and reply.ok and self._is_definite(reply):
            call.thing.known.add(json.loads(reply.body)["videoId"])
        if call.path == "/v1/videos" and reply.ok:
            self._world.shown(reply.body)
