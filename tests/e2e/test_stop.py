"""Stopping, starting twice, and a checkpoint that is not what it was."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter

import pytest

QUICKLY = ("--requests-per-minute", "6000")
SLOWLY = ("--requests-per-minute", "600", "--settle-seconds", "1")


def submitted(batch):
    """How many creates the running program has sent by now."""
    return batch.status.get("by_operation", {}).get("submit", 0)


# -------------------------------------------------------------------- signals


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_run_in_order_and_resume_finishes_it(world, until, name):
    rows = world.objects(30)
    out = world.directory / "out"
    child = world.start("run", "--manifest", world.manifest(rows), "--out", out, *SLOWLY)
    until(lambda: submitted(world.batch()) >= 3, "it submits")

    child.signal(getattr(signal, name))
    result = child.wait()

    assert result.code == 130
    assert "stopping" in result.err
    assert "Traceback" not in result.err
    stopped = world.batch()
    stopped.assert_balanced()
    summary = stopped.summary
    assert 0 < summary["outcomes"]["unfinished"] < len(rows) + 1
    assert summary["runs"][-1]["exit_code"] == 130
    assert "unresolved" not in summary["reasons"]
    made = {one["objectKey"] for one in world.sandbox.creates(batch=stopped.id)}
    assert made == {line["Key"] for line in stopped.lines if line["VideoId"]}
    assert "report.html" in result.out

    resumed = world.call("resume", out)

    assert resumed.code == 0, resumed.said
    finished = world.batch()
    finished.assert_balanced()
    assert finished.summary["outcomes"]["imported"] == len(rows)
    made = Counter(one["objectKey"] for one in world.sandbox.creates(batch=finished.id))
    assert made == Counter(key for _, key in rows)


def test_a_signal_waits_for_the_answers_that_are_in_flight(world, relay, until):
    rows = world.objects(30)
    child = world.start("run", "--manifest", world.manifest(rows), "--out", world.directory / "out",
                        *SLOWLY, env={"PIXOP_API_URL": relay.url})  # fmt: skip
    until(lambda: submitted(world.batch()) >= 2, "it submits")
    relay.hold()
    until(lambda: relay.held >= 3, "answers are kept back")

    child.signal(signal.SIGINT)
    until(lambda: "stopping" in child.err, "it says that it stops")
    assert not child.ended
    relay.release()
    result = child.wait()

    assert result.code == 130
    batch = world.batch()
    batch.assert_balanced()
    assert "unresolved" not in batch.summary["reasons"]
    made = {one["objectKey"] for one in world.sandbox.creates(batch=batch.id)}
    assert made == {line["Key"] for line in batch.lines if line["VideoId"]}
    assert len(made) < len(rows)


def test_a_second_signal_aborts_at_once_and_the_next_run_finds_out_what_became(world, relay, until):
    rows = world.objects(30)
    command = ["run", "--manifest", world.manifest(rows), "--out", world.directory / "out",
               "--settle-seconds", "1"]  # fmt: skip
    env = {"PIXOP_API_URL": relay.url}
    child = world.start(*command, "--requests-per-minute", "600", env=env)
    until(lambda: submitted(world.batch()) >= 2, "it submits")
    relay.hold()
    until(lambda: relay.held >= 3, "answers are kept back")

    child.signal(signal.SIGTERM)
    until(lambda: "stopping" in child.err, "it says that it stops")
    child.signal(signal.SIGINT)
    result = child.wait(within_s=5)

    assert result.code == 130
    assert "aborted" in result.err
    assert "Traceback" not in result.err
    relay.release()

    again = world.call(*command, *QUICKLY, env=env)

    assert again.code == 0, again.said
    world.batch().assert_balanced()
    made = Counter(one["objectKey"] for one in world.sandbox.creates(bucket=rows[0][0]))
    assert made == Counter(key for _, key in rows)


_SIGNALLED_AT_IMPORT = """
import os, signal, sys
name, module = sys.argv.pop(1), sys.argv.pop(1)

class Finder:
    def find_spec(self, wanted, *_):
        if wanted == module:
            os.kill(os.getpid(), signal.Signals[name])

