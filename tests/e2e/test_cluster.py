"""`--cluster`: the same rows by the workers of a Dask cluster, real processes, real S3."""

import json
import sqlite3
from contextlib import closing

import pyarrow.parquet as pq
import pytest
from told import assert_told

from migrator.sandbox.catalogue import make_catalogue
from tests.benchmarks.children import server

# So many folders that they are not listed while the work is cut.
KEYS = (
    "a+b c/ü%2F#?.mp4", 'a,"b".MOV', "deep/er/c.mov", "deep/d.txt", "line break .mov", "z.mov",
    *(f"tapes/{tape:02}/{side}.mov" for tape in range(70) for side in "AB"),
)  # fmt: skip

LOCAL = ("--cluster", "local:2")


@pytest.fixture
def bucket(world):
    name = world.bucket()
    for number, key in enumerate(KEYS):
        world.sandbox.put(name, key, b"x" * (number + 1))
    return name


def test_a_cluster_lists_what_one_process_lists(world, bucket):
    other = world.objects(3)[0][0]
    alone, together = world.directory / "alone.parquet", world.directory / "together.parquet"
    words = ("list", f"s3://{bucket}", f"s3://{other}/", "-q", "--exclude", "*.txt", "-o")

    expected = world.call(*words, alone)
    result = world.call(*words, together, *LOCAL)

    assert expected.code == result.code == 0, expected.said + result.said
    assert result.out == expected.out.replace("alone", "together")
    assert "148 objects" in result.out
    assert "filters leave out 1 further objects" in result.out
    assert result.err == ""
    assert pq.read_table(together).equals(pq.read_table(alone))
    assert not list(world.directory.glob("*.parts")), "the parts are of no use any more"


def test_a_listing_that_was_interrupted_goes_on_from_the_parts_that_are_there(world, until):
    alone, together = world.directory / "alone.parquet", world.directory / "together.parquet"
    with server("tests.benchmarks.s3_stub", "--keys", 20_000, "--delay-ms", 20) as stub:
        env = {"AWS_ENDPOINT_URL_S3": stub.said}
        words = ("list", "s3://spread", "-q", "-o")
        assert world.call(*words, alone, env=env).code == 0
        child = world.start(*words, together, *LOCAL, env=env)
        parts = world.directory / "together.parquet.parts"
        until(lambda: len(list(parts.glob("*.parquet"))) >= 10, "some parts are there")
        child.kill()
        left = {part.name: part.stat().st_mtime_ns for part in parts.glob("*.parquet")}
        assert not together.exists()
        child = world.start(*words, together, *LOCAL, env=env)
        until(lambda: len(list(parts.glob("*.parquet"))) > len(left), "further parts are made")
        again = {part.name: part.stat().st_mtime_ns for part in parts.glob("*.parquet")}
        result = child.wait()

    assert result.code == 0, result.said
    assert left.items() <= again.items(), "no part was made again"
    assert pq.read_table(together).equals(pq.read_table(alone))
    assert not parts.exists()


