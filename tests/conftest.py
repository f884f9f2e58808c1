"""The real engine on a platform that a test steers."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from fakes.platform import FakePlatform

from migrator.checkpoint.store import Checkpoint
from migrator.engine import decide, feed, follow, gateway, resolve, retries, run
from migrator.engine.load import open_inputs
from migrator.engine.ports import Ports
from migrator.engine.stop import Stop
from migrator.engine.tag import new_batch_id
from migrator.errors import MigratorError
from migrator.settings import (
    BatchSettings,
    CareSettings,
    InputSettings,
    PaceSettings,
    Secret,
    SourceSettings,
)
from migrator.source.credentials import KeyRing, SourceKeys


@dataclass
class Bench:
    """A batch directory, and runs on it."""

    directory: Path
    platform: FakePlatform
    settings: BatchSettings
    stop: Stop | None = None

    def manifest(self, *keys, header="bucket,key", lines=None):
        path = self.directory.parent / "manifest.csv"
        rows = lines if lines is not None else [f"bucket,{key}" for key in keys]
        path.write_text("\n".join([header, *rows]) + "\n")
        inputs = replace(self.settings.inputs, manifest=path)
        self.settings = replace(self.settings, inputs=inputs)

    def care(self, **values):
        self.settings = replace(self.settings, care=replace(self.settings.care, **values))

    def platform_settings(self, **values):
        platform = replace(self.settings.platform, **values)
        self.settings = replace(self.settings, platform=platform)

    async def run(self, source=None, directory=None):
        """One start of the engine; answers the rows as they stand afterwards."""
        directory = directory or self.directory
        directory.mkdir(exist_ok=True)
        if Checkpoint.exists(directory):
            checkpoint = Checkpoint.open(directory)
        else:
            checkpoint = Checkpoint.create(directory, {"batch": new_batch_id()})
        keys = KeyRing(SourceKeys("AKIAEXAMPLE", Secret("secret")), {})
        self.stop = Stop()
        ports = Ports(self.platform, source, keys)
        try:
            async with asyncio.timeout(30):
                await run.migrate(
                    directory,
                    checkpoint,
                    self.settings,
                    open_inputs(self.settings.inputs),
                    ports,
                    self.stop,
                    lambda _snapshot: None,
                )
            if self.stop.error is not None and not isinstance(self.stop.error, MigratorError):
                raise self.stop.error
            return {row.key: row for row in checkpoint.transfers_after(0, 10_000)}
        finally:
            checkpoint.close()

    def transfers(self):
        checkpoint = Checkpoint.open(self.directory)
        try:
            return {row.key: row for row in checkpoint.transfers_after(0, 10_000)}
        finally:
            checkpoint.close()


@pytest.fixture
def quick(monkeypatch):
    """The engine's own pauses, shortened: what they are for is tested where they are decided."""
    monkeypatch.setattr(follow, "INTERVAL_S", (0.01, 0.05))
    monkeypatch.setattr(follow, "RESTARTS_CHECKED_S", 0.01)
    monkeypatch.setattr(decide, "RESTART_DELAYS_S", (0, 0))
    monkeypatch.setattr(retries, "BACKOFF_S", (0.01, 0.02))
    monkeypatch.setattr(gateway, "PROBE_INTERVAL_S", 0.05)
    monkeypatch.setattr(resolve, "BETWEEN_SWEEPS_S", 0.01)
    monkeypatch.setattr(feed, "SOURCE_PAUSE_S", (0.01, 0.02))


@pytest.fixture
def bench(tmp_path, quick):
    settings = BatchSettings(
        inputs=InputSettings(),
        source=SourceSettings(preflight=False),
        pace=PaceSettings(requests_per_minute=6_000_000, max_concurrency=8),
        care=CareSettings(settle_seconds=0.0),
    )
    return Bench(tmp_path / "batch", FakePlatform(), settings)