sys.meta_path.insert(0, Finder())
from migrator.cli import main
main(sys.argv[1:])
"""
"""The program, that gets a signal when it begins to import a module."""


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("SIGTERM", "cyclopts"),
        ("SIGINT", "migrator.cli.batch"),
        ("SIGHUP", "aiobotocore.session"),
        ("SIGTERM", "uvloop"),
        ("SIGTERM", "pandas"),
    ],
)
def test_a_signal_before_the_event_loop_runs_or_after_it_ends_the_program_in_order(
    world, name, module
):
    manifest, out = world.manifest(world.objects(1)), world.directory / "out"
    arguments = ["run", "--manifest", manifest, "--out", out, *QUICKLY]
    ended = subprocess.run(
        [sys.executable, "-c", _SIGNALLED_AT_IMPORT, name, module, *map(str, arguments)],
        env=world.environment({}),
        cwd=world.directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 130, ended.stderr
    assert "interrupted" in ended.stderr
    assert "next:" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert world.call(*arguments).code == 0


@pytest.mark.parametrize(
    "point",
    [
        "rows-before-commit:1",
        "sweep-before-commit:1",
        "report-before-rename:1",
        "report-before-rename:3",
        "report-after-rename:4",
        "report-before-rename:5",
    ],
)
def test_a_signal_while_rows_are_read_the_list_is_swept_or_the_report_is_written(world, point):
    rows = world.objects(5)
    out = world.directory / "out"
    arguments = ["run", "--manifest", world.manifest(rows), "--out", out, *QUICKLY]

    ended = world.start_with(f"{point}:SIGTERM", *arguments).wait()

    assert ended.code == 130, ended.said
    assert "interrupted" in ended.err or "stopping" in ended.err
    assert "Traceback" not in ended.err
    made = world.sandbox.creates(bucket=rows[0][0])
    if point.startswith("report"):
        # Whole, or not there: and what is there is of one and the same end.
        assert not [path.name for path in out.iterdir() if path.name.endswith(".tmp")]
        assert not (out / "summary.json").exists()
        assert len(made) == len(rows)
    else:
        assert not made
        world.batch().assert_balanced()
        assert world.batch().summary["runs"][-1]["exit_code"] == 130

    assert world.call(*arguments).code == 0
    finished = world.batch()
    finished.assert_balanced()
    assert finished.summary["runs"][0]["exit_code"] == 130
    assert len(world.sandbox.creates(bucket=rows[0][0])) == len(rows)


# -------------------------------------------------------------------- one at a time


_AT_ONCE = """
import os, sys
from migrator.cli import batch, main  # once for all, so that they come to the lock together

starts, number = [], int(sys.argv.pop(1))
hold, go = os.pipe()
for start in range(number):
    pid = os.fork()
    if pid == 0:
        os.close(go)
        for stream, end in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"start-{start}.{end}", os.O_WRONLY | os.O_CREAT), stream)
        os.read(hold, 1)
        main(sys.argv[1:])
    starts.append(pid)
