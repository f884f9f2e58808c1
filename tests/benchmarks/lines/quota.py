"""How much of the announced quota does work."""

from migrator.settings import PaceSettings
from tests.benchmarks import manifests
from tests.benchmarks.batch import run_batch
from tests.benchmarks.children import measured
from tests.benchmarks.stub_process import platform
from tests.benchmarks.table import Line, against

QUOTA = 6_000
COPY_SECONDS = 2.0


def measure(scale, directory):
    """Calls that came after the first POST, up to the last, against what the quota less the reserve
    allows in that time; and answers 429, of which there should be none."""
    objects = scale.quota_objects
    path = manifests.write_csv(directory / "manifest.csv", manifests.rows(objects, scale.seed))
    with platform(quota=QUOTA, copy_seconds=COPY_SECONDS, seed=scale.seed) as stub:
        measured(
            run_batch, directory=directory / "batch", manifest=path, api_url=stub.api_url, pace={}
        )
        seen = stub.seen()
    reserve = PaceSettings().reserve_percent / 100
    allowed = QUOTA * (1 - reserve) * seen.posts_took_s / 60
    return [
        Line(
            part="Quota", what=f"calls from first to last POST, {objects:,} objects",
            figure=seen.calls_between, unit="calls",
            **against(f"{QUOTA:,}/min less {reserve:.0%}", seen.calls_between, allowed),
            limit=">= 0.99",
        ),
        Line(
            part="Quota", what="answers 429", figure=seen.throttled, unit="answers", limit="0",
        ),
    ]  # fmt: skip
