"""The simulated source: HEADs, the codes behind its refusals, listings, and times without any."""

import asyncio
from random import Random

from migrator.source.s3 import ObjectFacts, S3Refusal, SourceUnreachable

CODES = {
    "missing": (404, "NoSuchKey"),
    "no_bucket": (404, "NoSuchBucket"),
    "denied": (403, "AccessDenied"),
    "source_keys": (403, "InvalidAccessKeyId"),
}


class Source:
    """What one start of the program sees of the source."""

    def __init__(self, world, start):
        self._world = world
        self._start = start
        self._chance = Random(f"source {world.climate.seed} {start.number}")

    async def head(self, bucket, key, *_asked):
        thing = await self._ask(bucket, key)
        if thing.fate in CODES:
            status, _ = CODES[thing.fate]
            raise S3Refusal(str(status), status, "")
        return facts(thing)

    async def read_code(self, bucket, key, *_asked):
        thing = await self._ask(bucket, key)
        if thing.fate in CODES:
            status, code = CODES[thing.fate]
            raise S3Refusal(code, status, "as S3 says it")

    async def list(self, bucket, prefix, start_after):
        things = [t for t in self._world.climate.things if t.bucket == bucket]
        things = [t for t in things if t.key.encode() > start_after.encode()]
        for first in range(0, len(things), 7):
            await self._ask(bucket, things[first].key)
            yield [(thing.key, facts(thing)) for thing in things[first : first + 7]]

    async def _ask(self, bucket, key):
        world = self._world
        self._start.alive()
        self._start.event("head")
        await asyncio.sleep(self._chance.uniform(0.001, 0.2))
        self._start.alive()
        down = any(begin <= world.now_s < end for begin, end in world.climate.source_outages)
        if down or self._chance.random() < world.climate.source_fault:
            raise SourceUnreachable("timed out")
        return world.thing_of(bucket, key)


def facts(thing):
    archived = thing.fate == "archived"
    return ObjectFacts(
        thing.size, f"etag{thing.row}", 1_700_000_000_000, "v2",
        "GLACIER" if archived else None, archived,
    )  # fmt: skip
