"""`migrator verify` as its users meet it: what was done to the platform and the source is found."""

import csv
import io
import json
import signal
import urllib.request

import pyarrow.parquet as pq
import pytest
from fakes.films import film
from told import assert_told

from migrator.checkpoint.lock import batch_lock
from tests.actual.canaries import NAMES, contents, places_that_tell
from tests.e2e.test_retry import faults


def ask(sandbox, method, path, body=None):
    request = urllib.request.Request(
        sandbox.env["PIXOP_API_URL"] + path,
        None if body is None else json.dumps(body).encode(),
        {"X-API-Key": sandbox.env["PIXOP_API_KEY"], "Content-Type": "application/json"},
        method=method,
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        return json.loads(answer.read() or b"null")


def copy_by_hand(sandbox, bucket, key, **more):
    """Import an object as a person would, past the migrator; the id of its video."""
    keys = {"accessKey": sandbox.env["PIXOP_SOURCE_ACCESS_KEY_ID"],
            "secretAccessKey": sandbox.env["PIXOP_SOURCE_SECRET_ACCESS_KEY"]}  # fmt: skip
    body = {"name": key, "objectKey": key, "s3Bucket": {"bucket": bucket, **keys}, **more}
    return ask(sandbox, "POST", "/v1/videos/in/s3", body)["videoId"]


def settled(sandbox, video_id, until):
    """Wait until nothing happens to a video any more; its last sight."""

    def over():
        video = ask(sandbox, "GET", f"/v1/videos/{video_id}")
        if "ingestion" not in video:  # until its copy is there
            return None
        state = video["ingestion"]["ingestionState"]["ingestionStatus"]
        return video if state in {"DONE", "FAILED"} else None

    return until(over, f"{video_id} is ingested")


def verified(world, *arguments, code=0, **how):
    """`migrator verify … --json`: what it found, by kind."""
    result = world.call("verify", world.directory / "out", "--json", *arguments, **how)
    assert result.code == code, result.said[-4000:]
    return json.loads(result.out)


def lines(world):
    text = (world.directory / "out" / "verify.csv").read_bytes().decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.fixture(scope="module")
def one_film(tmp_path_factory):
    return film(tmp_path_factory.mktemp("film") / "a.mp4").read_bytes()


@pytest.fixture(scope="module")
def platform(make_sandbox):
    """A platform of this module's own: nobody else makes videos there."""
    with make_sandbox("--requests-per-minute", "60000") as running:
        yield running


@pytest.fixture
def place(make_world, platform):
    with make_world(platform) as made:
        yield made


@pytest.fixture
def migrated(place, one_film, until):
    """Eight films, and one object that is none: (world, bucket, rows of objects.csv by key)."""
    rows = place.objects(8, content=one_film)
    bucket = rows[0][0]
    place.sandbox.put(bucket, "notes.txt", b"no film at all")
    project = ask(place.sandbox, "POST", "/v1/projects", {"name": bucket[:40]})["id"]
    batch = place.migrate(
        "--manifest", place.manifest([*rows, (bucket, "gone.mp4")]),
        "--prefix", f"s3://{bucket}/notes", "--project-id", project, code=3,
    )  # fmt: skip
    by_key = {line["Key"]: line for line in batch.lines}
    for line in by_key.values():
        if line["VideoId"]:
            settled(place.sandbox, line["VideoId"], until)
    return place, bucket, by_key, project


def test_all_that_was_done_to_the_platform_and_the_source_is_found(migrated, until):
    world, bucket, rows, project = migrated
    sandbox = world.sandbox
    ids = [rows[f"clip-{n:05}.mp4"]["VideoId"] for n in range(8)]

    # The one that is no film is found before anything is done.
    first = verified(world, code=3)
    assert first["drift"] == {"ingestion_failed": 1}
    assert [line["Key"] for line in lines(world)] == ["notes.txt"]

    tagged = ask(sandbox, "GET", f"/v1/videos/{ids[1]}")["description"]
    missing_tag = sandbox.creates(bucket=bucket)[0]["description"]
    assert missing_tag
    ask(sandbox, "DELETE", f"/v1/videos/{ids[0]}")
    twin = copy_by_hand(sandbox, bucket, "clip-00001.mp4", description=tagged, projectId=project)
    alike = copy_by_hand(sandbox, bucket, "clip-00002.mp4", projectId=project)
    orphan = copy_by_hand(sandbox, bucket, "notes.txt", name="nobody's", projectId=project,
                          fileName="another.txt")  # fmt: skip
    elsewhere = copy_by_hand(sandbox, bucket, "notes.txt", fileName="yet-another.txt")
    for made in (twin, alike, orphan, elsewhere):
        settled(sandbox, made, until)
    sandbox.put(bucket, "clip-00003.mp4", b"overwritten with other bytes")
    (sandbox.directory / "buckets" / bucket / "clip-00004.mp4").unlink()
    before = sandbox.creates()

    summary = verified(world, code=3)

    assert summary["drift"] == {
        "deleted": 1, "ingestion_failed": 1, "duplicate_tag": 1, "look_alike": 1,
        "source_gone": 1, "source_changed": 1, "orphan": 1,
    }  # fmt: skip
    found = {line["Drift"]: line for line in lines(world)}
    assert {drift: line["Key"] for drift, line in found.items()} == {
        "deleted": "clip-00000.mp4", "duplicate_tag": "clip-00001.mp4",
        "look_alike": "clip-00002.mp4", "source_changed": "clip-00003.mp4",
        "source_gone": "clip-00004.mp4", "ingestion_failed": "notes.txt", "orphan": "",
    }  # fmt: skip
    assert found["deleted"]["VideoId"] == ids[0]
    assert "404" in found["deleted"]["Found"]
    assert (found["duplicate_tag"]["VideoId"], found["duplicate_tag"]["OtherVideoId"]) == (
        ids[1],
        twin,
    )
    assert found["look_alike"]["OtherVideoId"] == alike
    assert "28 bytes" in found["source_changed"]["Found"]
    assert (found["orphan"]["OtherVideoId"], found["orphan"]["VideoName"]) == (orphan, "nobody's")
    assert summary["videos"]["other_projects"] >= 1
    assert summary["rows"] == {"all": 10, "with_video": 9, "open": 0, "headed": 9}
    assert sandbox.creates() == before  # it makes nothing
    out = world.directory / "out"
    table = pq.read_table(out / "verify.parquet")
    assert table.num_rows == summary["findings"] == 7
    assert table.schema.metadata[b"schema"] == b"migrator.drift/1"
    page = (out / "verify.html").read_text()
    assert "7 things are not as the report says" in page
    assert {path.name for path in out.glob(".*")} == set()  # the scratch file is gone

    # Without the source nothing is asked of it, and none of its keys is needed.
    no_keys = dict.fromkeys(
        ("PIXOP_SOURCE_ACCESS_KEY_ID", "PIXOP_SOURCE_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID",
         "AWS_SECRET_ACCESS_KEY")
    )  # fmt: skip
    alone = verified(world, "--no-source", code=3, env=no_keys)
    assert alone["rows"]["headed"] == 0
    assert not {drift for drift in alone["drift"] if drift.startswith("source")}
    world.batch().assert_balanced()
    assert world.call("report", out, "--check").code == 0  # the report itself is untouched


def test_one_message_says_what_is_wrong_and_what_to_do(place, until):
    world = place
    (row,) = rows = world.objects(1, content=b"no film at all")
    batch = world.migrate("--manifest", world.manifest(rows))
    settled(world.sandbox, batch.lines[0]["VideoId"], until)
    out = world.directory / "out"
    asked = lambda *more, **env: world.call("verify", *more, env=env)  # noqa: E731 - short
    assert_told(asked(world.directory / "nothing"), 2, "no batch there")
    assert_told(asked(out, PIXOP_API_KEY="wrong"), 4, "refuses the API key")
    assert_told(asked(out, PIXOP_API_KEY=None), 2, "PIXOP_API_KEY")
    with batch_lock(out):
        assert_told(asked(out), 5, "another migrator works on this batch")
    assert not (out / "verify.html").exists()

    # A signal while the list is read: in order, at once, and nothing is written.
    with faults(world.sandbox, {"fault": "withhold", "seconds": 30, "operation": "GET /v1/videos"}):
        child = world.start("verify", out)
        until(lambda: "listing" in child.err, "the list is being read")
        child.signal(signal.SIGINT)
        result = child.wait()
    assert_told(result, 130, "interrupted")
    assert not (out / "verify.html").exists()

    # The most verbose log tells what was found, and no secret; nor does any file.
    result = world.call("verify", out, "-vv", "--log-format", "json", "--log-file", "log")
    assert result.code == 3
    assert "ingestion_failed" in result.out
    told = [json.loads(line) for line in (world.directory / "log").read_text().splitlines()]
    assert [one["key"] for one in told if one["event"] == "verify.drift"] == [row[1]]
    secrets = [world.sandbox.env[name] for name in NAMES]
    pile = contents(world.directory) | {"output": result.said.encode()}
    assert places_that_tell(pile, secrets) == []
    modes = {path.stat().st_mode & 0o777 for path in out.iterdir()}
    assert modes == {0o600}
