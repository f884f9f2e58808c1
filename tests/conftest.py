"""The real engine on a platform that a test steers, and a judge of all that the suite says."""

import asyncio
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import hypothesis
import pytest
from contracts.openapi import Contract
from fakes.platform import FakePlatform

from migrator.checkpoint.store import Checkpoint
from migrator.cli.selection import covered, open_rows
from migrator.engine import (
    changes,
    decide,
    follow,
    patience,
    pauses,
    preflights,
    resolve,
    retries,
    run,
)
from migrator.engine.inputs import check_inputs, open_inputs
from migrator.engine.meter import Meter, Unmetered
from migrator.engine.ports import Ports
from migrator.engine.reopen import Choice
from migrator.engine.stop import Stop
from migrator.engine.tag import new_batch_id
from migrator.errors import CheckpointError, MigratorError
from migrator.settings import (
    BatchSettings,
    CareSettings,
    InputSettings,
    PaceSettings,
    Secret,
    SourceSettings,
)
from migrator.source.credentials import KeyRing, SourceKeys

hypothesis.settings.register_profile("patient", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("patient")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Lone surrogates in what a test printed go from a worker to its master as escapes."""
    report = yield
    report.sections = [
        (name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections
    ]
    return report


# ------------------------------------------------------------------- the judge


@pytest.fixture(scope="session")
def contract():
    """The published document, where PIXOP_OPENAPI names it; else it finds nothing wrong."""
    return Contract(os.environ.get("PIXOP_OPENAPI"))


@pytest.fixture(scope="session", autouse=True)
def verdicts(tmp_path_factory):
    """What sandboxes leave as breaking the document, as it comes; None where there is no document.

    For all tests and before any other fixture: what a sandbox is started with is settled here.
    """
    document = os.environ.get("PIXOP_OPENAPI")
    if document is None:
        yield None
        return
    from contracts import judging  # noqa: PLC0415 - without a document, tests need no sandbox

    path = tmp_path_factory.mktemp("judged") / "verdicts"
    path.touch()
    judging.install(document, path)
    judging.tell_children(document, path)
    with path.open() as file:
        yield file
        assert not (late := file.read()), late


@pytest.fixture(autouse=True)
def _judged(verdicts):
    """Fails the test in which a sandbox, or what the engine asked of one, broke the document."""
    yield
    if verdicts is not None and (found := verdicts.read()):
        pytest.fail(f"against the published document:\n{found}")


@pytest.fixture
def misdirected(verdicts):
    """For a test that leads the engine astray: what it then asks for is not held against it."""
    yield
    if verdicts is not None:
        verdicts.read()


# -------------------------------------------------------------------- the bench


@dataclass
class Judged:
    """The platform behind a judge: every request of the engine's is held against the document."""

    platform: FakePlatform
    contract: Contract

    async def call(self, method, path, params=None, body=None):
        self.contract.check_request(method, path, params or {}, body)
        return await self.platform.call(method, path, params, body)


@dataclass
class Bench:
    """A batch directory, and runs on it; `shown` are the snapshots of all of them."""

    directory: Path
    platform: FakePlatform
    settings: BatchSettings
    contract: Contract
    stop: Stop | None = None
    shown: list = field(default_factory=list)
    meter: Meter = field(default_factory=Unmetered)

    def manifest(self, *keys, header="bucket,key", lines=None):
        path = self.directory.parent / "manifest.csv"
        rows = lines if lines is not None else [f"bucket,{key}" for key in keys]
        path.write_text("\n".join([header, *rows]) + "\n")
        inputs = replace(self.settings.inputs, manifest=str(path))
        self.settings = replace(self.settings, inputs=inputs)

    def care(self, **values):
        self.settings = replace(self.settings, care=replace(self.settings.care, **values))

    def platform_settings(self, **values):
        platform = replace(self.settings.platform, **values)
        self.settings = replace(self.settings, platform=platform)

    async def run(self, source=None, directory=None, crew=None):
        """One start of the engine; answers the rows as they stand afterwards."""
        directory = directory or self.directory
        directory.mkdir(exist_ok=True)
        if Checkpoint.exists(directory):
            checkpoint = Checkpoint.open(directory)
        else:
            checkpoint = Checkpoint.create(directory, {"batch": new_batch_id()})
        keys = KeyRing(SourceKeys("AKIAEXAMPLE", Secret("secret")), {})
        self.stop = Stop()
        judged = Judged(self.platform, self.contract)
        ports = Ports(judged, source, keys, meter=self.meter, crew=crew)
        try:
            async with asyncio.timeout(30):
                await run.migrate(
                    directory,
                    checkpoint,
                    self.settings,
                    open_inputs(self.settings.inputs),
                    ports,
                    self.stop,
                    self.shown.append,
                )
            if self.stop.error is not None and not isinstance(self.stop.error, MigratorError):
                raise self.stop.error
            return {row.key: row for row in checkpoint.transfers_after(0, 10_000)}
        finally:
            checkpoint.close()

    async def retry(self, *reasons, source=None, **flags):
        """Open rows again as `migrator retry` does, and run; what was done by row, and the rows."""
        checkpoint = Checkpoint.open(self.directory)
        choice = Choice(frozenset(reasons), **flags)
        acts = {row.key: act for row, act in covered(checkpoint, choice)}
        open_rows(checkpoint, choice, 1)
        checkpoint.close()
        return acts, await self.run(source)

    def refuses_now(self, change, words, directory=None):
        """A batch that has begun takes no other inputs than its own; as long as not all of its
        rows were read, it reads those that `change` makes of them anew."""
        checkpoint = Checkpoint.open(directory or self.directory)
        try:
            check_inputs(checkpoint, open_inputs(self.settings.inputs))
            change()
            with pytest.raises(CheckpointError, match=words):
                check_inputs(checkpoint, open_inputs(self.settings.inputs))
            checkpoint._db.execute("UPDATE source SET complete = 0")
            check_inputs(checkpoint, open_inputs(self.settings.inputs))
            assert checkpoint.sources() == []  # nothing can have been sent
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
    monkeypatch.setattr(pauses, "INTERVAL_S", (0.01, 0.05))
    monkeypatch.setattr(follow, "RESTARTS_CHECKED_S", 0.01)
    monkeypatch.setattr(changes, "CHECKED_S", (0.2, 1.0))
    monkeypatch.setattr(decide.copies, "RESTART_DELAYS_S", (0, 0))
    monkeypatch.setattr(retries, "BACKOFF_S", (0.01, 0.02))
    monkeypatch.setattr(patience, "PROBE_INTERVAL_S", 0.05)
    monkeypatch.setattr(resolve, "BETWEEN_SWEEPS_S", 0.01)
    monkeypatch.setattr(preflights, "SOURCE_PAUSE_S", (0.01, 0.02))


@pytest.fixture
def bench(tmp_path, quick, contract):
    settings = BatchSettings(
        inputs=InputSettings(),
        source=SourceSettings(preflight=False),
        pace=PaceSettings(requests_per_minute=6_000_000, max_concurrency=8),
        care=CareSettings(settle_seconds=0.0),
    )
    return Bench(tmp_path / "batch", FakePlatform(), settings, contract)
