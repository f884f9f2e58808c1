"""`migrator retry` as its users meet it: against the real sandbox, over several runs."""

import csv
import io
import json
import urllib.request
from contextlib import contextmanager

import pytest

REASONS = {"rejected": "bad_credentials", "missing": "object_not_found", "failed": "copy_failed"}


@contextmanager
def faults(sandbox, *rules):
    """A plan of faults for so long."""

    def put(plan):
        request = urllib.request.Request(
            sandbox.env["PIXOP_API_URL"].removesuffix("/api") + "/_sandbox/faults",
            json.dumps(plan).encode(),
            {"Content-Type": "application/json"},
            method="PUT",
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            assert answer.status == 200

    put({"rules": list(rules)})
    try:
        yield
    finally:
        put({})


def alive(sandbox):
    """The ids of all videos that the platform holds now."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    ids, number = set(), 0
    while True:
        request = urllib.request.Request(
            f"{sandbox.env['PIXOP_API_URL']}/v1/videos?pageSize=100&pageNumber={number}",
            headers={"X-API-Key": sandbox.env["PIXOP_API_KEY"]},
        )
        with opener.open(request, timeout=10) as answer:
            page = json.load(answer)
        ids |= {item["id"] for item in page["items"]}
        number += 1
        if number >= page["totalPages"]:
            return ids


@pytest.fixture(scope="module")
def platform(make_sandbox):
    """A sandbox of this module's own: its faults are nobody else's."""
    with make_sandbox("--requests-per-minute", "60000") as running:
        yield running


@pytest.fixture
def place(make_world, platform):
    with make_world(platform) as made:
        yield made


QUICK = ("--settle-seconds", "0")


def verdicts_by_key(batch):
    return {line["Key"]: (line["Outcome"], line["Reason"]) for line in batch.lines}


def retried(place, *arguments, code=0):
    result = place.call("retry", place.directory / "out", *arguments)
    assert result.code == code, result.said[-4000:]
    batch = place.batch()
    batch.assert_balanced()
    return result, batch


def test_a_mended_catalogue_is_retried_until_all_is_imported(place):
    rows = place.objects(6)
    bucket = rows[0][0]
    rows += [(bucket, "late.mp4"), (bucket, "")]
    failing = {"fault": "copy_fails", "at_percent": 50, "code": "COPY_BROKE", "count": 1}
    with faults(place.sandbox, failing):
        batch = place.migrate("--manifest", place.manifest(rows), "--restarts", "0", *QUICK, code=3)
    before = batch.summary
    assert before["reasons"] == {
        "copied": 5, "copy_failed": 1, "object_not_found": 1, "invalid_row": 1,
    }  # fmt: skip
    (failed,) = (line for line in batch.lines if line["Reason"] == "copy_failed")
    assert failed["ErrorCode"] == "COPY_BROKE"
    assert failed["ResultMessage"]
    calls = before["api"]["calls"]

    place.sandbox.put(bucket, "late.mp4", b"it has come at last")
    result, batch = retried(place, "--outcome", "failed", "--outcome", "missing", "-y", code=3)

    assert "its copy is restarted" in result.out
    assert "headed and sent again" in result.out
    after = batch.summary
    assert after["reasons"] == {"copied": 7, "invalid_row": 1}
    assert after["api"]["calls"] > calls
    assert after["api"]["by_operation"]["restart"] >= 1
    assert len(after["runs"]) == 2
    creates = place.sandbox.creates(batch=batch.id)
    assert len(creates) == len({one["objectKey"] for one in creates}) == 7
    assert after["manifest"] == before["manifest"]
    # What is left says what to do with it, and nothing is sent.
    result = place.call("retry", place.directory / "out", "--reason", "invalid_row", "-y")
    assert result.code == 2
    assert "retry.csv" in result.err


def test_replace_leaves_one_video_that_is_whole(place):
    rows = place.objects(3)
    with faults(place.sandbox, {"fault": "copy_size", "off_bytes": 7, "count": 1}):
        batch = place.migrate("--manifest", place.manifest(rows), *QUICK, code=3)
    (bad,) = (line for line in batch.lines if line["Reason"] == "size_mismatch")

    result, batch = retried(place, "--reason", "size_mismatch", "--replace", "--yes")

    assert "removed and proven gone" in result.out
    assert set(verdicts_by_key(batch).values()) == {("imported", "copied")}
    (now,) = (line for line in batch.lines if line["Key"] == bad["Key"])
    assert now["VideoId"] != bad["VideoId"]
    made = [one for one in place.sandbox.creates(batch=batch.id) if one["objectKey"] == bad["Key"]]
    assert {one["videoId"] for one in made} == {bad["VideoId"], now["VideoId"]}
    assert {one["videoId"] for one in made} & alive(place.sandbox) == {now["VideoId"]}


def test_it_says_what_it_would_do_and_without_a_terminal_it_wants_a_yes(place):
    rows = [*place.objects(1), ("no-such-bucket-of-ours", "a.mp4")]
    place.migrate("--manifest", place.manifest(rows), code=3)
    files = place.batch().files()

    result, batch = retried(place, "--outcome", "missing", code=2)

    assert "1" in result.out
    assert "bucket_not_found" in result.out
    assert "--yes" in result.err
    assert batch.files() == files
    assert len(batch.summary["runs"]) == 1


def test_what_cannot_be_retried_is_said_with_exit_2(place):
    place.migrate("--manifest", place.manifest(place.objects(1)))
    for arguments, word in [
        ((), "--reason"),
        (("--reason", "nonsense"), "copy_failed"),
        (("--reason", "copied"), "it is imported"),
        (("--reason", "unresolved"), "migrator resume"),
        (("--outcome", "imported"), "rejected"),
        (("--reason", "stuck", "-y"), "nothing was changed"),
    ]:
        result, _ = retried(place, *arguments, code=2)
        assert word in result.err


def test_a_directory_without_a_batch_is_exit_2(place):
    assert place.call("retry", place.directory / "nothing", "--reason", "stuck", "-y").code == 2


def test_a_kill_during_a_retry_is_taken_up_by_resume_and_makes_nothing_twice(place, until):
    rows = place.objects(30)
    bucket = rows[0][0]
    with faults(place.sandbox, {"fault": "copy_size", "off_bytes": 7}):
        batch = place.migrate("--manifest", place.manifest(rows), *QUICK, code=3)
    assert batch.summary["reasons"] == {"size_mismatch": 30}

    child = place.start("retry", place.directory / "out", "--reason", "size_mismatch",
                        "--replace", "-y")  # fmt: skip
    until(
        lambda: len(place.sandbox.creates(bucket=bucket)) > 35 or child.ended, "some are made anew"
    )
    child.kill()
    result = place.call("resume", place.directory / "out")

    assert result.code == 0, result.said[-3000:]
    batch.assert_balanced()
    assert batch.summary["reasons"] == {"copied": 30}
    there = alive(place.sandbox)
    made = [one for one in place.sandbox.creates(bucket=bucket) if one["videoId"] in there]
    assert len(made) == len({one["objectKey"] for one in made}) == 30


def test_retry_csv_holds_what_certainly_has_no_video_and_is_raw(place):
    header = ("bucket", "key", "note")
    rows = [(*row, "=1+1") for row in place.objects(3)]
    bucket = rows[0][0]
    rows += [(bucket, "=absent.mp4", "+2"), (bucket, "  00123 ", "@x")]
    failing = {"fault": "copy_fails", "at_percent": 50, "always": True, "count": 1}
    with faults(place.sandbox, failing):
        batch = place.migrate(
            "--manifest", place.manifest(rows, header), "--restarts", "0", *QUICK, code=3
        )
    assert batch.summary["reasons"] == {"copied": 2, "copy_failed": 1, "object_not_found": 2}
    text = (batch.directory / "retry.csv").read_bytes().decode()
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        list(header), [bucket, "=absent.mp4", "+2"], [bucket, "  00123 ", "@x"],
    ]  # fmt: skip
