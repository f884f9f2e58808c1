"""Listing a bucket into a manifest, and HEADs before a call is spent, beside what others do."""

import asyncio
import os
import resource
import subprocess
import sys
import time
from itertools import islice

from migrator.settings import Secret, StoreSettings
from migrator.source.credentials import KeyRing, SourceKeys
from migrator.source.preflight import Preflight
from migrator.source.s3 import SourceS3
from tests.benchmarks.children import ROOT, Stopwatch, measured, server
from tests.benchmarks.loop import run
from tests.benchmarks.peers.tools import program
from tests.benchmarks.s3_stub import keys_of
from tests.benchmarks.table import Line, against

KEY, SECRET = "AKIAEXAMPLEEXAMPLE12", "made-up"
LONGEST_S = 600
PREFLIGHTS = 48
"""HEADs at once, as the engine has them."""

SHAPES = {"flat": "1 folder", "spread": "256 folders"}
BEATEN = ("rclone", "aws")
"""Those that must be slower in every case."""


def measure(scale, directory):
    """Seconds of whole programs, start-up and output included, each bucket with and without 50 ms
    added to each answer; then HEADs a second."""
    keys, lines = scale.listing_keys, []
    for delay_ms in (0, 50):
        with server("tests.benchmarks.s3_stub", "--keys", keys, "--delay-ms", delay_ms) as stub:
            for bucket, shape in SHAPES.items():
                case = f"{keys:,} keys, {shape}, {delay_ms} ms"
                lines += _case(stub.said, bucket, case, keys, directory)
    return lines + _preflight(scale, directory)


def _case(url, bucket, case, keys, directory):
    output = directory / "listed.parquet"
    took_s, cpu_s = timed(
        [sys.executable, "-m", "migrator", "list", f"s3://{bucket}", "-o", output, "-q"], url
    )
    lines = [
        Line(
            part="Listing", what=f"{case}: keys a second a core", figure=keys / cpu_s,
            unit="keys/s", limit=">= 35,000", note="a manifest in Parquet, the start-up included",
        )
    ]  # fmt: skip
    for name, command in _peers(url, bucket).items():
        tool = program(name)
        if tool is None:
            continue
        theirs_s, _ = timed([tool, *command], url)
        lines.append(
            Line(
                part="Listing", what=f"{case}: in all", figure=took_s, unit="s",
                **against(name, took_s, theirs_s), limit="< 1" if name in BEATEN else "shown",
            )
        )  # fmt: skip
    return lines


def _peers(url, bucket):
    return {
        "rclone": [
            "lsf", "-R", "--files-only", "--s3-provider", "Other", "--s3-list-version", "2",
            "--s3-endpoint", url, "--s3-env-auth", f":s3:{bucket}",
        ],
        "aws": ["--endpoint-url", url, "s3", "ls", "--recursive", f"s3://{bucket}/"],
        "s5cmd": ["--endpoint-url", url, "ls", f"s3://{bucket}/*"],
    }  # fmt: skip


def _environment(url):
    return os.environ | {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL_S3": url,
        "PIXOP_SOURCE_ACCESS_KEY_ID": KEY,
        "PIXOP_SOURCE_SECRET_ACCESS_KEY": SECRET,
        "RCLONE_CONFIG": os.devnull,
        "MIGRATOR_CONFIG": os.devnull,
    }


def timed(command, url):
    """Seconds and CPU seconds of a program that must end well."""
    before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [*map(str, command)], cwd=ROOT, env=_environment(url), check=True, timeout=LONGEST_S,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    took_s, after = time.perf_counter() - began_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return took_s, cpu_s


# ------------------------------------------------------------------- preflight


def _preflight(scale, directory):
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
