"""Which rows a retry means, what it says of them, and that it takes only a yes for a yes."""

import io

import pytest

from migrator.cli import selection
from migrator.engine.reopen import Act
from migrator.errors import UsageError
from migrator.model import Outcome, Reason


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("said", "yes"), [("y\n", True), (" YES \n", True), ("\n", False), ("no\n", False), ("", False)]
)
def test_only_a_yes_is_a_yes(monkeypatch, capsys, said, yes):
    monkeypatch.setattr("sys.stdin", Terminal(said))
    assert selection.agree(1234) is yes
    assert "open 1,234 rows again" in capsys.readouterr().out


def test_without_a_terminal_nobody_is_asked(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(UsageError, match="no terminal"):
        selection.agree(1)


def test_the_table_names_rows_reason_and_what_is_done(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    selection.show({(Reason.STUCK, Act.RESTART): 1234, (Reason.GAVE_UP, Act.LOOK_FOR): 2})
    _, first, second = capsys.readouterr().out.splitlines()
    assert first.split()[:2] == ["2", "gave_up"]
    assert second.split()[:2] == ["1,234", "stuck"]
    assert second.rstrip().endswith(Act.RESTART.value)


def test_flags_become_a_choice():
    choice = selection.read_choice(
        ["stuck"], ["failed"], ["b"], replace=True, accept_duplicates=False
    )
    assert choice.reasons == {Reason.STUCK}
    assert choice.outcomes == {Outcome.FAILED}
    assert choice.buckets == {"b"}
    assert choice.replace
