"""The source on real servers: rclone's S3, and moto's for versions, archives and odd keys."""

import logging
from dataclasses import replace

import boto3
import pytest
from moto.server import ThreadedMotoServer

from migrator.errors import RunFailed, UsageError
from migrator.filters import Filter
from migrator.lifecycle import Event
from migrator.model import CERTAINLY_TOO_LARGE_BYTES, Reason
from migrator.sandbox import s3 as local_s3
from migrator.sandbox.keys import KeyPair
from migrator.settings import BucketSettings, Secret, StoreSettings
from migrator.source.answers import ObjectFacts, SourceUnreachable
from migrator.source.credentials import KeyRing, SourceKeys, load_keys
from migrator.source.listing import listed_rows
from migrator.source.preflight import Preflight, Refusal, judge
from migrator.source.s3 import SourceS3
from migrator.source.walk import walk

KEYS = KeyPair("AKIAEXAMPLEEXAMPLE12", "secret-of-the-example")
RIGHT = SourceKeys(KEYS.access_key, Secret(KEYS.secret_access_key))
WRONG_SECRET = SourceKeys(KEYS.access_key, Secret("another"))
WRONG_ID = SourceKeys("AKIANOBODYKNOWSTHIS1", Secret("another"))


@pytest.fixture
async def rclone(tmp_path):
    """rclone's S3 over two buckets; yields its URL."""
    for name, content in {"good/a b+c%#ü.mp4": b"film", "good/empty.mp4": b""}.items():
        path = tmp_path / "buckets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    with (tmp_path / "buckets/good/huge.mxf").open("wb") as file:
        file.truncate(600 * 10**9)
    async with local_s3.serving(tmp_path / "buckets", port=0, keys=(KEYS,), cache_s=0) as server:
        yield server.url


