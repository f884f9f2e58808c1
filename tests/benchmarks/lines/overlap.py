"""How soon a run of a prefix sends its first row, beside how long the prefix takes to list."""

import json
import subprocess
import sys
import time

from tests.benchmarks.children import ROOT, server
from tests.benchmarks.lines.listing import environment, timed
from tests.benchmarks.stub_process import platform
from tests.benchmarks.table import Line, against

DELAY_MS = 50
LONGEST_S = 1_800


def measure(scale, directory):
    """Seconds from the start of `migrator run --prefix` until its first POST arrives, against those
    of `migrator list` of the same keys, each answer of S3 50 ms late. The run goes on to its end:
    every key is imported by one POST, and reported."""
    keys, batch = scale.overlap_keys, directory / "batch"
    with (
        server("tests.benchmarks.s3_stub", "--keys", keys, "--delay-ms", DELAY_MS) as store,
        platform(seed=scale.seed) as stub,
    ):
        output = directory / "listed.parquet"
        listed_s, _ = timed(
            [sys.executable, "-m", "migrator", "list", "s3://flat", "-o", output, "-q"], store.said
        )
        began_s = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "migrator", "run", "--prefix", "s3://flat", "--out", batch,
             "--api-url", stub.api_url, "-q"],
            cwd=ROOT, stdout=subprocess.DEVNULL, check=True, timeout=LONGEST_S,
            env=environment(store.said) | {"PIXOP_API_KEY": "key"},
        )  # fmt: skip
        seen = stub.seen()
    summary = json.loads((batch / "summary.json").read_bytes())
    if not summary["outcomes"]["imported"] == seen.posts == keys:
        raise RuntimeError(f"{seen.posts} POSTs for {keys} keys: {summary['outcomes']}")
    first_s = seen.first_post_s - began_s
    return [
        Line(
            part="Overlap", what=f"first POST of {keys:,} keys of one folder, {DELAY_MS} ms",
            figure=first_s, unit="s", **against("migrator list", first_s, listed_s), limit="< 1",
            note="start-up, account, the team's list and a page of the prefix included",
        )
    ]  # fmt: skip
