"""Input locations: those that are there are looked at, those that are to be made are made once.

There is no idempotency key here either. The intent is on the disk before the request leaves, and
before the intent nothing of that name and bucket was there: what is found of it later is our own.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from migrator.checkpoint.store import Checkpoint
from migrator.engine.book import Book
from migrator.engine.gateway import Gateway
from migrator.engine.start import told
from migrator.engine.stop import Stopping
from migrator.errors import RunFailed, StoppedByItself, UsageError
from migrator.pixop import wire
from migrator.pixop.client import Answer, NotSent, Reply
from migrator.settings import UUID_PATTERN, Ways
from migrator.source.credentials import KeyRing

PATH = "/v1/input-locations/s3"

TRIES = 3
"""How often a request that provably was not acted on is sent before the run fails."""

PAGE_SIZE = 100


class Kept(msgspec.Struct, frozen=True):
    """What the checkpoint keeps of an input location that this batch makes."""

    state: Literal["meant", "made", "removed"]
    name: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Locations:
    """The input locations of a batch in one team; `ids` are those in use, by bucket.

    `is_first` says that it is the default key's team.
    """

    book: Book
    gateway: Gateway
    team_id: str
    ways: Ways
    keys: KeyRing
    ids: dict[str, str] = field(default_factory=dict)
    is_first: bool = True

    @property
    def _mark(self) -> str:
        """How the checkpoint's notes of this team's input locations begin."""
        return "input location " if self.is_first else f"of team {self.team_id}, input location "

    async def settle(self, buckets: Iterable[str]) -> None:
        """Learn the input location of each of these buckets that crosses by one, or make it.

        Raises UsageError for one that is not there or is of another bucket, RunFailed where one
        cannot be made now.
        """
        for bucket in buckets:
            way = self.ways.of(bucket)
            if way.location is not None:
                self.ids[bucket] = await self._given(way.location, bucket)
            elif way.made is not None:
                self.ids[bucket] = await self._own(bucket, way.made)

    async def remove(self) -> None:
        """Remove those that this batch has made. Raises StoppedByItself where one stays."""
        made = await self.book.run(lambda checkpoint: checkpoint.metas(self._mark))
        for meta, text in made.items():
            kept = msgspec.json.decode(text, type=Kept)
            if kept.state != "made":
                continue
            reading = await self.gateway.read("other", "DELETE", f"{PATH}/{kept.id}")
            if not reading.answer.ok and reading.answer.status != 404:  # noqa: PLR2004 - HTTP's
                raise StoppedByItself(
                    f"input location {kept.id} ({kept.name}) cannot be removed: "
                    f"{told(reading.answer)}",
                    "remove it on the platform: every row is settled",
                )
            await self._keep(meta, Kept("removed", kept.name, kept.id))

    async def _given(self, location_id: str, bucket: str) -> str:
        """One that is there, once it is sure to be of this team and bucket.

        Asked for by its id it is shown to whoever sees its team, be it another one: POSTs into this
        team would find nothing by it, and every object would be missing.
        """
        location = await self._found(lambda each: each.id.lower() == location_id.lower())
        if location is None:
            raise UsageError(
                f"input location {location_id}: team {self.team_id} has none of that id",
                "copy the id from the platform; where rows go to several teams use "
                "--create-input-location, which makes one in each; nothing was sent",
            )
        if location.bucket != bucket:
            raise UsageError(
                f"input location {location_id} is of bucket {location.bucket}, and rows name "
                f"bucket {bucket}",
                f'give bucket {bucket} a way of its own in migrator.toml: [buckets."{bucket}"]',
            )
        return location_id

    async def _own(self, bucket: str, name: str) -> str:
        """The one that this batch has made for a bucket; made now, if it is not there."""
        meta = f"{self._mark}{bucket}"
        text = await self.book.run(lambda checkpoint: checkpoint.meta(meta))
        kept = msgspec.json.decode(text, type=Kept) if text is not None else None
        if kept is not None and kept.state == "made" and await self._is_there(kept):
            assert kept.id is not None
            return kept.id
        there = await self._found(lambda each: (each.name, each.bucket) == (name, bucket))
        if kept is not None and kept.state == "meant":
            if there is not None:  # the answer was lost, or we were killed before it
                return await self._made(meta, name, there.id)
        elif there is not None:
            raise UsageError(
                f"--create-input-location {name}: bucket {bucket} has one of that name "
                f"({there.id})",
                f"use it by --input-location {there.id}, or choose another name",
            )
        await self._keep(meta, Kept("meant", name))
        return await self._made(meta, name, await self._make(bucket, name))

    async def _is_there(self, kept: Kept) -> bool:
        reading = await self.gateway.read("other", "GET", f"{PATH}/{kept.id}")
        return reading.answer.ok

    async def _found(
        self, wanted: Callable[[wire.InputLocation], bool]
    ) -> wire.InputLocation | None:
        """The first input location of the team that is `wanted`, if there is one."""
        number = 0
        while True:
            params = {
                "teamId": self.team_id, "pageNumber": str(number), "pageSize": str(PAGE_SIZE),
            }  # fmt: skip
            reading = await self.gateway.read("other", "GET", PATH, params)
            page = wire.decode(reading.answer.body, wire.InputLocationsPage)
            if not reading.answer.ok or page is None:
                raise RunFailed(
                    f"the input locations cannot be listed: {told(reading.answer)}",
                    "nothing was sent: run it again",
                )
            for location in page.items:
                if wanted(location):
                    return location
            number += 1
            if not page.items or number * PAGE_SIZE >= page.total_elements:
                return None

    async def _make(self, bucket: str, name: str) -> str:
        pair = self.keys.keys_for(bucket)
        body = msgspec.json.encode(
            wire.CreateInputLocation(
                name=name,
                bucket=bucket,
                access_key=pair.access_key_id,
                secret_access_key=pair.secret_access_key.reveal(),
            )
        )
        reply: Reply = NotSent("not tried")
        for _ in range(TRIES):
            await self.gateway.permit()
            self.gateway.count("other")
            reply = await self.gateway.exchange(
                "other", "POST", PATH, {"selectTeamId": self.team_id}, body
            )
            throttled = isinstance(reply, Answer) and reply.status == 429  # noqa: PLR2004 - HTTP's
            if not (throttled or isinstance(reply, NotSent)):
                break
        if isinstance(reply, Answer) and reply.status == 401:  # noqa: PLR2004 - HTTP's
            self.gateway.key_refused(reply)
            raise Stopping
        made = wire.decode(reply.body, wire.Identified) if isinstance(reply, Answer) else None
        if not isinstance(reply, Answer) or not reply.ok or made is None:
            raise RunFailed(
                f"an input location for bucket {bucket} could not be made: {told(reply)}",
                "no row was sent: run it again, and it is looked whether it is there after all",
            )
        return made.id

    async def _made(self, meta: str, name: str, location_id: str) -> str:
        if not UUID_PATTERN.fullmatch(location_id):
            raise RunFailed("the platform gave an input location no UUID", "no row was sent")
        await self._keep(meta, Kept("made", name, location_id))
        return location_id

    async def _keep(self, meta: str, kept: Kept) -> None:
        text = msgspec.json.encode(kept).decode()

        def keep(checkpoint: Checkpoint) -> None:
            checkpoint.set_meta(meta, text)

        await self.book.run(keep)


def calls_for_locations(
    ways: Ways, buckets: Mapping[int, Iterable[str]], teams: Mapping[str, Sequence[int]]
) -> Counter[int]:
    """Calls that a first run makes for input locations, by the lane that makes them.

    One to look, or two to look and make, for each bucket in each team: `buckets` are those by lane,
    and the first of a team's lanes makes them.
    """
    calls: Counter[int] = Counter()
    for lanes in teams.values():
        for bucket in {bucket for lane in lanes for bucket in buckets.get(lane, ())}:
            way = ways.of(bucket)
            if way.location is not None:
                calls[lanes[0]] += 1
            elif way.made is not None:
                calls[lanes[0]] += 3 if ways.crossing.remove_input_location else 2
    return calls
