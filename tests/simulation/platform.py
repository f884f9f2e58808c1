"""The simulated platform: its quota, its videos and its list, as the published API behaves.

It has no timers of its own: what has become of a copy is worked out when somebody looks. Its log of
creates is the oracle of everything about duplicates.
"""

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from uuid import UUID

import msgspec
from simulation.climate import BEFORE, EPOCH_S, FATES

from migrator.lifecycle import FINAL, State
from migrator.model import identity
from migrator.pixop.client import Answer
from migrator.pixop.quota import read_quota

WINDOW_S = 60.0

DELAYED_S = 6.0
"""Most that lies between a permit and the arrival of its request: a slow disk, a slow network."""

OTHER_BATCH = "aaaaaaaaaaaaa"


@dataclass(eq=False)
class Video:
    """A record of the platform; `thing` is None for other people's."""

    id: str
    thing: object
    by: str
    description: str | None
    file_name: str
    size: int
    created_ms: int
    visible_s: float
    began_s: float
    master: bool = True
    round: int = 0
    gone_s: float = math.inf
    tie: float = 0.0
    team: str = ""

    def is_there(self, now_s):
        return now_s < self.gone_s

    def copy(self, now_s):
        """(status, progress in percent) of the copy."""
        thing = self.thing
        if thing is None:
            return "DONE", 100
        since_s = now_s - self.began_s
        if thing.fate == "stalls":
            return "IN_PROGRESS", min(37, int(since_s))
        if thing.fate == "vanishes":
            return "IN_PROGRESS", min(90, int(since_s))
        fails = self.round < FATES[thing.fate].failures
        part = since_s / max(thing.copy_s, 1e-9)
        if part >= (0.5 if fails else 1.0):
            return ("FAILED", 50) if fails else ("DONE", 100)
        return ("IN_PROGRESS" if part > 0.02 else "INITIAL"), int(part * 100)

    def changed_s(self, now_s):
        """When its state last changed, of the world's clock; progress alone is no change."""
        if self.thing is None:
            return self.began_s
        status, _ = self.copy(now_s)
        copy_s, fate = self.thing.copy_s, self.thing.fate
        if fate in {"stalls", "vanishes"} or status == "INITIAL":
            return self.began_s
        if status == "IN_PROGRESS":
            return self.began_s + 0.02 * copy_s
        if status == "FAILED":
            return self.began_s + 0.5 * copy_s
        ended_s = self.began_s + copy_s
        ingested_s = ended_s + self.thing.ingest_s
        return ingested_s if ingested_s <= now_s else ended_s

    def ingestion(self, now_s):
        thing = self.thing
        if thing is None or self.copy(now_s)[0] != "DONE":
            return "INITIAL"
        if now_s - self.began_s - thing.copy_s < thing.ingest_s:
            return "IN_PROGRESS"
        return "FAILED" if thing.fate == "unreadable" else "DONE"


def _team(number):
    """The team of a further key; it takes no chance from what the platform draws."""
    return str(UUID(int=number, version=4))


