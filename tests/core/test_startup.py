"""Starting is quick: what a command line does not need is not imported for it."""

import json
import subprocess
import sys

import msgspec
import pytest

from migrator.cli.app import VERBS, app, overview
from migrator.engine.snapshot import STATUS_FILE, Snapshot
from tests.core.test_docs import VERBS as REGISTERED

HEAVY = {
    "aiobotocore", "aiohttp", "asyncio", "botocore", "cryptography", "jinja2", "numpy", "pandas",
    "prometheus_client", "pyarrow", "sqlite3", "ssl", "uvloop",
}  # fmt: skip

CODE = """
import json, sys
from migrator.cli import _run
code = _run(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


def imported(*arguments):
    """The modules that a verb, ended with 0, has imported."""
    ended = subprocess.run(
        [sys.executable, "-c", CODE, *map(str, arguments)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    code, modules = json.loads(ended.stderr.splitlines()[-1])
    assert code == 0
    return set(modules)


def test_the_list_of_verbs_imports_no_verb_and_nothing_heavy():
    modules = imported("--help")
    assert not {f"migrator.cli.{verb}" for verb in VERBS} & modules
    assert not HEAVY & modules


def test_the_help_of_a_verb_imports_nothing_heavy():
    modules = imported("run", "--help")
    assert not HEAVY & modules
    assert "migrator.cli.sandbox" not in modules


def test_a_status_imports_nothing_heavy(tmp_path):
    told = Snapshot(
        batch="b", pid=1, phase="settled", started_ms=1, updated_ms=2, exit_code=0, rows=1, done=1,
        outcomes={"imported": 1}, reasons={}, states={}, in_flight=0, unresolved=0, calls=1,
        by_operation={}, throttled=0, rate_per_minute=0.0, allowed_per_minute=1,
        announced_per_minute=None, waiting_for="", eta_s=None,
    )  # fmt: skip
    (tmp_path / STATUS_FILE).write_bytes(msgspec.json.encode(told))
    assert not HEAVY & imported("status", tmp_path)


def test_a_batch_is_opened_again_before_anything_is_imported_that_its_file_does_not_need():
    code = "import sys, migrator.cli.reopening; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY & set(told.stdout.split()) == {"sqlite3"}


COLLECTIONS = """
import gc, os, sys
end = os._exit
os._exit = lambda code: end(min(255, code + sum(each["collections"] for each in gc.get_stats())))
from migrator.cli import main
main(sys.argv[1:])
"""


def test_what_a_start_makes_is_hardly_ever_searched_for_garbage():
    ended = subprocess.run(
        [sys.executable, "-c", COLLECTIONS, "run", "--help"],
        stdout=subprocess.DEVNULL, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode < 20


@pytest.mark.parametrize("verb", REGISTERED)
def test_the_line_of_a_verb_is_what_the_verb_says_of_itself(verb):
    first = " ".join(app[verb].help.partition("\n\n")[0].split())
    assert VERBS[verb] == first


def test_the_list_shows_every_verb_with_its_line(capsys):
    overview()(["--help"], result_action="return_value")
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for verb, line in VERBS.items():
        assert f"{verb} {line}" in shown


def test_a_verb_s_own_help_is_whole(capsys):
    app(["run", "--help"], result_action="return_value")
    shown = capsys.readouterr().out
    assert "Exit codes: 0 all imported or skipped" in " ".join(shown.split())
    assert "--max-in-flight" in shown