@pytest.fixture(scope="module")
def moto():
    """moto's S3; yields its URL and a client that fills it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="x",
    )
    yield url, client
    client.close()
    server.stop()


async def listed(s3, bucket, prefix, first_row=1, after=""):
    """The rows of a listing, page by page."""
    pages = walk(s3, bucket, prefix, after)
    return [
        page.rows
        async for page in listed_rows(pages, bucket, prefix, Filter(), first_row=first_row)
    ]


def source(url, keys=RIGHT, **by_bucket):
    return SourceS3(KeyRing(keys, by_bucket), StoreSettings(s3_endpoint_url=url), "us-east-1")


async def test_a_good_object_is_told_with_its_size_and_sent(rclone):
    async with source(rclone) as s3:
        facts, refusal = await Preflight(s3).look("good", "a b+c%#ü.mp4", None)
    assert refusal is None
    assert facts is not None
    assert facts.size_bytes == 4
    assert facts.last_modified_ms is not None


@pytest.mark.parametrize(
    ("bucket", "key", "reason", "event"),
    [
        ("good", "gone.mp4", Reason.OBJECT_NOT_FOUND, Event.MISS),
        ("nowhere", "a.mp4", Reason.BUCKET_NOT_FOUND, Event.MISS),
        ("good", "empty.mp4", Reason.EMPTY_OBJECT, Event.REJECT),
        ("good", "huge.mxf", Reason.TOO_LARGE, Event.REJECT),
    ],
)
async def test_what_cannot_be_imported_is_told_before_it_costs_a_call(
    rclone, bucket, key, reason, event
):
    async with source(rclone) as s3:
        _, refusal = await Preflight(s3).look(bucket, key, None)
    assert refusal is not None
    assert (refusal.reason, refusal.event) == (reason, event)


@pytest.mark.parametrize("keys", [WRONG_SECRET, WRONG_ID])
async def test_refused_keys_are_asked_once_for_a_bucket_and_not_once_an_object(rclone, keys):
    async with source(rclone, keys) as s3:
        preflight = Preflight(s3)
        asked = []
        head = s3.head

        async def counted(bucket, key, *_asked):
            asked.append(key)
            return await head(bucket, key)

        s3.head = counted
        refusals = [(await preflight.look("good", f"{n}.mp4", None))[1] for n in range(5)]
    assert [refusal.reason for refusal in refusals] == [Reason.BAD_CREDENTIALS] * 5
    assert [refusal.decided_by for refusal in refusals] == ["preflight", *["breaker"] * 4]
    assert len(asked) == 1


async def test_a_bucket_can_have_keys_of_its_own(rclone):
    async with source(rclone, WRONG_ID, good=RIGHT) as s3:
        facts, refusal = await Preflight(s3).look("good", "a b+c%#ü.mp4", None)
    assert refusal is None
    assert facts is not None


async def test_a_source_that_does_not_answer_is_no_verdict_about_a_row():
    async with source("http://127.0.0.1:9") as s3:
        with pytest.raises(SourceUnreachable):
            await s3.head("good", "x")


async def test_a_version_that_is_not_the_current_one_is_refused(moto):
    url, client = moto
    client.create_bucket(Bucket="versioned")
    client.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    old = client.put_object(Bucket="versioned", Key="k.mp4", Body=b"old")["VersionId"]
    new = client.put_object(Bucket="versioned", Key="k.mp4", Body=b"newer")["VersionId"]
    async with source(url) as s3:
        preflight = Preflight(s3)
        assert (await preflight.look("versioned", "k.mp4", new))[1] is None
        refusal = (await preflight.look("versioned", "k.mp4", old))[1]
    assert refusal is not None
    assert refusal.reason is Reason.VERSION_NOT_CURRENT
    assert old in refusal.message
    assert new in refusal.message


async def test_an_archived_object_is_refused_and_its_listing_leaves_it_to_a_head(moto):
    url, client = moto
    client.create_bucket(Bucket="cold")
    client.put_object(Bucket="cold", Key="k.mp4", Body=b"x", StorageClass="DEEP_ARCHIVE")
    async with source(url) as s3:
        refusal = (await Preflight(s3).look("cold", "k.mp4", None))[1]
        (rows,) = await listed(s3, "cold", "")
    assert refusal is not None
    assert refusal.reason is Reason.ARCHIVED
    assert rows[0].size_bytes is None


ODD_KEYS = sorted(
    ["a/../b.mp4", "a//b.mp4", "./c.mp4", " lead", "trail ", "a+b", "100%", "%2F", "u\u0308", "ü",
     "q?x=1&y=2#z", "tab\there", "'\"<&>", "日本/" + "長" * 200, "k" * 1024, "folder/"],
    key=str.encode,
)  # fmt: skip


async def test_odd_keys_are_listed_and_headed_exactly(moto):
    url, client = moto
    client.create_bucket(Bucket="odd")
    for key in ODD_KEYS:
        client.put_object(Bucket="odd", Key=key, Body=b"" if key.endswith("/") else b"x")
    async with source(url) as s3:
        rows = [row for page in await listed(s3, "odd", "") for row in page]
        assert sorted((row.key for row in rows), key=str.encode) == ODD_KEYS
        assert [row.row for row in rows] == list(range(1, len(ODD_KEYS) + 1))
        preflight = Preflight(s3)
        for key in ODD_KEYS:
            facts, refusal = await preflight.look("odd", key, None)
            assert facts is not None, key
            if key == "folder/":
                assert refusal == Refusal(Reason.FOLDER_MARKER, message="the object has no bytes")
            else:
                assert refusal is None, key


async def test_a_listing_goes_on_behind_the_last_key_that_is_known(moto):
    url, client = moto
    client.create_bucket(Bucket="paged")
    for n in range(1, 8):
        client.put_object(Bucket="paged", Key=f"p/{n}", Body=b"x")
    client.put_object(Bucket="paged", Key="q/1", Body=b"x")
    async with source(url) as s3:
        pages = await listed(s3, "paged", "p/", first_row=4, after="p/3")
        rows = [row for page in pages for row in page]
    assert [(row.row, row.key, row.size_bytes) for row in rows] == [
        (4, "p/4", 1),
        (5, "p/5", 1),
        (6, "p/6", 1),
        (7, "p/7", 1),
    ]


async def test_a_prefix_that_cannot_be_listed_says_which_and_what_to_do(rclone):
    async with source(rclone, WRONG_ID) as s3:
        with pytest.raises(UsageError, match="s3://good/x") as caught:
            await listed(s3, "good", "x")
    assert "ListBucket" in caught.value.hint
    async with source("http://127.0.0.1:9") as s3:
        with pytest.raises(RunFailed):
            await listed(s3, "good", "x")


FACTS = ObjectFacts(5, "e", 1)


@pytest.mark.parametrize(
    ("size_bytes", "reason"),
    [
        (500 * 10**9 + 1, None),
        (CERTAINLY_TOO_LARGE_BYTES, None),
        (CERTAINLY_TOO_LARGE_BYTES + 1, Reason.TOO_LARGE),
    ],
)
def test_between_the_two_readings_of_500_gb_the_platform_decides(size_bytes, reason):
    refusal = judge(replace(FACTS, size_bytes=size_bytes), "k", None)
    assert (refusal.reason if refusal else None) is reason


def test_a_version_of_an_object_without_versions_is_called_null():
    assert judge(FACTS, "k", "null") is None
    assert judge(FACTS, "k", "abc").reason is Reason.VERSION_NOT_CURRENT


STATIC = {"PIXOP_SOURCE_ACCESS_KEY_ID": "AKIAX", "PIXOP_SOURCE_SECRET_ACCESS_KEY": "s"}


@pytest.fixture
def no_aws(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


async def test_the_keys_to_hand_over_come_from_their_own_variables_first(no_aws):
    no_aws.setenv("AWS_ACCESS_KEY_ID", "AKIACHAIN")
    no_aws.setenv("AWS_SECRET_ACCESS_KEY", "chain")
    assert (await load_keys({}, STATIC)).keys_for("b").access_key_id == "AKIAX"
    assert (await load_keys({}, {})).keys_for("b").access_key_id == "AKIACHAIN"


async def test_temporary_credentials_are_refused_before_anything_is_sent(no_aws):
    no_aws.setenv("AWS_ACCESS_KEY_ID", "AKIACHAIN")
    no_aws.setenv("AWS_SECRET_ACCESS_KEY", "chain")
    no_aws.setenv("AWS_SESSION_TOKEN", "token")
    with pytest.raises(UsageError, match="session token"):
        await load_keys({}, {})
    with pytest.raises(UsageError, match="ASIA"):
        await load_keys({}, {**STATIC, "PIXOP_SOURCE_ACCESS_KEY_ID": "ASIAX"})


@pytest.mark.parametrize("name", list(STATIC))
async def test_half_a_pair_is_refused(no_aws, name):
    with pytest.raises(UsageError, match=name):
        await load_keys({}, {**STATIC, name: ""})


async def test_no_keys_at_all_are_refused(no_aws):
    with pytest.raises(UsageError, match="no keys for the source"):
        await load_keys({}, {})


async def test_a_bucket_s_own_keys_are_named_and_must_be_there(no_aws):
    names = {"b": BucketSettings(access_key_id_env="B_ID", secret_access_key_env="B_SECRET")}
    ring = await load_keys(names, {"B_ID": "AKIAB", "B_SECRET": "s"})
    assert ring.keys_for("b").access_key_id == "AKIAB"
    with pytest.raises(UsageError, match="no keys for bucket other"):
        ring.keys_for("other")
    with pytest.raises(UsageError, match="B_SECRET"):
        await load_keys(names, {"B_ID": "AKIAB"})
