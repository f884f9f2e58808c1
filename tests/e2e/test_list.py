"""`migrator list`, and a listing that is killed: real S3, real kills."""

import csv
import sqlite3
import urllib.request
from contextlib import closing

import pyarrow.parquet as pq
import pytest
from told import assert_told

from tests.benchmarks.children import server

KEYS = ("a+b c/ü%2F#?.mp4", 'a,"b".MOV', "deep/er/c.mov", "deep/d.txt", "line break .mov", "z.mov")


@pytest.fixture
def bucket(world):
    name = world.bucket()
    for number, key in enumerate(KEYS):
        world.sandbox.put(name, key, b"x" * (number + 1))
    return name


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_listing_is_a_manifest_of_every_key_to_the_byte(world, bucket, suffix):
    file = world.directory / f"listed.{suffix}"

    result = world.call("list", f"s3://{bucket}", "-o", file)

    assert result.code == 0, result.said
    assert result.out == f"6 objects, 21 bytes: {file}\n"
    batch = world.migrate("--manifest", file)
    batch.assert_balanced()
    made = {one["objectKey"] for one in world.sandbox.creates(batch=batch.id)}
    assert made == set(KEYS)


def test_what_a_listing_tells_of_each_object_stands_in_columns(world, bucket):
    file = world.directory / "listed.parquet"
    other = world.objects(2)[0][0]

    result = world.call("list", f"s3://{bucket}/deep", f"s3://{other}/", "-o", file,
                        "--exclude", "*.txt", "-q")  # fmt: skip

    assert result.code == 0, result.said
    assert "filters leave out 1 further objects" in result.out
    table = pq.read_table(file)
    assert table.column_names == ["bucket", "key", "size", "etag", "last_modified", "storage_class"]
    rows = table.to_pylist()
    assert [(row["bucket"], row["key"]) for row in rows] == [
        (bucket, "deep/er/c.mov"), (other, "clip-00000.mp4"), (other, "clip-00001.mp4"),
    ]  # fmt: skip
    assert rows[0]["size"] == 3
    assert rows[0]["last_modified"].year >= 2025
    assert {row["storage_class"] for row in rows} == {"STANDARD"}


def test_csv_and_parquet_tell_the_same(world, bucket):
    for suffix in ("csv", "parquet"):
        file = world.directory / f"listed.{suffix}"
        assert world.call("list", f"s3://{bucket}", "-o", file).code == 0
    with (world.directory / "listed.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    rows = pq.read_table(world.directory / "listed.parquet").to_pylist()
    assert lines == [
        {
            **row,
            "size": str(row["size"]),
            "etag": row["etag"] or "",
            "last_modified": row["last_modified"].isoformat(),
        }
        for row in rows
    ]


REFUSED = {
    "a format that is none": (["s3://{0}", "-o", "x.json"], ["x.json", "format"]),
    "no prefix": (["-o", "x.csv"], ["prefix"]),
    "a prefix that is no URL": (["{0}", "-o", "x.csv"], ["s3://bucket/prefix"]),
    "the same twice": (["s3://{0}", "s3://{0}", "-o", "x.csv"], ["given twice"]),
    "nothing there": (["s3://{0}/nothing", "-o", "x.csv"], ["no object is there"]),
    "nothing wanted": (["s3://{0}", "--suffix", ".avi", "-o", "x.csv"], ["leave out all 6"]),
    "a bucket that is not there": (["s3://no-such-bucket", "-o", "x.csv"], ["NoSuchBucket"]),
    "no output": (["s3://{0}"], ["output"]),
    "an endpoint that is none": (["s3://{0}", "-o", "x.csv", "--s3-endpoint-url", "minio"],
                                 ["--s3-endpoint-url"]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_listed_is_told_and_leaves_no_file(world, bucket, case):
    words, told = REFUSED[case]

    result = world.call("list", *(word.format(bucket) for word in words))

    assert_told(result, 2, *told)
    assert not list(world.directory.glob("*x.*"))


def test_a_directory_that_is_not_there_is_an_error_of_the_disk(world, bucket):
    result = world.call("list", f"s3://{bucket}", "-o", "nowhere/x.csv")
    assert_told(result, 1, "nowhere/x.csv", "cannot be written")


OBJECTS = 20_000


def test_a_killed_listing_goes_on_where_it_was(world, until):
    checkpoint = world.directory / "out" / "checkpoint.db"

    def rows(query="SELECT count(*) FROM object"):
        if not checkpoint.exists():
            return 0
        uri = f"file:{checkpoint}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=5)) as database:
            return database.execute(query).fetchone()[0]

    with server("tests.benchmarks.s3_stub", "--keys", OBJECTS, "--delay-ms", 100) as stub:
        env = {"AWS_ENDPOINT_URL_S3": stub.said}

        def asked():
            with urllib.request.urlopen(f"{stub.said}/_stub", timeout=10) as answer:
                return int(answer.read())

        words = ("plan", "--prefix", "s3://flat", "--out", "out")
        child = world.start(*words, env=env)
        until(lambda: rows() >= 3000, "some pages are kept")
        child.kill()
        kept, pages = rows(), asked()
        assert 3000 <= kept < OBJECTS

        result = world.call(*words, env=env)

        assert result.code == 0, result.said
        assert rows() == OBJECTS
        assert rows("SELECT count(DISTINCT key) FROM object WHERE state = 'pending'") == OBJECTS
        assert rows("SELECT count(*) FROM object o JOIN object p ON p.row = o.row + 1"
                    " WHERE p.key <= o.key") == 0  # fmt: skip
        assert asked() - pages <= (OBJECTS - kept) // 1000 + 4  # and the looks at folders
