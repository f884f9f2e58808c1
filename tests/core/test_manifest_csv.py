"""CSV manifests: every byte of a key, and every row's number."""

import csv
import gc
import io
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrator.errors import UsageError
from migrator.manifest import open_manifest
from migrator.manifest.csv_file import CsvManifest
from migrator.model import InvalidRow, ManifestRow

ROOT = Path(__file__).parents[2]


def read(path, content, **options):
    path.write_bytes(content)
    return [row for batch in CsvManifest(path, **options).batches() for row in batch]


@pytest.fixture
def manifest(tmp_path):
    return tmp_path / "m.csv"


UGLY_KEYS = [
    "00123",
    "NA",
    "null",
    "true",
    "1e5",
    "2020-01-01",
    " leading space",
    "trailing space ",
    "a+b",
    "100%",
    "a%20b",
    "reel #4",
    "\u00fc",  # ü as one code point
    "u\u0308",  # ü as two
    "\ufeffkey",
    "\u2028",
    "\x85",
    "nul\0inside",
    "tab\tinside",
    "k" * 1024,
    "東" * 341 + "k",
]


@pytest.mark.parametrize("key", UGLY_KEYS)
def test_a_key_comes_through_exactly(manifest, key):
    (row,) = read(manifest, f"bucket,key\nbkt,{key}\n".encode())
    assert row == ManifestRow(1, "bkt", key)


@pytest.mark.parametrize(
    ("cell", "key"),
    [
        ('"a,b"', "a,b"),
        ('"two\nlines"', "two\nlines"),
        ('"two\r\nlines"', "two\r\nlines"),
        ('"say ""hi"""', 'say "hi"'),
        ('mid"quote', 'mid"quote'),
        ('"abc"def', "abcdef"),
        ('" spaced "', " spaced "),
    ],
)
def test_quotes_read_as_the_standard_says(manifest, cell, key):
    rows = read(manifest, f"bucket,key\nbkt,{cell}\nbkt,next\n".encode())
    assert [(row.row, row.key) for row in rows] == [(1, key), (2, "next")]


@pytest.mark.parametrize(
    "content",
    [
        b"bucket,key\nbkt,a\nbkt,b\n",
        b"bucket,key\nbkt,a\nbkt,b",
        b"bucket,key\r\nbkt,a\r\nbkt,b\r\n",
        b"bucket,key\rbkt,a\rbkt,b\r",
        b"\xef\xbb\xbfbucket,key\nbkt,a\nbkt,b\n",
        b'\xef\xbb\xbf"bucket","key"\r\n"bkt","a"\r\n"bkt","b"',
        b"\n\nbucket,key\n\nbkt,a\n\n\nbkt,b\n\n",
        b"\r\nbucket,key\r\n\r\nbkt,a\r\nbkt,b\r\n\r\n",
    ],
)
def test_line_ends_marks_and_empty_lines_change_nothing(manifest, content):
    rows = read(manifest, content)
    assert rows == [ManifestRow(1, "bkt", "a"), ManifestRow(2, "bkt", "b")]


def test_columns_stand_in_any_order_and_the_others_are_kept(manifest):
    manifest.write_bytes(b"asset,key,name,bucket,version_id\n007,k,,bkt,v1\n8,l,n,bkt,\n")
    reader = open_manifest(manifest)
    assert reader.columns.other_names == ("asset", "name")
    assert list(itertools.chain(*reader.batches())) == [
        ManifestRow(1, "bkt", "k", "v1", ("007", "")),
        ManifestRow(2, "bkt", "l", None, ("8", "n")),
    ]


def test_a_ragged_row_is_invalid_and_the_next_rows_keep_their_numbers(manifest):
    rows = read(manifest, b"bucket,key\nbkt,a\n\nbkt\nbkt,b,c\n\nbkt,d\n")
    assert rows == [
        ManifestRow(1, "bkt", "a"),
        InvalidRow(2, None, "1 cells where the header has 2", ("bkt",), ragged=True),
        InvalidRow(3, None, "3 cells where the header has 2", ("bkt,b,c",), ragged=True),
        ManifestRow(4, "bkt", "d"),
    ]


