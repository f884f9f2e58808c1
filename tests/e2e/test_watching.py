"""A run as it is watched from outside: status, log and metrics of the actual program."""

import json
import re
import signal
import stat
import time
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.actual.canaries import NAMES, contents, places_that_tell
from tests.e2e.test_terminal import submitted
from tests.told import assert_told

SLOWLY = ("--requests-per-minute", "600", "--settle-seconds", "0.5")
QUICKLY = ("--requests-per-minute", "6000", "--settle-seconds", "0.5")


@pytest.fixture
def rows(world):
    """Twenty objects, and one that is not there."""
    found = world.objects(20)
    return [*found, (found[0][0], "gone.mp4")]


@pytest.fixture
def running(world, rows, until):
    """A run that has begun to submit."""
    child = world.start("run", "--manifest", world.manifest(rows), "--out", "out", *SLOWLY)
    until(lambda: submitted(world.batch()) >= 2, "it submits")
    return child


# ------------------------------------------------------------------------ status


def test_status_of_a_run_that_goes_on_is_one_line_and_its_json_is_the_file(world, running):
    told = world.call("status", "out")
    assert told.code == 0
    assert re.match(r"(migrating|checking|settled): \d+/21 rows", told.out)
    in_json = world.call("status", "out", "--json")
    assert json.loads(in_json.out)["schema"] == "migrator.status/1"
    running.wait()


def test_watching_ends_with_the_run_and_its_exit_code(world, rows, until):
    # Long enough for two more processes to start beside it.
    running = world.start("run", "--manifest", world.manifest(rows), "--out", "out",
                          "--requests-per-minute", "200")  # fmt: skip
    until(lambda: world.batch().status, "it has begun")
    watching = world.start("status", "out", "--watch")
    as_json = world.start("status", "out", "--watch", "--json")
    assert running.wait().code == 3
    told = watching.wait()
    assert told.code == 3
    assert told.err == ""
    assert told.out.splitlines()[-1].endswith("with exit code 3")
    assert "21/21 rows, 20 imported, 1 missing" in told.out.splitlines()[-2]
    lines = [json.loads(line) for line in as_json.wait().out.splitlines()]
    assert len(lines) > 1
    assert lines[-1]["exit_code"] == 3
    assert all("exit_code" not in line or line["exit_code"] is None for line in lines[:-1])
    # Of a batch that has ended it has nothing to wait for.
    assert world.call("status", "out", "--watch").code == 3


def test_a_status_whose_process_was_killed_says_so(world, running):
    watching = world.start("status", "out", "--watch")
    running.kill()
    assert_told(watching.wait(), 1, f"process {running.pid} is gone")

    told = world.call("status", "out")
    assert told.code == 0
    assert f"process {running.pid} is gone" in told.out
    in_json = world.call("status", "out", "--json")
    assert "is gone" in in_json.err
    assert json.loads(in_json.out)["pid"] == running.pid

    assert world.call("resume", "out").code == 3
    assert (
        "ended 0 s ago" in world.call("status", "out").out or world.batch().status["exit_code"] == 3
    )


def test_a_run_that_is_stopped_says_so_in_its_status(world, running):
    running.signal(signal.SIGINT)
    assert running.wait().code == 130
    assert world.batch().status["exit_code"] == 130
    assert world.call("status", "out", "--watch").code == 130


def test_a_directory_without_a_status_is_told_from_one(world):
    assert_told(world.call("status", world.directory, "--watch"), 2, "no status there")
    assert_told(world.call("status", world.directory / "absent"), 2, "no status there")


def test_a_status_of_an_earlier_version_is_read(world, running):
    running.wait()
    path = world.directory / "out" / "status.json"
    kept = {"schema", "batch", "pid", "phase", "started_ms", "updated_ms", "rows", "done",
            "outcomes", "reasons", "states", "in_flight", "unresolved", "calls", "by_operation",
            "throttled", "rate_per_minute", "allowed_per_minute", "announced_per_minute",
            "waiting_for", "eta_s"}  # fmt: skip
    old = {name: value for name, value in json.loads(path.read_text()).items() if name in kept}
    path.write_text(json.dumps(old))
    told = world.call("status", "out")
    assert told.code == 0
    assert "settled: 21/21 rows" in told.out


# --------------------------------------------------------------------------- log


def test_stderr_in_json_is_nothing_but_json_and_the_log_tells_the_story(world, rows):
    world.migrate("--manifest", world.manifest(rows), "--log-format", "json", *QUICKLY, code=3)
    (child,) = world.children
    told = [json.loads(line) for line in child.err.splitlines()]
    events = [line["event"] for line in told]
    assert events[0] == "run.started"
    assert events[-1] == "run.ended"
    phases = [line["phase"] for line in told if line["event"] == "run.phase"]
    assert phases == ["loading", "sweeping", "migrating", "settled"]
    (problem,) = [line for line in told if line["event"] == "row.problem"]
    assert (problem["row"], problem["outcome"], problem["key"]) == (21, "missing", "gone.mp4")
    assert told[-1]["exit_code"] == 3


