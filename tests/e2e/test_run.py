"""The main job: a catalogue with every kind of row goes in, and every row comes out once."""

import csv
import hashlib
import io
import json
import re
import shutil
from collections import Counter
from dataclasses import dataclass
from html.parser import HTMLParser

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

GB = 10**9

LONG_KEY = "/".join(["ü" * 60] * 8 + ["l" * 52]) + ".mp4"
"""1,024 bytes of UTF-8 in folders that a file system can hold."""

KEYS = [
    "00123",
    "NA",
    "null",
    "true",
    "2020-01-01",
    "1e5",
    " leading space.mp4",
    "trailing space ",
    "two  spaces.mp4",
    "a+b.mp4",
    "100%.mp4",
    "%2F%20.mp4",
    "#1?.mp4",
    "\u00fc.mp4",
    "u\u0308.mp4",
    "日本語/映像 🎬.mp4",
    'comma, and "quotes".mp4',
    "it's; here.mp4",
    "back\\slash.mp4",
    "\u200bzero width\u00a0blank.mp4",
    "=1+1.mp4",
    "@at.mp4",
    "-dash.mp4",
    "<b onclick=alert(1)>&amp;.mp4",
    "a/very/nested/film.mov",
    LONG_KEY,
]

OURS = [
    *("Bucket", "Key", "VersionId", "TaskStatus", "ErrorCode", "HTTPStatusCode", "ResultMessage"),
    *("Outcome", "Reason", "VideoId", "SizeBytes", "Row"),
]

HEADER = ("bucket", "key", "version_id", "name", "project_id", "file_name", "asset id", "Notiz ü")

IMPORTED = ("imported", "copied")
INVALID = ("rejected", "invalid_row")


@dataclass
class Catalogue:
    """Rows, what must become of each, and what the platform must have been asked to make."""

    rows: list
    expected: list
    wanted: list
    config: object
    env: dict

    @property
    def tabular(self):
        """(rows, expected) without the lines that only CSV can hold."""
        pairs = zip(self.rows, self.expected, strict=True)
        return zip(*[(row, end) for row, end in pairs if not isinstance(row, bytes)], strict=True)


@pytest.fixture(scope="module")
def shared(make_world, sandbox):
    """A place to work for the tests that look at one and the same batch."""
    with make_world(sandbox) as made:
        yield made


@pytest.fixture(scope="module")
def catalogue(shared):
    """Every kind of row, good and bad ones mixed."""
    world = shared
    assert len(LONG_KEY.encode()) == 1024
    one, two, locked = (world.bucket(name) for name in ("one", "two", "locked"))
    absent = world.bucket("absent")
    put = world.sandbox.put
    rows, expected, wanted = [], [], []

    def add(bucket, key, end, *, version="", name="", project="", file_name=""):
        number = len(rows) + 1
        rows.append((bucket, key, version, name, project, file_name, f"{number:04}", "Größe, ja"))
        expected.append(end)
        if end == IMPORTED:
            wanted.append((bucket, key))

    def line(raw):
        rows.append(raw)
        expected.append(INVALID)

    for number, key in enumerate(KEYS):
        put(one, key, b"one" + bytes([number]))
        put(two, key, b"two" * number + b".")
        put(locked, f"{number}.mp4", b"nobody will read this")
        add(one, key, IMPORTED)
    add(one, "no such object.mp4", ("missing", "object_not_found"))
    add(absent, "a.mp4", ("missing", "bucket_not_found"))
    add(absent, "b.mp4", ("missing", "bucket_not_found"))
    put(one, "empty.mp4", b"")
    add(one, "empty.mp4", ("rejected", "empty_object"))
    put(one, "501 GB.mxf", 501 * GB)
    add(one, "501 GB.mxf", ("rejected", "too_large"))
    put(two, "600 GB.mxf", 600 * GB)
    add(two, "600 GB.mxf", ("rejected", "too_large"))
    add(one, KEYS[0], ("skipped", "duplicate_row"))
    add("", "no bucket.mp4", INVALID)
    add("ab", "short bucket.mp4", INVALID)
    add("b" * 64, "long bucket.mp4", INVALID)
    add(one, "", INVALID)
    add(one, "k" * 1025, INVALID)
    add(one, "long name.mp4", INVALID, name="n" * 256)
    add(one, "project.mp4", INVALID, project="not-a-uuid")
    add(one, "file name.mp4", INVALID, file_name="no spaces.mp4")
    line(f"{one},ragged.mp4\r\n".encode())
    line(f"{one},too,many,cells,in,this,row,of,the,file\r\n".encode())
    line(b"%s,not utf-8 \xff\xfe.mp4,,,,,1,2\r\n" % one.encode())
    put(one, "version.mp4", b"of which there is no version v1")
    add(one, "version.mp4", ("rejected", "version_not_current"), version="v1")
    for number in range(5):
        add(locked, f"{number}.mp4", ("rejected", "bad_credentials"))
    for key in KEYS:
        add(two, key, IMPORTED, name="A name for people", file_name="given.mp4")

    config = world.directory / "keys.toml"
    config.write_text(
        f'[buckets."{locked}"]\n'
        'access_key_id_env = "LOCKED_ID"\nsecret_access_key_env = "LOCKED_SECRET"\n'
    )
    env = {"LOCKED_ID": "AKIAIOSFODNN7EXAMPLE", "LOCKED_SECRET": "a-secret-that-opens-nothing"}
    return Catalogue(rows, expected, wanted, config, env)


