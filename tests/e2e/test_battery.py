"""A short form of the battery; `make battery` is the long one.

What is the battery's to find is printed by it: the table, and each batch that went wrong.
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

SHORT = ("--kills", "10", "--rounds", "1", "--short", "--at-once", "5")

HEADINGS = ["fault", "runs", "objects", "creates", "duplicates", "lost", "unresolved", "seconds"]


def test_nothing_is_made_twice_and_nothing_is_lost_whatever_happens():
    told = subprocess.run(
        [sys.executable, "-m", "tests.battery", *SHORT],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    print(told.stderr, told.stdout)
    assert told.returncode == 0
    table = told.stdout.splitlines()
    assert table[0].split() == HEADINGS
    total = next(line for line in table if line.startswith("all ")).split()
    _, _, objects, creates, duplicates, lost, unresolved, _ = total
    assert objects == creates
    assert duplicates == lost == unresolved == "0"


def test_a_platform_that_is_killed_in_the_middle_is_waited_for_and_nothing_is_made_twice(
    make_sandbox, make_world, until
):
    with make_sandbox("--requests-per-minute", "60000") as sandbox, make_world(sandbox) as world:
        bucket = world.bucket()
        big = [(bucket, f"big-{number}.mxf") for number in range(6)]
        for name, key in big:
            sandbox.put(name, key, 64 * 2**20)
        rows = [*big, *world.objects(50, bucket)]
        manifest, out = world.manifest(rows), world.directory / "out"
        child = world.start("run", "--manifest", manifest, "--out", out, "-v",
                            "--requests-per-minute", "1200", "--settle-seconds", "1")  # fmt: skip
        until(lambda: len(sandbox.creates()) >= 8, "some are made")

        sandbox.kill()
        sandbox.restart()
        result = child.wait(120)

        assert result.code == 0, result.said[-4000:]
        batch = world.batch()
        batch.assert_balanced()
        assert len(batch.summary["runs"]) == 1  # it went on by itself
        made = Counter(one["objectKey"] for one in sandbox.creates())
        assert made == Counter(key for _, key in rows)
        # What was being copied came back as FAILED, and was restarted, not sent again.
        restarted = [line["Key"] for line in batch.lines if line["Restarts"] != "0"]
        assert restarted
        assert batch.summary["api"]["by_operation"]["restart"] >= len(restarted)


def test_a_kill_leaves_a_status_that_can_still_be_read(world, until):
    rows = world.objects(40)
    out = world.directory / "out"
    child = world.start("run", "--manifest", world.manifest(rows), "--out", out,
                        "--requests-per-minute", "600")  # fmt: skip
    until(lambda: world.batch().status.get("by_operation", {}).get("submit", 0) >= 2, "under way")

    child.kill()
    told = world.call("status", out, "--json")

    assert told.code == 0
    assert json.loads(told.out)["pid"] == child.pid
    assert json.loads(told.out)["rows"] == len(rows)