class Platform:
    """Answers requests. `world` gives the time, the climate, the log and the verdicts.

    `key` is whose request it is: each has a quota and a team of its own.
    """

    def __init__(self, world):
        self.world = world
        self.climate = world.climate
        self.chance = Random(f"platform {self.climate.seed}")
        self.user_id, self.team_id, self.project_id = (self._uuid() for _ in range(3))
        self.team_ids = [self.team_id, *(_team(n) for n in range(1, self.climate.keys))]
        self.key = 0
        self.videos = []
        self.by_id = {}
        self.ours = defaultdict(list)  # by key and window: when each was sent
        self.uninformed = Counter()
        self.others = {}
        self.offset_s = self.chance.uniform(0, WINDOW_S)
        self._churn = list(reversed(self.climate.churn))
        for _ in range(self.climate.foreign):
            self._foreign(-self.chance.uniform(0, 30 * 86400))
        for thing in self.climate.things:
            if thing.fate in BEFORE:
                self._before(thing)

    # -- the clock and the quota ------------------------------------------------------------

    @property
    def date_s(self):
        return int(EPOCH_S + self.world.now_s + self.climate.skew_s)

    def window(self):
        return math.floor((self.world.now_s - self.offset_s) / WINDOW_S)

    def limit(self, window):
        return [limit for first, limit in self.climate.limits if first <= window][-1]

    def fell(self, window):
        """Whether the limit fell with this window: what was under way is excused."""
        return self.limit(window) < self.limit(window - 1)

    def used_by_others(self, window):
        """Requests of the other program in this window so far."""
        if not self.climate.others_share:
            return 0
        if window not in self.others:
            rng = Random(f"others {self.climate.seed} {window}")
            count = int(self.limit(window) * self.climate.others_share * rng.random())
            self.others[window] = sorted(rng.uniform(0, WINDOW_S) for _ in range(min(count, 2000)))
        into_s = self.world.now_s - self.offset_s - window * WINDOW_S
        return sum(moment_s <= into_s for moment_s in self.others[window])

    def headers(self, window, used):
        left_s = self.offset_s + (window + 1) * WINDOW_S - self.world.now_s
        limit = self.limit(window)
        return {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(max(0, limit - used)),
            "X-RateLimit-Reset": str(math.ceil(left_s)),
        }

    def answer(self, status, body, more=None):
        """An answer with the quota's headers; `more` replaces some of them."""
        window = self.window()
        used = len(self.ours[self.key, window]) + self.used_by_others(window)
        headers = self.headers(window, used) | (more or {})
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return Answer(status, raw, read_quota(headers, self.date_s), self.date_s)

    def error(self, status, code, message="", more=None):
        form = {"errorCode": code, "message": message, "statusCode": status}
        return self.answer(status, form, more)

    def admit(self, call):
        """Count a request in its window; a 429 when there is no room, else None."""
        self.advance()
        window = self.window()
        sent = self.ours[self.key, window]
        sent.append(call.sent_s)
        limit, others, ours = self.limit(window), self.used_by_others(window), len(sent)
        if call.told_limit is None or call.told_limit > limit:  # no answer has told of it yet
            self.uninformed[self.key, window] += 1
        # What leaves in two windows and comes in in one is the network's doing.
        spread_s = max(sent) - min(sent) + DELAYED_S
        excused = self.fell(window) or self.uninformed[self.key, window] > 0 or spread_s > WINDOW_S
        if ours > limit and not excused:
            self.world.violate(
                None,
                f"window {window} of the platform saw {ours} of our requests, {limit} announced",
            )
        if ours + others <= limit:
            return None
        if not others and not excused:
            self.world.violate(None, f"a 429 of our own making: {ours} of {limit} in {window}")
        left_s = self.offset_s + (window + 1) * WINDOW_S - self.world.now_s
        more = {"X-RateLimit-Retry-After": str(math.ceil(left_s))}
        return self.error(429, "TOO_MANY_REQUESTS", "slow down", more)

    def forgive(self, call):
        """A 429 out of the blue does not count: what it tells of the window would be untrue."""
        self.ours[self.key, self.window()].remove(call.sent_s)

    # -- the API ------------------------------------------------------------------------------

    def handle(self, method, path, params, body):
        """Act on a request that was admitted."""
        self.advance()
        parts = path.strip("/").split("/")
        if (method, path) == ("GET", "/v1/account"):
            place = {"id": self.team_ids[self.key], "name": "team"}
            return self.answer(200, {"user": {"id": self.user_id}, "defaultTeam": place})
        if (method, path) == ("POST", "/v1/videos/in/s3"):
            return self._submit(msgspec.json.decode(body))
        if (method, path) == ("GET", "/v1/videos"):
            return self._list(params)
        if method == "GET" and parts[1] in {"teams", "projects"}:
            known = parts[2] in {*self.team_ids, self.project_id}
            return self.answer(200, {"id": parts[2]}) if known else self._unknown()
        video = self.by_id.get(parts[2])
        if video is None or not video.is_there(self.world.now_s):
            return self._unknown()
        if method == "GET":
            return self.answer(200, {"videoId": video.id, **self._shown(video)})
        return self._restart(video)

    def _unknown(self):
        return self.error(404, "RESOURCE_NOT_FOUND", "no such thing")

    def _submit(self, sent):
        thing = self.world.thing_of(sent["s3Bucket"]["bucket"], sent["objectKey"])
        code = FATES[thing.fate].code
        if code is not None:
            return self.error(*code)
        there = [v for v in thing.videos if v.is_there(self.world.now_s) and v.by != "look"]
        if there:
            self.world.duplicate(thing, there)
        delay_s = self.chance.uniform(0, self.climate.visible_s)
        self._weigh(thing)
        video = self._make(thing, "us", sent.get("description"), sent["fileName"], delay_s)
        if thing.fate == "vanishes":
            video.gone_s = self.world.now_s + self.chance.uniform(2, 120)
        self.world.log(thing.row, f"platform: made {video.id}, seen in {delay_s:.1f} s")
        if self.chance.random() < 0.05:  # derived from it, and it repeats its description
            derived = self._make(None, "derived", video.description, video.file_name, delay_s)
            derived.master = False
        return self.answer(202, {"videoId": video.id, **self._shown(video)})

    def _is_given_up(self, row):
        """Whether what a row's POST has made is not looked for any more, or presumed absent."""
        state = self.world.disk.checkpoint.transfer(row).state
        return row in self.world.left_open or state is State.PENDING or state in FINAL

    def _weigh(self, thing):
        """Whether there is room for one more copy, by --max-in-flight-bytes."""
        limit = self.climate.max_in_flight_bytes
        if limit is None or self.world.disk.checkpoint is None:  # it comes late: nobody is at work
            return
        now_s = self.world.now_s
        running = {  # of each other row the latest: another one was presumed absent
            video.thing.row: video.thing.size
            for video in self.videos
            if video.thing is not None
            and video.thing is not thing
            and video.by == "us"
            and video.is_there(now_s)
            and video.copy(now_s)[0] in {"INITIAL", "IN_PROGRESS"}
            and video.thing.fate != "stalls"  # it is given up in the end, and runs on
            and self.world.key_of(video.thing.bucket) == self.key
            and not self._is_given_up(video.thing.row)
        }
        taken = sum(running.values())
        if running and taken + thing.size > limit:
            self.world.violate(
                thing, f"{taken} bytes are in flight, {thing.size} more come: {limit} may"
            )

    def _restart(self, video):
        status, _ = video.copy(self.world.now_s)
        if status != "FAILED":
            return self.error(409, "VIDEO_IN_OPERATION_NOT_FAILED", f"it is {status}")
        video.round += 1
        video.began_s = self.world.now_s
        if video.thing is not None:
            self.world.log(video.thing.row, f"platform: restarted {video.id}")
        return self.answer(202, {"videoId": video.id, **self._shown(video)})

    def _list(self, params):
        now_s = self.world.now_s
        number, size = int(params["pageNumber"]), int(params["pageSize"])
        shown = [
            v for v in self.videos if v.visible_s <= now_s < v.gone_s and v.team == params["teamId"]
        ]
        if self.climate.ties:
            for video in shown:
                video.tie = self.chance.random()
        by_change = params["sortBy"] == "updatedAt" and self.climate.changes != "by_creation"
        at_ms = self._changed_ms if by_change else lambda video: video.created_ms
        shown.sort(key=lambda video: (-at_ms(video), video.tie))
        items = [self._item(video) for video in shown[number * size : (number + 1) * size]]
        page = {
            "pageNumber": number,
            "pageSize": size,
            "numberOfElements": len(items),
            "totalPages": math.ceil(len(shown) / size),
            "totalElements": len(shown),
            "items": items,
        }
        return self.answer(200, page)

    def _changed_ms(self, video):
        if self.climate.changes == "only_created":
            return video.created_ms
        changed_ms = int((EPOCH_S + video.changed_s(self.world.now_s) + self.climate.skew_s) * 1000)
        return changed_ms - changed_ms % 1000 if self.climate.ties else changed_ms

    def _time(self, ms):
        if self.climate.iso:
            return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
        return ms

    def _item(self, video):
        told = {"updatedAt": self._time(self._changed_ms(video))}
        return {
            "id": video.id,
            "createdAt": self._time(video.created_ms),
            **(told if self.climate.changes != "untold" else {}),
            "description": video.description,
            "flags": {"isMaster": video.master, "isClip": False},
            **(self._shown(video) if video.master else {}),  # what is derived has no upload
        }

    def _shown(self, video):
        status, progress = video.copy(self.world.now_s)
        state = {"uploadStatus": status, "progressPercentage": progress}
        if status == "FAILED":
            state["error"] = {"code": "COPY_ERROR", "message": "a part could not be read"}
        file = {"name": video.file_name, "size": video.size}
        return {
            "upload": {"file": file, "uploadState": state},
            "ingestion": {"ingestionState": {"ingestionStatus": video.ingestion(self.world.now_s)}},
        }

    # -- what comes to be ---------------------------------------------------------------------

    def _uuid(self):
        return str(UUID(int=self.chance.getrandbits(128), version=4))

    def _make(self, thing, by, description, file_name, delay_s, began_s=None):
        now_s = self.world.now_s if began_s is None else began_s
        created_ms = int((EPOCH_S + now_s + self.climate.skew_s) * 1000)
        if self.climate.ties:
            created_ms -= created_ms % 1000
        size = thing.size if thing is not None else self.chance.randint(1, 10**10)
        if thing is not None and thing.fate == "mismatch":
            size += 1
        video = Video(
            self._uuid(), thing, by, description, file_name, size, created_ms, now_s + delay_s,
            now_s, tie=self.chance.random(), team=self._team_of(thing, by),
        )  # fmt: skip
        self.videos.append(video)
        self.by_id[video.id] = video
        if thing is not None:
            thing.videos.append(video)
        return video

    def _team_of(self, thing, by):
        """The team whose key made it, or serves it; others work in the first."""
        if thing is not None:
            return self.team_ids[self.world.key_of(thing.bucket)]
        return self.team_ids[self.key] if by == "derived" else self.team_id

    def _foreign(self, made_s):
        description = self.chance.choice([None, "somebody's", "[mig1:broken"])
        return self._make(None, "others", description, "theirs.mov", 0.0, made_s)

    def _before(self, thing):
        """What the platform holds of an object before the first run."""
        file_name = thing.key.rpartition("/")[2]
        made_s = -self.chance.uniform(1000, 10**6)
        if thing.fate == "look_alike":
            self._make(thing, "look", "by hand", file_name, 0.0, made_s)
            return
        object_id = identity("", thing.bucket, thing.key)
        tag = f"[mig1:{self.world.tag_text(object_id)}:{OTHER_BATCH}]"
        if thing.fate == "there_running":
            made_s = -thing.copy_s * self.chance.random() * 0.9
        self._make(thing, "before", f"before {tag}", file_name, 0.0, made_s)

    def advance(self):
        """What others have made and deleted by now."""
        while self._churn and self._churn[-1][0] <= self.world.now_s:
            moment_s, sign = self._churn.pop()
            theirs = [v for v in self.videos if v.by == "others" and v.is_there(moment_s)]
            if sign > 0:
                self._foreign(moment_s)
            elif theirs:
                self.chance.choice(theirs).gone_s = moment_s
