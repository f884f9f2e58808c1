"""Memory does not grow with the manifest: the peak of many rows beside that of few."""

import os
import time
from collections import Counter
from pathlib import Path

import psutil

FEW = 1_000
MANY = 100_000 if "MIGRATOR_LONG" in os.environ else 20_000
MAY_GROW_BYTES = 60 * 10**6

QUOTA = 6_000_000
POLL_S = 0.02


def peak_bytes(child):
    """The largest resident size that the kernel, or else our looking, saw until its end."""
    process, peak = psutil.Process(child.pid), 0
    status = Path(f"/proc/{child.pid}/status")
    while not child.ended:
        try:
            with status.open() as lines:
                told = next(line for line in lines if line.startswith("VmHWM"))
            peak = max(peak, int(told.split()[1]) * 1024)
        except (OSError, StopIteration):
            try:
                peak = max(peak, process.memory_info().rss)
            except psutil.Error:
                break
        time.sleep(POLL_S)
    return peak


def migrate(make_sandbox, make_world, rows):
    """(peak in bytes, seconds) of a migration of so many rows."""
    flags = ["--copy", "off", "--head", "off", "--requests-per-minute", str(QUOTA)]
    with make_sandbox(*flags) as sandbox, make_world(sandbox) as world:
        catalogue = (("a-bucket", f"archive/{n:07}/master.mxf", f"asset {n}") for n in range(rows))
        manifest = world.manifest(catalogue, ("bucket", "key", "asset"))
        began = time.monotonic()
        child = world.start("run", "--manifest", manifest, "--out", world.directory / "out",
                            "--no-preflight", "--max-concurrency", "64")  # fmt: skip
        peak = peak_bytes(child)
        result = child.wait(600)
        took_s = time.monotonic() - began

        assert result.code == 0, result.said[-3000:]
        summary = world.batch().summary
        assert summary["outcomes"] == Counter(summary["outcomes"]) | {"imported": rows}
        assert sum(summary["outcomes"].values()) == rows
        print(
            f"\n{rows:,} rows: peak {peak / 10**6:.1f} MB, {took_s:.1f} s, "
            f"{summary['api']['calls'] / rows:.3f} calls per row"
        )
        return peak, took_s


def test_the_peak_of_many_rows_is_hardly_above_that_of_few(make_sandbox, make_world):
    few, _ = migrate(make_sandbox, make_world, FEW)
    many, _ = migrate(make_sandbox, make_world, MANY)

    print(f"{MANY:,} rows take {(many - few) / 10**6:.1f} MB more than {FEW:,}")
    assert few > 20 * 10**6  # it was measured at all
    assert many <= few + MAY_GROW_BYTES