@pytest.fixture(scope="module")
def migrated(shared, catalogue):
    """The whole catalogue, migrated from CSV: it ends with problems, and says so by its code."""
    manifest = shared.manifest(catalogue.rows, HEADER)
    return shared.migrate("--manifest", manifest, "--config", catalogue.config, code=3,
                         env=catalogue.env)  # fmt: skip


def test_every_kind_of_row_ends_as_it_should_and_the_platform_was_asked_for_no_more(
    shared, catalogue, migrated
):
    world = shared
    batch, lines, summary = migrated, migrated.lines, migrated.summary

    batch.assert_balanced()
    ends = [(line["Outcome"], line["Reason"]) for line in lines]
    assert ends == catalogue.expected

    # The platform made exactly what was wanted, once, with keys exact to the byte.
    creates = world.sandbox.creates(batch=batch.id)
    made = [(one["bucket"], one["objectKey"]) for one in creates]
    assert sorted(made) == sorted(catalogue.wanted)
    assert {key.encode() for _, key in made} >= {"ü.mp4".encode(), "u\u0308.mp4".encode()}
    by_object = {(one["bucket"], one["objectKey"]): one["videoId"] for one in creates}
    parquet = pq.read_table(batch.directory / "objects.parquet").to_pylist()
    imported = [row for row in parquet if row["Outcome"] == "imported"]
    assert {(row["Bucket"], row["Key"]): row["VideoId"] for row in imported} == by_object

    # summary.json: the numbers again, by other ways.
    assert summary["schema"] == "migrator.summary/1"
    assert summary["outcomes"] == {
        "imported": 2 * len(KEYS), "rejected": 20, "missing": 3, "failed": 0, "skipped": 1,
        "unfinished": 0,
    }  # fmt: skip
    assert summary["reasons"] == dict(Counter(reason for _, reason in catalogue.expected))
    assert summary["complete"]
    assert summary["finished_at"] >= summary["started_at"]
    assert (summary["adopted"], summary["duplicates"]) == (0, 0)
    manifest = world.directory / "catalogue.csv"
    assert summary["manifest"] == {
        "source": str(manifest),
        "rows": len(catalogue.rows),
        "sha256": hashlib.sha256(manifest.read_bytes()).hexdigest(),
    }
    sizes = [3 + 1 for _ in KEYS] + [3 * number + 1 for number in range(len(KEYS))]
    assert summary["bytes"]["imported"] == sum(sizes)
    assert summary["bytes"]["rejected"] >= 1101 * GB
    assert summary["api"]["throttled"] == 0
    assert summary["api"]["announced_per_minute"] == 60000
    digests = summary["report_files"]
    assert set(digests) == {"objects.csv", "objects.parquet", "retry.csv", "report.html"}
    for name, digest in digests.items():
        assert hashlib.sha256((batch.directory / name).read_bytes()).hexdigest() == digest

    # A row that is refused says why, in whose words, and where.
    by_key = {line["Key"].lstrip("'"): line for line in lines if line["Key"]}
    assert by_key["501 GB.mxf"]["DecidedBy"] == "platform"
    assert "500 GB" in by_key["501 GB.mxf"]["ResultMessage"]
    assert by_key["600 GB.mxf"]["DecidedBy"] == "preflight"
    assert "project_id" in by_key["project.mp4"]["ResultMessage"]
    assert "file_name" in by_key["file name.mp4"]["ResultMessage"]
    assert "name" in by_key["long name.mp4"]["ResultMessage"]
    assert sum("where the header has 8" in line["ResultMessage"] for line in lines) == 2
    assert any("UTF-8" in line["ResultMessage"] for line in lines)


