"""The ways across: keys, input locations, presigned URLs; each brings the same catalogue over."""

import base64
import gzip
import hashlib
import json
import logging
import re
import urllib.request
from collections import Counter
from urllib.parse import quote_plus

import boto3
import pytest
from moto.server import ThreadedMotoServer

from migrator.sandbox.catalogue import make_catalogue
from migrator.sandbox.checksum import crc32c_of

LOCATIONS = "/api/v1/input-locations/s3"


@pytest.fixture(scope="module")
def local(make_sandbox):
    """A sandbox that fetches from this machine too, as it must where a URL leads here."""
    flags = ("--requests-per-minute", "60000", "--media", "off", "--allow-local-urls")
    with make_sandbox(*flags) as running:
        yield running


@pytest.fixture(autouse=True)
def _only_plain_http(verdicts):
    """URLs of this machine are plain http, which the document does not know; all else counts."""
    yield
    if verdicts is not None:
        found = [line for line in verdicts.read().splitlines() if "^https://.*" not in line]
        assert not found


@pytest.fixture
def world(make_world, local):
    local.plan()
    with make_world(local) as made:
        yield made
    local.plan()


@pytest.fixture(scope="module")
def store():
    """A store that the platform has no keys for: moto's S3; a client of it, and the environment."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"aws_access_key_id": "AKIASTOREEXAMPLE", "aws_secret_access_key": "of-the-store"}
    url = f"http://{host}:{port}"
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)
    yield (
        client,
        {
            "AWS_ENDPOINT_URL_S3": url,
            "PIXOP_SOURCE_ACCESS_KEY_ID": keys["aws_access_key_id"],
            "PIXOP_SOURCE_SECRET_ACCESS_KEY": keys["aws_secret_access_key"],
        },
    )
    client.close()
    server.stop()


def asked(sandbox, path, method="GET", body=None):
    """What the platform answers."""
    request = urllib.request.Request(
        sandbox.env["PIXOP_API_URL"].removesuffix("/api") + path,
        None if body is None else json.dumps(body).encode(),
        {"X-API-Key": sandbox.env["PIXOP_API_KEY"], "Content-Type": "application/json"},
        method=method,
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        return json.load(answer) if answer.status != 204 else None


def locations(sandbox, name):
    return [one for one in asked(sandbox, LOCATIONS + "?pageSize=100")["items"]
            if one["name"] == name]  # fmt: skip


def made_location(sandbox, bucket, name):
    body = {
        "name": name,
        "bucket": bucket,
        "accessKey": sandbox.env["PIXOP_SOURCE_ACCESS_KEY_ID"],
        "secretAccessKey": sandbox.env["PIXOP_SOURCE_SECRET_ACCESS_KEY"],
    }
    return asked(sandbox, LOCATIONS, "POST", body)["id"]


def told_secrets(world, result=None):
    """Whatever of a URL's signature stands in a file, or was said."""
    said = [result.said] if result is not None else []
    files = [path for path in world.directory.rglob("*") if path.is_file()]
    texts = said + [path.read_bytes().decode("latin-1") for path in files]
    return [text for text in texts if re.search("X-Amz|Signature=", text)]


WAYS = {
    "s3": ("POST /v1/videos/in/s3", ()),
    "input-location": (
        "POST /v1/videos/in/s3/{inputLocationId}",
        ("--create-input-location", "of the demo", "--remove-input-location"),
    ),
    "https": ("POST /v1/videos/in/https", ("--max-concurrent-connections", "3")),
}


def test_each_way_brings_the_demo_s_catalogue_to_the_same_outcomes(world, local, tmp_path):
    built = make_catalogue(tmp_path, local.directory / "buckets", 12)
    must = {row: (line.kind.outcome, line.kind.reason) for row, line in enumerate(built.rows, 1)}
    for via, (operation, flags) in WAYS.items():
        batch = world.migrate(
            "--manifest", built.manifest, "--config", built.config, "--via", via, *flags,
            "--namespace", via, out=via, code=3, env=dict(built.environment),
        )  # fmt: skip
        batch.assert_balanced()
        assert batch.verdicts == must
        creates = local.creates(batch=batch.id)
        assert {create["operation"] for create in creates} == {operation}
        assert len(creates) == 12
    assert not locations(local, "of the demo")
    assert {create["maxConcurrentConnections"] for create in creates} == {3}


