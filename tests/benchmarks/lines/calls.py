"""Calls of the API that an imported object costs."""

import socket

from tests.benchmarks import manifests
from tests.benchmarks.batch import run_batch
from tests.benchmarks.children import measured
from tests.benchmarks.peers.plain_script import import_all
from tests.benchmarks.stub_process import platform
from tests.benchmarks.table import Line, against

QUOTA = 12_000
COPY_SECONDS = 3.0


def measure(scale, directory):
    """All calls that the platform counted over the objects imported, against the plain script's.

    Copies take a random time (exponential), so that they end in another order than they began; the
    quota is such that the run lasts many rounds of following. By the platform's list, and with
    webhooks that tell of each end.
    """
    objects = scale.calls_objects
    path = manifests.write_csv(directory / "manifest.csv", manifests.rows(objects, scale.seed))
    peer = _plain(scale)
    return [
        _line(scale, directory / "lists", path, peer, "calls per object", "<= 1.03 calls"),
        _line(
            scale, directory / "told", path, peer, "the same with webhooks",
            "<= 1.03 calls, 1.02 at 10,000", hook_port=_free_port(),
        ),
    ]  # fmt: skip


def _plain(scale):
    """Calls for each object of the plain script, at the same platform."""
    objects = scale.calls_objects
    with platform(quota=QUOTA, copy_seconds=COPY_SECONDS, seed=scale.seed) as stub:
        measured(import_all, api_url=stub.api_url, objects=objects, seed=scale.seed)
        return stub.seen().total / objects


def _line(scale, directory, path, peer, what, limit, **how):
    objects = scale.calls_objects
    with platform(quota=QUOTA, copy_seconds=COPY_SECONDS, seed=scale.seed) as stub:
        measured(
            run_batch, directory=directory, manifest=path, api_url=stub.api_url, pace={}, **how
        )
        seen = stub.seen()
    each = seen.total / objects
    by_operation = ", ".join(f"{name} {count:,}" for name, count in sorted(seen.calls.items()))
    return Line(
        part="Calls", what=f"{what}, {objects:,} objects", figure=each,
        unit="calls", **against("plain script, polls by id", each, peer), limit=limit,
        note=f"{by_operation}; quota {QUOTA:,}/min, copies of {COPY_SECONDS:g} s on average",
    )  # fmt: skip


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
