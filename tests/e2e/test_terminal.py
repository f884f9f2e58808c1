"""Where the program talks to: pipes that nobody reads, terminals that go away, streams closed."""

import os
import pty
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

SLOWLY = ("--requests-per-minute", "600", "--settle-seconds", "0.5")
QUICKLY = ("--requests-per-minute", "6000", "--settle-seconds", "0.5")


def program(*arguments):
    return [sys.executable, "-m", "migrator", *map(str, arguments)]


def submitted(batch):
    return batch.status.get("by_operation", {}).get("submit", 0)


@pytest.fixture
def finished(world):
    """The directory of a batch that has nothing left to do."""
    world.migrate("--manifest", world.manifest(world.objects(2)), *QUICKLY)
    return world.directory / "out"


def with_nobody_reading(world, *arguments, stream="stdout"):
    """Run a verb into a pipe whose other end is closed."""
    read, write = os.pipe()
    os.close(read)
    other = {"stdout": "stderr", "stderr": "stdout"}[stream]
    try:
        return subprocess.run(
            program(*arguments), env=world.environment({}), cwd=world.directory, timeout=60,
            check=False, **{stream: write, other: subprocess.PIPE},
        )  # fmt: skip
    finally:
        os.close(write)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_run_that_nobody_reads_from_ends_as_any_other(world, stream):
    manifest, out = world.manifest(world.objects(3)), world.directory / "out"
    ended = with_nobody_reading(
        world, "run", "--manifest", manifest, "--out", out, *QUICKLY, "-v", stream=stream
    )
    assert ended.returncode == 0
    assert "Traceback" not in (ended.stderr or b"").decode()
    world.batch().assert_balanced()
    assert world.batch().summary["outcomes"]["imported"] == 3


@pytest.mark.parametrize("verb", [["status"], ["status", "--json"], ["report"], ["run"]])
def test_a_verb_whose_output_goes_to_head_ends_well(world, finished, verb):
    if verb == ["run"]:  # a batch that is finished says so
        verb = ["run", "--manifest", world.directory / "catalogue.csv", "--out"]
    ended = with_nobody_reading(world, *verb, finished)
    assert ended.returncode == 0
    assert ended.stderr == b""


def test_what_head_shows_is_the_first_line_and_the_exit_code_is_the_runs(world):
    rows = [*world.objects(2), (world.bucket(), "gone.mp4")]
    command = program("run", "--manifest", world.manifest(rows), "--out", "out", *QUICKLY)
    told = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$@" 2>/dev/null | head -1', "bash", *command],
        env=world.environment({}), cwd=world.directory, check=False, timeout=60,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert told.returncode == 3
    assert told.stdout.split() == ["outcome", "rows", "reasons"]


@pytest.mark.parametrize("streams", [">&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
def test_streams_that_are_closed_or_full_harm_nothing(world, streams):
    manifest = world.manifest(world.objects(2))
    command = program("run", "--manifest", manifest, "--out", "out", *QUICKLY)
    ended = subprocess.run(
        ["bash", "-c", f'exec "$@" {streams}', "bash", *command],
        env=world.environment({}), cwd=world.directory, check=False, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 0
    world.batch().assert_balanced()
    assert world.call("report", world.directory / "out").code == 0


def test_a_terminal_that_is_closed_under_a_run_stops_it_and_resume_finishes_it(world, until):
    rows = world.objects(30)
    manifest, out = world.manifest(rows), world.directory / "out"
    terminal, theirs = pty.openpty()
    child = subprocess.Popen(
        # `setsid --ctty` makes the terminal theirs, so that its end is told by SIGHUP.
        ["setsid", "--ctty", *program("run", "--manifest", manifest, "--out", out, *SLOWLY)],
        env=world.environment({"TERM": "xterm"}), cwd=world.directory,
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    os.set_blocking(terminal, False)

    def shown():
        with suppress(OSError):  # so that the terminal never fills up
            os.read(terminal, 65_536)
        return submitted(world.batch()) >= 3

    until(shown, "it submits")
    os.close(terminal)

    assert child.wait(60) == 130
    batch = world.batch()
    batch.assert_balanced()
    assert batch.summary["outcomes"]["unfinished"] > 0
    assert "unresolved" not in batch.summary["reasons"]
    assert world.call("resume", out).code == 0
    made = [one["objectKey"] for one in world.sandbox.creates(batch=batch.id)]
    assert sorted(made) == sorted(key for _, key in rows)


def test_nohup_is_honoured(world, until):
    rows = world.objects(20)
    command = program("run", "--manifest", world.manifest(rows), "--out", "out", *SLOWLY)
    with subprocess.Popen(
        ["bash", "-c", 'trap "" HUP; exec "$@"', "bash", *command],
        env=world.environment({}), cwd=world.directory,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as child:  # fmt: skip
        until(lambda: submitted(world.batch()) >= 2, "it submits")
        child.send_signal(signal.SIGHUP)
        assert child.wait(60) == 0
