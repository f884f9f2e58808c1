"""HEADs before a call is spent, beside what others do."""

import asyncio
from itertools import islice

from migrator.settings import Secret, StoreSettings
from migrator.source.credentials import KeyRing, SourceKeys
from migrator.source.preflight import Preflight
from migrator.source.s3 import SourceS3
from tests.benchmarks.children import Stopwatch, measured, server
from tests.benchmarks.lines.listing import KEY, SECRET, timed
from tests.benchmarks.loop import run
from tests.benchmarks.peers.tools import program
from tests.benchmarks.s3_stub import keys_of
from tests.benchmarks.table import Line, against

PREFLIGHTS = 48
"""HEADs at once, as the engine has them."""


def measure(scale, directory):
    """HEADs a second through the engine's preflight, and by `s5cmd run` with as many at once."""
    heads = scale.preflight_heads
    commands = directory / "heads.txt"
    keys = list(islice(keys_of("flat", heads), heads))
    commands.write_text("".join(f'head "s3://flat/{key}"\n' for key in keys), encoding="utf-8")
    with server("tests.benchmarks.s3_stub", "--keys", heads) as stub:
        ours_s = measured(look, url=stub.said, heads=heads)["wall_s"]
        tool = program("s5cmd")
        theirs_s = None
        if tool is not None:
            flags = ["--endpoint-url", stub.said, "--numworkers", PREFLIGHTS]
            theirs_s, _ = timed([tool, *flags, "run", commands], stub.said)
    peer = against("s5cmd", heads / ours_s, heads / theirs_s) if theirs_s else {}
    return [
        Line(
            part="Preflight", what=f"{heads:,} HEADs", figure=heads / ours_s, unit="HEADs/s",
            **peer, limit=">= 0.3", note="one core; s5cmd has all of them",
        )
    ]  # fmt: skip


def look(url, heads):
    """Seconds of so many looks, as the engine's workers share them."""
    return run(_look(url, keys_of("flat", heads)))


async def _look(url, keys):
    ring = KeyRing(SourceKeys(KEY, Secret(SECRET)), {})
    async with SourceS3(ring, StoreSettings(s3_endpoint_url=url), "us-east-1") as source:
        preflight, left = Preflight(source), iter(keys)
        await preflight.look("flat", keys[0], None)

        async def work():
            for key in left:
                _, refusal = await preflight.look("flat", key, None)
                if refusal is not None:
                    raise RuntimeError(f"{key}: {refusal}")

        watch = Stopwatch()
        async with asyncio.TaskGroup() as group:
            for _ in range(PREFLIGHTS):
                group.create_task(work())
        return watch.read()