def test_an_error_is_json_too_where_stderr_is(world, rows):
    ended = world.call("run", "--manifest", world.manifest(rows), "--out", "out", "--log-format",
                       "json", "-q", env={"PIXOP_API_KEY": "wrong-key"})  # fmt: skip
    assert ended.code == 4
    (error,) = [json.loads(line) for line in ended.err.splitlines()]
    assert (error["event"], error["level"]) == ("run.failed", "error")
    assert "refuses the API key" in error["message"]
    assert error["hint"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_most_verbose_log_file_is_the_owners_alone_and_holds_no_secret(world, rows, form):
    file = world.directory / "run.log"
    flags = ("--log-file", file, "--log-format", form, "-vv", *QUICKLY)
    ended = world.call("run", "--manifest", world.manifest(rows), "--out", "out", *flags, umask=0)
    assert ended.code == 3
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lines = file.read_text().splitlines()
    assert len([line for line in lines if "api.call" in line]) > 20
    assert len([line for line in lines if "row.moved" in line]) > 40
    assert " INFO " not in ended.err  # what the file holds is not said twice
    secrets = [world.sandbox.env[name] for name in NAMES]
    assert places_that_tell(contents(world.directory), secrets) == []


def test_a_log_file_that_cannot_be_written_is_refused_before_anything_is_sent(world, rows):
    flags = ("--manifest", world.manifest(rows), "--out", "out", "--log-file", "no/such/place")
    assert_told(world.call("run", *flags), 2, "--log-file no/such/place")
    assert not (world.directory / "out").exists()


def test_the_log_may_lie_in_the_directory_that_the_run_makes(world, rows):
    flags = ("--log-file", world.directory / "out" / "run.log", *QUICKLY)
    batch = world.migrate("--manifest", world.manifest(rows), *flags, code=3)
    assert "run.ended" in (batch.directory / "run.log").read_text()
    assert stat.S_IMODE(batch.directory.stat().st_mode) == 0o700


def test_a_run_that_is_stopped_says_so_in_json_alone_where_programs_read(world, rows, until):
    child = world.start("run", "--manifest", world.manifest(rows), "--out", "out", *SLOWLY,
                        "--log-format", "json")  # fmt: skip
    until(lambda: submitted(world.batch()) >= 2, "it submits")
    child.signal(signal.SIGTERM)
    told = [json.loads(line) for line in child.wait().err.splitlines()]
    assert [line["why"] for line in told if line["event"] == "run.stopping"] == ["a signal"]
    assert told[-1]["exit_code"] == 130


def test_a_log_on_a_full_disk_costs_no_run(world, rows):
    flags = ("--log-file", "/dev/full", *QUICKLY)
    world.migrate("--manifest", world.manifest(rows), *flags, code=3)
    (child,) = world.children
    assert child.err.count("No space left on device") == 1
    world.batch().assert_balanced()


# ----------------------------------------------------------------------- metrics


def scraped(url):
    """Every sample by its name and the values of its labels."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        (sample.name, *(value for name, value in sorted(sample.labels.items()) if name != "le")):
        sample.value for family in families for sample in family.samples
    }  # fmt: skip


def test_the_last_metrics_are_those_of_the_summary_and_they_end_with_the_run(world, rows, until):
    child = world.start("run", "--manifest", world.manifest(rows), "--out", "out", "-v", *QUICKLY,
                        "--metrics-addr", "0")  # fmt: skip
    url = until(lambda: re.search("http://127.0.0.1:[0-9]+/metrics", child.err), "it serves")[0]
    last = {}
    while True:  # as fast as it goes: from the last snapshot to its end it writes reports
        try:
            last = scraped(url)
        except OSError:
            break
        time.sleep(0.01)
    assert child.wait().code == 3

    summary, status = world.batch().summary, world.batch().status
    assert last["migrator_run_info", "settled", _version()] == 1
    ended = {
        labels[1:]: n for labels, n in last.items() if labels[0] == "migrator_rows_ended_total"
    }
    assert {reason: n for (_, reason), n in ended.items()} == summary["reasons"]
    for outcome, count in summary["outcomes"].items():
        assert sum(n for (told, _), n in ended.items() if told == outcome) == count
    assert last["migrator_rows",] == summary["manifest"]["rows"]
    assert last["migrator_imported_bytes_total",] == summary["bytes"]["imported"] > 0
    for operation, calls in summary["api"]["by_operation"].items():
        assert last["migrator_api_requests_total", operation] == calls
        measured = sum(
            n for labels, n in last.items()
            if labels[:2] == ("migrator_api_request_duration_seconds_count", operation)
        )  # fmt: skip
        assert measured == calls
    assert last["migrator_api_throttled_total",] == summary["api"]["throttled"]
    assert last["migrator_copy_duration_seconds_count", "imported"] == 20
    assert last["migrator_copies_in_flight",] == status["in_flight"] == 0
    assert status["in_flight_bytes"] == 0


def _version():
    from migrator import __version__  # noqa: PLC0415 - here alone

    return __version__


def test_a_port_that_is_taken_ends_the_run_before_it_begins(world, rows):
    port = world.sandbox.env["PIXOP_API_URL"].removesuffix("/api").rpartition(":")[2]
    flags = ("--manifest", world.manifest(rows), "--out", "out", "--metrics-addr", port)
    assert_told(world.call("run", *flags), 2, f"--metrics-addr {port}", "in use")
    assert not (world.directory / "out").exists()
