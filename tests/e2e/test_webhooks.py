"""Webhooks, with the actual program and the actual sandbox: it delivers, and what it says counts
only once a look has confirmed it."""

import json
import signal
import socket
from collections import Counter

import pytest

SLOWLY = ("--requests-per-minute", "600", "--settle-seconds", "1")


@pytest.fixture(scope="module")
def telling(make_sandbox):
    """A sandbox that may deliver to this machine in plain http."""
    with make_sandbox("--requests-per-minute", "60000", "--allow-local-urls") as running:
        yield running


@pytest.fixture
def world(make_world, telling):
    with make_world(telling) as made:
        yield made
    telling.plan()


@pytest.fixture
def hooks():
    """Flags for webhooks at a port that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    return ("--webhook-listen", address, "--webhook-url", f"http://{address}/pixop")


def webhooks(sandbox):
    return sandbox._ask("/api/v1/webhooks?pageSize=100")["items"]


def submitted(batch):
    return batch.status.get("by_operation", {}).get("submit", 0)


def test_a_thousand_objects_cost_one_call_each_and_a_page_for_a_hundred(world, hooks):
    objects = 1000
    before = Counter(world.sandbox.calls())

    batch = world.migrate("--manifest", world.manifest(world.objects(objects)), *hooks,
                          within_s=120)  # fmt: skip

    batch.assert_balanced()
    assert batch.summary["outcomes"]["imported"] == objects
    calls = Counter(world.sandbox.calls()) - before
    print(f"\n{calls.total() / objects:.3f} calls an object: {dict(calls)}")
    assert calls.total() == batch.summary["api"]["calls"]
    # 1.02 where the machine is idle; where it is busy, hints wait for their page in smaller groups.
    assert calls.total() <= 1.06 * objects
    learned = Counter(line["LearnedBy"] for line in batch.lines)
    assert learned["webhook"] > 0.8 * objects
    assert batch.status["deliveries"].keys() == {"accepted"}
    assert webhooks(world.sandbox) == []


def test_what_is_never_delivered_is_found_by_lists(world, hooks):
    world.sandbox.plan({"fault": "delivery_lost"})
    rows = world.objects(8)

    batch = world.migrate("--manifest", world.manifest(rows), *hooks)

    assert batch.summary["outcomes"]["imported"] == len(rows)
    assert {line["LearnedBy"] for line in batch.lines} <= {"list", "status"}
    assert batch.status["deliveries"] == {}


@pytest.mark.parametrize("how", ["body", "key", "key_id", "timestamp"])
def test_what_is_signed_wrongly_counts_for_nothing(world, hooks, how):
    world.sandbox.plan({"fault": "delivery_missigned", "how": how})
    rows = world.objects(8)
    before = Counter(world.sandbox.calls())

    batch = world.migrate("--manifest", world.manifest(rows), *hooks)

    assert batch.summary["outcomes"]["imported"] == len(rows)
    assert {line["LearnedBy"] for line in batch.lines} <= {"list", "status"}
    refused = {"body": "forged", "key": "forged", "key_id": "unknown_key", "timestamp": "stale"}
    assert batch.status["deliveries"].keys() == {refused[how]}
    calls = Counter(world.sandbox.calls()) - before
    assert calls["GET /v1/webhooks/public-keys"] == 1  # asked for just now: not again so soon


def test_what_is_delivered_twice_and_out_of_order_counts_once(world, hooks):
    world.sandbox.plan({"fault": "delivery_doubled", "probability": 0.5},
                       {"fault": "delivery_reordered", "places": 3})  # fmt: skip
    rows = world.objects(30)

    batch = world.migrate("--manifest", world.manifest(rows), *hooks, "--max-concurrency", 2)

    assert batch.summary["outcomes"]["imported"] == len(rows)
    made = Counter(one["objectKey"] for one in world.sandbox.creates(batch=batch.id))
    assert made == Counter(key for _, key in rows)


def test_a_registration_that_a_kill_left_is_found_and_removed(world, hooks, until):
    rows = world.objects(20)
    out = world.directory / "out"
    manifest = world.manifest(rows)
    child = world.start("run", "--manifest", manifest, "--out", out, *hooks, *SLOWLY)
    until(lambda: submitted(world.batch()) >= 3, "it submits")
    child.kill()
    [left] = webhooks(world.sandbox)
    assert left["name"].startswith("migrator ")
    assert left["eventTypes"] == ["video_in.done", "video_in.failed", "video.deleted"]

    # Without webhooks now: what an earlier run has left is removed all the same.
    batch = world.migrate("--manifest", manifest, *SLOWLY)

    assert left["name"] == f"migrator {batch.id}"
    assert batch.summary["outcomes"]["imported"] == len(rows)
    assert webhooks(world.sandbox) == []


def test_a_signal_removes_the_registration_and_resume_makes_another(world, hooks, until):
    rows = world.objects(20)
    out = world.directory / "out"
    child = world.start("run", "--manifest", world.manifest(rows), "--out", out, *hooks, *SLOWLY)
    until(lambda: submitted(world.batch()) >= 3, "it submits")
    assert len(webhooks(world.sandbox)) == 1
    child.signal(signal.SIGINT)
    assert child.wait().code == 130
    assert webhooks(world.sandbox) == []

    assert world.call("resume", out).code == 0

    batch = world.batch()
    assert batch.summary["outcomes"]["imported"] == len(rows)
    assert "webhook" in {line["LearnedBy"] for line in batch.lines}
    assert webhooks(world.sandbox) == []


def test_ingestions_are_told_of_too(world, hooks):
    rows = world.objects(6)

    batch = world.migrate("--manifest", world.manifest(rows), *hooks, "--until", "ingested", code=3)

    # What is no video cannot be ingested, and that is told.
    assert batch.summary["reasons"] == {"ingestion_failed": len(rows)}
    assert "webhook" in {line["LearnedBy"] for line in batch.lines}


def test_a_registration_that_is_refused_ends_it_before_anything_is_sent(world, hooks):
    rows = world.objects(2)
    others = [
        world.sandbox._ask("/api/v1/webhooks", {
            "active": True, "name": f"another {n}", "url": "http://127.0.0.1:9/x",
            "rateLimitPerSecond": 1, "maxTotalRetryDelayMinutes": 0,
            "eventTypes": ["video_in.done"],
        })["id"]
        for n in range(10)
    ]  # fmt: skip
    try:
        planned = world.call("plan", "--manifest", world.manifest(rows), *hooks)
        checked = world.call("doctor", *hooks, "--json")
        result = world.call("run", "--manifest", world.manifest(rows), *hooks, "--out",
                            world.directory / "out")  # fmt: skip
    finally:
        for webhook_id in others:
            world.sandbox._ask(f"/api/v1/webhooks/{webhook_id}", method="DELETE")

    assert planned.code == 0, planned.said
    assert "one of the 10 active webhooks of the team is deactivated" in planned.out
    assert checked.code == 1
    found = {check["name"]: check for check in json.loads(checked.out)["checks"]}
    assert found["webhooks"]["found"] == "10 of 10 active webhooks of the team are there"
    assert result.code == 2, result.said
    assert "MAXIMUM_AMOUNT_OF_ACTIVE_WEBHOOKS_REACHED" in result.err
    assert world.sandbox.creates(bucket=rows[0][0]) == []


def test_doctor_sends_a_word_to_the_url_and_it_must_arrive(world, hooks, closed_port):
    result = world.call("doctor", *hooks, "--json")
    found = {check["name"]: check for check in json.loads(result.out)["checks"]}
    assert found["webhooks"]["status"] == found["webhook url"]["status"] == "ok", result.said

    astray = ("--webhook-url", f"http://127.0.0.1:{closed_port}/pixop")
    result = world.call("doctor", *hooks[:2], *astray, "--json")

    assert result.code == 1
    found = {check["name"]: check for check in json.loads(result.out)["checks"]}
    assert found["webhook url"]["status"] == "fail"
    assert "does not lead here" in found["webhook url"]["found"]


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--webhook-listen", "8080"], "--webhook-listen without --webhook-url"),
        (["--webhook-url", "https://a.example/x"], "--webhook-url without --webhook-listen"),
        (["--webhook-listen", "0", "--webhook-url", "https://a.example/x"], "port 0 is any free"),
        (["--webhook-listen", "x:y", "--webhook-url", "https://a.example/x"], "HOST:PORT"),
        (["--webhook-listen", "8080", "--webhook-url", "https://u:p@a.example/"], "not a URL"),
    ],
)  # fmt: skip
def test_webhooks_that_make_no_sense_are_refused(world, flags, why):
    manifest = world.manifest([("bucket", "key")])
    result = world.call("run", "--manifest", manifest, "--out", world.directory / "out", *flags)
    assert result.code == 2, result.said
    assert why in result.err


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://hooks.example.com/x", "delivers to https alone"),
        ("https://hooks.example.com:8443/x", "delivers to port 443 alone"),
        ("https://10.0.0.8/x", "not public"),
        ("https://localhost/x", "not public"),
    ],
)
def test_urls_that_a_real_platform_does_not_deliver_to_are_refused(world, url, why):
    manifest = world.manifest([("bucket", "key")])
    result = world.call("run", "--manifest", manifest, "--out", world.directory / "out",
                        "--api-url", "https://api.invalid/api", "--webhook-listen", "8080",
                        "--webhook-url", url)  # fmt: skip
    assert result.code == 2, result.said
    assert why in result.err
