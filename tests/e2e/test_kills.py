"""Killed at any moment and run again, a migration ends as one that was never killed.

MIGRATOR_KILLS says how many batches are killed (20), MIGRATOR_KILL_SEED which moments are taken.
"""

import json
import os
import random
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

KILLS = int(os.environ.get("MIGRATOR_KILLS", "20"))
SEED = int(os.environ.get("MIGRATOR_KILL_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
GOOD = 60
AT_ONCE = 3
"""Batches at a time: they wait for the platform more than they work."""

ONE_WAY_S = 0.05
"""A create is twice this long in the air, so that a kill nearly always finds some there: on
loopback alone it would hardly ever."""

RUNS_AT_MOST = 6
FLAGS = ("--requests-per-minute", "2000", "--settle-seconds", "1")


@dataclass
class Ended:
    """How a batch ended at last: exit code, verdicts, creates per key, and what it went through.

    `seconds` is what the last run took.
    """

    code: int
    verdicts: dict
    made: Counter
    videos: dict
    kills: list
    seconds: float
    said: str


class Battery:
    """Migrates one catalogue again and again, each time as a batch of its own."""

    def __init__(self, world):
        self.world = world
        bucket, absent = world.bucket(), world.bucket("absent")
        rows = world.objects(GOOD, bucket)
        self.good = [key for _, key in rows]
        world.sandbox.put(bucket, "empty.mp4", b"")
        rows.insert(20, (bucket, "gone.mp4"))
        rows.insert(30, (absent, "any.mp4"))
        rows.insert(40, (bucket, "empty.mp4"))
        rows.insert(50, rows[3])
        self._rows = rows

    def migrate(self, name, moments):
        """Run it as batch `name`, killing the first runs at these moments, until it ends."""
        world, out = self.world, self.world.directory / name
        # The user's own text marks the batch at the platform, also where its tag were wrong.
        manifest = world.manifest([(*row, f"{name}.") for row in self._rows],
                                  ("bucket", "key", "description"), f"{name}.csv")  # fmt: skip
        command = ["run", "--manifest", manifest, "--out", out, "--namespace", name, *FLAGS]
        kills, moments = [], list(moments)
        for _ in range(RUNS_AT_MOST):
            began = time.monotonic()
            child = world.start(*command)
            if moments:
                moment_s = moments.pop(0)
                try:
                    child.process.wait(moment_s)
                except subprocess.TimeoutExpired:
                    child.kill()
                    kills.append(moment_s)
                    continue
            result = child.wait()
            seconds = time.monotonic() - began
            break
        made = Counter()
        videos = {}
        for one in world.sandbox.creates():
            if one["description"].startswith(f"{name}. "):
                made[one["objectKey"]] += 1
                videos[one["objectKey"]] = one["videoId"]
        batch = world.batch(name)
        if result.code == 3:
            batch.assert_balanced()
        verdicts = batch.verdicts if (out / "objects.csv").exists() else {}
        told = {line["Key"]: line["VideoId"] for line in batch.lines if line["VideoId"]}
        assert told == videos or result.code != 3
        return Ended(result.code, verdicts, made, told, kills, seconds, result.said)


@pytest.fixture(scope="module")
def battery(make_sandbox, make_world, make_relay):
    with (
        make_sandbox("--requests-per-minute", "60000") as sandbox,
        make_relay(sandbox.env["PIXOP_API_URL"], ONE_WAY_S) as relay,
        make_world(sandbox) as world,
    ):
        world.env["PIXOP_API_URL"] = relay.url
        yield Battery(world)


def test_killed_at_any_moment_and_run_again_it_ends_as_if_it_had_not_been(battery):
    # Measured under the same load as what follows: so many of them at once.
    with ThreadPoolExecutor(AT_ONCE) as pool:
        undisturbed = list(
            pool.map(lambda n: battery.migrate(f"undisturbed-{n}", []), range(AT_ONCE))
        )
    expected = undisturbed[0].verdicts
    for ended in undisturbed:
        assert ended.code == 3, ended.said
        assert ended.verdicts == expected
        assert ended.made == Counter(battery.good)
    assert Counter(expected.values()) == {
        ("imported", "copied"): GOOD,
        ("missing", "object_not_found"): 1,
        ("missing", "bucket_not_found"): 1,
        ("rejected", "empty_object"): 1,
        ("skipped", "duplicate_row"): 1,
    }
    whole_s = min(ended.seconds for ended in undisturbed)

    chance = random.Random(SEED)
    cases = [
        (f"kill-{number}", [chance.uniform(0, whole_s) for _ in range(chance.choice([1, 1, 2, 3]))])
        for number in range(KILLS)
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        all_ended = list(pool.map(lambda case: battery.migrate(*case), cases))

    problems = []
    for (name, _), ended in zip(cases, all_ended, strict=True):
        twice = {key: n for key, n in ended.made.items() if n > 1}
        lost = sorted(set(battery.good) - set(ended.made))
        other = {row: (expected.get(row), ended.verdicts.get(row))
                 for row in expected.keys() | ended.verdicts.keys()
                 if expected.get(row) != ended.verdicts.get(row)}  # fmt: skip
        if ended.code != 3 or twice or lost or other:
            problems.append(
                f"{name}, killed at {[f'{s:.3f}' for s in ended.kills]} s: exit {ended.code}, "
                f"made twice {twice}, lost {lost}, other verdicts {other}\n{ended.said[-2000:]}"
            )
    kills = sum(len(ended.kills) for ended in all_ended)
    print(
        f"\n{KILLS} batches, {kills} kills (seed {SEED}), an undisturbed run takes "
        f"{whole_s:.1f} s; {len(problems)} with problems"
    )
    assert not problems, f"MIGRATOR_KILL_SEED={SEED}\n" + "\n".join(problems)
    assert kills >= KILLS / 2, "most were over before they could be killed: little was tested"


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
