"""HEADs the quick way: after the first one of a bucket, as botocore would ask, and by its rules."""

import re
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from migrator.sandbox import s3 as local_s3
from migrator.sandbox.keys import KeyPair
from migrator.settings import Secret, StoreSettings
from migrator.source.answers import Asked, S3Refusal, SourceUnreachable
from migrator.source.credentials import KeyRing, SourceKeys
from migrator.source.s3 import SourceS3

KEYS = KeyPair("AKIAEXAMPLEEXAMPLE12", "secret-of-the-example")
RING = KeyRing(SourceKeys(KEYS.access_key, Secret(KEYS.secret_access_key)), {})
ODD = ["a b+c%#ü.mp4", "%2F", "日本/長.mov", "q?x=1&y=2#z", "'\"<&>", "a~b_c-d.e", "$,:;=@!*()[]"]

BREAK_OFF = None


class Bucket:
    """An S3 that keeps what it was asked, and answers by turns what a test has it say.

    Each of `says` is a status and headers, or BREAK_OFF; 200 once there are none.
    """

    def __init__(self):
        self.url = ""
        self.asked = []
        self.says = []

    async def handle(self, request):
        self.asked.append(request)
        status, headers = self.says.pop(0) if self.says else (200, {})
        if status is BREAK_OFF:
            request.transport.abort()
        return web.Response(status=status or 200, headers={"ETag": '"e"', **headers}, body=b"12345")

    def regions(self):
        """The regions that the requests so far were signed for."""
        scopes = [request.headers["Authorization"].split("/") for request in self.asked]
        return [scope[2] for scope in scopes]


@pytest.fixture
async def bucket():
    made = Bucket()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = "http://{}:{}".format(*runner.addresses[0][:2])
    yield made
    await runner.cleanup()


@asynccontextmanager
async def looking(url, **more):
    """A source, and the operations that botocore was asked for."""
    async with SourceS3(RING, StoreSettings(s3_endpoint_url=url, **more), "us-east-1") as source:
        in_full, ask = [], source._ask

        async def counted(bucket, operation, **arguments):
            in_full.append((operation, arguments.get("Key")))
            return await ask(bucket, operation, **arguments)

        source._ask = counted
        yield source, in_full


async def test_the_server_takes_the_signatures_of_keys_of_every_kind(tmp_path):
    for number, key in enumerate(ODD):
        path = tmp_path / "buckets/odd" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * (number + 1))
    async with (
        local_s3.serving(tmp_path / "buckets", port=0, keys=(KEYS,), cache_s=0) as server,
        looking(server.url) as (source, in_full),
    ):
        sizes = [(await source.head("odd", key)).size_bytes for key in [*ODD, *ODD]]
        with pytest.raises(S3Refusal) as refused:
            await source.head("odd", "gone")
    assert sizes == [*range(1, len(ODD) + 1)] * 2
    assert in_full == [("head_object", ODD[0]), ("head_object", "gone")]
    assert refused.value.code == "404"


def told(request):
    """What a request says, but for its time, its signature and which try it is."""
    headers = {
        name: re.sub("Signature=.*", "", value)
        for name, value in request.headers.items()
        if not name.lower().startswith(("amz-sdk-", "x-amz-date"))
    }
    signed = headers["Authorization"]
    headers["Authorization"] = re.sub("amz-sdk-[a-z-]+;", "", signed)
    return request.method, request.path_qs, headers


@pytest.mark.parametrize("asked", [Asked(), Asked(checksum=True)])
async def test_the_next_head_says_what_the_first_one_said(bucket, asked):
    async with looking(bucket.url, requester_pays=True) as (source, in_full):
        for _ in range(2):
            await source.head("b", "k ü.mp4", asked)
        await source.head("other", "k ü.mp4", asked)
    first, second, third = map(told, bucket.asked)
    assert first == second
    assert first[2]["x-amz-request-payer"] == "requester"
    assert first[2].get("x-amz-checksum-mode") == ("ENABLED" if asked.checksum else None)
    assert third[1].startswith("/other/")
    assert [operation for operation, _ in in_full] == ["head_object"] * 2


async def test_a_version_is_asked_for_and_no_other_head_asks_for_it(bucket):
    async with looking(bucket.url) as (source, _):
        for version in ("one", None, "two", None):
            await source.head("b", "k", Asked(version))
    assert [request.query_string for request in bucket.asked] == [
        "versionId=one", "", "versionId=two", "",
    ]  # fmt: skip


async def test_the_region_that_a_redirect_told_is_gone_to_at_once(bucket):
    elsewhere = (400, {"x-amz-bucket-region": "eu-west-1"})
    bucket.says = [elsewhere]
    async with looking(bucket.url) as (source, _):
        for _ in range(3):
            await source.head("b", "k")
        # The bucket is made anew elsewhere meanwhile.
        bucket.says = [(400, {"x-amz-bucket-region": "eu-north-1"})] * 2
        for _ in range(2):
            await source.head("b", "k")
    assert bucket.regions() == [
        "us-east-1", *["eu-west-1"] * 3, *["eu-west-1"] * 2, *["eu-north-1"] * 2,
    ]  # fmt: skip


async def test_what_is_no_answer_is_asked_again_by_botocore_s_rules(bucket):
    async with looking(bucket.url) as (source, in_full):
        await source.head("b", "k")
        bucket.says = [(503, {})] * 2
        assert (await source.head("b", "k")).size_bytes == 5
        assert len(bucket.asked) == 4
        bucket.says = [(403, {})] * 2
        with pytest.raises(S3Refusal) as refused:
            await source.head("b", "k")
        assert (refused.value.code, refused.value.status) == ("403", 403)
        assert (await source.head("b", "k")).size_bytes == 5
    assert len(in_full) == 3
    assert len(bucket.asked) == 7


async def test_connections_that_break_off_are_a_source_that_does_not_answer(bucket, monkeypatch):
    monkeypatch.setattr("migrator.source.clients.ATTEMPTS", 1)
    async with looking(bucket.url) as (source, _):
        await source.head("b", "k")
        bucket.says = [(BREAK_OFF, {})] * 20
        with pytest.raises(SourceUnreachable):
            await source.head("b", "k")
        bucket.says.clear()
        assert (await source.head("b", "k")).size_bytes == 5
