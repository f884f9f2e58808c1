"""Completion in shells: verbs, flags, the words that a flag takes, and files."""

import shutil
import subprocess

import pytest

from migrator.cli.completion import completion
from tests.core.test_docs import VERBS, arguments_of


@pytest.fixture
def script(capsys):
    """The script for a shell, as it is printed."""

    def printed(shell):
        assert completion(shell) == 0
        return capsys.readouterr().out

    return printed


@pytest.fixture
def complete(script, tmp_path):
    """What a real bash offers for the last of these words."""
    (tmp_path / "migrator.bash").write_text(script("bash"))
    (tmp_path / "batch-2009").mkdir()

    def offered(*words):
        ask = (
            'source ./migrator.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
            'COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; _migrator; printf "%s\\n" "${COMPREPLY[@]}"'
        )
        ended = subprocess.run(
            ["bash", "--norc", "-c", ask, "bash", "migrator", *words],
            cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        assert ended.stderr == ""
        return {line.strip() for line in ended.stdout.splitlines()} - {""}

    return offered


def test_every_verb_is_offered(complete):
    assert complete("") >= set(VERBS)
    assert complete("stat") == {"status"}


def test_the_flags_of_a_verb_are_offered(complete):
    assert complete("run", "--log-f") == {"--log-format", "--log-file"}
    assert complete("status", "--w") == {"--watch"}


def test_the_words_that_a_flag_takes_are_offered(complete):
    assert complete("run", "--log-format", "") == {"text", "json"}


def test_where_a_directory_is_wanted_one_is_offered(complete):
    assert complete("status", "batch") == {"batch-2009"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_script_knows_every_verb_and_flag(script, shell):
    text = script(shell)
    for verb in VERBS:
        assert verb in text
        for argument in arguments_of(verb):
            if argument.show and argument.parse and argument.name.startswith("--"):
                assert argument.name.removeprefix("--") in text, argument.name


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_script_is_one_that_its_shell_can_read(script, shell, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    path = tmp_path / "script"
    path.write_text(script(shell))
    subprocess.run([shell, "-n", path], check=True, timeout=60)
