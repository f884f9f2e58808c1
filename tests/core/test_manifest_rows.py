"""Which rows are usable, and what is said of the others."""

import pyarrow as pa
import pytest

from migrator.manifest.rows import judge, ragged
from migrator.manifest.screening import rows_of
from migrator.model import Columns, InvalidRow, ManifestRow

UUID = "123e4567-e89b-12d3-a456-426614174000"
HEADER = ("bucket", "key", "version_id", "name", "description", "project_id", "file_name", "size")
COLUMNS = Columns.of(HEADER)


def cells(**given):
    row = {"bucket": "catalogue-a", "key": "a.mp4"} | given
    return [row.get(name, "") for name in HEADER]


def both_ways(raw):
    """The verdict on one row, by itself and among others; the two must agree."""
    alone = judge(7, raw, COLUMNS)
    good = cells()
    arrays = [
        pa.array(
            [
                None if cell is None else cell.encode("utf-8", "surrogateescape")
                for cell in (one, two, one)
            ],
            pa.binary(),
        )
        for one, two in zip(good, raw, strict=True)
    ]
    before, screened, after = rows_of(COLUMNS, [6, 7, 8], arrays)
    assert screened == alone
    assert (before.row, after.row) == (6, 8)
    assert isinstance(before, ManifestRow)
    return alone


@pytest.mark.parametrize(
    ("given", "column", "problem"),
    [
        ({"bucket": ""}, "bucket", "empty"),
        ({"bucket": None}, "bucket", "empty"),
        ({"bucket": "ab"}, "bucket", "2 characters; a bucket has 3 to 63"),
        ({"bucket": "üä"}, "bucket", "2 characters; a bucket has 3 to 63"),
        ({"bucket": "my bucket"}, "bucket", "a bucket's name has letters, digits"),
        ({"bucket": "bücket"}, "bucket", "a bucket's name has letters, digits"),
        ({"bucket": "b" * 64}, "bucket", "64 characters; a bucket has 3 to 63"),
        ({"key": ""}, "key", "empty"),
        ({"key": None}, "key", "empty"),
        ({"key": "k" * 1025}, "key", "1,025 bytes; a key has at most 1,024"),
        ({"key": "ü" * 512 + "u"}, "key", "1,025 bytes; a key has at most 1,024"),
        (
            {"key": "k\n" * 600},
            "key",
            "1,200 bytes; a key has at most 1,024; it spans 601 lines: a quote may be unclosed",
        ),
        ({"key": "a\udce4b"}, "key", "not UTF-8: byte 0xe4 at offset 1"),
        ({"description": "ü\udcff"}, "description", "not UTF-8: byte 0xff at offset 2"),
        ({"size": "\udc80"}, "size", "not UTF-8: byte 0x80 at offset 0"),
        ({"name": "n" * 256}, "name", "256 characters; a name has at most 255"),
        ({"name": "😀" * 256}, "name", "256 characters; a name has at most 255"),
        ({"file_name": "a b.mp4"}, "file_name", "a file name is 1 to 255 of"),
        ({"file_name": "ü.mp4"}, "file_name", "a file name is 1 to 255 of"),
        ({"file_name": "a.mp4\n"}, "file_name", "a file name is 1 to 255 of"),
        ({"file_name": "f" * 256}, "file_name", "a file name is 1 to 255 of"),
        ({"project_id": "news"}, "project_id", "not a UUID"),
        ({"project_id": UUID + "\n"}, "project_id", "not a UUID"),
        ({"project_id": "{" + UUID + "}"}, "project_id", "not a UUID"),
        ({"project_id": UUID.replace("-", "")}, "project_id", "not a UUID"),
    ],
)
def test_a_row_that_breaks_a_rule_is_invalid_and_says_which_column_and_why(given, column, problem):
    raw = cells(**given)
    row = both_ways(raw)
    assert isinstance(row, InvalidRow)
    assert (row.row, row.column) == (7, column)
    assert row.problem.startswith(problem)
    assert row.cells == tuple(raw)
    assert not row.ragged


@pytest.mark.parametrize(
    "given",
    [
        {"bucket": "abc"},
        {"bucket": "b" * 63},
        {"bucket": "B" * 63},
        {"bucket": "Old_Bucket.of-2009"},
        {"key": "k" * 1024},
        {"key": "ü" * 512},
        {"key": " "},
        {"key": "\0"},
        {"key": "\r\n"},
        {"name": "n" * 255},
        {"name": "😀" * 255},
        {"name": None, "description": None, "project_id": None, "file_name": None},
        {"description": "d" * 5000},
        {"project_id": UUID},
        {"project_id": UUID.upper()},
        {"file_name": "f" * 255},
        {"file_name": "-_.A9"},
        {"size": "enormous"},
        {"size": "999999999999999999999999"},
    ],
)
def test_a_row_within_all_bounds_is_usable_and_its_cells_are_as_they_were(given):
    raw = cells(**given)
    row = both_ways(raw)
    assert row == ManifestRow(7, raw[0], raw[1], None, tuple(raw[3:]))


def test_a_version_id_is_kept_and_an_empty_one_means_absent():
    assert both_ways(cells(version_id="v1")).version_id == "v1"
    assert both_ways(cells(version_id="")).version_id is None
    assert both_ways(cells(version_id=None)).version_id is None


def test_an_invalid_row_keeps_the_bytes_and_shows_them_escaped():
    row = both_ways(cells(bucket="ab", key="caf\udce9.mp4"))
    assert row.column == "key"
    assert row.key == "caf\\xe9.mp4"
    assert row.bucket == "ab"
    assert row.cells[1].encode("utf-8", "surrogateescape") == b"caf\xe9.mp4"


def test_an_invalid_row_without_a_bucket_shows_none():
    row = both_ways(cells(bucket=None))
    assert row.bucket is None
    assert row.key == "a.mp4"


def test_an_encoded_surrogate_is_not_utf8():
    raw = b"\xed\xa0\x80"
    columns = Columns.of(["bucket", "key"])
    (row,) = rows_of(columns, [1], [pa.array([b"bucket"]), pa.array([raw])])
    assert row.problem == "not UTF-8: byte 0xed at offset 0"


def test_without_other_columns_the_cells_are_none_at_all():
    columns = Columns.of(["key", "bucket"])
    (row,) = rows_of(columns, [1], [pa.array(["k"]), pa.array(["bucket"])])
    assert row == ManifestRow(1, "bucket", "k")


def test_other_cells_that_are_all_null_are_still_there():
    columns = Columns.of(["bucket", "key", "x", "y"])
    nulls = pa.nulls(1, pa.string())
    (row,) = rows_of(columns, [1], [pa.array(["bucket"]), pa.array(["k"]), nulls, nulls])
    assert row.cells == (None, None)


def test_a_ragged_row_is_one_cell_that_holds_the_line():
    row = ragged(3, "a,b,c", 3, 2)
    assert row == InvalidRow(3, None, "3 cells where the header has 2", ("a,b,c",), ragged=True)


def test_a_ragged_row_over_several_lines_hints_at_a_quote():
    assert "spans 2 lines: a quote may be unclosed" in ragged(3, 'a,"b\nc,d",e', 3, 2).problem
