"""Others' words on a terminal: no key, no message and no name moves, recolours, links or hides."""

import io
import json
import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from migrator import cli
from migrator.cli.logs import configure_logs
from migrator.cli.picture import picture
from migrator.cli.words import line
from migrator.engine.status import Snapshot
from migrator.errors import MigratorError
from migrator.settings import DisplaySettings
from migrator.text import plain

HOSTILE = {
    "colour": "\x1b[31mred",
    "clear": "\x1b[2J\x1b[H",
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;ZXZpbA==\x07",
    "eight-bit CSI": "\x9b31mred",
    "eight-bit OSC": "\x9d8;;http://evil.example\x9c",
    "answerback": "\x05\x1b[c\x1bP$q\x1b\\",
    "bell and backspace": "\x07\x08\x08\x7f",
    "a new line": "ok\nmigrator: all is well\r\x0b\x0c\x85\u2028\u2029",
    "a NUL": "a\x00b",
    "right to left": "\u202egnp.\u2066x\u2069\u200f\u061c",
    "nothing to see": "a\u200b\u200d\u2060\ufeff\u00ad\u034f\u3164b",
    "variants and tags": "a\ufe0f\U000e0041\U000e01ef",
    "private use": "\ue000\U000f0000",
    "a lone surrogate": "\ud800\udcff",
    "very long": "x" * 100_000 + "\x1b[31m",
}
MARKUP = "[red]x[/red] [link=http://evil.example]y[/link] :skull: [/]"


def snapshot(**changes):
    values = {
        "batch": "b", "pid": 1, "phase": "migrating", "started_ms": 0, "updated_ms": 0, "rows": 1,
        "done": 0, "outcomes": {"imported": 0}, "reasons": {}, "states": {}, "in_flight": 0,
        "unresolved": 0, "calls": 0, "by_operation": {}, "throttled": 0, "rate_per_minute": 0.0,
        "allowed_per_minute": 1, "announced_per_minute": None, "waiting_for": "", "eta_s": None,
    }  # fmt: skip
    return Snapshot(**{**values, **changes})


def assert_inert(shown, lines):
    assert all(each.isprintable() for each in shown.rstrip("\n").split("\n")), repr(shown)
    assert shown.rstrip("\n").count("\n") == lines - 1
    shown.encode()


@given(st.text(st.characters()) | st.sampled_from(sorted(HOSTILE.values())))
def test_what_is_shown_is_one_line_that_can_be_seen_and_plain_text_stays(text):
    assert_inert(plain(text), 1)
    assert plain(plain(text)) == plain(text)


@pytest.mark.parametrize("text", ["naïve 映画.mp4", "a b\\c", "🎬 café", "e\u0301"])
def test_what_people_write_stays_as_they_wrote_it(text):
    assert plain(text) == text


@pytest.mark.parametrize("case", HOSTILE)
def test_a_message_and_its_hint_are_two_lines(case, capsys):
    cli.complain(HOSTILE[case], HOSTILE[case])
    assert_inert(capsys.readouterr().err, 2)


@pytest.mark.parametrize("case", HOSTILE)
def test_an_error_that_names_what_others_said_is_told_in_plain_lines(case, capsys, monkeypatch):
    def app(*_arguments, **_options):
        raise MigratorError(f"key {HOSTILE[case]}", "look")

    monkeypatch.setattr("migrator.cli.app.app", app)
    assert cli._run(["run"]) == 1
    assert_inert(capsys.readouterr().err, 2)


def test_a_defect_is_told_without_a_value_of_it(capsys, monkeypatch):
    def app(*_arguments, **_options):
        raise ValueError("canary-secret")

    monkeypatch.setattr("migrator.cli.app.app", app)
    assert cli._run(["run"]) == 1
    told = capsys.readouterr().err
    assert "internal error: ValueError" in told
    assert "canary" not in told
    assert "Traceback" not in told


@pytest.mark.parametrize("case", HOSTILE)
def test_a_record_of_the_log_is_one_line(case, capsys):
    configure_logs(DisplaySettings(verbose=2))
    logging.getLogger("migrator.test").debug("row %s: %s", 1, HOSTILE[case])
    assert_inert(capsys.readouterr().err, 1)


@pytest.mark.parametrize("case", HOSTILE)
def test_a_status_is_one_line_whoever_wrote_it(case):
    text = HOSTILE[case]
    assert_inert(line(snapshot(phase=text, outcomes={text: 1}, waiting_for=text)), 1)


@pytest.mark.parametrize("case", [name for name in HOSTILE if name != "a lone surrogate"])
def test_a_status_as_json_steers_no_terminal(case, tmp_path, capsys):
    raw = json.dumps({**json.loads(msgspec_json(snapshot())), "waiting_for": HOSTILE[case]},
                     ensure_ascii=False)  # fmt: skip
    (tmp_path / "status.json").write_bytes(raw.encode())
    assert cli._run(["status", str(tmp_path), "--json"]) == 0
    shown = capsys.readouterr().out
    assert all(" " <= character <= "~" or character == "\n" for character in shown)
    assert json.loads(shown)["waiting_for"] == HOSTILE[case]


def msgspec_json(value):
    import msgspec  # noqa: PLC0415 - here alone

    return msgspec.json.encode(value)


@pytest.mark.parametrize("text", [MARKUP, plain("".join(list(HOSTILE.values())[:8]))])
def test_the_live_display_takes_others_words_for_text_and_for_no_markup(text):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=400, color_system="truecolor")
    console.print(picture(snapshot(waiting_for=text), console, 40))
    shown = screen.getvalue()
    assert re.sub("\x1b\\[[0-9;]*m", "", shown).count(text) == 1
    assert "\x1b]" not in shown
