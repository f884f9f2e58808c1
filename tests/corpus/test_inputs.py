"""Files and flags that are wrong: the documented exit code and one message, in this process."""

import csv
import io
import os
import re
from pathlib import Path

import pytest
from corpus import manifests, settings
from told import assert_told

from migrator import cli
from migrator.checkpoint.store import Checkpoint
from migrator.manifest import open_manifest
from migrator.model import InvalidRow, ManifestRow


class Said:
    """How a verb ended, as `told` looks at it."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err, self.said = code, out, err, out + err


@pytest.fixture
def migrator(tmp_path, monkeypatch, capsys):
    """Runs a verb in this process, in an empty directory, with keys and nothing to call."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if re.match("(?i)AWS_|PIXOP_|SSL_CERT|.*_proxy$", name):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIXOP_API_KEY", "canary-key")
    monkeypatch.setenv("PIXOP_SOURCE_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("PIXOP_SOURCE_SECRET_ACCESS_KEY", "canary-secret")
    monkeypatch.setenv("PIXOP_API_URL", "http://127.0.0.1:9/api")

    def call(*arguments):
        code = cli._run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "canary" not in out + err.lower()
        assert "\x1b" not in out + err
        return Said(code, out, err)

    return call


def refused(migrator, *arguments, words=()):
    """A usage error, told by one message, with nothing made."""
    assert_told(migrator("run", *arguments), 2, *words)
    assert not Path("out/checkpoint.db").exists()


@pytest.mark.parametrize("case", manifests.UNUSABLE)
def test_a_file_that_no_row_can_be_read_of_is_named(migrator, tmp_path, case):
    (tmp_path / "catalogue.csv").write_bytes(manifests.UNUSABLE[case])
    refused(migrator, "--manifest", "catalogue.csv", "--out", "out", words=["catalogue.csv"])


@pytest.mark.parametrize("kind", ["s3-batch", "s3-completion"])
@pytest.mark.parametrize("case", manifests.UNUSABLE_S3_CSV)
def test_a_file_that_is_none_of_s3_batch_operations_is_named(migrator, tmp_path, case, kind):
    (tmp_path / "job.csv").write_bytes(manifests.UNUSABLE_S3_CSV[case])
    arguments = ("--manifest", "job.csv", "--manifest-format", kind, "--out", "out")
    refused(migrator, *arguments, words=["job.csv"])


@pytest.mark.parametrize("case", manifests.UNUSABLE_PARQUET)
def test_a_parquet_file_that_no_row_can_be_read_of_is_named(migrator, tmp_path, case):
    (tmp_path / "catalogue.parquet").write_bytes(manifests.UNUSABLE_PARQUET[case])
    reads_later = case == "its pages are noise"  # the footer is right: told while rows are read
    if reads_later:
        reader = open_manifest(tmp_path / "catalogue.parquet")
        with pytest.raises(Exception, match="cannot be read from row 1 on"):
            list(reader.batches())
        return
    arguments = ("--manifest", "catalogue.parquet", "--out", "out")
    refused(migrator, *arguments, words=["catalogue.parquet"])


def rows_of(path):
    return [row for batch in open_manifest(path).batches() for row in batch]


@pytest.mark.parametrize("case", manifests.INVALID_ROWS)
def test_a_bad_row_is_said_with_its_column_and_hides_no_other(tmp_path, case):
    line, column = manifests.INVALID_ROWS[case]
    path = tmp_path / "catalogue.csv"
    path.write_bytes(manifests.HEADER + manifests.ROW + line + b"\n" + manifests.ROW)
    before, bad, after = rows_of(path)
    assert isinstance(before, ManifestRow)
    assert isinstance(after, ManifestRow)
    assert isinstance(bad, InvalidRow)
    assert (bad.row, bad.column) == (2, column)
    assert bad.problem


@pytest.mark.parametrize("case", manifests.INVALID_LINES)
def test_a_bad_line_of_json_is_said_and_hides_no_other(tmp_path, case):
    line, column = manifests.INVALID_LINES[case]
    path = tmp_path / "catalogue.jsonl"
    good = b'{"bucket": "bucket", "key": "k"}\n'
    path.write_bytes(good + line + b"\n" + good)
    before, bad, after = rows_of(path)
    assert isinstance(before, ManifestRow)
    assert isinstance(after, ManifestRow)
    assert isinstance(bad, InvalidRow)
    assert (bad.row, bad.column) == (2, column)
    assert bad.problem.isprintable()


@pytest.mark.parametrize("case", manifests.INVALID_CELLS)
def test_a_bad_cell_is_said_with_its_column_and_hides_no_other(tmp_path, case):
    column, cell = manifests.INVALID_CELLS[case]
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(
        [("bucket", "key", column), ("bucket", "a", cell), ("bucket", "b", "")]
    )
    path = tmp_path / "catalogue.csv"
    path.write_bytes(text.getvalue().encode())
    bad, good = rows_of(path)
    assert isinstance(good, ManifestRow)
    assert isinstance(bad, InvalidRow)
    assert (bad.row, bad.column, bad.cells[2]) == (1, column, cell)


@pytest.mark.parametrize("case", settings.TOML)
def test_a_malformed_migrator_toml_is_named_and_no_key_in_it_repeated(migrator, tmp_path, case):
    (tmp_path / "migrator.toml").write_bytes(settings.TOML[case])
    (tmp_path / "catalogue.csv").write_bytes(manifests.HEADER + manifests.ROW)
    result = migrator("run", "--manifest", "catalogue.csv", "--out", "out")
    assert_told(result, 2, "variable" if case == "variables that are not set" else "migrator.toml")
    assert settings.SECRET not in result.said
    assert "CANARY" not in result.said


@pytest.mark.parametrize("url", settings.URLS)
def test_a_url_that_the_key_must_not_go_to_is_refused(migrator, tmp_path, url):
    (tmp_path / "catalogue.csv").write_bytes(manifests.HEADER + manifests.ROW)
    arguments = ("--manifest", "catalogue.csv", "--out", "out", "--api-url", url)
    refused(migrator, *arguments, words=["--api-url"])


@pytest.mark.parametrize("case", settings.FLAGS)
def test_a_flag_that_makes_no_sense_is_named(migrator, tmp_path, case):
    flags = settings.FLAGS[case]
    (tmp_path / "catalogue.csv").write_bytes(manifests.HEADER + manifests.ROW)
    manifest = () if "--manifest" in flags else ("--manifest", "catalogue.csv")
    named = "gone.toml" if case == "configuration that is not there" else flags[0]
    named = ":" if case == "configuration that is a directory" else named
    refused(migrator, *manifest, "--out", "out", *flags, words=[named])


CHECKPOINTS = {
    "empty": b"",
    "text": b"hello",
    "noise": bytes((n * 197 + n // 7) % 256 for n in range(5000)),
    "a header alone": b"SQLite format 3\0",
    "zeros": bytes(8192),
    "a header and zeros": b"SQLite format 3\0" + bytes(8176),
    "JSON": b"{}",
    "gzip": b"\x1f\x8b\x08\x00" + bytes(512),
}


@pytest.mark.parametrize("verb", ["run", "resume", "report", "verify"])
@pytest.mark.parametrize("case", CHECKPOINTS)
def test_what_is_no_checkpoint_is_refused_and_left_as_it_is(migrator, tmp_path, verb, case):
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "checkpoint.db"
    path.write_bytes(CHECKPOINTS[case])
    (tmp_path / "catalogue.csv").write_bytes(manifests.HEADER + manifests.ROW)
    arguments = ["--manifest", "catalogue.csv", "--out", "out"] if verb == "run" else ["out"]
    assert_told(migrator(verb, *arguments), 5, "checkpoint.db")
    assert path.read_bytes() == CHECKPOINTS[case]


STATUSES = {
    "empty": b"",
    "a list": b"[]",
    "another schema": b"{}",
    "cut short": b'{"schema": "migrator.status/1", "batch": "b',
    "not UTF-8": b'"\xff"',
    "a depth without an end": b"[" * 100_000,
    "texts for numbers": b'{"batch": "b", "pid": "x"}',
}


@pytest.mark.parametrize("case", STATUSES)
@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["words", "json"])
def test_what_is_no_status_is_said(migrator, tmp_path, case, flags):
    (tmp_path / "status.json").write_bytes(STATUSES[case])
    assert_told(migrator("status", ".", *flags), 2, "status.json")


@pytest.mark.parametrize("verb", ["resume", "report", "status", "verify"])
@pytest.mark.parametrize("name", ["gone", "catalogue.csv", "a\0b", "\udcff", "x" * 5000])
def test_a_directory_that_holds_no_batch_is_named(migrator, tmp_path, verb, name):
    (tmp_path / "catalogue.csv").write_bytes(b"")
    assert_told(migrator(verb, name), 2)


def test_the_settings_of_a_checkpoint_that_cannot_be_read_are_damage(migrator, tmp_path):
    for text in ("[]", "{", '{"pace": 7}', '{"care": {"max_outage": "long"}}', "[" * 100_000):
        path = tmp_path / f"out-{len(text)}"
        path.mkdir()
        Checkpoint.create(path, {"batch": "b", "settings": text}).close()
        assert_told(migrator("resume", path), 5, "settings")
