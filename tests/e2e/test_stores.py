"""How a store is asked: who pays, and where a bucket's name stands. Real servers that check
signatures, behind a gate that notes every request."""

import asyncio
import subprocess
import urllib.request
from contextlib import closing

import pytest

from migrator.sandbox.s3 import rclone_binary
from migrator.settings import Secret, StoreSettings
from migrator.source.credentials import KeyRing, SourceKeys
from migrator.source.s3 import SourceS3
from tests.actual.gate import PAYER, Gate
from tests.actual.program import clean_environment, until


@pytest.fixture(scope="module")
def local(make_sandbox):
    """A sandbox that fetches from this machine too, as it must where a URL leads here."""
    with make_sandbox("--requests-per-minute", "60000", "--media", "off",
                      "--allow-local-urls") as running:  # fmt: skip
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
    with make_world(local) as made:
        yield made


@pytest.fixture
def paying(local):
    """The sandbox's store as one that lets in nobody but who says that it pays."""
    with closing(Gate(local.env["AWS_ENDPOINT_URL_S3"], pays=True)) as gate:
        yield gate


def test_requester_pays_is_said_when_listing_heading_and_in_every_url(world, local, paying):
    rows = world.objects(3)
    env = {"AWS_ENDPOINT_URL_S3": paying.url}
    prefix = ("--prefix", f"s3://{rows[0][0]}/")
    batch = world.migrate(*prefix, "--via", "https", "--requester-pays", env=env)
    assert batch.summary["outcomes"]["imported"] == 3
    listed = [one for one in paying.asked if "list-type" in one.query]
    headed = [one for one in paying.asked if one.method == "HEAD"]
    copied = [one for one in paying.asked if "X-Amz-Signature" in one.query]
    assert listed
    assert len(headed) >= 3
    assert len({one.path for one in copied}) == 3
    assert {one.payer for one in [*listed, *headed]} == {"requester"}
    assert {(one.payer, one.query[PAYER]) for one in copied} == {(None, "requester")}
    assert len(paying.asked) == len(listed) + len(headed) + len(copied)


def test_who_does_not_say_that_it_pays_is_refused_by_such_a_bucket(world, paying):
    rows = world.objects(1)
    env = {"AWS_ENDPOINT_URL_S3": paying.url}
    told = world.call("run", "--prefix", f"s3://{rows[0][0]}/", "--out", "none", env=env)
    assert told.code == 2
    assert "AccessDenied" in told.err
    batch = world.migrate("--manifest", world.manifest(rows), code=3, env=env)
    assert batch.verdicts == {1: ("rejected", "access_denied")}
    assert {one.payer for one in paying.asked} == {None}


EXPIRED = {
    "when the platform looks at it": (1, ("rejected", "invalid_request"), "the URL answered", ()),
    "when it is copied from": (2, ("failed", "copy_failed"), "its URL has expired", ("--replace",)),
}
"""The request by the URL that comes too late, the row's end, what is said, what a retry needs."""


@pytest.mark.parametrize("when", EXPIRED)
def test_a_url_that_has_expired_opens_nothing_and_a_retry_has_a_fresh_one(world, local, when):
    late_from, end, words, flags = EXPIRED[when]
    rows = world.objects(2)
    with closing(Gate(local.env["AWS_ENDPOINT_URL_S3"])) as gate:
        gate.late_from = late_from
        env = {"AWS_ENDPOINT_URL_S3": gate.url}
        batch = world.migrate("--manifest", world.manifest(rows), "--via", "https",
                              "--url-life", "5s", code=3, env=env)  # fmt: skip
        for line in batch.lines:
            assert (line["Outcome"], line["Reason"]) == end
            assert words in line["ResultMessage"]
            assert line["Restarts"] == "0"
        expired = {one.query.get("X-Amz-Signature") for one in gate.asked} - {None}
        gate.late_from = None
        told = world.call("retry", "out", "--reason", end[1], *flags, "--yes", env=env)
        used = {one.query.get("X-Amz-Signature") for one in gate.asked} - {None}
    assert told.code == 0, told.said
    assert len(expired) == len(used - expired) == 2
    videos = local.directory / "platform" / "videos"
    for line, (_, key) in zip(world.batch().lines, rows, strict=True):
        assert line["Outcome"] == "imported"
        [copied] = videos.glob(f"{line['VideoId']}*")
        assert copied.read_bytes() == b"a small video" + key.encode()


