"""Flags before environment before migrator.toml before defaults, and who says where it is from."""

import json
import os
import re
from dataclasses import fields, is_dataclass

import pytest

from migrator import cli
from migrator.cli.app import app
from migrator.errors import UsageError
from migrator.settings import read_config, setting_names, variable
from migrator.settings.toml_lines import lines_of


@pytest.fixture
def migrator(tmp_path, monkeypatch, capsys):
    """Runs a verb in this process, in a directory of its own, with nothing set."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if re.match("(?i)AWS_|PIXOP_|MIGRATOR_", name):
            monkeypatch.delenv(name)

    def call(*arguments):
        code = cli._run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def shown(migrator):
    def call(*arguments):
        code, out, err = migrator("config", "show", "--json", *arguments)
        assert code == 0, err
        told = json.loads(out)
        return told | {"settings": {one["name"]: one for one in told["settings"]}}

    return call


def test_a_flag_goes_before_the_environment_before_the_file_before_the_default(
    shown, tmp_path, monkeypatch
):
    def rate(*arguments):
        one = shown(*arguments)["settings"]["max-in-flight"]
        return one["value"], one["from"]

    assert rate() == (5000, "default")
    (tmp_path / "migrator.toml").write_text("\n# why\nmax-in-flight = 1\n")
    assert rate() == (1, "migrator.toml:3")
    monkeypatch.setenv("MIGRATOR_MAX_IN_FLIGHT", "2")
    assert rate() == (2, "MIGRATOR_MAX_IN_FLIGHT")
    assert rate("--max-in-flight", 3) == (3, "flag")


def test_every_flag_of_run_and_plan_has_a_name_in_the_file_and_is_shown(shown):
    own = {"--config", "--json", "--no-preflight"}
    flags = {
        name
        for verb in ("run", "plan")
        for argument in app[verb].assemble_argument_collection()
        for name in argument.names
        if argument.parse and not argument.children and name.startswith("--")
    }
    names = {flag.removeprefix("--") for flag in flags - own}
    assert names == setting_names()
    assert set(shown()["settings"]) == names - {"exclude"}  # it stands with include, in order


VALUES = {
    "until": ('"ingested"', "ingested"),
    "prefix": ('["s3://one/a b", "s3://two"]', ["s3://one/a b", "s3://two"]),
    "manifest": ('"a.csv"', "a.csv"),
    "quiet": ("true", True),
    "preflight": ("false", False),
    "verbose": ("2", 2),
    "reserve_percent": ("7", 7.0),
    "stuck-after": ('"90m"', "90m"),
    "canary": ("10", 10),
    "out": ('"reports/x"', "reports/x"),
    "on-finish": ('"tell --token hunter2"', "tell ***"),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_of_the_file_and_one_of_the_environment_are_what_the_flag_would_be(
    shown, tmp_path, monkeypatch, name
):
    text, value = VALUES[name]
    dashed = name.replace("_", "-")
    (tmp_path / "migrator.toml").write_text(f"{name} = {text}\n")
    assert shown()["settings"][dashed] == {
        "name": dashed, "value": value, "from": "migrator.toml:1",
    }  # fmt: skip
    (tmp_path / "migrator.toml").unlink()
    of_list = "\n".join(value) if isinstance(value, list) else text.strip('"')
    monkeypatch.setenv(variable(dashed), of_list)
    assert shown()["settings"][dashed]["value"] == value


BAD = {
    "max-in-flight = 0": ":1",
    "\n\nmax-in-flight = 1.5": ":3",
    "until = 'later'": ":1",
    "\nteam-id = 'mine'": "migrator.toml:2",
    "quiet = 'perhaps'": ":1",
    "verbose = 'x'": ":1",
    "canary = [1, 2]": ":1",
    "canary = {a = 1}": ":1",
    "prefix = 's3:/x'": ":1",
    "api-url = 'https://u:hunter2@h'": ":1",
    "stuck-after = 6": ":1",
    'manifest = "a\\u0000b"': ":1",
    "#\nmax-in-fligth = 1": "migrator.toml:2: unknown setting 'max-in-fligth'",
    "max-in-flight = 1\nmax_in_flight = 1": "migrator.toml:2",
    "config = 'other.toml'": ":1",
    "replace = true": ":1",
    "[pace]\nmax-in-flight = 1": "migrator.toml:1: unknown setting 'pace'",
    "\nx = \n": "line 2",
    "[buckets.b]\naccess_key_id_env = 'A'\nsecret_key_env = 'B'": "migrator.toml:3",
    "[buckets.b]\naccess_key_id_env = 'A'\nsecret-access-key-env = 5": "migrator.toml:3",
    "\n[buckets.b]\naccess_key_id_env = 'A'": "migrator.toml:2",
}  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_what_is_wrong_in_the_file_is_refused_with_file_and_line(migrator, tmp_path, text):
    (tmp_path / "migrator.toml").write_text(text)
    for verb in (("config", "show"), ("run", "--out", "out")):
        code, out, err = migrator(*verb)
        assert code == 2
        assert out == ""
        assert "migrator.toml" in err
        assert BAD[text] in err
        assert "hunter2" not in err
    assert not (tmp_path / "out").exists()


def test_a_bad_variable_is_named(migrator, monkeypatch):
    monkeypatch.setenv("MIGRATOR_RESTARTS", "many")
    code, _, err = migrator("run", "--out", "out")
    assert code == 2
    assert "MIGRATOR_RESTARTS" in err


def test_an_empty_variable_says_nothing(shown, monkeypatch):
    monkeypatch.setenv("MIGRATOR_RESTARTS", "")
    assert shown()["settings"]["restarts"]["from"] == "default"


def test_the_programs_own_variable_goes_before_the_older_one(shown, monkeypatch):
    monkeypatch.setenv("PIXOP_API_URL", "https://old/api")
    assert shown()["settings"]["api-url"]["from"] == "PIXOP_API_URL"
    monkeypatch.setenv("MIGRATOR_API_URL", "https://new/api")
    assert shown()["settings"]["api-url"]["value"] == "https://new/api"


def test_the_file_is_named_by_flag_or_variable(shown, tmp_path, monkeypatch):
    for name, text in (("a.toml", "restarts = 7"), ("b.toml", "restarts = 8")):
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("MIGRATOR_CONFIG", "a.toml")
    assert shown()["settings"]["restarts"]["from"] == "a.toml:1"
    assert shown("--config", "b.toml")["settings"]["restarts"]["value"] == 8


def test_no_key_is_shown(migrator, tmp_path, monkeypatch):
    (tmp_path / "migrator.toml").write_text(
        "[buckets.b]\naccess_key_id_env = 'B_ID'\nsecret_access_key_env = 'B_SECRET'\n"
    )
    for name in ("PIXOP_API_KEY", "PIXOP_SOURCE_SECRET_ACCESS_KEY", "B_SECRET"):
        monkeypatch.setenv(name, "hunter2")
    for form in ((), ("--json",)):
        code, out, err = migrator("config", "show", *form)
        assert code == 0
        assert "hunter2" not in out + err
        assert re.search(r'B_SECRET"?:? +"?\*\*\*', out)
        assert re.search(r'B_ID"?:? +"?not set', out)


def test_what_only_looks_like_a_setting_is_said(shown, monkeypatch):
    monkeypatch.setenv("MIGRATOR_MAX_IN_FLIGTH", "5")
    assert shown()["unknown"] == ["MIGRATOR_MAX_IN_FLIGTH"]


def test_a_verb_with_flags_of_its_own_takes_none_of_them_from_the_file(migrator, tmp_path):
    (tmp_path / "migrator.toml").write_text("report-scope = 'FailedTasksOnly'\nbroken = ")
    code, _, err = migrator("report", "nowhere")
    assert code == 2
    assert "no batch there" in err


def test_resume_takes_what_is_told_and_shown_from_the_file(migrator, tmp_path):
    (tmp_path / "migrator.toml").write_text("metrics-addr = 'host:port:what'\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "checkpoint.db").touch()
    code, _, err = migrator("resume", "out")
    assert code == 2
    assert "set by migrator.toml:1" in err


def test_each_statement_has_its_line():
    text = """\
