"""The directory of a batch: nobody else may look into it or put files there."""

import os
import stat

import pytest

from migrator.cli.opening import make_directory
from migrator.errors import UsageError


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def no_umask():
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.parametrize("before", [0o755, 0o777, 0o1777, 0o700])
@pytest.mark.parametrize("content", [None, "checkpoint.db"])
def test_one_that_is_empty_or_a_batch_is_shut(tmp_path, before, content):
    out = tmp_path / "out"
    out.mkdir()
    if content:
        (out / content).write_bytes(b"")
    out.chmod(before)
    make_directory(out)
    assert mode(out) == 0o700


def test_one_that_serves_something_else_is_left_as_it_is(tmp_path):
    (tmp_path / "notes.txt").write_bytes(b"")
    tmp_path.chmod(0o755)
    make_directory(tmp_path)
    assert mode(tmp_path) == 0o755


@pytest.mark.parametrize("before", [0o777, 0o1777])
def test_one_of_other_use_where_everybody_may_write_is_refused(tmp_path, before):
    (tmp_path / "notes.txt").write_bytes(b"")
    tmp_path.chmod(before)
    with pytest.raises(UsageError, match="everybody may write"):
        make_directory(tmp_path)
    assert mode(tmp_path) == before


def test_one_that_is_made_is_shut_with_all_that_lead_to_it(tmp_path):
    make_directory(tmp_path / "a" / "b")
    assert mode(tmp_path / "a" / "b") == 0o700