def test_objects_come_from_a_store_that_the_platform_has_no_keys_for(world, local, store):
    client, env = store
    client.create_bucket(Bucket="store")
    client.put_bucket_versioning(Bucket="store", VersioningConfiguration={"Status": "Enabled"})
    contents = [b"the first version", b"the second, and longer"]
    versions = [client.put_object(Bucket="store", Key="a b+c/ü%2F#?.mp4", Body=content)["VersionId"]
                for content in contents]  # fmt: skip
    client.put_object(Bucket="store", Key="plain.mp4", Body=b"plain")
    rows = [*(("store", "a b+c/ü%2F#?.mp4", version) for version in versions),
            ("store", "plain.mp4", ""), ("store", "plain.mp4", ""),
            ("store", "plain.mp4", "no-such-version"), ("store", "gone.mp4", "")]  # fmt: skip
    manifest = world.manifest(rows, ("bucket", "key", "version_id"))
    result = world.call(
        "run", "--manifest", manifest, "--via", "https", "--out", world.directory / "out", "-vv",
        "--log-file", world.directory / "log", env=env,
    )  # fmt: skip
    batch = world.batch()
    assert result.code == 3, result.said
    assert [batch.verdicts[row] for row in range(1, 5)] == [
        *[("imported", "copied")] * 3,
        ("skipped", "duplicate_row"),
    ]
    assert {batch.verdicts[row] for row in (5, 6)} == {("missing", "object_not_found")}
    videos = [line["VideoId"] for line in batch.lines[:3]]
    copied = [next((local.directory / "platform" / "videos").glob(f"{video}*")).read_bytes()
              for video in videos]  # fmt: skip
    assert copied == [*contents, b"plain"]
    assert not told_secrets(world, result)


def versioned(client, bucket, key, *contents):
    """The ids of versions of these contents, the newest last, which is deleted again."""
    made = [client.put_object(Bucket=bucket, Key=key, Body=each)["VersionId"] for each in contents]
    client.delete_object(Bucket=bucket, Key=key)
    return made


def inventory_of(folder, bucket, rows):
    """The manifest.json of an inventory of these (key, version, is latest, is a delete marker)."""
    lines = [(bucket, quote_plus(key, safe="/"), *told) for key, *told in rows]
    part = gzip.compress("".join(",".join(f'"{cell}"' for cell in line) + "\n" for line in lines)
                         .encode())  # fmt: skip
    (folder / "part.csv.gz").write_bytes(part)
    told = {
        "sourceBucket": bucket, "destinationBucket": f"arn:aws:s3:::{bucket}", "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, VersionId, IsLatest, IsDeleteMarker",
        "files": [{"key": "part.csv.gz", "size": len(part),
                   "MD5checksum": hashlib.md5(part, usedforsecurity=False).hexdigest()}],
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(told))
    return folder / "manifest.json"