def test_objects_csv_has_the_columns_of_a_completion_report_first_and_the_catalogues_own_last(
    catalogue, migrated
):
    text = (migrated.directory / "objects.csv").read_bytes().decode()
    header = next(csv.reader(io.StringIO(text, newline="")))
    assert header[: len(OURS)] == OURS
    assert header[-2:] == list(HEADER[-2:])

    statuses = {"imported": "succeeded", "rejected": "failed", "missing": "failed",
                "skipped": "skipped"}  # fmt: skip
    for line, row in zip(migrated.lines, catalogue.rows, strict=True):
        assert line["TaskStatus"] == statuses[line["Outcome"]]
        assert bool(line["VideoId"]) == (line["Outcome"] == "imported")
        if not isinstance(row, bytes):
            assert line["asset id"] == row[6]
            assert line["Notiz ü"] == row[7]
        for name in ("Bucket", "Key", "ResultMessage"):  # nothing that a spreadsheet would run
            assert not line[name].startswith(("=", "+", "-", "@", "\t", "\r"))


def test_retry_csv_is_a_manifest_of_the_rows_that_have_no_video(world, catalogue, migrated):
    retry = migrated.directory / "retry.csv"
    left = [end for end in catalogue.expected if end[0] in {"rejected", "missing"}]

    again = world.migrate("--manifest", retry, "--config", catalogue.config, out="again", code=3,
                          env=catalogue.env)  # fmt: skip
    again.assert_balanced()
    assert [again.verdicts[row] for row in sorted(again.verdicts)] == left
    assert world.sandbox.creates(batch=again.id) == []


def test_a_row_that_is_mended_is_imported_by_way_of_retry_csv(world):
    bucket, absent = world.bucket(), world.bucket("absent")
    world.sandbox.put(bucket, "good.mp4", b"content")
    rows = [(bucket, "good.mp4", "1"), (bucket, "late.mp4", "2"), (absent, "never.mp4", "3")]
    first = world.migrate("--manifest", world.manifest(rows, ("bucket", "key", "n")), code=3)
    world.sandbox.put(bucket, "late.mp4", b"here it is")

    mended = world.migrate("--manifest", first.directory / "retry.csv", out="mended", code=3)

    assert [(line["n"], line["Reason"]) for line in mended.lines] == [
        ("2", "copied"),
        ("3", "bucket_not_found"),
    ]
    made = Counter(one["objectKey"] for one in world.sandbox.creates(bucket=bucket))
    assert made == Counter(["good.mp4", "late.mp4"])


class _Page(HTMLParser):
    """Gathers what a browser would load or run, and the text that it would show."""

    def __init__(self):
        super().__init__()
        self.references = []
        self.handlers = []
        self.tags = Counter()
        self.text = []

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        for name, value in attrs:
            if name in {"src", "href", "srcset", "action", "data", "poster", "background"}:
                self.references.append((tag, value))
            if name.startswith("on"):
                self.handlers.append((tag, name))

    def handle_data(self, data):
        self.text.append(data)


