"""The peer of the engine's ceiling: POSTs as fast as aiohttp sends them, and nothing else.

Workers share one iterator; each makes the same JSON body with the same library, sends it, and reads
the video's id from the answer. No state, no pace, no repeat, no following.
"""

import asyncio

import aiohttp
import msgspec
from yarl import URL

from migrator.pixop import wire
from tests.benchmarks.children import Stopwatch
from tests.benchmarks.loop import run
from tests.benchmarks.manifests import rows

TAG = "[mig1:aaaaaaaaaaaaaaaaaaaaaaaaaa:bbbbbbbbbbbbb]"
TEAM = "22222222-2222-4222-8222-222222222222"


def post_all(api_url, objects, concurrency, seed):
    """POST so many objects; answers seconds and CPU seconds."""
    return run(_post_all(api_url, rows(objects, seed), concurrency))


async def _post_all(api_url, objects, concurrency):
    url = URL(f"{api_url}/v1/videos/in/s3").with_query(selectTeamId=TEAM)
    headers = {"X-API-Key": "key", "Content-Type": "application/json"}
    left = iter(objects)
    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(
        connector=connector, headers=headers, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:

        async def work():
            for row in left:
                async with session.post(url, data=_body(*row)) as answer:
                    msgspec.json.decode(await answer.read(), type=wire.VideoInStatus)

        watch = Stopwatch()
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(work())
        return watch.read()


def _body(bucket, key, name, description, _barcode):
    return msgspec.json.encode(
        wire.CreateMasterVideoFromS3Bucket(
            name=name,
            object_key=key,
            s3_bucket=wire.S3Bucket(bucket, "AKIABENCHMARK", "made-up"),
            file_name=key.rsplit("/", 1)[1],
            description=f"{description} {TAG}",
        )
    )