@pytest.fixture
def virtual(local):
    """The sandbox's buckets by another server, which takes a bucket's name from the host alone;
    before it a proxy, so that names of hosts lead there whatever this machine makes of them."""
    pair = (local.env["PIXOP_SOURCE_ACCESS_KEY_ID"], local.env["PIXOP_SOURCE_SECRET_ACCESS_KEY"])
    log = local.directory / "virtual.log"
    command = [rclone_binary(), "serve", "s3", "--addr", "127.0.0.1:0", "--force-path-style=false",
               "--etag-hash", "", "--config", "", "--dir-cache-time", "0s",
               str(local.directory / "buckets")]  # fmt: skip
    env = {**clean_environment(local.directory), "RCLONE_AUTH_KEY": '"{},{}"'.format(*pair)}
    with log.open("wb") as said:
        server = subprocess.Popen(command, env=env, stderr=said, stdout=said)
    try:
        until(lambda: b"Starting s3 server" in log.read_bytes(), "the store is there")
        url = log.read_text().partition("Starting s3 server on [")[2].partition("/]")[0]
        with closing(Gate(url)) as gate:
            yield gate
    finally:
        server.kill()
        server.wait()


STORE = "store.localhost"


def asked_by(world, gate, style, **how):
    """Lists and heads objects of a bucket by a style of addressing; the bucket, and the plan."""
    rows = world.objects(2)
    bucket = rows[0][0]
    env = {"AWS_ENDPOINT_URL_S3": f"http://{STORE}:{gate.port}", "HTTP_PROXY": gate.url,
           "NO_PROXY": "127.0.0.1"}  # fmt: skip
    manifest = world.manifest([*rows, (bucket, "a b+c/\u00fc%2F#?.mp4")])
    world.sandbox.put(bucket, "a b+c/\u00fc%2F#?.mp4", b"a small video of an ugly name")
    style = () if style is None else ("--s3-addressing-style", style)
    planned = world.call("plan", "--prefix", f"s3://{bucket}/", "--manifest", manifest, *style,
                         "--out", "out", env=env, **how)  # fmt: skip
    return bucket, planned


def test_virtual_addressing_names_the_bucket_before_the_host(world, virtual):
    bucket, planned = asked_by(world, virtual, "virtual")
    assert planned.code == 0, planned.said
    assert {one.host for one in virtual.asked} == {f"{bucket}.{STORE}"}
    assert {one.method for one in virtual.asked} == {"GET", "HEAD"}
    assert not [one for one in virtual.asked if bucket in one.path]
    assert "/a%20b%2Bc/%C3%BC%252F%23%3F.mp4" in {one.path for one in virtual.asked}
    batch = world.migrate("--prefix", f"s3://{bucket}/", "--manifest",
                          world.directory / "catalogue.csv", "--s3-addressing-style", "virtual",
                          env={"AWS_ENDPOINT_URL_S3": f"http://{STORE}:{virtual.port}",
                               "HTTP_PROXY": virtual.url, "NO_PROXY": "127.0.0.1"})  # fmt: skip
    assert batch.summary["outcomes"]["imported"] == 3


@pytest.mark.parametrize("style", ["virtual", "path"])
def test_a_url_of_either_style_opens_its_object(world, virtual, local, style):
    [(bucket, key)] = world.objects(1)
    keys = SourceKeys(
        local.env["PIXOP_SOURCE_ACCESS_KEY_ID"],
        Secret(local.env["PIXOP_SOURCE_SECRET_ACCESS_KEY"]),
    )
    server = virtual if style == "virtual" else None
    with closing(server or Gate(local.env["AWS_ENDPOINT_URL_S3"])) as gate:
        store = StoreSettings(
            s3_endpoint_url=f"http://{STORE}:{gate.port}", s3_addressing_style=style
        )

        async def signed():
            async with SourceS3(KeyRing(keys, {}), store, "us-east-1") as s3:
                return await s3.presigned(bucket, key, None, 60)

        url = asyncio.run(signed()).reveal()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": gate.url}))
        with opener.open(url, timeout=10) as answer:
            assert answer.read() == b"a small video" + key.encode()
        [asked] = gate.asked
    names = {"virtual": (f"{bucket}.{STORE}", f"/{key}"), "path": (STORE, f"/{bucket}/{key}")}
    assert (asked.host, asked.path) == names[style]


@pytest.mark.parametrize("style", ["path", "auto", None])
def test_path_style_names_it_in_the_path_and_is_what_other_stores_get(world, local, style):
    with closing(Gate(local.env["AWS_ENDPOINT_URL_S3"])) as gate:
        bucket, planned = asked_by(world, gate, style)
        assert planned.code == 0, planned.said
        assert {one.host for one in gate.asked} == {STORE}
        assert {one.path.split("/")[1] for one in gate.asked} == {bucket}
        assert {one.method for one in gate.asked} == {"GET", "HEAD"}