os.close(hold)
os.close(go)
for pid in starts:
    print(pid, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
"""The program many times, let go at one moment."""

STARTS = 50


@pytest.mark.parametrize("is_begun", [False, True])
def test_of_fifty_starts_at_once_one_proceeds_and_the_others_name_it(world, until, is_begun):
    rows = world.objects(25)
    out = world.directory / "out"
    arguments = ["run", "--manifest", world.manifest(rows), "--out", out, *SLOWLY]
    if is_begun:
        killed = world.start_with("answer-after-commit:3", *arguments).wait()
        assert killed.code == -signal.SIGKILL

    told = subprocess.run(
        [sys.executable, "-c", _AT_ONCE, str(STARTS), *map(str, arguments)],
        env=world.environment({}),
        cwd=world.directory,
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    ).stdout

    codes = dict(line.split() for line in told.splitlines())
    assert Counter(codes.values()) == {"0": 1, "5": STARTS - 1}
    winner, said = next(pid for pid, code in codes.items() if code == "0"), []
    for start, code in enumerate(codes.values()):
        said.append((world.directory / f"start-{start}.err").read_text())
        assert "Traceback" not in said[-1]
        if code == "5":
            assert "another migrator works on this batch" in said[-1]
            assert "next:" in said[-1]
    assert f"process {winner}" in "".join(said)
    made = Counter(one["objectKey"] for one in world.sandbox.creates(bucket=rows[0][0]))
    assert made == Counter(key for _, key in rows)


def test_a_batch_that_is_being_worked_on_refuses_every_verb_that_writes(world, relay, until):
    rows = world.objects(40)
    manifest, out = world.manifest(rows), world.directory / "out"
    inputs = ["--manifest", manifest, "--out", out]
    child = world.start("run", *inputs, *SLOWLY, env={"PIXOP_API_URL": relay.url})
    until(lambda: submitted(world.batch()) >= 1, "it submits")
    relay.hold()  # so that it does not end meanwhile

    for verb in (
        ["run", *inputs],
        ["plan", *inputs],
        ["resume", out],
        ["report", out],
        ["verify", out],
    ):
        result = world.call(*verb)
        assert result.code == 5
        assert f"process {child.pid}" in result.err
    assert world.call("status", out).code == 0

    relay.release()
    assert child.wait().code == 0


def test_a_lock_file_that_a_killed_run_left_behind_stops_nobody(world, until):
    rows = world.objects(10)
    command = ["run", "--manifest", world.manifest(rows), "--out", world.directory / "out", *SLOWLY]
    child = world.start(*command)
    until(lambda: submitted(world.batch()) >= 2, "it submits")
    child.kill()
    lock = world.directory / "out" / "lock"
    assert json.loads(lock.read_text())["pid"] == child.pid

    assert world.call(*command).code == 0
    world.batch().assert_balanced()


# -------------------------------------------------------------------- a damaged checkpoint


def _truncated(path):
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def _to_one_page(path):
    with path.open("r+b") as file:
        file.truncate(4096)


def _to_nothing(path):
    path.write_bytes(b"")


def _garbage(path):
    path.write_bytes(bytes(range(256)) * 64)


def _flipped(path):
    """A page in the middle is overwritten, as by a failing disk."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(b"\xa5" * 4096)


def _of_another_version(path):
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()


def _only_a_log(path):
    path.rename(path.with_name(path.name + "-wal"))


DAMAGES = {
    "truncated": _truncated,
    "truncated to one page": _to_one_page,
    "truncated to nothing": _to_nothing,
    "garbage": _garbage,
    "a page overwritten": _flipped,
    "of another version": _of_another_version,
    "a log without its checkpoint": _only_a_log,
}


@pytest.fixture(scope="module")
def begun(make_world, sandbox, until):
    """A batch that was stopped half way, closed properly: (directory, manifest)."""
    with make_world(sandbox) as world:
        manifest = world.manifest(world.objects(60))
        out = world.directory / "out"
        child = world.start("run", "--manifest", manifest, "--out", out, *SLOWLY)
        until(lambda: submitted(world.batch()) >= 2, "it submits")
        child.signal(signal.SIGINT)
        assert child.wait().code == 130
        yield out, manifest


def _content(directory):
    """Name -> bytes; without the lock, which every start may write, and SQLite's empty shadows."""
    found = {path.name: path.read_bytes() for path in directory.iterdir() if path.name != "lock"}
    return {name: raw for name, raw in found.items() if raw or name == "checkpoint.db"}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_refused_and_never_begun_anew(world, begun, damage):
    directory, manifest = begun
    out = world.directory / "out"
    shutil.copytree(directory, out)
    DAMAGES[damage](out / "checkpoint.db")
    before, calls = _content(out), world.sandbox.calls()

    # Where nothing is left of it, a verb that cannot begin a batch may say that there is none.
    others = {2, 5} if damage in {"truncated to nothing", "a log without its checkpoint"} else {5}

    for verb, codes in (
        (["run", "--manifest", manifest, "--out", out], {5}),
        (["resume", out], others),
        (["report", out], others),
    ):
        result = world.call(*verb)
        assert result.code in codes, result.said
        assert "checkpoint" in result.err
        assert "next:" in result.err
        assert "Traceback" not in result.err
        shadows = {name: raw for name, raw in _content(out).items() if not name.endswith("-shm")}
        assert shadows == before
    assert world.sandbox.calls() == calls


_KILLED_AT_STATEMENT = """
import os, signal, sqlite3, sys
left = int(sys.argv.pop(1))

class Doomed(sqlite3.Connection):
    def execute(self, *arguments):
        self.count_down()
        return super().execute(*arguments)

    def executescript(self, *arguments):
        self.count_down()
        return super().executescript(*arguments)

    def count_down(self):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

connect = sqlite3.connect
sqlite3.connect = lambda *args, **named: connect(*args, **{**named, "factory": Doomed})
from migrator.cli import main
main(sys.argv[1:])
"""
"""The program, killed before its SQLite statement of this number."""


@pytest.mark.parametrize("statement", [0, 1, 3, 4, 6])
def test_a_start_that_is_killed_while_it_makes_the_checkpoint_is_taken_up_by_the_next(
    world, statement
):
    manifest, out = world.manifest(world.objects(1)), world.directory / "out"
    arguments = ["run", "--manifest", manifest, "--out", out]
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED_AT_STATEMENT, str(statement), *map(str, arguments)],
        env=world.environment({}),
        cwd=world.directory,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL

    # A key that is refused ends the run as soon as it has its checkpoint.
    result = world.call(*arguments, env={"PIXOP_API_KEY": "no-such-key"})

    assert result.code == 4, result.said
