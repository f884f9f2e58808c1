"""How long after a copy has ended its row is settled."""

import statistics
from itertools import pairwise

from migrator.checkpoint.store import Checkpoint
from tests.benchmarks import manifests
from tests.benchmarks.batch import run_batch
from tests.benchmarks.children import measured
from tests.benchmarks.stub_process import platform
from tests.benchmarks.table import Line, against

QUOTA = 6_000
LASTS = 4
"""Copies of a run over those in flight: how long the state lasts that is measured."""


def measure(scale, directory):
    """From the end of each copy to the moment its outcome is written down, against the interval of
    following: the median pause between two readings of the list. Copies take a random time, such
    that about so many are in flight."""
    copies = scale.latency_copies
    seconds = copies * 60 / (QUOTA * 0.95)
    path = manifests.write_csv(
        directory / "manifest.csv", manifests.rows(copies * LASTS, scale.seed)
    )
    batch = directory / "batch"
    with platform(quota=QUOTA, copy_seconds=seconds, seed=scale.seed) as stub:
        measured(run_batch, directory=batch, manifest=path, api_url=stub.api_url, pace={})
        ended_s, rounds_s = stub.followed()
    checkpoint = Checkpoint.open(batch)
    try:
        waited_s = [
            row.finished_ms / 1000 - ended_s[row.video_id]
            for row in checkpoint.transfers_after(0, copies * LASTS)
        ]
    finally:
        checkpoint.close()
    interval_s = statistics.median(later - before for before, later in pairwise(rounds_s))
    note = f"about {copies:,} copies in flight, {seconds:.0f} s each on average"
    return [
        Line(
            part="Latency", what=f"from a copy's end to its outcome, {what}", figure=figure,
            unit="s", **against("interval of following", figure, interval_s),
            limit=limit, note=note,
        )
        for what, figure, limit in (
            ("median", statistics.median(waited_s), "<= 1"),
            ("99 of 100", statistics.quantiles(waited_s, n=100)[-1], "<= 2"),
        )
    ]  # fmt: skip
