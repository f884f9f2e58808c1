"""Copies from a URL, of a small server that can be made to misbehave."""

import asyncio
import hashlib
import random
import re
import socket
import urllib.parse

import boto3
import pytest
from aiohttp import web

from migrator.sandbox.addresses import is_forbidden
from migrator.sandbox.checksum import crc32c_of
from migrator.sandbox.origin import SourceError, SourceUrl
from migrator.sandbox.web import WebSource

NOWHERE = "00000000-0000-0000-0000-000000000000"
MEGABYTE = 1_000_000


class Origin:
    """Serves one content by ranges, or not; `gate` holds its parts back once it is cleared."""

    def __init__(self, content=b"pictures"):
        self.content = content
        self.answers = self.by_range
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = self.most_at_once = self.bytes_sent = 0
        self.url = ""

    async def serve(self, request):
        if request.headers["Range"] == "bytes=0-0":  # the question for the size
            return await self.answers(request)
        self.waiting += 1
        self.most_at_once = max(self.most_at_once, self.waiting)
        try:
            await self.gate.wait()
            return await self.answers(request)
        finally:
            self.waiting -= 1

    async def by_range(self, request):
        first, last = map(
            int, re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers["Range"]).groups()
        )
        size = len(self.content)
        if first >= size:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
        body = self.content[first : last + 1]
        self.bytes_sent += len(body)
        await asyncio.sleep(0)
        return web.Response(
            status=206,
            body=body,
            headers={
                "Content-Range": f"bytes {first}-{first + len(body) - 1}/{size}",
                "Content-Type": "video/mp4",
                "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT",
            },
        )


