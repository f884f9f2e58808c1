"""How quick the local platform is to test against."""

import asyncio
import os
import time
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import msgspec

from tests.benchmarks.children import measured, pinned, server
from tests.benchmarks.loop import run
from tests.benchmarks.table import Line, against

CLIENTS = 64
BUCKET, KEY = "catalogue", "film.mov"
QUOTA = 10_000_000
ACCEPTED = 202

WANTED = {"on": 500, "off": 2_000}
"""Creates a second, by whether the source is headed."""


def measure(scale, directory):
    """Creates a second of the real sandbox on one core, no bytes copied, with the HEAD of the
    source and without, from one aiohttp client with 64 connections. The client and the local S3
    have the other cores: where there is but one, or cores cannot be chosen, nothing is pinned."""
    lines = []
    own, others = _cores()
    for head, wanted in WANTED.items():
        place = directory / f"head-{head}"
        source = place / "buckets" / BUCKET / KEY
        source.parent.mkdir(parents=True)
        source.write_bytes(b"moving pictures")
        flags = ("--requests-per-minute", QUOTA, "--copy", "off", "--head", head)
        with ExitStack() as stack:
            with pinned(own):
                sandbox = stack.enter_context(server("migrator.sandbox", "--dir", place, *flags))
            if others:
                sandbox.pin_children(others)
            before_s = sandbox.cpu_s()
            with pinned(others):
                took_s = measured(create, directory=place, creates=scale.sandbox_creates)
            cpu_s = sandbox.cpu_s() - before_s
        each_s = scale.sandbox_creates / took_s
        lines.append(
            Line(
                part="Sandbox", what=f"creates, copy off, head {head}", figure=each_s,
                unit="creates/s", **against("wanted", each_s, wanted), limit=f">= {wanted:,}",
                note=f"{'on one core' if own else 'not pinned'}, head {head}: "
                f"{scale.sandbox_creates / cpu_s:,.0f} creates for each CPU second of the sandbox "
                "(its S3 not counted)",
            )
        )  # fmt: skip
    return lines


def _cores():
    """A core for the sandbox, and those for all else; two empty sets where that cannot be."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else set()
    return ({min(cores)}, cores - {min(cores)}) if len(cores) > 1 else (set(), set())


def create(directory, creates):
    """Seconds that so many creates take, all accepted."""
    lines = (Path(directory) / "sandbox.env").read_text().splitlines()
    environment = dict(line.split("=", 1) for line in lines)
    return run(_create(environment, creates))


async def _create(environment, creates):
    body = msgspec.json.encode(
        {
            "name": "A film",
            "objectKey": KEY,
            "s3Bucket": {
                "bucket": BUCKET,
                "accessKey": environment["PIXOP_SOURCE_ACCESS_KEY_ID"],
                "secretAccessKey": environment["PIXOP_SOURCE_SECRET_ACCESS_KEY"],
            },
        }
    )
    url = environment["PIXOP_API_URL"] + "/v1/videos/in/s3"
    headers = {"X-API-Key": environment["PIXOP_API_KEY"], "Content-Type": "application/json"}
    left = iter(range(creates))
    connector = aiohttp.TCPConnector(limit=CLIENTS)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def work():
            for _ in left:
                async with session.post(url, data=body) as answer:
                    text = await answer.text()
                    if answer.status != ACCEPTED:
                        raise RuntimeError(f"the sandbox answered {answer.status}: {text}")

        began_s = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(work())
        return time.perf_counter() - began_s
