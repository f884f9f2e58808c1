"""The engine's ceiling: how fast it goes when neither quota nor platform holds it."""

import statistics

from tests.benchmarks import manifests
from tests.benchmarks.batch import run_batch
from tests.benchmarks.children import measured
from tests.benchmarks.peers.bare_loop import post_all
from tests.benchmarks.stub_process import platform
from tests.benchmarks.table import Line, against

CONCURRENCY = 64

PEER = f"bare aiohttp loop, {CONCURRENCY} at once"


def measure(scale, directory):
    """The real engine, durable intents and results on, against a bare loop of the same POSTs.

    Both send to the same stub, in turn, several rounds; the median of each counts. From first to
    last POST is what the stub saw; the whole includes loading, the first sweep and following every
    copy to its end. The CPU of either is that of its own process, so that it holds also where the
    stub is what limits the seconds.
    """
    objects = scale.ceiling_objects
    path = manifests.write_csv(directory / "manifest.csv", manifests.rows(objects, scale.seed))
    engine, bare = [], []
    with platform(seed=scale.seed) as stub:
        for turn in range(scale.ceiling_rounds):
            bare.append(_bare_round(stub, scale))
            engine.append(_engine_round(stub, directory / f"batch-{turn}", path, objects))

    def median(rounds, name):
        return statistics.median(figures[name] for figures in rounds)

    def line(what, name, unit, peer_name=None, *, inverse=False, limit="", note=""):
        figure, peer = median(engine, name), median(bare, peer_name or name)
        compared = against(PEER, figure, peer)
        if inverse:
            compared["ratio"] = 1 / compared["ratio"]
        return Line(
            part="Ceiling", what=what, figure=figure, unit=unit, **compared, limit=limit, note=note
        )

    busy = [median(rounds, "stub_busy") for rounds in (engine, bare)]
    note = (
        f"the stub's own core was busy for {busy[0]:.0%} of the engine's time and {busy[1]:.0%} of "
        "the bare loop's: near 100 % it is the stub that was measured, and the CPU line decides"
    )
    return [
        line("first to last POST", "posts_per_s", "objects/s", limit=">= 0.35", note=note),
        line("whole run, followed to the end", "whole_per_s", "objects/s"),
        line(
            "CPU of the process", "cpu_us", "us/object", inverse=True,
            note="ratio: the bare loop's CPU over the engine's; the engine's is of the whole run",
        ),
    ]  # fmt: skip


def _engine_round(stub, directory, path, objects):
    stub.forget()
    # A ceiling without the pause that --max-in-flight makes until the next look at the list.
    pace = {"max_concurrency": CONCURRENCY, "max_in_flight": objects}
    figures = measured(
        run_batch, directory=directory, manifest=path, api_url=stub.api_url, pace=pace
    )
    return _figures(figures, stub.seen(), objects)


def _bare_round(stub, scale):
    stub.forget()
    figures = measured(
        post_all,
        api_url=stub.api_url,
        objects=scale.ceiling_objects,
        concurrency=CONCURRENCY,
        seed=scale.seed,
    )
    return _figures(figures, stub.seen(), scale.ceiling_objects)


def _figures(figures, seen, objects):
    if seen.posts != objects:
        raise RuntimeError(f"{seen.posts} POSTs for {objects} objects")
    return {
        "posts_per_s": (objects - 1) / seen.posts_took_s,
        "whole_per_s": objects / figures["wall_s"],
        "cpu_us": figures["cpu_s"] / objects * 1e6,
        "stub_busy": seen.cpu_between_s / seen.posts_took_s,
    }
