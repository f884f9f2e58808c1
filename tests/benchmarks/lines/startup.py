"""How long the program takes to say anything."""

import statistics
import subprocess
import sys
import time

import msgspec

from migrator.engine.snapshot import STATUS_FILE, Snapshot
from tests.benchmarks.children import ROOT
from tests.benchmarks.table import Line, against

HELP_S = 60


def measure(scale, directory):
    """`migrator --help`, and `migrator status` on a small batch, against the interpreter alone: the
    medians of starts in turn."""
    (directory / STATUS_FILE).write_bytes(msgspec.json.encode(_small()))
    asked = {
        "python -c pass": ("-c", "pass"),
        "migrator --help": ("-m", "migrator", "--help"),
        "migrator status": ("-m", "migrator", "status", directory),
    }
    took_ms = {what: [] for what in asked}
    for _ in range(scale.startup_repeats):
        for what, arguments in asked.items():
            took_ms[what].append(_started_ms(*arguments))
    medians = {what: statistics.median(each) for what, each in took_ms.items()}
    peer = medians["python -c pass"]
    return [
        Line(
            part="Start-up", what=what, figure=medians[what], unit="ms",
            **against("python -c pass", medians[what], peer), limit=f"<= {more_ms} ms more",
            note=f"{what}: {medians[what] - peer:+.0f} ms",
        )
        for what, more_ms in (("migrator --help", 200), ("migrator status", 400))
    ]  # fmt: skip


def _small():
    return Snapshot(
        batch="small", pid=1, phase="settled", started_ms=1, updated_ms=2, exit_code=0, rows=9,
        done=9, outcomes={"imported": 8, "missing": 1},
        reasons={"copied": 8, "object_not_found": 1},
        states={}, in_flight=0, unresolved=0, calls=12, by_operation={"submit": 9, "list": 2},
        throttled=0, rate_per_minute=0.0, allowed_per_minute=1140, announced_per_minute=1200,
        waiting_for="", eta_s=None,
    )  # fmt: skip


def _started_ms(*arguments):
    began_s = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT, stdout=subprocess.DEVNULL, check=True, timeout=HELP_S,
    )  # fmt: skip
    return (time.perf_counter() - began_s) * 1000