@pytest.mark.parametrize("block_bytes", [48, 64, 100, 1000])
@pytest.mark.parametrize(
    "ragged_of", [lambda i: i % 3 == 0, lambda i: 40 < i < 160, lambda i: True]
)
def test_ragged_rows_are_interleaved_in_order_across_many_blocks(manifest, block_bytes, ragged_of):
    lines = [f"bkt,key{i},x" if ragged_of(i) else f"bkt,key{i}" for i in range(1, 201)]
    content = "bucket,key\n" + "\n".join(lines)
    rows = read(manifest, content.encode(), block_bytes=block_bytes, token="TOKEN")
    assert [row.row for row in rows] == list(range(1, 201))
    for i, row in enumerate(rows, start=1):
        if ragged_of(i):
            assert row.ragged
            assert row.cells == (f"bkt,key{i},x",)
        else:
            assert row.key == f"key{i}"


def test_rows_that_are_not_utf8_are_invalid_with_their_bytes_kept(manifest):
    rows = read(manifest, b"bucket,key,n\nbkt,caf\xe9,\nbkt,\xc3\xa9,\nbkt,x,\xff\xfe\n")
    assert [(type(row), row.row) for row in rows] == [
        (InvalidRow, 1),
        (ManifestRow, 2),
        (InvalidRow, 3),
    ]
    assert (rows[0].column, rows[0].key) == ("key", "caf\\xe9")
    assert rows[1].key == "é"
    assert rows[2].column == "n"
    assert rows[2].cells[2].encode("utf-8", "surrogateescape") == b"\xff\xfe"


def test_a_ragged_row_that_is_not_utf8_ends_nothing(manifest):
    rows = read(manifest, b"bucket,key\nbkt,caf\xe9,x\nbkt,b\n")
    assert rows[0].ragged
    assert rows[0].cells[0].encode("utf-8", "surrogateescape") == b"bkt,caf\xe9,x"
    assert rows[1] == ManifestRow(2, "bkt", "b")


@pytest.mark.parametrize("block_bytes", [43, 44, 45, 46, 47, 64])
def test_characters_cut_by_a_block_come_through(manifest, block_bytes):
    keys = ["é" * i + "東😀"[: i % 3] for i in range(1, 9)] * 10
    content = "bucket,key\n" + "".join(f"bkt,{key}\n" for key in keys)
    rows = read(manifest, content.encode(), block_bytes=block_bytes, token="TOKEN")
    assert [row.key for row in rows] == keys


@pytest.mark.parametrize("last", range(1, 41))
def test_a_file_without_a_final_line_end_may_stop_anywhere_in_a_block(manifest, last):
    lines = [f"bkt,{'k' * 30}{i}" for i in range(20)] + ["bkt," + "l" * last]
    rows = read(manifest, "\n".join(["bucket,key", *lines]).encode(), block_bytes=48, token="T.T")
    assert (len(rows), rows[-1].key) == (21, "l" * last)


def test_a_file_cut_inside_a_character_has_an_invalid_last_row(manifest):
    rows = read(manifest, b"bucket,key\nbkt,a\nbkt,\xe6\x9d")
    assert rows[1].problem == "not UTF-8: byte 0xe6 at offset 0"


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b'bucket,key\nbkt,a\nbkt,"b', "row 2 "),
        (b'bucket,key\nbkt,a\nbkt,"b\n', "row 2 "),
        (b'bucket,key\nbkt,a\nbkt,"b""', "row 2 "),
        (b'bucket,key\nbkt,a\nbkt,"b\nbkt,c\nbkt,d\n', "row 2 "),
        (b'bucket,key\nbkt,a\n"bkt\nbkt,c\nbkt,d\n', "row 2 "),
        (b'bucket,key\nbkt,a\nbkt,b,"c\nbkt,c\n', "row 2 "),
        (b'bucket,"key\nbkt,a\nbkt,b\n', "the header "),
        (b'"bucket,key\nbkt,a\nbkt,b\n', "the header "),
    ],
)
def test_an_unclosed_quote_is_found_and_placed(manifest, content, where):
    with pytest.raises(UsageError) as caught:
        read(manifest, content)
    assert f"begins in or after {where}is never closed" in caught.value.message
    assert '"' in caught.value.hint


