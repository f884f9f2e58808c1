"""The simulated source: HEADs, the codes behind its refusals, listings, and times without any."""

import asyncio
from random import Random

from fakes.listing import page_of

from migrator.source.answers import ObjectFacts, S3Refusal, SourceUnreachable

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

    async def page(self, bucket, prefix, *, after="", token="", delimiter=""):
        begin = (token or after).encode()
        things = [
            thing
            for thing in self._world.climate.things  # in the order of their keys
            if thing.bucket == bucket
            and thing.key.startswith(prefix)
            and thing.key.encode() > begin
        ]
        if things:
            await self._ask(bucket, things[0].key)
        if not delimiter:
            await asyncio.sleep(self._chance.uniform(*self._world.climate.list_s))
            self._start.alive()
        if delimiter:
            names = {t: t.key[len(prefix) :].partition(delimiter) for t in things}
            folders = {prefix + name + cut for name, cut, _ in names.values() if cut}
            objects = [(t.key, facts(t)) for t, (_, cut, _) in names.items() if not cut]
            return page_of(objects, folders=sorted(folders))
        shown = things[:7]
        token = shown[-1].key if len(things) > len(shown) else None
        return page_of([(t.key, facts(t)) for t in shown], next_token=token)

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
