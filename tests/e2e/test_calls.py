"""The quota is the scarce resource: what a migration costs in calls, counted by the platform."""

import os
from collections import Counter

import pytest

MOST_CALLS_PER_OBJECT = 1.1


def test_a_thousand_objects_cost_hardly_more_calls_than_objects(make_sandbox, make_world):
    objects = 1000
    with make_sandbox("--requests-per-minute", "60000") as sandbox, make_world(sandbox) as world:
        manifest = world.manifest(world.objects(objects))

        batch = world.migrate("--manifest", manifest, within_s=120)

        batch.assert_balanced()
        summary, counted = batch.summary, Counter(sandbox.calls())
        print(f"\n{objects} objects: {dict(counted)}")
        assert summary["outcomes"]["imported"] == objects
        made = Counter(one["objectKey"] for one in sandbox.creates())
        assert len(made) == made.total() == objects

        # The program and the platform count the same, and it is little.
        assert summary["api"]["calls"] == counted.total()
        assert summary["api"]["by_operation"] == {
            "submit": counted["POST /v1/videos/in/s3"],
            "list": counted["GET /v1/videos"],
            "status": counted["GET /v1/videos/{videoId}/in/status"],
            "restart": 0,
            "other": counted["GET /v1/account"],
        }
        print(f"calls per object: {counted.total() / objects:.3f}")
        assert counted.total() <= MOST_CALLS_PER_OBJECT * objects
        assert sandbox.throttled() == summary["api"]["throttled"] == 0


def test_a_small_quota_is_used_and_never_overrun(make_sandbox, make_world):
    objects, quota = 60, 600
    with (
        make_sandbox("--requests-per-minute", str(quota)) as sandbox,
        make_world(sandbox) as world,
    ):
        manifest = world.manifest(world.objects(objects))

        batch = world.migrate("--manifest", manifest)

        summary = batch.summary
        assert summary["outcomes"]["imported"] == objects
        assert summary["api"]["announced_per_minute"] == quota
        assert sandbox.throttled() == summary["api"]["throttled"] == 0
        windows = [window for key in sandbox.windows()["keys"] for window in key["windows"]]
        assert sum(window["requests"] for window in windows) == summary["api"]["calls"]
        assert max(window["requests"] for window in windows) <= quota


@pytest.mark.long
@pytest.mark.skipif("MIGRATOR_LONG" not in os.environ, reason="waits for a whole window")
def test_a_quota_that_runs_out_is_waited_for_without_one_refusal(make_sandbox, make_world):
    # 30 a minute less the reserve of 2: 34 calls do not fit into one window.
    objects, quota = 30, 30
    with (
        make_sandbox("--requests-per-minute", str(quota)) as sandbox,
        make_world(sandbox) as world,
    ):
        manifest = world.manifest(world.objects(objects))

        batch = world.migrate("--manifest", manifest, within_s=150)

        summary = batch.summary
        assert summary["outcomes"]["imported"] == objects
        assert sandbox.throttled() == summary["api"]["throttled"] == 0
        windows = [window for key in sandbox.windows()["keys"] for window in key["windows"]]
        assert len(windows) >= 2
        assert max(window["requests"] for window in windows) <= quota


def test_a_rate_that_is_asked_for_is_kept_below_the_quota(world):
    objects, rate = 40, 600

    batch = world.migrate("--manifest", world.manifest(world.objects(objects)),
                          "--requests-per-minute", rate)  # fmt: skip

    creates = [one["createdAt"] for one in world.sandbox.creates(batch=batch.id)]
    seconds = [_seconds(moment) for moment in sorted(creates)]
    took_s = seconds[-1] - seconds[0]
    assert took_s >= 0.9 * (objects - 1) * 60 / rate  # evenly, not all at the beginning


def _seconds(iso):
    hours, minutes, seconds = iso[11:].rstrip("Z").split(":")
    return (int(hours) * 60 + int(minutes)) * 60 + float(seconds)
