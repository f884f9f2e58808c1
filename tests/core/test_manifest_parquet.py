"""Parquet manifests: texts as they are, everything else written out, bad rows told."""

import datetime as dt
import itertools
import uuid

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrator.errors import UsageError
from migrator.manifest import open_manifest
from migrator.manifest.parquet_file import ParquetManifest, as_text
from migrator.model import InvalidRow, ManifestRow


@pytest.fixture
def manifest(tmp_path):
    return tmp_path / "m.parquet"


def write(path, columns, **options):
    pq.write_table(pa.table(columns), path, **options)
    return path


def rows_in(reader, first_row=1):
    return list(itertools.chain(*reader.batches(first_row)))


TEXT_TYPES = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.binary(),
    pa.large_binary(),
    pa.binary_view(),
    pa.dictionary(pa.int32(), pa.string()),
    pa.dictionary(pa.int8(), pa.binary()),
]


@pytest.mark.parametrize("kind", TEXT_TYPES, ids=str)
def test_text_is_read_from_every_type_that_holds_it(manifest, kind):
    keys = ["00123", "NA", "true", " leading space", "a+b", "100%", "ü", "u\u0308", "x\0y"]
    value_type = kind.value_type if pa.types.is_dictionary(kind) else kind
    array = pa.array([key.encode() for key in keys], pa.binary()).cast(value_type)
    if pa.types.is_dictionary(kind):
        array = array.dictionary_encode().cast(kind)
    write(manifest, {"bucket": pa.array(["bkt"] * len(keys)), "key": array, "version_id": array})
    assert [(row.key, row.version_id) for row in rows_in(open_manifest(manifest))] == [
        (key, key) for key in keys
    ]


@pytest.mark.parametrize("column", ["bucket", "key"])
@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.bool_(), pa.null()], ids=str)
def test_a_bucket_or_key_of_another_type_stops_the_run(manifest, column, kind):
    columns = {"bucket": pa.array(["bkt"]), "key": pa.array(["k"])}
    write(manifest, columns | {column: pa.nulls(1, kind)})
    with pytest.raises(UsageError, match=f"column {column} is stored as '{kind}'") as caught:
        open_manifest(manifest)
    assert "leading zeros are lost already" in caught.value.hint


def test_other_known_texts_may_be_all_null_but_not_numbers(manifest):
    columns = {"bucket": ["bkt"], "key": ["k"]}
    write(manifest, columns | {"name": pa.nulls(1), "version_id": pa.nulls(1)})
    assert rows_in(open_manifest(manifest)) == [ManifestRow(1, "bkt", "k", None, (None,))]
    write(manifest, columns | {"version_id": [3]})
    with pytest.raises(UsageError, match="column version_id is stored as 'int64'"):
        open_manifest(manifest)


def test_a_project_id_may_be_of_the_type_for_uuids(manifest):
    project = uuid.UUID("123e4567-e89b-12d3-a456-426614174000")
    projects = pa.array([project.bytes, None], pa.binary(16)).cast(pa.uuid())
    write(manifest, {"bucket": ["bkt"] * 2, "key": ["k", "l"], "project_id": projects})
    assert [row.cells for row in rows_in(open_manifest(manifest))] == [(str(project),), (None,)]


def test_a_null_bucket_or_key_makes_only_its_row_invalid(manifest):
    write(manifest, {"bucket": ["bkt", None, "bkt"], "key": ["a", "b", None], "n": [1, None, 3]})
    rows = rows_in(open_manifest(manifest))
    assert rows[0] == ManifestRow(1, "bkt", "a", None, ("1",))
    assert rows[1] == InvalidRow(2, "bucket", "empty", (None, "b", None), None, "b")
    assert rows[2] == InvalidRow(3, "key", "empty", ("bkt", None, "3"), "bkt", None)


def test_bytes_that_are_not_utf8_make_only_their_row_invalid(manifest):
    damaged = pa.StringArray.from_buffers(
        3, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0"), pa.py_buffer(b"a\xe9c")
    )
    extra = pa.array([b"x", b"y", b"\xff"])
    write(manifest, {"bucket": pa.array(["bkt"] * 3), "key": damaged, "extra": extra})
    rows = rows_in(open_manifest(manifest))
    assert rows[0] == ManifestRow(1, "bkt", "a", None, ("x",))
    assert (rows[1].column, rows[1].cells) == ("key", ("bkt", "\udce9", "y"))
    assert (rows[2].column, rows[2].problem) == ("extra", "not UTF-8: byte 0xff at offset 0")


MOMENT = dt.datetime(2020, 1, 2, 3, 4, 5)  # noqa: DTZ001 - as a manifest may hold it


