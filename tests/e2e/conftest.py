"""The program as its users meet it: real child processes against a real sandbox in another one.

The platform is shared by the tests of a session, so each test works in buckets of its own; what a
batch made there is told by the tag at the end of each video's description.
"""

import shutil
import socket
from contextlib import closing, contextmanager

import pytest

from tests.actual.program import until
from tests.actual.relay import Relay
from tests.actual.sandbox import Sandbox
from tests.actual.world import World


@pytest.fixture(scope="session")
def make_sandbox(tmp_path_factory):
    """Starts sandboxes: a context manager; what it made is removed afterwards."""

    @contextmanager
    def making(*flags):
        directory = tmp_path_factory.mktemp("platform")
        sandbox = Sandbox(directory / "sandbox", flags)
        try:
            sandbox.start()
            yield sandbox
        finally:
            sandbox.stop()
            shutil.rmtree(directory / "sandbox", ignore_errors=True)

    return making


@pytest.fixture(scope="session")
def sandbox(make_sandbox):
    """The sandbox that most tests share; its quota is in nobody's way."""
    with make_sandbox("--requests-per-minute", "60000") as running:
        yield running


@pytest.fixture(scope="session")
def make_world(tmp_path_factory):
    """Makes worlds against a sandbox: a context manager; no child of theirs is left behind."""

    @contextmanager
    def making(sandbox):
        world = World(sandbox, tmp_path_factory.mktemp("world"))
        try:
            yield world
        finally:
            for child in world.children:
                child.kill()

    return making


@pytest.fixture
def world(make_world, sandbox):
    """This test's place to work against the shared sandbox."""
    with make_world(sandbox) as made:
        yield made


@pytest.fixture(scope="session")
def make_relay():
    """Makes ways to a sandbox's platform: a context manager."""
    return lambda api_url, delay_s=0.0: closing(Relay(api_url, delay_s))


@pytest.fixture
def relay(make_relay, sandbox):
    """A way to the shared sandbox that can keep answers back."""
    with make_relay(sandbox.env["PIXOP_API_URL"]) as running:
        yield running


@pytest.fixture(scope="session", name="until")
def _until():
    """Wait for a condition, with a deadline."""
    return until


@pytest.fixture
def closed_port():
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
