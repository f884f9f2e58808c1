"""What the documents say is what the code does."""

import json
import re
from pathlib import Path

import pytest
from diagram import draw, drawn

from migrator import __version__
from migrator.cli.app import app
from migrator.engine.decide.drift import Drift
from migrator.errors import ExitCode
from migrator.filters import VIDEO_EXTENSIONS
from migrator.model import OUTCOME_OF, Outcome, Reason

ROOT = Path(__file__).parents[2]
ARCHITECTURE = (ROOT / "migrator/ARCHITECTURE.md").read_text()
README = (ROOT / "README.md").read_text()
RUNBOOK = (ROOT / "migrator/RUNBOOK.md").read_text()

VERBS = [name for name in app if not name.startswith("-")]


def arguments_of(verb):
    """Of `verb` itself, or of all that come behind it (`config show`)."""
    if app[verb].default_command is not None:
        return list(app[verb].assemble_argument_collection())
    below = [app[verb][name] for name in app[verb] if not name.startswith("-")]
    return [argument for one in below for argument in one.assemble_argument_collection()]


def test_the_diagram_is_drawn_from_the_table():
    assert drawn() == draw(), "the table has changed: `make diagram`"


def test_every_room_is_on_the_map():
    rooms = {path.name for path in (ROOT / "migrator").iterdir() if (path / "__init__.py").exists()}
    missing = {room for room in rooms if f"`{room}/" not in ARCHITECTURE}
    assert not missing


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_and_every_flag_of_it_is_in_the_readme(verb):
    assert f"migrator {verb}" in README
    names = {arg.name for arg in arguments_of(verb) if arg.show and arg.parse}
    flags = {name for name in names if name.startswith("--")}
    assert not {flag for flag in flags if f"`{flag}" not in README}


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_in_the_readme_and_in_the_runbook(reason):
    assert f"`{reason}`" in README
    skipped = OUTCOME_OF[reason] is Outcome.SKIPPED
    assert skipped or f"`{reason}`" in RUNBOOK


def test_the_extensions_of_a_video_are_in_the_readme():
    assert " ".join(VIDEO_EXTENSIONS) in README


def test_every_verb_and_flag_of_the_runbook_is_in_the_readme():
    of_aws = {"--user-name", "--access-key-id", "--status"}
    flags = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", RUNBOOK)) - of_aws
    assert not {flag for flag in flags if flag not in README}
    assert set(re.findall(r"migrator ([a-z]+) ", RUNBOOK)) <= set(VERBS)


def test_the_policy_of_the_runbook_can_be_pasted():
    policy = json.loads(re.search(r"```json\n(.*?)```", RUNBOOK, re.DOTALL)[1])
    allowed = {statement["Action"] for statement in policy["Statement"]}
    assert allowed == {"s3:GetObject", "s3:ListBucket"}


@pytest.mark.parametrize("drift", Drift)
def test_every_kind_of_drift_is_in_the_readme(drift):
    assert f"| `{drift}` |" in README


@pytest.mark.parametrize("code", ExitCode)
def test_every_exit_code_is_in_the_readme(code):
    assert re.search(rf"^\| {int(code)} \|", README, re.MULTILINE)


def test_the_changelog_knows_this_version():
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_what_the_documents_point_to_is_there():
    for text, base in (
        (README, ROOT),
        (ARCHITECTURE, ROOT / "migrator"),
        (RUNBOOK, ROOT / "migrator"),
    ):
        for target in re.findall(r"\]\((?!http|#)([^)]+)\)", text):
            assert (base / target.partition("#")[0]).exists(), target
