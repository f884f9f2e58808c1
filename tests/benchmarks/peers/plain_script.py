"""The peer of a whole import: the script that a good engineer writes in an afternoon.

asyncio and aiohttp, so many requests at once, a 429 is waited for as long as it says, and each
video is asked for by its id every few seconds until it is done. It keeps nothing on the disk, does
not look for what is there already, and a lost answer ends it.
"""

import asyncio

import aiohttp

from tests.benchmarks.children import Stopwatch
from tests.benchmarks.loop import run
from tests.benchmarks.manifests import rows

AT_ONCE = 32
POLL_S = 5.0
TOO_MANY = 429


def import_all(api_url, objects, seed):
    """Import so many objects; answers seconds and CPU seconds."""
    return run(_import_all(api_url, rows(objects, seed)))


async def _import_all(api_url, objects):
    at_once = asyncio.Semaphore(AT_ONCE)
    watch = Stopwatch()
    async with aiohttp.ClientSession(headers={"X-API-Key": "key"}) as session:

        async def call(method, path, body=None):
            while True:
                async with (
                    at_once,
                    session.request(method, f"{api_url}/v1/videos/{path}", json=body) as answer,
                ):
                    if answer.status != TOO_MANY:
                        answer.raise_for_status()
                        return await answer.json()
                await asyncio.sleep(int(answer.headers["X-RateLimit-Retry-After"]))

        async def one(bucket, key, name, description, _barcode):
            keys = {"accessKey": "AKIABENCHMARK", "secretAccessKey": "made-up"}
            body = {
                "name": name, "description": description, "objectKey": key,
                "fileName": key.rsplit("/", 1)[1], "s3Bucket": {"bucket": bucket, **keys},
            }  # fmt: skip
            video_id = (await call("POST", "in/s3", body))["videoId"]
            status = None
            while status != "DONE":
                await asyncio.sleep(POLL_S)
                shown = await call("GET", f"{video_id}/in/status")
                status = shown["upload"]["uploadState"]["uploadStatus"]

        await asyncio.gather(*(one(*row) for row in objects))
    return watch.read()