REFUSED = {
    "no cluster's name": (["--cluster", "four"], ["--cluster", "four"]),
    "no workers": (["--cluster", "local:0"], ["--cluster", "local:0"]),
    "a port that is none": (["--cluster", "tcp://h:99999"], ["tcp://h:99999"]),
    "parts of no cluster": (["--cluster-parts", "parts"], ["--cluster-parts", "no cluster"]),
    "parts in no bucket": (["--cluster", "local:1", "--cluster-parts", "s3://x"], ["s3://x"]),
    "nothing configured": (["--cluster", "configured"], ["names no scheduler"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_names_no_cluster_is_told(world, bucket, case):
    words, told = REFUSED[case]
    result = world.call("list", f"s3://{bucket}", "-o", "x.csv", *words)
    assert_told(result, 2, *told)


def test_a_scheduler_that_is_not_there_is_told_in_one_line(world, bucket):
    result = world.call("list", f"s3://{bucket}", "-o", "x.csv", "--cluster", "tcp://127.0.0.1:9")
    assert_told(result, 1, "tcp://127.0.0.1:9", "no scheduler answers")


def test_without_dask_one_line_says_what_to_install(world, bucket):
    blocked = world.directory / "blocked"
    blocked.mkdir()
    (blocked / "dask.py").write_text("raise ModuleNotFoundError('no dask', name='dask')\n")
    env = {"PYTHONPATH": str(blocked)}
    result = world.call("list", f"s3://{bucket}", "-o", "x.csv", *LOCAL, env=env)
    assert_told(result, 2, "needs Dask")
    assert "migrator[cluster]" in result.err


def test_a_bucket_that_cannot_be_listed_is_told_as_by_one_process(world):
    result = world.call("list", "s3://no-such-bucket", "-o", "x.csv", *LOCAL)
    assert_told(result, 2, "NoSuchBucket", "s3://no-such-bucket/")


# ------------------------------------------------------------------- migrations


def rows_of(batch):
    """All that the checkpoint holds of each row but for times and what the platform has named."""
    columns = (
        "o.row, o.source_id, o.bucket, o.key, o.version_id, o.state, o.reason, o.decided_by, "
        "o.size_bytes, o.etag, o.last_modified_ms, o.error_code, o.http_status, o.message"
    )
    uri = f"file:{batch.directory / 'checkpoint.db'}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as database:
        return database.execute(f"SELECT {columns} FROM object AS o ORDER BY o.row").fetchall()


@pytest.fixture
def catalogue(world):
    """Rows with every trouble that a preflight may find, enough of them for a task."""
    good = world.objects(60)
    bucket = good[0][0]
    world.sandbox.put(bucket, "empty.mp4", b"")
    world.sandbox.put(bucket, "folder/", b"")
    rows = [*good, (bucket, "empty.mp4"), *((bucket, f"gone-{n}.mp4") for n in range(5))]
    rows += [(f"no-such-bucket-{bucket}", f"{n}.mp4") for n in range(4)]
    return world.manifest([*rows, good[3], ("Not A Bucket!", "x")])


@pytest.mark.parametrize("workers", [1, 3])
def test_a_migration_with_a_cluster_ends_as_one_without(world, catalogue, workers):
    words = ("--manifest", catalogue, "--assume-empty", "--namespace")
    alone = world.migrate(*words, "alone", out="alone", code=3)
    cluster = ("--cluster", f"local:{workers}")
    together = world.migrate(*words, "together", *cluster, out="together", code=3)
    assert rows_of(together) == rows_of(alone)


def test_the_demo_s_catalogue_ends_with_a_cluster_as_without(world, tmp_path):
    built = make_catalogue(tmp_path, world.sandbox.directory / "buckets", 60)
    words = ("--manifest", built.manifest, "--config", built.config, "--namespace")
    env = dict(built.environment)
    alone = world.migrate(*words, "alone", out="alone", code=3, env=env)
    cluster = ("--cluster", "local:4")
    together = world.migrate(*words, "together", *cluster, out="together", code=3, env=env)
    assert rows_of(together) == rows_of(alone)
    must = {row: (line.kind.outcome, line.kind.reason) for row, line in enumerate(built.rows, 1)}
    assert together.verdicts == must


def test_prefixes_come_into_a_batch_as_by_one_process(world, bucket):
    words = ("--prefix", f"s3://{bucket}/tapes/", "--prefix", f"s3://{bucket}/deep/",
             "--exclude", "*.txt", "--assume-empty", "--namespace")  # fmt: skip
    alone = world.migrate(*words, "alone", out="alone")
    together = world.migrate(*words, "together", *LOCAL, out="together")
    assert rows_of(together) == rows_of(alone)
    assert len(rows_of(alone)) == 141
    assert alone.summary["listing_filtered"] == together.summary["listing_filtered"] == 1
    assert not (together.directory / "parts").exists()


def test_a_plan_by_a_cluster_foresees_what_a_run_then_finds(world, catalogue):
    plans = []
    for words in ((), LOCAL):
        result = world.call("plan", "--manifest", catalogue, "--json", "-q", *words)
        assert result.code == 0, result.said
        plans.append(json.loads(result.out))
    alone, together = plans
    for what in ("rows", "outcomes", "objects", "reasons", "buckets", "sizes", "preflight"):
        assert together[what] == alone[what], what
    assert together["preflight"]["headed_now"] > 60


def test_a_verification_by_a_cluster_finds_the_same_drift(world, catalogue):
    batch = world.migrate("--manifest", catalogue, "--assume-empty", code=3)
    gone = batch.lines[7]
    (world.sandbox.directory / "buckets" / gone["Bucket"] / gone["Key"]).unlink()
    found = []
    for words in ((), LOCAL):
        result = world.call("verify", batch.directory, "--json", "-q", *words)
        assert result.code == 3, result.said
        told = json.loads(result.out)
        found.append((told["drift"], told["rows"], told["videos"],
                      (batch.directory / "verify.csv").read_bytes()))  # fmt: skip
    assert found[1] == found[0]
    assert found[0][0]["source_gone"] == 1
    assert not (batch.directory / "parts").exists()


def test_a_verification_without_the_source_needs_no_cluster(world, catalogue):
    batch = world.migrate("--manifest", catalogue, "--assume-empty", code=3)
    result = world.call("verify", batch.directory, "--no-source", *LOCAL)
    assert_told(result, 2, "--cluster", "--no-source")


def test_a_plan_that_keeps_nothing_names_no_place_for_parts_elsewhere(world, catalogue):
    result = world.call("plan", "--manifest", catalogue, "--cluster", "tcp://127.0.0.1:9")
    assert_told(result, 2, "--cluster", "place")


def test_versions_under_a_prefix_are_not_for_a_cluster(world, bucket):
    result = world.call("plan", "--prefix", f"s3://{bucket}/", "--all-versions", "--via", "https",
                        "--out", "out", *LOCAL)  # fmt: skip
    assert_told(result, 2, "--cluster", "--all-versions")


def test_parts_may_lie_in_s3(world, bucket, catalogue):
    """The keys of the sandbox may write; what is removed there are parts of ours alone."""
    scratch = world.bucket("scratch")
    world.sandbox.put(scratch, "parts/somebody-elses.parquet", b"x")
    place = ("--cluster-parts", f"s3://{scratch}/parts")
    alone, together = world.directory / "alone.parquet", world.directory / "together.parquet"
    assert world.call("list", f"s3://{bucket}", "-o", alone).code == 0

    result = world.call("list", f"s3://{bucket}", "-o", together, *LOCAL, *place)
    planned = world.call("plan", "--manifest", catalogue, "--json", "-q", *LOCAL, *place)

    assert result.code == planned.code == 0, result.said + planned.said
    assert pq.read_table(together).equals(pq.read_table(alone))
    assert json.loads(planned.out)["preflight"]["headed_now"] > 60
    assert not list(world.directory.glob("*.parts"))
    left = [path.name for path in (world.sandbox.directory / "buckets" / scratch).rglob("*.*")]
    assert left == ["somebody-elses.parquet"]


def test_a_place_for_parts_that_cannot_be_listed_is_told(world, bucket):
    result = world.call("list", f"s3://{bucket}", "-o", "x.csv", *LOCAL,
                        "--cluster-parts", "s3://no-such-bucket/parts")  # fmt: skip
    assert_told(result, 2, "--cluster-parts", "NoSuchBucket")
