"""`python -m tests.benchmarks`: measures, and prints one table of ratios within this one run.

Nothing passes or fails here: a line may name a limit beside its ratio, and people judge. The exit
code is 1 only when something could not be measured at all. Progress goes to stderr.
"""

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.lines import (
    calls,
    ceiling,
    cluster,
    latency,
    listing,
    manifest,
    media,
    memory,
    overlap,
    preflight,
    quota,
    report,
    resume,
    sandbox,
    size,
    startup,
    virtual,
)
from tests.benchmarks.loop import LOOP
from tests.benchmarks.scale import SCALES, resized
from tests.benchmarks.table import render

PARTS = {
    "manifest": manifest.measure,
    "ceiling": ceiling.measure,
    "calls": calls.measure,
    "quota": quota.measure,
    "virtual": virtual.measure,
    "latency": latency.measure,
    "sandbox": sandbox.measure,
    "media": media.measure,
    "memory": memory.measure,
    "resume": resume.measure,
    "size": size.measure,
    "report": report.measure,
    "startup": startup.measure,
    "listing": listing.measure,
    "preflight": preflight.measure,
    "overlap": overlap.measure,
    "cluster": cluster.measure,
}
"""Each takes a Scale and an empty directory and answers lines."""


def surroundings(given, took_s, load_before):
    """What the figures depend on beside the code; `load_before` says who else was at work."""
    return {
        "scale": given.scale,
        "seed": given.seed,
        "seconds": round(took_s, 1),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "load_before": round(load_before, 1),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "loop": LOOP,
        **{name: version(name) for name in ("aiohttp", "msgspec", "pyarrow")},
    }


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--scale", choices=SCALES, default="small")
    parser.add_argument("--seed", type=int, default=1, help="of keys and lengths of copies")
    parser.add_argument("--rows", type=int, help="of the lines about large batches")
    parser.add_argument("--objects", type=int, help="sent by the lines about calls and pace")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument(
        "--size", nargs=2, action="append", default=[], metavar=("NAME", "N"),
        help="another size than the scale's, such as `--size listing_keys 200000`",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    given = parser.parse_args()
    try:
        sizes = {name: int(number) for name, number in given.size}
        scale = resized(SCALES[given.scale](given.seed), given.rows, given.objects)
        scale = replace(scale, **sizes)
    except (TypeError, ValueError) as error:
        parser.error(f"--size: {error}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    lines, failed = [], []
    began_s, load_before = time.monotonic(), os.getloadavg()[0]
    for name in given.only:
        print(f"{name} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="migrator-bench-") as directory:
            try:
                lines += PARTS[name](scale, Path(directory))
            except Exception:  # noqa: BLE001 - the other parts are worth having
                traceback.print_exc()
                failed.append(name)
    where = surroundings(given, time.monotonic() - began_s, load_before)
    if given.json:
        answer = {
            "schema": "migrator.bench/1",
            **where,
            "lines": [line.as_json() for line in lines],
        }
        print(json.dumps(answer, indent=1))
    else:
        print(render(lines))
        print("\n" + ", ".join(f"{name} {value}" for name, value in where.items()))
    if failed:
        print(f"could not be measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
