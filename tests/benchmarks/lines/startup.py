"""How long the program takes to say anything."""

import statistics
import subprocess
import sys
import time

from tests.benchmarks.children import ROOT
from tests.benchmarks.table import Line, against

HELP_S = 60


def measure(scale, directory):
    """`migrator --help` against the interpreter alone: the medians of starts in turn."""
    helped, bare = [], []
    for _ in range(scale.startup_repeats):
        bare.append(_started_ms("-c", "pass"))
        helped.append(_started_ms("-m", "migrator", "--help"))
    figure, peer = statistics.median(helped), statistics.median(bare)
    return [
        Line(
            part="Start-up", what="migrator --help", figure=figure, unit="ms",
            **against("python -c pass", figure, peer), limit="<= 200 ms more",
            note=f"{figure - peer:+.0f} ms",
        )
    ]  # fmt: skip


def _started_ms(*arguments):
    began_s = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT, stdout=subprocess.DEVNULL, check=True, timeout=HELP_S,
    )  # fmt: skip
    return (time.perf_counter() - began_s) * 1000
