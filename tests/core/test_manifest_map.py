"""`--map`: columns under the names that this program knows, in every format that has names."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from migrator.errors import UsageError
from migrator.manifest import open_manifest
from migrator.model import InvalidRow, ManifestRow

RENAMES = {"container": "bucket", "path": "key", "title": "name"}
COLUMNS = ["container", "path", "title", "asset"]
ROWS = [("bkt", "a%20b,c", "A", "1"), ("bkt", "k", "n" * 256, "2")]


def written(path):
    match path.suffix:
        case ".csv":
            lines = [",".join(f'"{cell}"' for cell in row) for row in [COLUMNS, *ROWS]]
            path.write_text("\n".join(lines))
        case ".jsonl":
            records = [json.dumps(dict(zip(COLUMNS, row, strict=True))) for row in ROWS]
            path.write_text("\n".join(records))
        case ".parquet":
            columns = [pa.array(column) for column in zip(*ROWS, strict=True)]
            pq.write_table(pa.table(columns, names=COLUMNS), path)
    return path


@pytest.mark.parametrize("name", ["m.csv", "m.jsonl", "m.parquet"])
def test_columns_have_the_names_that_they_are_given(tmp_path, name):
    reader = open_manifest(written(tmp_path / name), "auto", RENAMES)
    assert reader.columns.header == ("bucket", "key", "name", "asset")
    good, bad = [row for batch in reader.batches() for row in batch]
    assert good == ManifestRow(1, "bkt", "a%20b,c", None, ("A", "1"))
    assert isinstance(bad, InvalidRow)
    assert bad.column == "name"  # the rules of the new name hold


@pytest.mark.parametrize("name", ["m.csv", "m.parquet"])
def test_a_column_that_is_not_there_is_said(tmp_path, name):
    path = written(tmp_path / name)
    with pytest.raises(UsageError, match=r"--map: .* has no column 'titel'") as caught:
        open_manifest(path, "auto", RENAMES | {"titel": "description"})
    assert "retry.csv" in caught.value.hint


def test_a_field_that_no_row_has_is_said_at_the_end_of_json_lines(tmp_path):
    path = written(tmp_path / "m.jsonl")
    reader = open_manifest(path, "auto", RENAMES | {"titel": "description"})
    batches = reader.batches()
    assert [row.row for _ in ROWS for row in next(batches)] == [1, 2]  # the last line ends nowhere
    with pytest.raises(UsageError, match=r"--map: .* has no column 'titel'") as caught:
        next(batches)
    assert "its columns are 'container', 'path', 'title', 'asset'" in caught.value.message
    assert "retry.csv" in caught.value.hint
    with pytest.raises(UsageError, match="'titel'"):  # also where a load is taken up again
        list(reader.batches(3))


def test_a_field_that_only_the_last_row_has_is_there(tmp_path):
    path = written(tmp_path / "m.jsonl")
    with path.open("a") as file:
        file.write('\n{"container": "bkt", "path": "z", "titel": "late"}')
    reader = open_manifest(path, "auto", RENAMES | {"titel": "description"})
    rows = [row for batch in reader.batches() for row in batch]
    assert rows[-1].cells[reader.columns.other_names.index("description")] == "late"


def test_a_name_that_is_taken_is_said(tmp_path):
    with pytest.raises(UsageError, match="more than one column named 'asset'"):
        open_manifest(written(tmp_path / "m.csv"), "auto", RENAMES | {"title": "asset"})
    path = tmp_path / "m.jsonl"
    path.write_text('{"bucket": "bkt", "key": "k", "name": "a", "title": "b"}\n' * 2)
    with pytest.raises(UsageError, match="two fields of this name"):
        open_manifest(path, "auto", {"title": "name"})


def test_a_file_whose_columns_have_names_is_none_without_a_header(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("my-bucket,path.to/it\nbkt,a+b\n")
    reader = open_manifest(path, "auto", {"my-bucket": "bucket", "path.to/it": "key"})
    assert [row.key for batch in reader.batches() for row in batch] == ["a+b"]
