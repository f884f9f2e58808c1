"""A listing in Parquet: what goes in comes out, and is written without what is slow to load."""

import io
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from migrator.source.pages import ListPage
from migrator.source.parquet import GROUP_ROWS, ListingWriter, listed_pages

CASES = {
    "all is told": ListPage(["a", "b"], [1, 2], ["e", "f"], [3, 4], ["STANDARD", "GLACIER"]),
    "nothing is told but the size": ListPage(["a"], [2**62], [None], [None], [None]),
    "some is told": ListPage(
        ["a"] * 9, [0] * 9, ["e", None, ""] * 3, [None, 5, -6] * 3, [None] * 9
    ),
    "letters beyond ASCII": ListPage(
        ["é\n", "日本", "\U0001f3ac"], [1] * 3, ["e"] * 3, [1] * 3, ["x"] * 3
    ),
}  # fmt: skip


def columns(pages):
    """All rows: key, size, etag, time and class."""
    return [
        row
        for page in pages
        for row in zip(page.keys, page.sizes, page.etags, page.modified_ms, page.storage_classes,
                       strict=True)
    ]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_listing_is_read_back_as_it_was_written(case):
    page, file = CASES[case], io.BytesIO()
    writer = ListingWriter(file)
    writer.add("bücket", page)
    writer.close()
    assert columns(listed_pages(file)) == columns([page])
    table = pq.read_table(file)
    table.validate(full=True)
    assert set(table["bucket"].to_pylist()) == {"bücket"}


def test_more_than_a_row_group_of_several_buckets_is_written_in_order():
    file, count = io.BytesIO(), GROUP_ROWS // 2 + 1
    writer = ListingWriter(file)
    for bucket in ("a", "b", "c"):
        keys = [f"{bucket}/{number}" for number in range(count)]
        writer.add(bucket, ListPage(keys, range(count), keys, range(count), ["STANDARD"] * count))
    writer.close()
    table = pq.read_table(file)
    assert pq.ParquetFile(file).num_row_groups == 2
    assert table["bucket"].to_pylist() == [bucket for bucket in "abc" for _ in range(count)]
    assert table["key"].to_pylist() == [f"{b}/{number}" for b in "abc" for number in range(count)]
    assert table["size"].to_pylist() == [*range(count)] * 3


CODE = """
import io, sys
from migrator.source.pages import ListPage
from migrator.source.parquet import ListingWriter
writer = ListingWriter(io.BytesIO())
writer.add("b", ListPage(["a", "b"], [1, 2], ["e", None], [3, None], ["STANDARD", None]))
writer.close()
print("pandas" in sys.modules)
"""


def test_to_write_a_listing_arrow_does_not_import_pandas():
    told = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