def test_the_report_page_is_one_file_that_loads_nothing_and_runs_no_key(migrated):
    source = (migrated.directory / "report.html").read_text()
    page = _Page()
    page.feed(source)

    assert [ref for _, ref in page.references if not ref.startswith(("#", "data:"))] == []
    assert page.handlers == []
    assert page.tags["link"] == page.tags["iframe"] == page.tags["b"] == 0
    assert not re.search(r"@import|url\((?!['\"]?data:)", source)
    shown = " ".join(page.text)
    for words in (
        "Imported",
        "Bad credentials",
        "Object not found",
        "The video size exceeds 500 GB",
    ):
        assert words in shown


def test_parquet_gives_the_same_outcomes_as_csv(world, catalogue, migrated):
    rows, expected = catalogue.tabular
    columns = zip(*rows, strict=True)
    types = [pa.string()] * len(HEADER)
    table = pa.table(
        [pa.array([cell or None for cell in column], kind)
         for column, kind in zip(columns, types, strict=True)],
        names=list(HEADER),
    )  # fmt: skip
    path = world.directory / "catalogue.parquet"
    pq.write_table(table, path, row_group_size=7)

    batch = world.migrate("--manifest", path, "--config", catalogue.config, "--namespace", "again",
                          out="parquet", code=3, env=catalogue.env)  # fmt: skip

    batch.assert_balanced()
    assert [batch.verdicts[row] for row in sorted(batch.verdicts)] == list(expected)
    made = [(c["bucket"], c["objectKey"]) for c in world.sandbox.creates(batch=batch.id)]
    assert sorted(made) == sorted(catalogue.wanted)
    assert [line["asset id"] for line in batch.lines] == [row[6] for row in rows]


def test_keys_that_no_file_system_can_hold_reach_the_platform_to_the_byte(make_sandbox, make_world):
    keys = ["tab\there", "line\nbreak", "cr\rhere", "crlf\r\nhere", "/leading", "a//b", "a/../b",
            "..", "./a", "folder/", "\x01\x7f", "x" * 1024, "\u202eoverride", '"', "'", ",", " ",
            "\ufeffmark", "\U0001f3ac" * 256]  # fmt: skip
    with (
        make_sandbox("--head", "off", "--copy", "off", "--requests-per-minute", "60000") as blind,
        make_world(blind) as world,
    ):
        manifest = world.manifest([("any-bucket", key) for key in keys])

        batch = world.migrate("--manifest", manifest, "--no-preflight")

        batch.assert_balanced()
        made = [one["objectKey"] for one in blind.creates(batch=batch.id)]
        assert sorted(made) == sorted(keys)
        table = pq.read_table(batch.directory / "objects.parquet").to_pylist()
        assert [row["Key"] for row in table] == keys


# -------------------------------------------------------------------- prefixes


def test_a_prefix_imports_every_object_under_it_and_no_other(world):
    bucket = world.bucket()
    for key in ("in/1.mp4", "in/deep/2.mp4", "in/ü + %.mp4", "inside.mp4", "out/3.mp4"):
        world.sandbox.put(bucket, key, b"content")

    batch = world.migrate("--prefix", f"s3://{bucket}/in/")

    batch.assert_balanced()
    made = {one["objectKey"] for one in world.sandbox.creates(batch=batch.id)}
    assert made == {"in/1.mp4", "in/deep/2.mp4", "in/ü + %.mp4"}
    assert {line["Key"] for line in batch.lines} == made


def test_filters_leave_out_rows_of_a_manifest_by_name_and_count_what_a_prefix_has(world):
    bucket = world.bucket()
    for key in ("a.MOV", "b.txt", "proxy/c.mov", "proxy/keep-d.mov"):
        world.sandbox.put(bucket, key, b"content")
    flags = ("--exclude", "proxy/*", "--include", "*/keep-*", "--suffix", ".mov")

    listed = world.migrate("--prefix", f"s3://{bucket}", *flags)
    rows = [(bucket, key) for key in ("a.MOV", "b.txt", "proxy/c.mov")]
    named = world.migrate("--manifest", world.manifest(rows), *flags, out="named")

    listed.assert_balanced()
    assert {line["Key"] for line in listed.lines} == {"a.MOV", "proxy/keep-d.mov"}
    assert listed.summary["listing_filtered"] == 2
    named.assert_balanced()
    assert [line["Reason"] for line in named.lines] == ["copied", "filtered", "filtered"]
    assert "--exclude proxy/*" in named.lines[2]["ResultMessage"]
    assert named.summary["listing_filtered"] == 0


