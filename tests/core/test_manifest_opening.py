"""What stops a run before the first row, and what the message tells to do about it."""

import gzip
import hashlib
import itertools
import os
import runpy
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrator.errors import ExitCode, UsageError
from migrator.manifest import fingerprint, open_manifest
from migrator.model import ManifestRow

SAMPLES = Path(__file__).parents[2] / "manifests"


def refusal(path, content=None, manifest_format="auto"):
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        open_manifest(path, manifest_format)
    error = caught.value
    assert error.exit_code == ExitCode.USAGE
    assert path.name in error.message
    assert error.hint
    assert error.message.isprintable()
    return error


@pytest.fixture
def manifest(tmp_path):
    return tmp_path / "m.csv"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no rows: it is empty"),
        (b"\n", "has no rows: it is empty"),
        (b"\r\n\r\n", "has no rows: it is empty"),
        (b"\xef\xbb\xbf", "has no rows: it is empty"),
        (b"  \n", "has no rows: it is blank"),
        (b" ,\t\n", "has no rows: it is blank"),
        (b"bucket,key", "has no rows: nothing follows the header"),
        (b"bucket,key\n\n\n", "has no rows: nothing follows the header"),
    ],
)
def test_a_manifest_without_rows_is_unusable(manifest, content, message):
    assert message in refusal(manifest, content).message


@pytest.mark.parametrize(
    ("header", "message", "hint"),
    [
        ("bucket;key;name", "no column bucket and key", "separated by semicolons"),
        ("bucket\tkey", "no column bucket and key", "separated by tabs"),
        ("bucket|key", "no column bucket and key", "separated by vertical bars"),
        ('"bucket";"key"', "no column bucket and key", "separated by semicolons"),
        ("bucket,Key ", "no column key; ", "found 'Key ', did you mean 'key'?"),
        ("BUCKET,key", "no column bucket; ", "found 'BUCKET', did you mean 'bucket'?"),
        ("catalogue-a,masters/1.mp4,,", "no column bucket and key", "must be the header"),
        ("bucket,path", "no column key; its columns are 'bucket', 'path'", "Name the columns"),
        ("bucket,key,key", "more than one column named 'key'", "Rename or remove"),
        ("bucket,key,,", "more than one column named ''", "Rename or remove"),
        ("bucket,key\x1b[31m", r"'key\x1b[31m'", "Name the columns"),
        ("bucket,\u202ekey", r"'\u202ekey'", "Name the columns"),
        ("bucket," + "k" * 5000, "'" + "k" * 39 + "…'", "Name the columns"),
        (",".join(f"c{i}" for i in range(900)), "and 888 more", "Name the columns"),
    ],
)
def test_a_header_that_cannot_be_used_says_why_and_what_to_do(manifest, header, message, hint):
    cells = ",".join("x" for _ in header.split(","))
    error = refusal(manifest, f"{header}\n{cells}\n".encode())
    assert message in error.message
    assert hint in error.hint
    assert len(error.message) < 1000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("bucket,key\nbkt,k\n".encode("utf-16"), "a text file in UTF-16"),
        ("bucket,key\nbkt,k\n".encode("utf-16-le"), "UTF-16 or no text at all"),
        ("bucket,key\nbkt,k\n".encode("utf-16-be"), "UTF-16 or no text at all"),
        (
            gzip.compress(gzip.compress(b"bucket,key\nbkt,k\n", mtime=0), mtime=0),
            "compressed with gzip twice",
        ),
        (b"PK\x03\x04" + bytes(40), "a ZIP archive or an Excel workbook"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "a PNG image"),
        (b"bucket,key,gr\xf6\xdfe\nbkt,k,1\n", "is not UTF-8: its header has 'gr\\udcf6\\udcdfe'"),
    ],
)
def test_what_is_no_csv_says_what_it_looks_like(manifest, content, message):
    assert message in refusal(manifest, content).message


def test_a_file_that_is_absent_is_unusable(tmp_path):
    assert "there is no such file" in refusal(tmp_path / "m.csv").message


