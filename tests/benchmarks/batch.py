"""One batch of the real engine, measured: what the lines that speak of a run have in common.

Nothing is left out that a run does: intents and results are durable, the platform's list is swept
first, copies are followed to their end. Only preflight is off (there is no S3 here), and nothing is
shown on a terminal.
"""

from datetime import timedelta
from pathlib import Path

from migrator.checkpoint.store import Checkpoint
from migrator.engine.inputs import open_inputs
from migrator.engine.ports import Ports
from migrator.engine.run import migrate
from migrator.engine.stop import Stop
from migrator.engine.tag import new_batch_id
from migrator.lifecycle import State
from migrator.pixop.client import PixopClient
from migrator.report import write_reports
from migrator.settings import (
    BatchSettings,
    CareSettings,
    InputSettings,
    PaceSettings,
    PlatformSettings,
    Secret,
    SourceSettings,
    WebhookSettings,
)
from migrator.source.credentials import KeyRing, SourceKeys
from tests.benchmarks.children import Stopwatch, peak_memory_mb
from tests.benchmarks.loop import run

API_KEY, SECRET = "px-7c1e4b9a2d6f8035e1c47b9d20f6a8e3", "q7Wd2Lk9XcV4nB8mZ1tR5yU3pF6hJ0sGaE+oKiDl"
"""Made up, as long as real ones are: all that the platform says is searched for pieces of them."""

SPARE_CONNECTIONS = 8
"""Beyond those of the submitters, as the command line has them."""


def run_batch(directory, manifest, api_url, pace, *, reports=False, hook_port=None):
    """Migrate `manifest`; answers rows, calls, seconds, CPU seconds and peak memory in MB.

    `pace` holds values of PaceSettings; with `hook_port` the platform tells of ends by webhooks
    there. Raises RuntimeError unless every row is imported: a figure of a run that went wrong is
    none.
    """
    directory = Path(directory)
    directory.mkdir()
    settings = BatchSettings(
        inputs=InputSettings(manifest=str(manifest)),
        platform=PlatformSettings(api_url=api_url),
        source=SourceSettings(preflight=False),
        pace=PaceSettings(**pace),
        care=CareSettings(max_outage=timedelta(minutes=1)),
        webhooks=_webhooks(hook_port),
    )
    checkpoint = Checkpoint.create(directory, {"batch": new_batch_id()})
    try:
        watch = Stopwatch()
        run(_migrate(directory, checkpoint, settings))
        figures = {**watch.read(), "peak_mb": peak_memory_mb()}
        tallies = {tally.state: tally.rows for tally in checkpoint.tallies()}
        if set(tallies) != {State.IMPORTED}:
            raise RuntimeError(f"not every row was imported: {tallies}")
        if reports:
            write_reports(checkpoint, directory)
            figures["peak_with_reports_mb"] = peak_memory_mb()
        return {**figures, "rows": sum(tallies.values())}
    finally:
        checkpoint.close()


def _webhooks(port):
    if port is None:
        return WebhookSettings()
    address = f"127.0.0.1:{port}"
    return WebhookSettings(webhook_listen=address, webhook_url=f"http://{address}/bench")


async def _migrate(directory, checkpoint, settings):
    keys = KeyRing(SourceKeys("AKIABENCHMARK", Secret(SECRET)), {})
    stop = Stop()
    connections = settings.pace.max_concurrency + SPARE_CONNECTIONS
    async with PixopClient(settings.platform.api_url, Secret(API_KEY), connections) as api:
        ports = Ports(api, None, keys)
        inputs = open_inputs(settings.inputs)
        await migrate(directory, checkpoint, settings, inputs, ports, stop, lambda _snapshot: None)
    if stop.error is not None:
        raise stop.error