def test_two_prefixes_and_a_manifest_that_overlap_import_each_object_once(world):
    one, two = world.bucket("one"), world.bucket("two")
    for key in ("a/1.mp4", "a/2.mp4", "b/3.mp4"):
        world.sandbox.put(one, key, b"content")
        world.sandbox.put(two, key, b"content")
    manifest = world.manifest([(one, "a/1.mp4", "own"), (two, "b/3.mp4", "own")],
                              ("bucket", "key", "note"))  # fmt: skip

    batch = world.migrate("--manifest", manifest, "--prefix", f"s3://{one}/a/",
                          "--prefix", f"s3://{two}")  # fmt: skip

    batch.assert_balanced()
    ends = [(line["Bucket"], line["Key"], line["Reason"]) for line in batch.lines]
    assert ends == [
        (one, "a/1.mp4", "copied"),
        (two, "b/3.mp4", "copied"),
        (one, "a/1.mp4", "duplicate_row"),
        (one, "a/2.mp4", "copied"),
        (two, "a/1.mp4", "copied"),
        (two, "a/2.mp4", "copied"),
        (two, "b/3.mp4", "duplicate_row"),
    ]
    assert [line["note"] for line in batch.lines] == ["own", "own", "", "", "", "", ""]
    made = [(c["bucket"], c["objectKey"]) for c in world.sandbox.creates(batch=batch.id)]
    assert len(made) == len(set(made)) == 5


# -------------------------------------------------------------------- preflight


def test_without_preflight_the_platform_says_the_same(world):
    bucket, absent = world.bucket(), world.bucket("absent")
    world.sandbox.put(bucket, "good.mp4", b"content")
    world.sandbox.put(bucket, "600 GB.mxf", 600 * GB)
    rows = [(bucket, "good.mp4"), (bucket, "gone.mp4"), (absent, "x.mp4"), (bucket, "600 GB.mxf")]

    batch = world.migrate("--manifest", world.manifest(rows), "--no-preflight", code=3)

    batch.assert_balanced()
    assert list(batch.verdicts.values()) == [
        IMPORTED,
        ("missing", "object_not_found"),
        ("missing", "bucket_not_found"),
        ("rejected", "too_large"),
    ]
    assert {line["DecidedBy"] for line in batch.lines} == {"platform"}


