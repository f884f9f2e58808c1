"""Listing a bucket into a manifest, beside what others do."""

import os
import resource
import subprocess
import sys
import time

from tests.benchmarks.children import ROOT, server
from tests.benchmarks.peers.tools import program
from tests.benchmarks.table import Line, against

KEY, SECRET = "AKIAEXAMPLEEXAMPLE12", "made-up"
LONGEST_S = 600
SHAPES = {"flat": "1 folder", "spread": "256 folders"}
BEATEN = ("rclone", "aws")
"""Those that must be slower in every case."""


def measure(scale, directory):
    """Seconds of whole programs, start-up and output included, each bucket with and without 50 ms
    added to each answer."""
    keys, lines = scale.listing_keys, []
    for delay_ms in (0, 50):
        with server("tests.benchmarks.s3_stub", "--keys", keys, "--delay-ms", delay_ms) as stub:
            for bucket, shape in SHAPES.items():
                case = f"{keys:,} keys, {shape}, {delay_ms} ms"
                lines += _case(stub.said, bucket, case, keys, directory)
    return lines


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


def environment(url):
    """What a program needs to ask the store at `url`."""
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
        [*map(str, command)], cwd=ROOT, env=environment(url), check=True, timeout=LONGEST_S,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    took_s, after = time.perf_counter() - began_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return took_s, cpu_s