@pytest.fixture
async def origin():
    origin = Origin()
    app = web.Application()
    app.router.add_get("/film.mp4", origin.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    origin.url = f"http://127.0.0.1:{runner.addresses[0][1]}/film.mp4"
    yield origin
    origin.gate.set()
    await runner.cleanup()


@pytest.fixture
async def local(sandbox):
    async with sandbox(allow_local_urls=True) as client:
        yield client


def asked(client, url, *, name="A film", fields=None, **query):
    body = {"name": name, "url": url, **(fields or {})}
    return client.call("POST", "/v1/videos/in/https", data=body, **query)


async def test_a_url_is_copied_byte_for_byte_in_parts(local, origin):
    origin.content = random.Random(6).randbytes(40 * MEGABYTE)
    answer = await asked(local, origin.url, name="Reel 7/2")
    assert answer.status == 202
    file = answer.json["upload"]["file"]
    assert (file["name"], file["size"]) == ("Reel_7_2", 40 * MEGABYTE)
    assert (file["type"], file["lastModified"]) == ("video/mp4", "2015-10-21T07:28:00.000Z")
    video_id = answer.json["videoId"]
    assert (await local.ended(video_id))["uploadStatus"] == "DONE"
    copied = local.copied(video_id).read_bytes()
    assert hashlib.sha256(copied).digest() == hashlib.sha256(origin.content).digest()
    assert (await local.inspect("copies"))["partsFetched"] == 5


async def test_a_presigned_url_of_the_local_s3_is_copied_and_shown_without_its_query(local):
    content = random.Random(7).randbytes(20 * MEGABYTE)
    local.put("a film #1.mov", content)
    s3 = boto3.client(
        "s3",
        endpoint_url=local.env["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=local.env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=local.env["AWS_SECRET_ACCESS_KEY"],
        region_name=local.env["AWS_REGION"],
        config=boto3.session.Config(signature_version="s3v4"),
    )
    params = {"Bucket": "films", "Key": "a film #1.mov"}
    url = s3.generate_presigned_url("get_object", Params=params)
    answer = await asked(local, url, crc32c=crc32c_of(content), maxConcurrentConnections=3)
    video_id = answer.json["videoId"]
    assert (await local.ended(video_id))["uploadStatus"] == "DONE"
    assert local.copied(video_id).read_bytes() == content
    [create] = (await local.inspect("creates"))["creates"]
    assert create["url"] == url.partition("?")[0] + "?***"
    assert (create["crc32c"], create["maxConcurrentConnections"]) == (crc32c_of(content), 3)
    assert "bucket" not in create
    signature = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["X-Amz-Signature"][0]
    for path in (local.directory / "platform").rglob("*"):
        assert path.is_dir() or signature.encode() not in path.read_bytes(), path
    tampered = await asked(local, url.replace(signature, "0" * 64))
    assert (tampered.status, tampered.code) == (400, "RESOLVE_OBJECT_METADATA_ERROR")
    assert "0" * 64 not in tampered.text


async def test_a_server_without_ranges_is_refused(local, origin):
    async def whole(_request):
        return web.Response(body=origin.content)

    async def unnamed(_request):
        return web.Response(status=206, body=b"p")

    async def moved(request):
        if "there" in request.query:
            return await origin.by_range(request)
        raise web.HTTPFound(f"{origin.url}?there")

    for answers, code in (
        (whole, "CONTENT_NOT_PARTIAL_ERROR"),
        (unnamed, "CONTENT_RANGE_HEADER_INVALID"),
        (moved, "RESOLVE_OBJECT_METADATA_ERROR"),
    ):
        origin.answers = answers
        refused = await asked(local, origin.url)
        assert (refused.status, refused.code) == (400, code)
    absent = await asked(local, origin.url + "x")
    assert (absent.status, absent.code) == (400, "RESOLVE_OBJECT_METADATA_ERROR")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        shut = await asked(local, f"http://127.0.0.1:{taken.getsockname()[1]}/")
    assert (shut.status, shut.code) == (400, "RESOLVE_OBJECT_METADATA_ERROR")
    assert (await local.inspect("creates"))["creates"] == []


async def test_a_server_that_loses_its_ranges_later_fails_the_copy(local, origin):
    served = origin.by_range

    async def first_only(request):
        if request.headers["Range"] == "bytes=0-0":
            return await served(request)
        return web.Response(body=origin.content)

    origin.answers = first_only
    state = await local.ended((await asked(local, origin.url)).json["videoId"])
    assert (state["uploadStatus"], state["error"]["code"]) == (
        "FAILED",
        "CONTENT_NOT_PARTIAL_ERROR",
    )


async def test_over_500_gb_behind_a_url_is_refused(local, origin):
    async def huge(_request):
        headers = {"Content-Range": f"bytes 0-0/{500 * 10**9 + 1}"}
        return web.Response(status=206, body=b"p", headers=headers)

    origin.answers = huge
    answer = await asked(local, origin.url)
    assert (answer.status, answer.code) == (400, "VALIDATION_ERROR")
    assert "500 GB" in answer.json["message"]


async def test_nothing_behind_a_url_is_copied_as_nothing(local, origin):
    origin.content = b""
    answer = await asked(local, origin.url, crc32c=0)
    assert (await local.ended(answer.json["videoId"]))["uploadStatus"] == "DONE"
    assert local.copied(answer.json["videoId"]).read_bytes() == b""


async def test_a_wrong_checksum_fails_and_is_restarted_only_without_it(local, origin):
    origin.content = random.Random(8).randbytes(20 * MEGABYTE)
    wrong = crc32c_of(origin.content) ^ 1
    video_id = (await asked(local, origin.url, crc32c=wrong)).json["videoId"]
    state = await local.ended(video_id)
    assert (state["uploadStatus"], state["error"]["code"]) == ("FAILED", "CHECKSUM_MISMATCH")

    refused = await local.restart(video_id)
    assert (refused.status, refused.code) == (409, "VIDEO_IN_RESTART_CHECKSUM_MISMATCH")
    refused = await local.restart(video_id, skipChecksumValidation="false")
    assert refused.status == 409
    before = origin.bytes_sent
    assert (await local.restart(video_id, skipChecksumValidation="true")).status == 202
    assert (await local.ended(video_id))["uploadStatus"] == "DONE"
    assert origin.bytes_sent == before + 1  # the parts were had: only its size was asked for
    assert local.copied(video_id).read_bytes() == origin.content


@pytest.mark.parametrize("most", [1, 3, 20])
async def test_no_more_connections_are_made_than_were_allowed(local, origin, most):
    origin.content = bytes(21 * 8 * 1024 * 1024)
    origin.gate.clear()
    answer = await asked(local, origin.url, maxConcurrentConnections=most)
    async with asyncio.timeout(20):
        while origin.waiting < most:
            await asyncio.sleep(0.01)
    origin.gate.set()
    assert (await local.ended(answer.json["videoId"]))["uploadStatus"] == "DONE"
    assert origin.most_at_once == most


async def test_a_copy_from_a_url_killed_in_the_middle_goes_on_after_a_restart(
    tmp_path, spawn, connect, origin
):
    directory = tmp_path / "sandbox"
    origin.content = random.Random(9).randbytes(80 * MEGABYTE)
    flags = ("--allow-local-urls", "--copy-bytes-per-second", str(30 * MEGABYTE))
    process, env = await asyncio.to_thread(spawn, directory, *flags)
    async with connect(directory, env) as client:
        asking = asked(
            client, origin.url, crc32c=crc32c_of(origin.content), maxConcurrentConnections=2
        )
        video_id = (await asking).json["videoId"]
        await client.until(video_id, lambda state: state["progressPercentage"] > 0)
    process.kill()
    await asyncio.to_thread(process.wait)

    origin.bytes_sent = 0
    _, env = await asyncio.to_thread(spawn, directory, "--allow-local-urls")
    async with connect(directory, env) as client:
        assert (await client.upload(video_id))["error"]["code"] == "COPY_INTERRUPTED"
        assert (await client.restart(video_id)).status == 202
        assert (await client.ended(video_id))["uploadStatus"] == "DONE"
        copied = client.copied(video_id).read_bytes()
        assert hashlib.sha256(copied).digest() == hashlib.sha256(origin.content).digest()
        assert 0 < origin.bytes_sent < len(origin.content)


# ------------------------------------------------------------- which URLs


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/film.mp4",
        "ftp://example.com/film.mp4",
        "https://example.com:8443/film.mp4",
        "https://example.com:x/film.mp4",
        "https://user:secret@example.com/film.mp4",
        "https://",
        "https://exa mple.com/film.mp4",
        "https://example.com/filmé.mp4",
        "https://[::1/film.mp4",
        "https://127.0.0.1/film.mp4",
        "https://[::1]/film.mp4",
        "https://[::ffff:127.0.0.1]/film.mp4",
        "https://10.0.0.1/film.mp4",
        "https://172.16.5.5/film.mp4",
        "https://192.168.1.1/film.mp4",
        "https://169.254.169.254/latest/meta-data",
        "https://[fe80::1]/film.mp4",
        "https://[fd00::1]/film.mp4",
        "https://224.0.0.1/film.mp4",
        "https://[ff02::1]/film.mp4",
        "https://0.0.0.0/film.mp4",
        "https://localhost/film.mp4",
        "https://2130706433/film.mp4",
        "https://127.1/film.mp4",
        "https://127.0.0.1./film.mp4",
        "https://0X7F.0x1/film.mp4",
    ],
)
async def test_a_url_that_is_not_https_on_443_of_a_public_host_is_refused(client, url):
    answer = await asked(client, url)
    assert (answer.status, answer.code, answer.invalid) == (400, "INVALID_HTTPS_URL", {"url"})
    assert "secret" not in answer.text


