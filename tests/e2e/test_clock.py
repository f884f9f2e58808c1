"""A machine whose clock is set under a run, or that sleeps in the middle of one."""

import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

FLAGS = ("--requests-per-minute", "600", "--settle-seconds", "0.5")

_CLOCK_JUMPS = """
import sys, time
jump_ns, real, began_s = int(sys.argv.pop(1)) * 10**9, time.time_ns, time.monotonic()
time.time_ns = lambda: real() + (jump_ns if time.monotonic() - began_s > 1.5 else 0)
from migrator.cli import main
main(sys.argv[1:])
"""
"""The program, whose wall clock is set so many seconds off soon after it has begun."""


def submitted(batch):
    return batch.status.get("by_operation", {}).get("submit", 0)


@pytest.mark.parametrize("jump_s", [86_400, -3_600])
def test_a_clock_that_is_set_under_a_run_and_back_before_the_next_changes_nothing(
    world, until, jump_s
):
    rows = world.objects(25)
    out = world.directory / "out"
    arguments = ["run", "--manifest", world.manifest(rows), "--out", out, *FLAGS]
    child = subprocess.Popen(
        [sys.executable, "-c", _CLOCK_JUMPS, str(jump_s), *map(str, arguments)],
        env=world.environment({}),
        cwd=world.directory,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: submitted(world.batch()) >= 12, "it submits")
    finally:
        child.kill()
        child.wait()

    ended = world.call(*arguments)

    assert ended.code == 0, ended.said
    world.batch().assert_balanced()
    made = Counter(one["objectKey"] for one in world.sandbox.creates(bucket=rows[0][0]))
    assert made == Counter(key for _, key in rows)
    assert world.call("report", out).code == 0


def test_a_program_that_was_stopped_for_a_while_goes_on_where_it_was(world, until):
    rows = world.objects(25)
    out = world.directory / "out"
    throttled = world.sandbox.throttled()
    child = world.start("run", "--manifest", world.manifest(rows), "--out", out, *FLAGS)
    until(lambda: submitted(world.batch()) >= 5, "it submits")
    child.signal(signal.SIGSTOP)
    time.sleep(2)  # the length of the sleep is what is tested
    child.signal(signal.SIGCONT)

    ended = child.wait()

    assert ended.code == 0, ended.said
    world.batch().assert_balanced()
    made = Counter(one["objectKey"] for one in world.sandbox.creates(bucket=rows[0][0]))
    assert made == Counter(key for _, key in rows)
    assert world.sandbox.throttled() == throttled
