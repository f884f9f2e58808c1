"""CSV files of S3 Batch Operations: encoded keys, headers by mistake, columns in either order."""

import logging
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrator.errors import UsageError
from migrator.manifest import open_manifest
from migrator.manifest.s3_batch import DONE, looks_like
from migrator.model import InvalidRow, ManifestRow

UGLY = "a+b c/\u00fc%2F#?.mp4"


@pytest.fixture
def manifest(tmp_path):
    return tmp_path / "m.csv"


def read(path, content, manifest_format="s3-batch"):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    reader = open_manifest(path, manifest_format)
    return [row for batch in reader.batches() for row in batch]


@pytest.mark.parametrize("encoded", [quote(UGLY), quote_plus(UGLY), quote_plus(UGLY, safe="/")])
def test_keys_come_back_to_the_byte(manifest, encoded):
    assert read(manifest, f"my-bucket,{encoded}\nmy-bucket,plain/key.mp4\n") == [
        ManifestRow(1, "my-bucket", UGLY),
        ManifestRow(2, "my-bucket", "plain/key.mp4"),
    ]


def test_a_version_is_the_third_column(manifest):
    rows = read(manifest, 'my-bucket,"a%2Cb",v1\nmy-bucket,k,\n')
    assert [(row.key, row.version_id) for row in rows] == [("a,b", "v1"), ("k", None)]


@pytest.mark.parametrize("header", ["Bucket,Key", "bucket,key", '"BUCKET","KEY"', " Bucket , Key "])
def test_a_header_by_mistake_is_said_and_is_no_row(manifest, caplog, header):
    with caplog.at_level(logging.WARNING, "migrator"):
        rows = read(manifest, f"{header}\r\nmy-bucket,a%20b\r\n")
    assert rows == [ManifestRow(1, "my-bucket", "a b")]
    assert "begins with a header" in caplog.text


@pytest.mark.parametrize("key", ["50% off.mp4", "a%2", "%", "%zz", "a+%b"])
def test_a_key_that_is_not_encoded_is_an_invalid_row(manifest, key):
    good, bad, after = read(manifest, f"my-bucket,a+b\nmy-bucket,{key}\nmy-bucket,c\n")
    assert (good.key, after.key) == ("a b", "c")
    assert (bad.column, bad.cells) == ("key", ("my-bucket", key))
    assert "not URL-encoded" in bad.problem


def test_a_key_that_is_no_text_once_decoded_is_an_invalid_row(manifest):
    (bad,) = read(manifest, "my-bucket,caf%E9.mp4\n")
    assert (bad.column, bad.cells) == ("key", ("my-bucket", "caf\udce9.mp4"))
    assert "not UTF-8" in bad.problem


def test_what_is_no_such_manifest_says_what_it_is(manifest):
    with pytest.raises(UsageError, match="its first record has 4 cells, 'a', 'b', 'c', 'd'"):
        read(manifest, "a,b,c,d\n")
    with pytest.raises(UsageError, match="no rows"):
        read(manifest, "Bucket,Key\n")
    with pytest.raises(UsageError) as caught:
        read(manifest, "Bucket,Key\nmy-bucket,k\n", "auto")
    assert "--manifest-format s3-batch" in caught.value.hint


REPORT = [
    "my-bucket,a+b.mp4,v1,succeeded,200,,Successful",
    "my-bucket,c%2Fd.mp4,,failed,403,AccessDenied,Access Denied",
    "my-bucket,e.mp4,,failed,AccessDenied,403,Access Denied",
    'my-bucket,f.mp4,,failed,200,PermanentFailure,"Lambda said ""no"", twice"',
]


@pytest.mark.parametrize("header", ["", "Bucket, Key, VersionId, TaskStatus, A, B, C\n"])
@pytest.mark.parametrize("manifest_format", ["auto", "s3-completion"])
def test_a_completion_report_is_read_for_what_failed(manifest, manifest_format, header):
    done, one, other, third = read(manifest, header + "\n".join(REPORT), manifest_format)
    assert (done.key, done.version_id, done.left_out) == ("a b.mp4", "v1", DONE)
    assert done.cells == ("succeeded", "", "200", "Successful")
    assert one.cells == other.cells == ("failed", "AccessDenied", "403", "Access Denied")
    assert third.cells == ("failed", "PermanentFailure", "200", 'Lambda said "no", twice')
    assert [row.row for row in (done, one, other, third)] == [1, 2, 3, 4]
    assert [row.left_out for row in (one, other, third)] == [None] * 3


def test_bytes_that_are_no_text_hide_no_other_row_of_a_report(manifest):
    lines = [line.encode() for line in REPORT]
    lines.insert(2, b"my-bucket,x.mp4,,failed,500,InternalError,\xff\xfe")
    lines.insert(3, b"my-bucket,caf\xe9.mp4,,succeeded,200,,")
    rows = read(manifest, b"\n".join(lines), "auto")
    assert [row.row for row in rows if isinstance(row, InvalidRow)] == [3, 4]
    assert [row.key for row in rows if isinstance(row, ManifestRow)] == [
        *("a b.mp4", "c/d.mp4", "e.mp4", "f.mp4"),
    ]


def test_the_report_of_this_program_is_no_completion_report(manifest):
    header = "Bucket,Key,VersionId,TaskStatus,ErrorCode,HTTPStatusCode,ResultMessage,Outcome"
    with pytest.raises(UsageError) as caught:
        read(manifest, f"{header}\nmy-bucket,k,,failed,,,,rejected\n", "s3-completion")
    assert "retry.csv" in caught.value.hint


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        ("my-bucket,masters/a.mp4", "s3-batch"),
        ("my-bucket,a%20b,v1", "s3-batch"),
        ("my-bucket,key", None),
        ("bucket,key", None),
        ("bucket,key,file.name", None),
        ("Bucket,Key", None),
        ("buckets,keys", None),
        ("s3_bucket,s3.path", None),
        ("my-bucket,a.mp4,v1,more", None),
        ("b,k,,succeeded,200,,", "s3-completion"),
        ("b,k,,failed,,500,x", "s3-completion"),
        ("bucket,key,a,TaskStatus,c,d,e", None),
        ("b,k,,pending,200,,", None),
    ],
)
def test_a_file_without_a_header_is_recognised_by_its_first_record(record, kind):
    assert looks_like(record.split(",")) == kind


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_any_key_comes_through_encoded(tmp_path, keys):
    path = tmp_path / "m.csv"
    rows = read(path, "".join(f"my-bucket,{quote_plus(key)}\n" for key in keys))
    assert [row.key for row in rows] == keys
