"""`migrator plan`: what it says before is what a run does afterwards, and it changes nothing."""

import json
import signal
import sqlite3
from collections import Counter

GB = 10**9
DAY_MS = 24 * 3600 * 1000


def catalogue(world):
    """Rows of every kind that a plan can know of."""
    good = world.objects(25)
    other = world.objects(10, content=b"x" * 5000)
    bucket = good[0][0]
    world.sandbox.put(bucket, "empty.mp4", b"")
    world.sandbox.put(bucket, "huge.mxf", 600 * GB)
    absent = world.bucket("absent")
    return [*good, *other, (bucket, "empty.mp4"), (bucket, "huge.mxf"), (bucket, "gone.mp4"),
            (absent, "a.mp4"), (absent, "b.mp4"), good[3], ("ab", "short.mp4")]  # fmt: skip


def planned(world, *arguments, **how):
    result = world.call("plan", *arguments, "--json", **how)
    assert result.code == 0, result.said
    return json.loads(result.out)


def reasons(plan):
    return {told["reason"]: told["rows"] for told in plan["reasons"]}


def test_a_run_comes_to_what_the_plan_has_said_and_at_the_calls_that_it_has_said(
    make_sandbox, make_world
):
    with make_sandbox("--requests-per-minute", "6000") as sandbox, make_world(sandbox) as world:
        manifest = world.manifest(catalogue(world))
        plan = planned(world, "--manifest", manifest, "--out", world.directory / "out")
        asked = Counter(sandbox.calls())
        assert asked == {"GET /v1/account": 1, "GET /v1/videos": 1}
        assert plan["plan_calls"] == asked.total()

        batch = world.migrate("--manifest", manifest, code=3)

        batch.assert_balanced()
        summary = batch.summary
        unfinished = summary["outcomes"].pop("unfinished")
        assert (summary["outcomes"], unfinished) == (plan["outcomes"], 0)
        assert summary["reasons"] == reasons(plan) | {"copied": plan["objects"]["to_send"]}
        assert summary["bytes"]["imported"] == plan["objects"]["size_bytes"]
        assert sum(each["size_bytes"] for each in plan["buckets"]) == plan["objects"]["size_bytes"]
        assert sum(each["objects"] for each in plan["sizes"]) == plan["objects"]["to_send"]

        calls, made = plan["calls"], summary["api"]["by_operation"]
        assert made["submit"] == calls["submit"] == 35
        assert made["other"] == calls["checks"]
        follow = made["list"] + made["status"] - calls["sweep"]
        assert calls["follow"]["least"] <= follow <= calls["follow"]["most"]
        assert calls["total"]["least"] <= summary["api"]["calls"] <= calls["total"]["most"]


def test_each_reason_has_its_examples_and_each_number_what_it_assumes(world):
    rows = catalogue(world)
    plan = planned(world, "--manifest", world.manifest(rows))
    told = {each["reason"]: each for each in plan["reasons"]}
    assert reasons(plan) == {
        "too_large": 1, "invalid_row": 1, "empty_object": 1, "bucket_not_found": 2,
        "object_not_found": 1, "duplicate_row": 1,
    }  # fmt: skip
    assert [each["key"] for each in told["bucket_not_found"]["examples"]] == ["a.mp4", "b.mp4"]
    assert told["bucket_not_found"]["examples"][0]["code"] == "NoSuchBucket"
    assert plan["duplicates"] == 1
    assert plan["schema"] == "migrator.plan/1"
    assert plan["platform"]["announced_per_minute"] == 60000
    assert plan["settings"]["pace"]["max_in_flight"] == 5000
    assert any("speed is not known" in each for each in plan["assumptions"])

    text = world.call("plan", "--manifest", world.directory / "catalogue.csv").out

    for words in ("35 objects", "bucket_not_found", "the same object as row 4", "what binds",
                  "assumed:", "max_in_flight"):  # fmt: skip
        assert words in text


def test_a_plan_changes_nothing_and_without_a_directory_leaves_nothing(world):
    rows = world.objects(3)
    before = {path.name for path in world.directory.iterdir()}
    planned(world, "--manifest", world.manifest(rows), env={"TMPDIR": str(world.directory)})
    assert not world.sandbox.creates(bucket=rows[0][0])
    left = {path.name for path in world.directory.iterdir()} - before
    assert not [name for name in left if name.startswith("migrator-plan")]


def test_what_was_planned_is_headed_again_neither_by_run_nor_by_what_if(world, closed_port):
    rows = catalogue(world)
    arguments = ("--manifest", world.manifest(rows), "--out", world.directory / "out")
    plan = planned(world, *arguments)
    assert plan["preflight"] == {"rows": 40, "headed_now": 40}
    # Where nobody listens: a single HEAD would be asked again and again.
    nowhere = {"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{closed_port}"}

    what_if = planned(world, *arguments, "--requests-per-minute", 60, "--max-in-flight", 5,
                      "--copy-mb-per-s", 0.0001, env=nowhere)  # fmt: skip

    assert what_if["preflight"] == {"rows": 40, "headed_now": 0}
    assert reasons(what_if) == reasons(plan)
    assert what_if["platform"]["used_per_minute"] == 60
    assert what_if["time"]["quota_s"] > 30 > plan["time"]["quota_s"]
    assert what_if["time"]["bound_by"] == "in_flight"

    batch = world.migrate("--manifest", world.directory / "catalogue.csv", code=3, env=nowhere)

    assert batch.summary["outcomes"]["imported"] == 35
    assert batch.summary["reasons"] == reasons(plan) | {"copied": 35}