@pytest.mark.parametrize(
    ("after", "message"),
    [
        (3, "begins in or after row 501 is never closed"),
        (500, "row 501 is longer than 256 bytes"),
    ],
)
def test_an_unclosed_quote_far_into_the_file_stops_it_after_all_rows_before(
    manifest, after, message
):
    lines = [f"bkt,key{i}" for i in range(1, 501)]
    manifest.write_text("\n".join(["bucket,key", *lines, 'bkt,"open', *lines[:after]]))
    seen = []
    with pytest.raises(UsageError, match=message):
        seen.extend(itertools.chain.from_iterable(CsvManifest(manifest, block_bytes=256).batches()))
    assert [(row.row, row.key) for row in seen] == [(i, f"key{i}") for i in range(1, 501)]


def test_a_record_as_long_as_a_block_is_read_and_a_longer_one_stops_the_run(manifest):
    def content(size):
        return b"bucket,key\nbkt,a\nbkt,b,c\n" + b"bkt," + b"k" * (size - 5) + b"\nbkt,b\n"

    assert [row.row for row in read(manifest, content(128), block_bytes=128)] == [1, 2, 3, 4]
    with pytest.raises(UsageError, match=r"row 3 is longer than 128 bytes"):
        read(manifest, content(400), block_bytes=128)


def test_a_header_longer_than_a_block_stops_the_run(manifest):
    with pytest.raises(UsageError, match=r"the header is longer than 128 bytes"):
        read(manifest, b"bucket,key," + b"k" * 400 + b"\nbkt,b,c\n", block_bytes=128)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("block_bytes", [60, 61, 62, 63, 64, 100])
def test_line_breaks_in_quotes_are_no_place_to_cut(manifest, line_end, block_bytes):
    keys = ["\n" * (i % 5) + f'{i}\r\n,"\r{i}' + "\n\n" * (i % 3) for i in range(100)]
    cells = ['"' + key.replace('"', '""') + '"' for key in keys]
    lines = [f"bkt,{cell}" if i % 7 else f"{cell},bkt,x" for i, cell in enumerate(cells)]
    content = line_end.join(["bucket,key", *lines])
    rows = read(manifest, content.encode(), block_bytes=block_bytes, token="T.T")
    assert [row.row for row in rows] == list(range(1, 101))
    for row, key, line in zip(rows, keys, lines, strict=True):
        if isinstance(row, InvalidRow):
            assert row.cells == (line,)
        else:
            assert row.key == key


def test_a_byte_order_mark_that_begins_a_later_row_belongs_to_its_cell(manifest):
    content = "key,bucket\n" + "\ufeffk,bkt\n" * 100
    rows = read(manifest, content.encode(), block_bytes=64, token="T.T")
    assert {row.key for row in rows} == {"\ufeffk"}


def test_a_byte_that_is_not_utf8_may_stand_at_any_place_in_a_block(manifest):
    for pad in range(40):
        content = b"bucket,key\nbkt,a\nbkt," + b"p" * pad + b"\xc3\nbkt,b\nbkt,c\n" + b"bkt,d\n" * 9
        rows = read(manifest, content, block_bytes=48, token="T.T")
        assert [type(row) for row in rows] == [ManifestRow, InvalidRow] + [ManifestRow] * 11
        assert rows[1].cells == ("bkt", "p" * pad + "\udcc3")
        assert rows[2].key == "b"


def test_a_manifest_may_have_thousands_of_columns(manifest):
    names = ["bucket", "key", *(f"c{i}" for i in range(2000))]
    content = ",".join(names) + "\nbkt,k" + ",007" * 2000 + "\n"
    (row,) = read(manifest, content.encode())
    assert row.cells == ("007",) * 2000


def test_a_load_can_be_taken_up_at_any_row(manifest):
    lines = [f"bkt,key{i}" if i % 5 else "ragged" for i in range(1, 61)]
    content = "\n".join(["bucket,key", *lines]).encode()
    whole = read(manifest, content, block_bytes=80, token="TOKEN")
    reader = CsvManifest(manifest, block_bytes=80, token="TOKEN")
    for first in (0, 1, 2, 5, 6, 30, 59, 60, 61, 1000):
        batches = list(reader.batches(first))
        assert all(batches)
        assert list(itertools.chain(*batches)) == [row for row in whole if row.row >= first]