@pytest.mark.parametrize("host", ["127.1", "127.0.0.1.", "0177.1", "0x7f.1", "2130706433"])
def test_a_number_in_another_form_is_an_address_and_no_name_to_be_resolved(host):
    assert is_forbidden(host, allow_local=True)
    assert not is_forbidden("1.example.com", allow_local=False)


async def test_a_name_that_leads_here_is_found_out_by_the_copy_too(sandbox):
    async with sandbox(head=False) as client:
        answer = await asked(client, "https://localhost/film.mp4")
        state = await client.ended(answer.json["videoId"])
        assert state["error"]["code"] == "INVALID_HTTPS_URL"


@pytest.mark.parametrize("url", ["https://10.0.0.1/x", "http://169.254.169.254/x", "ftp://h/x"])
async def test_local_urls_open_this_machine_and_no_other_address(local, url):
    assert (await asked(local, url)).code == "INVALID_HTTPS_URL"


async def test_public_addresses_are_admitted():
    async with WebSource(allow_local=False) as source:
        for url in (
            "https://example.com/a?b=c",
            "https://93.184.216.34:443/",
            "https://[2606::1]/",
        ):
            source.check(url)
        with pytest.raises(SourceError):
            source.check("https://127.0.0.1/")


def test_a_url_is_not_shown_with_its_query():
    assert "secret" not in repr(SourceUrl("https://example.com/film?X-Amz-Signature=secret"))


# ------------------------------------------------------------- bounds


@pytest.mark.parametrize(
    ("fields", "query", "invalid"),
    [
        ({"url": ""}, {}, {"url"}),
        ({"url": "https://" + "x" * 4089}, {}, {"url"}),
        ({"url": 1, "name": ""}, {}, {"url", "name"}),
        ({"url": None, "fileName": "a b"}, {}, {"url", "fileName"}),
        ({}, {"crc32c": "-1"}, {"crc32c"}),
        ({}, {"crc32c": "4294967296"}, {"crc32c"}),
        ({}, {"crc32c": "x"}, {"crc32c"}),
        ({}, {"maxConcurrentConnections": "0"}, {"maxConcurrentConnections"}),
        ({}, {"maxConcurrentConnections": "21"}, {"maxConcurrentConnections"}),
        ({}, {"selectTeamId": "x", "fullIngestion": "1"}, {"selectTeamId", "fullIngestion"}),
    ],
)
async def test_every_broken_field_is_named(client, fields, query, invalid):
    answer = await asked(client, "https://example.com/x", fields=fields, **query)
    assert (answer.status, answer.code, answer.invalid) == (400, "VALIDATION_ERROR", invalid)


async def test_bounds_are_met_exactly_and_the_largest_values_are_taken(sandbox):
    async with sandbox(copy=False, head=False) as client:
        url = "https://example.com/".ljust(4096, "x")
        query = {"crc32c": "4294967295", "maxConcurrentConnections": "20"}
        assert (await asked(client, url, **query)).status == 202
        assert (await asked(client, url, crc32c="0", maxConcurrentConnections="1")).status == 202


async def test_a_team_or_project_that_is_absent_is_a_400_as_no_404_is_documented(client):
    team = await asked(client, "https://example.com/x", selectTeamId=NOWHERE)
    assert (team.status, team.code) == (400, "TEAM_NOT_FOUND")
    project = await asked(client, "https://example.com/x", fields={"projectId": NOWHERE})
    assert (project.status, project.code) == (400, "RESOURCE_NOT_FOUND")


async def test_a_query_parameter_that_is_given_twice_is_refused(client):
    answer = await client.call("POST", "/v1/videos/in/https?crc32c=1&crc32c=2", data={})
    assert "crc32c" in answer.invalid