def test_what_was_looked_at_longer_than_a_day_ago_is_headed_again(world):
    rows = world.objects(4)
    world.sandbox.put(rows[0][0], "empty.mp4", b"")
    manifest = world.manifest([*rows, (rows[0][0], "late.mp4"), (rows[0][0], "empty.mp4")])
    out = world.directory / "out"
    plan = planned(world, "--manifest", manifest, "--out", out)
    assert reasons(plan) == {"object_not_found": 1, "empty_object": 1}
    world.sandbox.put(rows[0][0], "late.mp4", b"here it is")
    (world.sandbox.directory / "buckets" / rows[0][0] / rows[1][1]).unlink()
    with sqlite3.connect(out / "checkpoint.db") as db:
        db.execute("UPDATE object SET preflighted_ms = preflighted_ms - ?", (DAY_MS + 1000,))
    db.close()

    batch = world.migrate("--manifest", manifest, code=3)

    assert batch.summary["reasons"] == {"copied": 4, "object_not_found": 1, "empty_object": 1}
    assert batch.verdicts[2] == ("missing", "object_not_found")
    assert batch.verdicts[5] == ("imported", "copied")


def test_recheck_heads_again_what_was_refused_and_nothing_else(world):
    rows = world.objects(4)
    manifest = world.manifest([*rows, (rows[0][0], "late.mp4"), (rows[0][0], "never.mp4")])
    arguments = ("--manifest", manifest, "--out", world.directory / "out")
    planned(world, *arguments)
    world.sandbox.put(rows[0][0], "late.mp4", b"here it is")
    assert reasons(planned(world, *arguments)) == {"object_not_found": 2}

    plan = planned(world, *arguments, "--recheck")

    assert plan["preflight"] == {"rows": 6, "headed_now": 2}
    assert reasons(plan) == {"object_not_found": 1}


def test_an_interrupted_plan_goes_on_where_it_was(world, until):
    rows = world.objects(400)
    out = world.directory / "out"
    arguments = ("--manifest", world.manifest(rows), "--out", out)

    ended = world.start_with("look-after-commit:4:SIGINT", "plan", *arguments).wait()

    assert ended.code == 130, ended.said
    assert "give the same command again: what was looked at is kept" in ended.err
    assert "Traceback" not in ended.err
    plan = planned(world, *arguments)
    assert plan["objects"]["to_send"] == 400
    assert 0 < plan["preflight"]["headed_now"] < 400


def test_a_manifest_that_was_mended_after_a_plan_is_read_anew(world):
    rows = world.objects(4)
    out = world.directory / "out"
    manifest = world.manifest([*rows[:2], ("xx", "wrong.mp4")])
    assert reasons(planned(world, "--manifest", manifest, "--out", out)) == {"invalid_row": 1}
    world.manifest(rows)

    plan = planned(world, "--manifest", manifest, "--out", out)
    assert (plan["rows"], plan["reasons"]) == (4, [])

    world.manifest(rows[:3])
    assert world.migrate("--manifest", manifest).summary["outcomes"]["imported"] == 3
    world.manifest(rows)
    assert world.call("plan", "--manifest", manifest, "--out", out).code == 5


def test_wrong_keys_are_told_as_a_run_tells_them(world):
    rows = world.objects(5)
    manifest = world.manifest(rows)
    refused = world.call("plan", "--manifest", manifest, env={"PIXOP_API_KEY": "wrong"})
    assert refused.code == 4
    assert "refuses the API key" in refused.err

    env = {"PIXOP_SOURCE_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
           "PIXOP_SOURCE_SECRET_ACCESS_KEY": "opens-nothing"}  # fmt: skip
    plan = planned(world, "--manifest", manifest, env=env)
    assert reasons(plan) == {"bad_credentials": 5}
    assert plan["objects"]["to_send"] == 0


def test_a_plan_on_a_batch_that_has_begun_counts_what_is_left(world):
    rows = world.objects(12)
    manifest = world.manifest(rows)
    arguments = ("--manifest", manifest, "--requests-per-minute", "600")
    child = world.start("run", *arguments, "--out", world.directory / "out")
    child_batch = world.batch()
    while not child_batch.status.get("by_operation", {}).get("submit", 0) >= 3:
        assert not child.ended
    child.signal(signal.SIGINT)
    assert child.wait().code == 130
    done = child_batch.summary["outcomes"]["imported"]

    plan = planned(world, "--manifest", manifest, "--out", world.directory / "out",
                   "--requests-per-minute", 6000)  # fmt: skip

    assert plan["outcomes"]["imported"] == 12
    assert plan["objects"]["to_send"] + plan["objects"]["open"] + done == 12
    assert plan["platform"]["listed"] is None
    # What is only asked does not change what the batch goes on with.
    with sqlite3.connect(world.directory / "out" / "checkpoint.db") as db:
        (kept,) = db.execute("SELECT value FROM meta WHERE name = 'settings'").fetchone()
    db.close()
    assert json.loads(kept)["pace"]["requests_per_minute"] == 600