@pytest.mark.parametrize("by", ["prefix", "inventory"])
def test_every_version_of_an_object_becomes_a_video_of_its_own(world, local, store, by):
    client, env = store
    bucket = world.bucket("all")
    client.create_bucket(Bucket=bucket)
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    key, contents = "a b+c/\u00fc%2F#?.mp4", [b"one", b"two, longer", b"three, the longest"]
    made = versioned(client, bucket, key, *contents)
    plain = client.put_object(Bucket=bucket, Key="plain.mp4", Body=b"plain")["VersionId"]
    old = ((key, each, "false", "false") for each in made[::-1])
    told = [(key, "marker", "true", "true"), *old, ("plain.mp4", plain, "true", "false")]
    manifest = inventory_of(world.directory, bucket, told)
    rows = ("--prefix", f"s3://{bucket}/") if by == "prefix" else ("--manifest", manifest)
    how = (*rows, "--via", "https", "--all-versions")
    batch = world.migrate(*how, env=env)
    batch.assert_balanced()
    found = {line["VersionId"]: line for line in batch.lines if line["Outcome"] == "imported"}
    assert list(found) == [*made[::-1], plain]
    creates = {one["description"].partition(" [")[0]: one for one in local.creates(batch=batch.id)}
    assert set(creates) == {f"version {each}" for each in found}
    assert len({one["description"] for one in creates.values()}) == len(found)  # tags of their own
    for version, content in zip([*made, plain], [*contents, b"plain"], strict=True):
        video = found[version]["VideoId"]
        [copied] = (local.directory / "platform" / "videos").glob(f"{video}*")
        assert copied.read_bytes() == content
    if by == "inventory":
        assert batch.verdicts[1] == ("skipped", "filtered")
    again = world.call("run", *how[:-1], "--out", world.directory / "out", env=env)
    assert again.code == 5
    assert "--all-versions" in again.err
    verified = world.call("verify", world.directory / "out", env=env)
    assert verified.code == 0, verified.said


def test_a_listing_of_versions_that_was_killed_goes_on(world, local, store):
    client, env = store
    bucket = world.bucket("half")
    client.create_bucket(Bucket=bucket)
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    made = [version for number in range(6)
            for version in versioned(client, bucket, f"{number}/k.mp4", b"a", b"bb")]  # fmt: skip
    how = ("--prefix", f"s3://{bucket}/", "--via", "https", "--all-versions")
    out = world.directory / "out"
    killed = world.start_with("rows-after-commit:3", "run", *how, "--out", out, env=env)
    killed.wait()
    resumed = world.call("resume", out, env=env)
    assert resumed.code == 0, resumed.said
    assert sorted(line["VersionId"] for line in world.batch().lines) == sorted(made)
    assert [line["Key"] for line in world.batch().lines] == [
        f"{number}/k.mp4" for number in range(6) for _ in "ab"
    ]
    assert len(local.creates(batch=world.batch().id)) == 12


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--prefix", "s3://bucket/"), "needs --via https"),
        (("--manifest", "MANIFEST", "--via", "https"), "has no use with"),
        (("--prefix", "s3://bucket/", "--via", "https", "--tag-in", "none"), "--tag-in none"),
    ],
)
def test_all_versions_where_they_cannot_be_meant_are_refused(world, flags, words):
    manifest = world.manifest(world.objects(1))
    flags = [manifest if flag == "MANIFEST" else flag for flag in flags]
    for verb in ("run", "plan"):
        told = world.call(verb, *flags, "--all-versions", "--out", world.directory / "out")
        assert told.code == 2
        assert words in told.err


def test_the_checksum_that_the_store_knows_is_handed_over(world, local, store):
    client, env = store
    client.create_bucket(Bucket="sums")
    content = b"with a checksum"
    crc32c = crc32c_of(content)
    client.put_object(Bucket="sums", Key="a.mp4", Body=content, ChecksumAlgorithm="SHA256")
    told = base64.b64encode(crc32c.to_bytes(4, "big")).decode()
    client.put_object(Bucket="sums", Key="b.mp4", Body=content, ChecksumAlgorithm="CRC32C",
                      ChecksumCRC32C=told)  # fmt: skip
    manifest = world.manifest([("sums", "a.mp4"), ("sums", "b.mp4")])
    batch = world.migrate("--manifest", manifest, "--via", "https", env=env)
    sums = {create["name"]: create.get("crc32c") for create in local.creates(batch=batch.id)}
    assert sums == {"a.mp4": None, "b.mp4": crc32c}