def test_a_directory_is_unusable(tmp_path):
    assert "is a directory" in refusal(tmp_path).message


def test_a_pipe_is_refused_without_waiting_for_a_writer(manifest):
    os.mkfifo(manifest)
    assert "is not a regular file" in refusal(manifest).message
    with pytest.raises(UsageError, match="is not a regular file"):
        fingerprint(manifest)


def test_a_file_that_may_not_be_read_is_unusable(manifest, monkeypatch):
    manifest.write_text("bucket,key\nbkt,k\n")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # chmod does not stop root
    assert "permission denied" in refusal(manifest).message
    with pytest.raises(UsageError, match="permission denied"):
        fingerprint(manifest)


def test_noise_named_parquet_is_no_parquet(tmp_path):
    assert "is not a Parquet file" in refusal(tmp_path / "m.parquet", bytes(range(256))).message
    assert "cannot be read" in refusal(tmp_path / "m.parquet", b"PAR1" + bytes(99)).message
    assert "cannot be read" in refusal(tmp_path / "m.parquet", b"PARE" + bytes(99)).message


def test_content_goes_before_the_extension(tmp_path):
    path = tmp_path / "m.csv"
    pq.write_table(pa.table({"bucket": ["bkt"], "key": ["k"]}), path)
    assert list(open_manifest(path).batches()) == [[ManifestRow(1, "bkt", "k")]]


def test_a_format_that_was_named_is_held_to(tmp_path):
    path = tmp_path / "manifest"
    pq.write_table(pa.table({"bucket": ["bkt"], "key": ["k"]}), path)
    assert "is a Parquet file, not CSV" in refusal(path, manifest_format="csv").message
    error = refusal(path, b"bucket,key\nbkt,k\n", manifest_format="parquet")
    assert "is not a Parquet file" in error.message
    path = path.rename(tmp_path / "m.parquet")
    assert list(open_manifest(path, "csv").batches()) == [[ManifestRow(1, "bkt", "k")]]


def test_a_path_that_could_disturb_a_terminal_is_quoted(tmp_path):
    path = tmp_path / "a\x1b[31m.csv"
    with pytest.raises(UsageError) as caught:
        open_manifest(path)
    assert caught.value.message.isprintable()


def test_the_fingerprint_is_the_sha256_of_the_bytes(manifest):
    content = os.urandom(3_000_000)
    manifest.write_bytes(content)
    assert fingerprint(manifest) == hashlib.sha256(content).hexdigest()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=300), suffix=st.sampled_from([".csv", ".parquet", ""]))
def test_no_content_at_all_makes_a_traceback(tmp_path, content, suffix):
    path = tmp_path / f"m{suffix}"
    path.write_bytes(content)
    for prefix in (b"", b"bucket,key\n", b"PAR1"):
        path.write_bytes(prefix + content)
        try:
            rows = list(itertools.chain(*open_manifest(path).batches()))
        except UsageError:
            continue
        assert [row.row for row in rows] == list(range(1, len(rows) + 1))


def test_the_samples_hold_the_same_rows_and_are_what_the_script_makes(tmp_path):
    from_csv, from_parquet = (
        list(itertools.chain(*open_manifest(SAMPLES / name).batches()))
        for name in ("sample.csv", "sample.parquet")
    )
    script = runpy.run_path(str(SAMPLES / "make_samples.py"))
    made = script["ROWS"]
    script["main"](tmp_path)
    names = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    samples = {
        path.relative_to(SAMPLES)
        for path in SAMPLES.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert names == samples - {Path("README.md"), Path("make_samples.py")}
    for name in names:
        if name.suffix in {".csv", ".jsonl"}:  # what packs and Arrow's files hold, others see to
            assert (tmp_path / name).read_bytes() == (SAMPLES / name).read_bytes()
    assert [(row.bucket, row.key, *row.cells) for row in from_csv] == list(made)
    assert [
        (row.bucket, row.key, *(cell or "" for cell in row.cells)) for row in from_parquet
    ] == list(made)
