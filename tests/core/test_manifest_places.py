"""Where a manifest's bytes are: packed files, pipes, objects in S3, and many files at once."""

import gzip
import hashlib
import io
import os
import tracemalloc
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from migrator.errors import RunFailed, UsageError
from migrator.manifest import RemoteFacts, fingerprint, open_manifest, open_named
from migrator.manifest.finding import find
from migrator.manifest.places import RemoteObject, standard_input
from migrator.model import InvalidRow, ManifestRow

CSV = b"bucket,key\nbkt,one\nbkt,two\n"


def keys_in(reader, first=1):
    return [row.key for batch in reader.batches(first) for row in batch]


class Shelf:
    """Objects of S3 in memory; what is read of them is counted."""

    def __init__(self, **contents):
        self.contents = {name.replace("__", "/"): content for name, content in contents.items()}
        self.read_bytes = 0
        self.fails = None

    def look(self, bucket, key):
        content = self.contents.get(key)
        if content is None:
            return None
        return RemoteFacts(len(content), hashlib.md5(content).hexdigest(), 1, None)

    def read(self, bucket, key, begin, length, facts):
        if self.fails:
            raise self.fails
        assert self.look(bucket, key) == facts
        self.read_bytes += length
        return self.contents[key][begin : begin + length]

    def keys(self, bucket, prefix):
        return iter(sorted(key for key in self.contents if key.startswith(prefix)))


def parquet(keys, **more):
    sink = io.BytesIO()
    table = pa.table({"bucket": ["bkt"] * len(keys), "key": keys, **more})
    pq.write_table(table, sink, row_group_size=2)
    return sink.getvalue()


@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(CSV),
        gzip.compress(CSV[:13]) + gzip.compress(CSV[13:]),
        pa.compress(CSV, codec="zstd", asbytes=True),
    ],
)
def test_a_packed_manifest_is_read_as_if_it_were_not(tmp_path, packed):
    path = tmp_path / "m"
    path.write_bytes(packed)
    reader = open_manifest(path)
    assert keys_in(reader) == ["one", "two"]
    assert keys_in(reader, 2) == ["two"]
    assert fingerprint(path) == hashlib.sha256(packed).hexdigest()


def test_a_bomb_takes_no_memory(tmp_path):
    path = tmp_path / "m.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(CSV)
        for _ in range(64):
            file.write(b"\n" * 2**20)
        file.write(b"bkt,three\n")
    tracemalloc.start()
    try:
        assert keys_in(open_manifest(path)) == ["one", "two", "three"]
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 8 * 2**20


def test_what_is_piped_in_can_be_read_again_and_again():
    spool = standard_input(io.BytesIO(CSV))
    reader = open_manifest(spool)
    first, second = reader.batches(), reader.batches(2)
    assert [row.key for row in next(second)] == ["two"]
    assert [row.key for row in next(first)] == ["one", "two"]
    assert fingerprint(spool) == hashlib.sha256(CSV).hexdigest()
    assert keys_in(open_manifest(standard_input(io.BytesIO(parquet(["a", "b", "c"])))), 2) == [
        "b",
        "c",
    ]


def test_a_terminal_or_nothing_at_all_is_no_pipe():
    terminal, other = os.openpty()
    with os.fdopen(other, "rb", buffering=0) as stream, os.fdopen(terminal):
        for nothing in (stream, None, io.BytesIO()):
            with pytest.raises(UsageError, match="nothing is piped into standard input"):
                standard_input(nothing)