def test_a_bucket_may_have_a_way_of_its_own(world, local, store):
    client, env = store
    client.create_bucket(Bucket="elsewhere")
    client.put_object(Bucket="elsewhere", Key="a.mp4", Body=b"from elsewhere")
    rows = [*world.objects(2), ("elsewhere", "a.mp4")]
    (world.directory / "migrator.toml").write_text(
        '[buckets.elsewhere]\nvia = "https"\naccess_key_id_env = "OTHER_ID"\n'
        f'secret_access_key_env = "OTHER_KEY"\ns3_endpoint_url = "{env["AWS_ENDPOINT_URL_S3"]}"\n'
    )
    keys = {
        "OTHER_ID": env["PIXOP_SOURCE_ACCESS_KEY_ID"],
        "OTHER_KEY": env["PIXOP_SOURCE_SECRET_ACCESS_KEY"],
    }
    batch = world.migrate("--manifest", world.manifest(rows), env=keys)
    used = Counter(create["operation"] for create in local.creates(batch=batch.id))
    assert used == {"POST /v1/videos/in/s3": 2, "POST /v1/videos/in/https": 1}
    again = world.call("resume", world.directory / "out", env=keys)
    assert again.code == 0, again.said


def test_the_way_is_pinned(world):
    manifest = world.manifest(world.objects(1))
    world.migrate("--manifest", manifest)
    result = world.call(
        "run", "--manifest", manifest, "--via", "https", "--out", world.directory / "out"
    )
    assert result.code == 5
    assert "begun with via 's3', and now it is 'https'" in result.err


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_input_location_is_made_once_whatever_becomes_of_the_answer(world, local, when):
    rows = world.objects(3)
    name = f"lost {when}"
    manifest = world.manifest(rows)
    flags = ("--via", "input-location", "--create-input-location", name)
    local.plan({"fault": "reset", "operation": "POST /v1/input-locations/s3", "when": when,
                "count": 1})  # fmt: skip
    out = world.directory / "out"
    failed = world.call("run", "--manifest", manifest, *flags, "--out", out)
    assert failed.code == 1
    assert "could not be made" in failed.err
    resumed = world.call("run", "--manifest", manifest, *flags, "--out", out)
    assert resumed.code == 0, resumed.said
    [location] = locations(local, name)
    assert location["bucket"] == rows[0][0]
    # Another row of the bucket, sent by a later run of the batch, goes by the same one.
    used = {create["inputLocationId"] for create in local.creates(batch=world.batch().id)}
    assert used == {location["id"]}


@pytest.fixture
def assumed(store):
    """The store, the variables with which a role is assumed there, and its ARN."""
    client, keys = store
    endpoint = keys["AWS_ENDPOINT_URL_S3"]
    return client, {
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_ENDPOINT_URL_STS": endpoint,
        "AWS_ACCESS_KEY_ID": "AKIASTOREEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "of-the-store",
        "PIXOP_SOURCE_ACCESS_KEY_ID": None,
        "PIXOP_SOURCE_SECRET_ACCESS_KEY": None,
    }, "arn:aws:iam::123456789012:role/looks"  # fmt: skip


def test_a_role_lists_heads_and_signs_urls_of_a_store(world, local, assumed):
    client, env, role = assumed
    bucket = world.bucket()
    client.create_bucket(Bucket=bucket)
    for number in range(3):
        client.put_object(Bucket=bucket, Key=f"{number}.mp4", Body=b"film")
    batch = world.migrate("--prefix", f"s3://{bucket}/", "--via", "https", "--assume-role", role,
                          "--role-external-id", "ours", "-vv", "--log-file",
                          world.directory / "log", env=env)  # fmt: skip
    assert batch.summary["outcomes"]["imported"] == 3
    assert len(local.creates(batch=batch.id)) == 3
    assert not told_secrets(world)


