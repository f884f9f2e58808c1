"""Webhooks, with the actual program and the actual sandbox: it delivers, and what it says counts
only once a look has confirmed it."""

import json
import socket
from collections import Counter

import pytest


@pytest.fixture(scope="module")
def telling(make_sandbox):
    """A sandbox that may deliver to this machine in plain http."""
    with make_sandbox("--requests-per-minute", "60000", "--allow-local-urls") as running:
        yield running


@pytest.fixture
def world(make_world, telling):
    with make_world(telling) as made:
        yield made


@pytest.fixture
def hooks():
    """Flags for webhooks at a port that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"127.0.0.1:{port}"
    return ("--webhook-listen", address, "--webhook-url", f"http://{address}/pixop")


def webhooks(sandbox):
    return sandbox._ask("/api/v1/webhooks?pageSize=100")["items"]


def test_a_thousand_objects_cost_one_call_each_and_a_page_for_a_hundred(world, hooks):
    objects = 1000
    before = Counter(world.sandbox.calls())

    batch = world.migrate("--manifest", world.manifest(world.objects(objects)), *hooks,
                          within_s=120)  # fmt: skip

    batch.assert_balanced()
    assert batch.summary["outcomes"]["imported"] == objects
    print(world.children[-1].err if world.children else "")
    calls = Counter(world.sandbox.calls()) - before
    print(f"\n{calls.total() / objects:.3f} calls an object: {dict(calls)}")
    assert calls.total() == batch.summary["api"]["calls"]
    assert calls.total() <= 1.03 * objects
    learned = Counter(line["LearnedBy"] for line in batch.lines)
    assert learned["webhook"] > 0.9 * objects
    told = batch.status["deliveries"]
    assert told.keys() == {"accepted"}
    assert webhooks(world.sandbox) == []