def test_batches_are_bounded_by_the_block(manifest):
    manifest.write_text("bucket,key\n" + "bkt,0123456789\n" * 20_000)
    sizes = [len(batch) for batch in CsvManifest(manifest, block_bytes=4096).batches()]
    assert sum(sizes) == 20_000
    assert max(sizes) <= 4096 // len("bkt,0123456789\n") + 1


def test_misfits_do_not_pile_up_when_every_row_is_one(manifest):
    manifest.write_text("bucket,key\n" + "a,b,c\n" * 20_000)
    sizes = [len(batch) for batch in CsvManifest(manifest, block_bytes=4096).batches()]
    assert sum(sizes) == 20_000
    assert max(sizes) <= 3 * 4096 // len("a,b,c\n")


def test_a_reading_that_is_given_up_leaves_no_open_file(manifest):
    manifest.write_text("bucket,key\n" + "bkt,0123456789\n" * 20_000)
    for _ in range(50):
        batches = CsvManifest(manifest, block_bytes=4096).batches()
        next(batches)
        batches.close()
    gc.collect()  # A file left open would warn, and warnings are errors.


def test_a_file_that_goes_bad_midway_names_the_row(manifest, monkeypatch):
    manifest.write_text("bucket,key\n" + "bkt,0123456789\n" * 50_000)
    reader = CsvManifest(manifest, block_bytes=4096)

    content = manifest.read_bytes()

    class Failing(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > 500_000:
                raise OSError(5, "Input/output error")
            return super().read(size)

    monkeypatch.setattr(type(manifest), "open", lambda *_: Failing(content))
    seen = []
    with pytest.raises(UsageError) as caught:
        seen.extend(itertools.chain.from_iterable(reader.batches()))
    assert f"from row {len(seen) + 1:,} on: Input/output error" in caught.value.message
    assert len(seen) > 500_000 // len("bkt,0123456789\n") - 4096


def test_a_program_that_ends_in_the_middle_of_a_manifest_ends_with_its_code(manifest):
    # An Arrow thread that still holds a Python object at the end would abort the process.
    manifest.write_text("bucket,kee\n" + "bkt,0123456789\n" * 20_000)
    command = [sys.executable, "-m", "migrator", "run", "--manifest", manifest, "--out", "unused"]
    environment = {**os.environ, "PIXOP_API_KEY": "unused", "PYTHONPATH": str(ROOT)}
    ends = [
        subprocess.Popen(
            command, cwd=manifest.parent, env=environment, stderr=subprocess.PIPE, text=True
        )
        for _ in range(8)
    ]
    said = [process.communicate(timeout=120)[1] for process in ends]
    assert [process.returncode for process in ends] == [2] * 8
    assert all("kee" in text for text in said)


any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
key_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(st.tuples(key_text, any_text), min_size=1, max_size=30),
    line_end=st.sampled_from(["\n", "\r\n"]),
    block_bytes=st.sampled_from([200, 256, 1000, 2**20]),
)
def test_whatever_is_written_as_csv_comes_back(tmp_path, rows, line_end, block_bytes):
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator=line_end)
    writer.writerow(["bucket", "key", "note"])
    writer.writerows(("bkt", key, note) for key, note in rows)
    content = text.getvalue().encode()
    read_back = read(tmp_path / "m.csv", content, block_bytes=block_bytes, token="TOKEN")
    assert read_back == [
        ManifestRow(number, "bkt", key, None, (note,))
        for number, (key, note) in enumerate(rows, start=1)
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cells=st.lists(st.binary(max_size=12), min_size=1, max_size=20))
def test_any_bytes_at_all_come_back_from_a_quoted_cell(tmp_path, cells):
    lines = [b'bkt,k,"' + cell.replace(b'"', b'""') + b'"\n' for cell in cells]
    rows = read(tmp_path / "m.csv", b"bucket,key,note\n" + b"".join(lines), token="TOKEN")
    notes = [row.cells[0 if isinstance(row, ManifestRow) else 2] for row in rows]
    assert [note.encode("utf-8", "surrogateescape") for note in notes] == cells


def test_a_bucket_that_no_s3_ever_had_makes_its_row_invalid(manifest):
    manifest.write_text("bucket,key\nmy bucket,a\ngood-bucket,b\n")
    first, second = next(open_manifest(manifest).batches())
    assert isinstance(first, InvalidRow)
    assert first.column == "bucket"
    assert isinstance(second, ManifestRow)
