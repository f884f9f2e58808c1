"""JSON Lines manifests: every byte of a key, every value as it is written."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrator.errors import UsageError
from migrator.manifest import open_manifest
from migrator.manifest.jsonl_file import MAX_COLUMNS, JsonlManifest
from migrator.model import InvalidRow, ManifestRow


@pytest.fixture
def manifest(tmp_path):
    return tmp_path / "m.jsonl"


def rows_in(reader, first=1):
    return [row for batch in reader.batches(first) for row in batch]


def read(path, *lines, **options):
    path.write_bytes(
        b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    )
    return rows_in(JsonlManifest(path, **options))


def test_values_come_back_as_they_are_written(manifest):
    line = (
        '{"bucket": "bkt", "key": "a\\u002fb\\n\\u0000", "size": 1.10, '
        '"big": 123456789012345678901, "ok": true, "none": null, '
        '"tags": ["\\u00fc", 1.50], "empty": ""}'
    )
    (row,) = read(manifest, line)
    assert (row.bucket, row.key) == ("bkt", "a/b\n\0")
    assert row.cells == (
        *("1.10", "123456789012345678901", "true", None),
        *('["\\u00fc", 1.50]', ""),
    )


def test_blank_lines_are_no_rows_and_a_byte_order_mark_is_no_content(manifest):
    good = b'{"bucket": "bkt", "key": "k"}\r'
    rows = read(manifest, b"\xef\xbb\xbf" + good, b"", b" \t\r", good, b"nonsense", good)
    assert [(row.row, type(row)) for row in rows] == [
        *((1, ManifestRow), (2, ManifestRow)),
        *((3, InvalidRow), (4, ManifestRow)),
    ]


def test_further_fields_stand_behind_those_there_are(manifest):
    lines = [
        json.dumps({"bucket": "bkt", "key": str(n), f"f{n}": n, "version_id": f"v{n}"} | extra)
        for n, extra in enumerate([{}, {"late": "x"}, {}])
    ]
    manifest.write_text("\n".join(lines))
    reader = JsonlManifest(manifest, block_bytes=80)
    assert reader.columns.header == ("bucket", "key", "f0", "version_id")
    rows = rows_in(reader)
    assert reader.columns.header == ("bucket", "key", "f0", "version_id", "f1", "late", "f2")
    assert [row.version_id for row in rows] == ["v0", "v1", "v2"]
    assert [row.cells for row in rows] == [
        ("0",),
        (None, "1", "x"),
        (None, None, None, "2"),
    ]
    later = JsonlManifest(manifest, block_bytes=80)
    assert rows_in(later, 3) == rows[2:]  # taken up again, the columns are the same
    assert later.columns == reader.columns


def test_a_new_field_in_each_line_does_not_go_on_without_end(manifest):
    lines = [
        json.dumps({"bucket": "bkt", "key": "k", f"f{n}": n}) for n in range(MAX_COLUMNS + 500)
    ]
    manifest.write_text("\n".join(lines))
    reader = JsonlManifest(manifest, block_bytes=4096)
    rows = rows_in(reader)
    assert len(reader.columns.header) == MAX_COLUMNS
    invalid = [row.row for row in rows if isinstance(row, InvalidRow)]
    assert invalid == list(range(MAX_COLUMNS - 1, MAX_COLUMNS + 501))


def test_a_line_without_end_is_not_held_in_memory(manifest):
    manifest.write_bytes(b'{"bucket": "bkt", "key": "k"}\n' * 9 + b'{"a": "' + b"x" * 9000)
    reader = JsonlManifest(manifest, block_bytes=1000)
    with pytest.raises(UsageError, match="row 10 is longer than 1,000 bytes"):
        rows_in(reader)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    keys=st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300), min_size=1
    ),
    block_bytes=st.sampled_from([4000, 10_000]),
    escaped=st.booleans(),
)
def test_any_key_comes_through_exactly(tmp_path, keys, block_bytes, escaped):
    path = tmp_path / "m.jsonl"
    lines = (json.dumps({"bucket": "bkt", "key": key}, ensure_ascii=escaped) for key in keys)
    path.write_text("\n".join(lines), encoding="utf-8", newline="\n")
    good = rows_in(JsonlManifest(path, block_bytes=block_bytes))
    assert [row.key for row in good if isinstance(row, ManifestRow)] == [
        key for key in keys if len(key.encode()) <= 1024
    ]
    assert rows_in(open_manifest(path)) == good