def test_a_disk_without_room_for_a_pipe_is_said(monkeypatch):
    def refuse(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(RunFailed, match="no room to keep standard input"):
        standard_input(io.BytesIO(CSV))


def test_an_object_is_read_a_window_at_a_time():
    lines = b"bucket,key\n" + b"".join(b"bkt,%08d\n" % n for n in range(800_000))
    shelf = Shelf(m=lines)
    reader, _ = open_named("s3://bkt/m", "auto", shelf)
    batches = reader.batches()
    shelf.read_bytes = 0
    assert next(batches)[0].key == "00000000"
    assert shelf.read_bytes <= 4 * 2**20
    assert sum(len(rows) for rows in batches) < 800_000
    assert shelf.read_bytes == len(lines)


def test_the_fingerprint_of_an_object_is_of_what_s3_tells_and_reads_nothing():
    facts = RemoteFacts(5, "etag", 7, "v1")
    shelf = Shelf()
    one = fingerprint(RemoteObject(shelf, "bkt", "key", facts))
    others = {
        fingerprint(RemoteObject(shelf, "bkt", key, replace(facts, **change)))
        for key, change in [
            *(("key", {"size_bytes": 6}), ("key", {"etag": "x"}), ("key", {"version_id": None})),
            *(("key", {"last_modified_ms": 8}), ("yek", {})),
        ]
    }
    assert len(others - {one}) == 5


@pytest.mark.parametrize(
    "content", [CSV, gzip.compress(CSV), parquet(["one", "two"])], ids=["csv", "gzip", "parquet"]
)
def test_what_goes_wrong_while_an_object_is_read_is_told_in_the_words_of_s3(content):
    shelf = Shelf(m=content)
    reader, _ = open_named("s3://bkt/m", "auto", shelf)
    shelf.fails = RunFailed("S3 does not answer")
    with pytest.raises(RunFailed, match="S3 does not answer"):
        keys_in(reader)


def test_a_directory_is_read_for_its_parquet_files_and_no_others(tmp_path):
    (tmp_path / "day=2").mkdir()
    (tmp_path / "day=1").mkdir()
    (tmp_path / "_temporary").mkdir()
    (tmp_path / "day=1" / "b.parquet").write_bytes(parquet(["1b", "1c"]))
    (tmp_path / "day=1" / "a.PQ").write_bytes(parquet(["1a"]))
    (tmp_path / "day=2" / "a.parquet").write_bytes(parquet(["2a"]))
    for name in ("_SUCCESS", "notes.txt", ".hidden.parquet", "_temporary/x.parquet"):
        (tmp_path / name).write_bytes(b"nothing of the table")
    reader, digest = open_named(str(tmp_path), "auto")
    assert keys_in(reader) == ["1a", "1b", "1c", "2a"]
    assert keys_in(reader, 3) == ["1c", "2a"]
    assert [row.row for batch in reader.batches() for row in batch] == [1, 2, 3, 4]
    (tmp_path / "day=2" / "a.parquet").write_bytes(parquet(["2A"]))
    assert open_named(str(tmp_path), "auto")[1] != digest


def test_the_columns_of_several_files_are_those_of_all(tmp_path):
    (tmp_path / "1.parquet").write_bytes(parquet(["a", ""], name=["A", None]))
    (tmp_path / "2.parquet").write_bytes(parquet(["b", ""], size=[7, 8], name=["B", "C"]))
    reader, _ = open_named(str(tmp_path / "?.parquet"), "auto")
    assert reader.columns.header == ("bucket", "key", "name", "size")
    a, first, b, second = [row for batch in reader.batches() for row in batch]
    assert (a, b) == (
        ManifestRow(1, "bkt", "a", None, ("A", None)),
        ManifestRow(3, "bkt", "b", None, ("B", "7")),
    )
    assert isinstance(first, InvalidRow)
    assert (second.row, second.cells) == (4, ("bkt", "", "C", "8"))
    assert f"row 2 of {tmp_path}/2.parquet" in second.problem


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("t/", ["t/a.parquet", "t/x/b.parquet"]),
        ("t/*.parquet", ["t/a.parquet"]),
        ("t/**/*.parquet", ["t/a.parquet", "t/x/b.parquet"]),
        ("t/?/b.parquet", ["t/x/b.parquet"]),
        ("t/[ab].parquet", ["t/a.parquet"]),
    ],
)
def test_a_pattern_in_s3_means_what_it_means_on_disk(tmp_path, pattern, found):
    names = ["t/a.parquet", "t/x/b.parquet", "t/_c.parquet/d.parquet", "t/e.csv", "u/a.parquet"]
    names = names if pattern == "t/" else names[:2] + names[3:]
    shelf = Shelf(**dict.fromkeys(names, b"PAR1"))
    places = find(f"s3://bkt/{pattern}", shelf)
    assert [place.key for place in places] == found
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [
        str(path.relative_to(tmp_path)) for path in find(f"{tmp_path}/{pattern}", None)
    ] == found


def test_a_name_that_is_there_is_no_pattern(tmp_path):
    (tmp_path / "a[1].csv").write_bytes(CSV)
    assert keys_in(open_named(str(tmp_path / "a[1].csv"), "auto")[0]) == ["one", "two"]
    assert keys_in(open_named("s3://bkt/a*", "auto", Shelf(**{"a*": CSV}))[0]) == ["one", "two"]


@pytest.mark.parametrize("name", ["none/", "none/*", "*.parquet", "s3://bkt/none/", "s3://bkt"])
def test_nothing_there_is_said(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "none").mkdir()
    with pytest.raises(UsageError, match="no Parquet file there"):
        open_named(name, "auto", Shelf(other=CSV))


def test_several_files_are_parquet_or_nothing(tmp_path):
    (tmp_path / "a.csv").write_bytes(CSV)
    with pytest.raises(UsageError, match=r"a\.csv is not a Parquet file"):
        open_named(str(tmp_path / "*.csv"), "auto")
    with pytest.raises(UsageError, match="names several files"):
        open_named(str(tmp_path / "*.csv"), "csv")