def test_a_bucket_that_refuses_the_keys_costs_no_call_of_the_platform_per_row(world):
    bucket = world.bucket("locked")
    rows = [(bucket, f"{number}.mp4") for number in range(300)]
    world.sandbox.put(bucket, "0.mp4", b"content")
    before = Counter(world.sandbox.calls())

    batch = world.migrate("--manifest", world.manifest(rows), code=3,
                          env={"PIXOP_SOURCE_SECRET_ACCESS_KEY": "not-the-secret"})  # fmt: skip

    spent = Counter(world.sandbox.calls()) - before
    assert set(batch.verdicts.values()) == {("rejected", "bad_credentials")}
    assert world.sandbox.creates(bucket=bucket) == []
    assert spent["POST /v1/videos/in/s3"] == 0
    assert batch.summary["api"]["calls"] == spent.total()
    pages = -(-len(world.sandbox.creates()) // 100)
    assert spent.total() <= 2 + pages  # who we are, and the first sweep


# -------------------------------------------------------------------- again


@pytest.fixture(scope="module")
def finished(shared):
    """A small batch that is finished, with a problem: (batch, its manifest, its rows)."""
    rows = [*shared.objects(3), (shared.bucket("absent"), "x.mp4")]
    manifest = shared.manifest(rows, name="small.csv")
    batch = shared.migrate("--manifest", manifest, out="small", code=3)
    return batch, manifest, rows


def test_a_finished_batch_says_so_with_the_same_code_and_calls_nobody(world, finished):
    batch, manifest, _ = finished
    reports, calls = batch.files(), world.sandbox.calls()

    again = world.call("run", "--manifest", manifest, "--out", batch.directory)
    resumed = world.call("resume", batch.directory)

    assert (again.code, resumed.code) == (3, 3)
    for result in (again, resumed):
        assert "finished" in result.out
        assert "nothing was sent" in result.out
    assert world.sandbox.calls() == calls
    for name in ("objects.csv", "objects.parquet", "retry.csv"):
        assert batch.files()[name] == reports[name]
    assert batch.summary["api"] == json.loads(reports["summary.json"])["api"]


@pytest.mark.parametrize("lost", ["the directory is gone", "another directory is named"])
def test_a_lost_checkpoint_imports_nothing_twice(world, lost):
    rows = world.objects(12)
    manifest = world.manifest(rows)
    first = world.migrate("--manifest", manifest)
    creates = world.sandbox.creates()
    videos = {line["Key"]: line["VideoId"] for line in first.lines}
    if lost == "the directory is gone":
        shutil.rmtree(first.directory)

    second = world.migrate("--manifest", manifest, out="out" if "gone" in lost else "typo")

    second.assert_balanced()
    assert world.sandbox.creates() == creates
    assert second.summary["adopted"] == len(rows)
    assert second.summary["api"]["by_operation"]["submit"] == 0
    assert {line["Key"]: line["VideoId"] for line in second.lines} == videos
    assert {line["Adopted"] for line in second.lines} == {"true"}


def test_another_namespace_imports_the_same_objects_once_more(world):
    rows = world.objects(3)
    manifest = world.manifest(rows)
    world.migrate("--manifest", manifest, out="first")

    world.migrate("--manifest", manifest, "--namespace", "2", out="second")

    made = Counter(one["objectKey"] for one in world.sandbox.creates(bucket=rows[0][0]))
    assert set(made.values()) == {2}


def test_a_manifest_that_has_changed_is_refused_and_the_batch_left_alone(world, finished):
    batch, manifest, _ = finished
    reports, calls, original = batch.files(), world.sandbox.calls(), manifest.read_bytes()
    manifest.write_bytes(original + b"some-bucket,one more.mp4\r\n")

    try:
        result = world.call("run", "--manifest", manifest, "--out", batch.directory)
    finally:
        manifest.write_bytes(original)

    assert result.code == 5
    assert str(manifest) in result.err
    assert "changed" in result.err
    assert "next:" in result.err
    assert world.sandbox.calls() == calls
    assert batch.files() == reports


@pytest.mark.parametrize(
    "flags",
    [["--namespace", "x"], ["--tag-in", "none"], ["--api-url", "http://127.0.0.1:1/api"]],
    ids=lambda flags: flags[0],
)
def test_a_batch_stays_with_the_platform_namespace_and_tag_that_it_was_begun_with(
    world, finished, flags
):
    batch, manifest, _ = finished
    reports = batch.files()

    result = world.call("run", "--manifest", manifest, "--out", batch.directory, *flags)

    assert result.code == 5
    assert "was begun with" in result.err
    assert "next:" in result.err
    assert batch.files() == reports


def test_report_writes_the_same_bytes_again(world, migrated):
    copy = world.batch("copy")
    shutil.copytree(migrated.directory, copy.directory)
    for name in copy.FILES:
        (copy.directory / name).unlink()

    result = world.call("report", copy.directory)

    assert result.code == 0
    assert copy.files() == migrated.files()


def test_a_report_in_an_archive_is_checked_by_its_digests(world, migrated):
    archive = world.directory / "archive"
    archive.mkdir()
    for name in migrated.FILES:
        shutil.copy(migrated.directory / name, archive)
    result = world.call("report", archive, "--check")
    assert result.code == 0
    assert [line.split()[:2] for line in result.out.splitlines()] == [
        ["same", name] for name in ("objects.parquet", "objects.csv", "retry.csv", "report.html")
    ]
    with (archive / "objects.csv").open("ab") as file:
        file.write(b"one row more\n")
    result = world.call("report", archive, "--check")
    assert result.code == 6
    assert "differs             objects.csv" in result.out
    assert "objects.csv" in result.err
    assert "next:" in result.err
    assert world.call("report", archive).code == 2  # there is no checkpoint to write it from
    assert world.call("report", world.directory, "--check").code == 2


def test_the_tables_hold_what_the_scope_says_and_next_week_leaves_out_what_is_imported(world):
    rows = [*world.objects(3), (world.bucket("absent"), "x.mp4")]
    first = world.migrate("--manifest", world.manifest(rows), "--report-scope", "FailedTasksOnly",
                          code=3)  # fmt: skip
    assert [line["Key"] for line in first.lines] == ["x.mp4"]
    assert first.summary["report_scope"] == "FailedTasksOnly"
    assert first.summary["outcomes"]["imported"] == 3
    world.sandbox.put(rows[0][0], "new.mp4", b"it came on Monday")

    calls = Counter(world.sandbox.calls())
    week = world.migrate("--prefix", f"s3://{rows[0][0]}", "--skip-imported", "out", out="week")

    week.assert_balanced()
    assert week.summary["reasons"] == {"already_imported": 3, "copied": 1}
    assert (Counter(world.sandbox.calls()) - calls)["POST /v1/videos/in/s3"] == 1
    batch = first.summary["batch"]
    assert all(
        f"imported by batch {batch} as video" in line["ResultMessage"]
        for line in week.lines
        if line["Outcome"] == "skipped"
    )
    refused = world.call("run", "--prefix", f"s3://{rows[0][0]}", "--namespace", "2",
                         "--skip-imported", "out", "--out", "other")  # fmt: skip
    assert refused.code == 2
    assert "namespace" in refused.err
    itself = world.call("run", "--prefix", f"s3://{rows[0][0]}", "--skip-imported", "week",
                        "--out", "week")  # fmt: skip
    assert itself.code == 2


def test_status_tells_how_a_batch_stands(world, finished):
    batch, _, rows = finished

    told = json.loads(world.call("status", batch.directory, "--json").out)
    line = world.call("status", batch.directory)

    assert told["schema"] == "migrator.status/1"
    assert told["batch"] == batch.id
    assert (told["rows"], told["done"]) == (len(rows), len(rows))
    assert (told["outcomes"]["imported"], told["outcomes"]["missing"]) == (3, 1)
    assert told["calls"] == batch.summary["api"]["calls"]
    assert line.code == 0
    assert "4/4" in line.out


@pytest.mark.parametrize("verb", ["resume", "report", "status"])
def test_a_verb_on_a_directory_without_a_batch_is_a_usage_error(world, verb):
    (world.directory / "empty").mkdir()
    for directory in ("empty", "no such directory"):
        result = world.call(verb, world.directory / directory)
        assert result.code == 2
        assert directory in result.err
        assert "next:" in result.err
        assert "Traceback" not in result.err
    assert list((world.directory / "empty").iterdir()) == []


def test_status_shows_where_a_resumed_run_goes_on(world, until):
    rows = world.objects(30)
    manifest = world.manifest(rows)
    out = world.directory / "out"
    child = world.start("run", "--manifest", manifest, "--out", out,
                        "--requests-per-minute", "1200")  # fmt: skip
    until(lambda: world.batch().status.get("by_operation", {}).get("submit", 0) >= 3, "under way")
    child.kill()

    resumed = world.call("resume", out)

    assert resumed.code == 0
    batch = world.batch()
    batch.assert_balanced()
    assert len(batch.summary["runs"]) == 2
    assert batch.summary["runs"][0]["ended_at"] is None
    made = Counter(one["objectKey"] for one in world.sandbox.creates(batch=batch.id))
    assert made == Counter(key for _, key in rows)