def test_temporary_credentials_list_and_sign_and_are_not_handed_over(world, local, assumed):
    client, env, _ = assumed
    env = {**env, "AWS_ACCESS_KEY_ID": "ASIASTOREEXAMPLE", "AWS_SESSION_TOKEN": "token-canary"}
    bucket = world.bucket()
    client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key="a.mp4", Body=b"film")
    manifest = world.directory / "listed.csv"
    listed = world.call("list", f"s3://{bucket}", "-o", manifest, env=env)
    assert listed.code == 0, listed.said
    refused = world.call("run", "--manifest", manifest, "--out", world.directory / "s3", env=env)
    assert refused.code == 2
    assert "session token" in refused.err
    by_url = ("--manifest", manifest, "--via", "https", "--url-life", "30m")
    endless = world.call("run", *by_url, "--out", world.directory / "endless", env=env)
    assert endless.code == 2
    assert "nobody tells when they end" in endless.err
    env["AWS_CREDENTIAL_EXPIRATION"] = "2099-01-01T00:00:00Z"
    batch = world.migrate(*by_url, env=env)
    assert batch.summary["outcomes"]["imported"] == 1
    assert len(local.creates(batch=batch.id)) == 1
    files = [path for path in world.directory.rglob("*") if path.is_file()]
    assert not [path for path in files if b"token-canary" in path.read_bytes()]


def test_a_name_that_is_taken_is_refused_before_anything_is_sent(world, local):
    rows = world.objects(1)
    location = made_location(local, rows[0][0], "taken")
    result = world.call(
        "run", "--manifest", world.manifest(rows), "--via", "input-location",
        "--create-input-location", "taken", "--out", world.directory / "out",
    )  # fmt: skip
    assert result.code == 2
    assert f"--input-location {location}" in result.err
    assert len(locations(local, "taken")) == 1
    assert not local.creates(bucket=rows[0][0])


def test_an_input_location_that_is_there_is_used_without_any_keys_of_the_source(world, local):
    rows = world.objects(2)
    location = made_location(local, rows[0][0], "there")
    none = dict.fromkeys(
        ("PIXOP_SOURCE_ACCESS_KEY_ID", "PIXOP_SOURCE_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID",
         "AWS_SECRET_ACCESS_KEY")
    )  # fmt: skip
    batch = world.migrate(
        "--manifest", world.manifest(rows), "--via", "input-location", "--input-location", location,
        "--no-preflight", env=none,
    )  # fmt: skip
    assert batch.summary["outcomes"]["imported"] == 2
    assert len(locations(local, "there")) == 1


@pytest.mark.parametrize("wrong", ["of another bucket", "not there"])
def test_an_input_location_that_cannot_be_meant_is_refused(world, local, wrong):
    rows = world.objects(1)
    location = "00000000-0000-4000-8000-000000000000"
    if wrong == "of another bucket":
        location = made_location(local, "another-bucket", wrong)
    result = world.call(
        "run", "--manifest", world.manifest(rows), "--via", "input-location", "--input-location",
        location, "--out", world.directory / "out",
    )  # fmt: skip
    assert result.code == 2
    assert location in result.err
    assert not local.creates(bucket=rows[0][0])


def test_an_input_location_that_goes_away_ends_the_run_and_makes_no_object_missing(
    world, local, until
):
    rows = world.objects(20)
    location = made_location(local, rows[0][0], "going")
    run = world.start(
        "run", "--manifest", world.manifest(rows), "--via", "input-location", "--input-location",
        location, "--requests-per-minute", "90", "--out", world.directory / "out",
    )  # fmt: skip
    until(lambda: local.creates(bucket=rows[0][0]), "one was made")
    asked(local, f"{LOCATIONS}/{location}", "DELETE")
    result = run.wait()
    assert result.code == 4, result.said
    assert location in result.err
    outcomes = world.batch().summary["outcomes"]
    assert outcomes["missing"] == 0
    assert outcomes["unfinished"] > 0


def test_a_copy_whose_url_has_expired_is_not_restarted(world, local):
    rows = world.objects(1)
    local.plan({"fault": "copy_fails", "operation": "POST /v1/videos/in/https", "at_percent": 50,
                "always": True})  # fmt: skip
    batch = world.migrate("--manifest", world.manifest(rows), "--via", "https", "--url-life", "1s",
                          "--restarts", "50", code=3)  # fmt: skip
    [line] = batch.lines
    assert (line["Outcome"], line["Reason"]) == ("failed", "copy_failed")
    assert "its URL has expired" in line["ResultMessage"]
    result = world.call("retry", world.directory / "out", "--reason", "copy_failed", "--yes")
    assert result.code == 2
    assert "--replace would remove the video first" in result.out