# a comment
a = 1

[t] # b = 2
b.c = \"\"\"
x = 1
[u]
\"\"\"
"d e" = [
  1,  # ]
  2 ]
[t.'f.g']
h = {i = 1, j = [{k = 1}]}
[[l]]
m = 1
"""
    assert lines_of(text) == {
        ("a",): 2, ("t",): 4, ("t", "b"): 5, ("t", "b", "c"): 5, ("t", "d e"): 9,
        ("t", "f.g"): 12, ("t", "f.g", "h"): 13, ("t", "f.g", "h", "i"): 13,
        ("t", "f.g", "h", "j"): 13, ("l",): 14, ("l", "m"): 15,
    }  # fmt: skip
    assert lines_of(text.replace("\n", "\r\n")) == lines_of(text)


def test_a_value_of_many_lines_costs_no_patience(tmp_path):
    file = tmp_path / "long.toml"
    file.write_text("prefix = [\n" + '"s3://bucket/x",\n' * 30_000 + "]\ncanary = 'x'\n")
    assert len(read_config(file).values["prefix"]) == 30_000


def test_no_name_of_a_setting_is_a_secret():
    named = {name for name in setting_names() if re.search("key|secret|token|password", name)}
    assert named <= {"api-key-file"}


def test_every_group_of_settings_is_a_dataclass_of_its_own_names():
    from migrator.settings import BatchSettings  # noqa: PLC0415

    names = [one.name for group in fields(BatchSettings) if is_dataclass(group.type)
             for one in fields(group.type)]  # fmt: skip
    assert len(names) == len(set(names))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere\.toml: cannot be read"):
        read_config(tmp_path / "nowhere.toml")


def test_two_flags_of_which_the_order_counts_keep_it_in_the_file(shown, tmp_path, monkeypatch):
    def rules(*arguments):
        one = shown(*arguments)["settings"]["include"]
        return one["value"], one["from"]

    file = tmp_path / "migrator.toml"
    file.write_text('include = ["a", "b"]\nexclude = "c"\n')
    assert rules() == (["+ a", "+ b", "- c"], "migrator.toml:2")
    file.write_text('exclude = "c"\ninclude = ["a", "b"]\n')
    assert rules() == (["- c", "+ a", "+ b"], "migrator.toml:2")
    monkeypatch.setenv("MIGRATOR_EXCLUDE", "d\ne")
    assert rules() == (["- d", "- e"], "MIGRATOR_EXCLUDE")
    assert rules("--exclude", "x", "--include", "exclude") == (["- x", "+ exclude"], "flag")