@pytest.mark.parametrize(
    ("array", "texts"),
    [
        (pa.array([7, None]), ["7", None]),
        (pa.array([1.5, None]), ["1.5", None]),
        (pa.array([True, False, None]), ["true", "false", None]),
        (pa.array([MOMENT, None], pa.timestamp("s")), ["2020-01-02 03:04:05", None]),
        (pa.array([MOMENT.date()]), ["2020-01-02"]),
        (pa.array([[1, 2], None, []]), ["[1, 2]", None, "[]"]),
        (pa.array([{"a": "ü", "b": None}]), ['{"a": "ü", "b": null}']),
        (pa.array([1, 1, None]).dictionary_encode(), ["1", "1", None]),
        (pc.run_end_encode(pa.array([1, 1, 2])), ["1", "1", "2"]),
        (pa.nulls(2), [None, None]),
        (pa.ExtensionArray.from_storage(pa.json_(), pa.array(["{}"])), [b"{}"]),
        (
            pa.array([pa.MonthDayNano([1, 2, 3])]),
            ["MonthDayNano(months=1, days=2, nanoseconds=3)"],
        ),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_other_columns_are_written_out_as_text(array, texts):
    assert as_text(array).to_pylist() == texts


def test_duplicate_columns_stop_the_run(manifest):
    one = pa.array(["x"])
    pq.write_table(pa.Table.from_arrays([one, one, one], ["bucket", "key", "key"]), manifest)
    with pytest.raises(UsageError, match="more than one column named 'key'"):
        open_manifest(manifest)


def test_absent_columns_stop_the_run(manifest):
    write(manifest, {"Bucket": ["bkt"], "path": ["k"]})
    with pytest.raises(
        UsageError, match=r"no column bucket and key; .* 'Bucket', 'path'"
    ) as caught:
        open_manifest(manifest)
    assert "found 'Bucket', did you mean 'bucket'?" in caught.value.hint


def test_a_table_without_rows_stops_the_run(manifest):
    write(manifest, {"bucket": pa.array([], pa.string()), "key": pa.array([], pa.string())})
    with pytest.raises(UsageError, match="has no rows: the table is empty"):
        open_manifest(manifest)


def test_a_load_can_be_taken_up_at_any_row_of_any_row_group(manifest):
    keys = [f"key{i}" for i in range(1, 101)]
    write(manifest, {"bucket": ["bkt"] * 100, "key": keys}, row_group_size=17)
    reader = ParquetManifest(manifest, batch_rows=5)
    for first in (0, 1, 2, 5, 6, 17, 18, 34, 35, 99, 100, 101, 1000):
        batches = list(reader.batches(first))
        assert all(batches)
        assert all(len(batch) <= 5 for batch in batches)
        assert [(row.row, row.key) for row in itertools.chain(*batches)] == [
            (number, f"key{number}") for number in range(max(first, 1), 101)
        ]


def test_a_truncated_file_stops_the_run(manifest):
    write(manifest, {"bucket": ["bkt"] * 100, "key": [f"key{i}" for i in range(100)]})
    whole = manifest.read_bytes()
    for length in (4, 5, 20, len(whole) // 2, len(whole) - 1):
        manifest.write_bytes(whole[:length])
        with pytest.raises(UsageError, match="cannot be read") as caught:
            open_manifest(manifest)
        assert caught.value.hint


def test_damage_in_a_later_row_group_names_the_row(manifest):
    keys = [f"key{i}" for i in range(1, 3001)]
    write(manifest, {"bucket": ["bkt"] * 3000, "key": keys}, row_group_size=1000)
    raw = bytearray(manifest.read_bytes())
    start = pq.ParquetFile(manifest).metadata.row_group(1).column(1).dictionary_page_offset
    raw[start : start + 200] = b"\xff" * 200
    manifest.write_bytes(raw)
    reader = open_manifest(manifest)
    seen = []
    with pytest.raises(UsageError) as caught:
        seen.extend(itertools.chain.from_iterable(reader.batches()))
    assert f"from row {len(seen) + 1:,} on" in caught.value.message
    assert len(seen) <= 1000


key_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(keys=st.lists(key_text, min_size=1, max_size=30), batch_rows=st.integers(1, 40))
def test_whatever_is_written_as_parquet_comes_back(tmp_path, keys, batch_rows):
    path = write(tmp_path / "m.parquet", {"bucket": ["bkt"] * len(keys), "key": keys})
    assert rows_in(ParquetManifest(path, batch_rows=batch_rows)) == [
        ManifestRow(number, "bkt", key) for number, key in enumerate(keys, start=1)
    ]
