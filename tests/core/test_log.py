"""The log: every event declared once and listed, every line one line, whoever's words it holds."""

import ast
import json
import logging
import os
import re
import stat
from pathlib import Path

import pytest

from migrator import log
from migrator.cli.logs import configure_logs
from migrator.errors import UsageError
from migrator.log import EVENTS, ROW_PROBLEM, RUN_FAILED, RUN_PHASE, tell
from migrator.settings import DisplaySettings
from tests.core.test_terminal import HOSTILE

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BY_CONSTANT = {name: event for name, event in vars(log).items() if isinstance(event, log.LogEvent)}


def problem(text):
    return {
        "row": 7, "outcome": "rejected", "reason": "access_denied", "bucket": "b", "key": text,
        "http_status": 403, "error_code": None, "message": text,
    }  # fmt: skip


def utf16(text):
    """To compare by: JSON takes two lone surrogates side by side for a pair."""
    return text.encode("utf-16", "surrogatepass")


def lines(capsys):
    return capsys.readouterr().err.splitlines()


# ---------------------------------------------------------------------- the list


def test_every_event_with_its_level_and_fields_is_in_the_readme_and_no_other():
    listed = re.findall(r"^\| `(\w+\.\w+)` \| (\w+) \| (.*) \|$", README, re.MULTILINE)
    told = [
        (event.name, logging.getLevelName(event.level).lower(),
         ", ".join(f"`{field}`" for field in event.fields))
        for event in EVENTS
    ]  # fmt: skip
    assert listed == told


def test_every_name_is_there_once():
    assert len({event.name for event in EVENTS}) == len(EVENTS) == len(BY_CONSTANT)


def told_in_the_code():
    """(place, constant, fields) of each call of `tell` in the program."""
    for path in sorted((ROOT / "migrator").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "tell":
                fields = tuple(keyword.arg for keyword in node.keywords)
                yield f"{path.name}:{node.lineno}", node.args[0].id, fields


def test_every_call_gives_an_event_all_of_its_fields_and_no_others():
    for place, constant, fields in told_in_the_code():
        assert set(fields) == set(BY_CONSTANT[constant].fields), place


def test_every_event_is_told_somewhere():
    assert {constant for _, constant, _ in told_in_the_code()} == set(BY_CONSTANT)


# --------------------------------------------------------------------- the lines


def test_a_line_for_people_has_time_level_event_and_text(capsys):
    configure_logs(DisplaySettings(verbose=1))
    tell(RUN_PHASE, phase="loading")
    (line,) = lines(capsys)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z INFO run\.phase phase loading", line)


def test_a_line_for_programs_has_the_fields_as_they_are(capsys):
    configure_logs(DisplaySettings(log_format="json"))
    tell(ROW_PROBLEM, **problem("a/b.mp4"))
    (line,) = lines(capsys)
    told = json.loads(line)
    assert told.items() >= {"level": "info", "event": "row.problem", **problem("a/b.mp4")}.items()
    assert told["text"] == "row 7 rejected/access_denied: s3://b/a/b.mp4: 403 None a/b.mp4"


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("form", ["text", "json"])
def test_others_words_are_inert_in_one_line(form, case, tmp_path):
    file = tmp_path / "log"
    configure_logs(DisplaySettings(log_format=form, log_file=file, quiet=True))
    tell(ROW_PROBLEM, **problem(HOSTILE[case]))
    raw = file.read_bytes().decode()
    assert raw.endswith("\n")
    assert raw.count("\n") == 1
    assert raw[:-1].isprintable()
    if form == "json":
        assert raw.isascii()
        assert utf16(json.loads(raw)["key"]) == utf16(HOSTILE[case])


@pytest.mark.parametrize(
    ("flags", "least"),
    [
        ({}, logging.WARNING),
        ({"verbose": 1}, logging.INFO),
        ({"verbose": 2}, logging.DEBUG),
        ({"log_format": "json"}, logging.INFO),
        ({"log_format": "json", "quiet": True}, logging.WARNING),
        ({"log_format": "json", "quiet": True, "verbose": 2}, logging.DEBUG),
    ],
)
def test_how_much_is_logged_on_stderr(flags, least, capsys):
    configure_logs(DisplaySettings(**flags))
    for event in EVENTS:
        if event is not RUN_FAILED:
            tell(event, **dict.fromkeys(event.fields, 1))
    expected = [e for e in EVENTS if e.level >= least and e is not RUN_FAILED]
    assert len(lines(capsys)) == len(expected)


def test_an_error_is_told_to_people_in_its_own_words_and_to_programs_in_the_log(capsys):
    configure_logs(DisplaySettings(verbose=2))
    tell(RUN_FAILED, message="no room", hint="make some")
    assert lines(capsys) == []
    configure_logs(DisplaySettings(log_format="json", quiet=True))
    tell(RUN_FAILED, message="no room", hint="make some")
    (line,) = lines(capsys)
    assert json.loads(line)["hint"] == "make some"


# ---------------------------------------------------------------------- the file


def test_a_file_is_the_owners_alone_is_appended_to_and_holds_info_at_least(tmp_path, capsys):
    file = tmp_path / "log"
    umask = os.umask(0)
    try:
        for phase in ("loading", "migrating"):
            configure_logs(DisplaySettings(log_file=file))
            tell(RUN_PHASE, phase=phase)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [line.split()[-1] for line in file.read_text().splitlines()] == ["loading", "migrating"]
    assert lines(capsys) == []


def test_warnings_go_to_stderr_beside_the_file(tmp_path, capsys):
    configure_logs(DisplaySettings(log_file=tmp_path / "log", log_format="json"))
    tell(log.LIST_RESTLESS, rows=3)
    (line,) = lines(capsys)
    assert "WARNING sweep.restless" in line


def test_what_copytruncate_leaves_is_appended_to(tmp_path):
    file = tmp_path / "log"
    configure_logs(DisplaySettings(log_file=file))
    tell(RUN_PHASE, phase="loading")
    os.truncate(file, 0)
    tell(RUN_PHASE, phase="migrating")
    assert file.read_bytes().count(b"\0") == 0
    assert file.read_text().splitlines()[0].endswith("migrating")


@pytest.mark.parametrize("name", [".", "no/such/place", "a\0b"])
def test_a_file_that_cannot_be_opened_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="--log-file"):
        configure_logs(DisplaySettings(log_file=tmp_path / name))


def test_a_pipe_that_nobody_reads_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="--log-file"):
        configure_logs(DisplaySettings(log_file=tmp_path / "pipe"))


def test_a_full_disk_is_said_once_and_once_more_when_it_was_full_again(capsys):
    configure_logs(DisplaySettings(log_file=Path("/dev/full")))
    for _ in range(3):
        tell(RUN_PHASE, phase="loading")
    said = lines(capsys)
    assert len(said) == 2
    assert "No space left on device" in said[0]
    assert said[1].startswith("  next: ")


@pytest.fixture(autouse=True)
def _quiet_afterwards():
    yield
    configure_logs(DisplaySettings())
