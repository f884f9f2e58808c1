"""The live display on a real terminal: what it shows, and what is left when it goes."""

import json
import re

import pytest

from tests.actual.terminal import Terminal
from tests.e2e.test_terminal import program, submitted

ROWS = 25


@pytest.fixture
def terminal(world):
    """Begins a run of some rows, and one that is missing, on a terminal."""
    missing = (world.bucket(), "gone/映画-\x1b[2J.mp4")
    manifest = world.manifest([missing, *world.objects(ROWS)])
    begun = []

    def begin(*flags, rate=600, columns=80, lines=24, env=None, below=()):
        pace = ("--settle-seconds", "0.5", "--requests-per-minute", rate)
        command = [*below, *program("run", "--manifest", manifest, "--out", "out", *pace, *flags)]
        shown = Terminal(command, world.environment(env or {}), world.directory, columns, lines)
        begun.append(shown)
        return shown

    yield begin
    for shown in begun:
        shown.__exit__()


def is_under_way(shown):
    return any(re.search(r"^migrating .* [1-9]\d?/26 rows", line) for line in shown)


def is_result(shown):
    return any(line.startswith("report: out/report.html") for line in shown)


@pytest.mark.parametrize("columns", [80, 140])
def test_a_run_is_seen_while_it_lasts_and_then_its_result_stands_alone(terminal, columns):
    shown = terminal(columns=columns)
    text = "\n".join(shown.until(is_under_way, "it is under way"))
    for asked in ("1 missing", "600 allowed of 60,000 announced", "submit", "so far", "in flight"):
        assert asked in text
    # Another's key is shown and does nothing.
    assert "missing/bucket_not_found row 1" in text
    assert r"\x1b[2J.mp4" in text

    assert shown.end() == 3
    assert shown.shown[0].split() == ["outcome", "rows", "reasons"]
    assert not any("migrating" in line for line in shown.shown)
    assert not shown.screen.cursor.hidden
    assert b"\x1b[?25l" not in shown.raw


def test_it_survives_resizing_to_any_size_and_back(terminal):
    shown = terminal(rate=240)
    shown.until(is_under_way, "it is under way")
    for columns, lines in ((60, 24), (200, 60), (20, 5), (1, 1), (50, 10), (100, 30)):
        shown.resize(columns, lines)
        painted = len(shown.raw)
        shown.until(lambda _now, painted=painted: len(shown.raw) > painted + 20, "it is repainted")
    # One picture, whole, of the new size: its first line ends a column before the terminal does.
    text = shown.until(
        lambda now: is_under_way(now) and now[-1].startswith("missing/"), "it is whole"
    )
    (head,) = [line for line in text if "migrating" in line]
    assert len(head) == 99
    assert shown.end() == 3
    assert is_result(shown.shown)


def test_what_is_logged_stands_above_it_in_whole_lines(terminal):
    shown = terminal("-vv", columns=120, lines=40)
    shown.until(is_under_way, "it is under way")
    logged = [line for line in shown.shown if line.startswith("20")]
    assert len(logged) > 5
    for line in logged:  # nothing of the picture is left behind in them
        assert re.match(r"[\d-]{10}T[\d:.]{12}Z (INFO|DEBUG) \w+\.\w+ ", line)
        assert "━" not in line
        assert " rows " not in line
    assert shown.shown.index(logged[-1]) < next(
        at for at, line in enumerate(shown.shown) if line.startswith("migrating ")
    )
    shown.end()
    assert len([line for line in shown.shown if "run.ended" in line]) == 1


def test_ctrl_c_stops_in_order_and_says_so_above(terminal, world):
    shown = terminal()
    shown.until(is_under_way, "it is under way")
    shown.press(b"\x03")
    assert shown.end() == 130
    assert any("stopping: waiting for the answers in flight" in line for line in shown.shown)
    assert is_result(shown.shown)
    assert world.batch().summary["outcomes"]["unfinished"] > 0


def test_a_second_ctrl_c_leaves_no_picture_and_a_cursor(terminal, relay, until):
    shown = terminal("--api-url", relay.url)
    shown.until(is_under_way, "it is under way")
    relay.open.clear()
    until(lambda: relay.held, "an answer is kept back")
    shown.press(b"\x03")
    shown.until(lambda now: any("stopping" in line for line in now), "it stops")
    shown.press(b"\x03")
    assert shown.end() == 130
    assert "aborted" in shown.shown[-1]
    assert not any(line.startswith(("rows ", "pace ")) for line in shown.shown)
    assert not shown.screen.cursor.hidden


def test_a_kill_leaves_a_cursor_that_is_seen(terminal):
    shown = terminal()
    shown.until(is_under_way, "it is under way")
    shown.process.kill()
    shown.end()
    assert not shown.screen.cursor.hidden


def test_ctrl_z_takes_the_picture_away_and_fg_brings_it_back(terminal):
    shell = 'set -m; "$@"; echo suspended; read -r; fg >/dev/null'
    shown = terminal(below=["bash", "-c", shell, "bash"])
    shown.until(is_under_way, "it is under way")
    shown.press(b"\x1a")
    shown.until(lambda now: "suspended" in now, "it is suspended")
    assert not any("migrating" in line for line in shown.shown)
    shown.press(b"\n")
    shown.until(is_under_way, "it is seen again")
    assert shown.end() == 3


def test_a_terminal_that_takes_nothing_holds_no_run_up(terminal, world, until):
    shown = terminal()
    shown.until(is_under_way, "it is under way")
    shown.press(b"\x13")  # Ctrl-S
    sent = submitted(world.batch())
    until(lambda: submitted(world.batch()) >= sent + 5, "it goes on")
    shown.press(b"\x11")
    assert shown.end() == 3


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_without_colour_or_on_a_dumb_terminal_there_are_plain_lines(terminal, env):
    shown = terminal(env=env)
    assert shown.end() == 3
    assert b"\x1b" not in re.sub(rb"\x1b\[\d*m", b"", shown.raw.partition(b"outcome")[0])
    assert any(line.startswith("migrating: ") for line in shown.shown)


def test_json_on_a_terminal_is_json_alone(terminal):
    shown = terminal("--log-format", "json", columns=400)
    assert shown.end() == 3
    told = shown.raw.decode().partition("\x1b[1moutcome")[0].splitlines()
    assert len(told) > 5
    assert next(json.loads(line)["event"] for line in told if line) == "run.started"
    assert all(json.loads(line) for line in told if line)


def test_status_watch_shows_the_same_picture_and_leaves_the_last_one(terminal, world):
    running = terminal()
    running.until(is_under_way, "it is under way")
    command = program("status", "out", "--watch")
    with Terminal(command, world.environment({}), world.directory) as watching:
        watching.until(is_under_way, "it is seen there too")
        running.end()
        assert watching.end() == 3
        assert any("26/26 rows 100%" in line for line in watching.shown)
        assert "ended" in watching.shown[-1]
        assert "exit code 3" in watching.shown[-1]
        assert sum("26/26 rows" in line for line in watching.shown) == 1
