"""An S3 that answers what no S3 answers: told as a source that makes no sense, within bounds."""

import asyncio
import contextlib
import tracemalloc

import pytest

from migrator.filters import Filter
from migrator.model import InvalidRow
from migrator.settings import Secret, StoreSettings
from migrator.source import clients
from migrator.source import s3 as s3_module
from migrator.source.answers import SourceUnreachable
from migrator.source.credentials import KeyRing, SourceKeys
from migrator.source.listing import listed_rows
from migrator.source.preflight import Preflight
from migrator.source.s3 import SourceS3
from migrator.source.walk import walk

SECRET = "canary/Secret+Access=Key/0123456789abcd"
XML = '<?xml version="1.0" encoding="UTF-8"?>'
ENTRY = "<Contents><Key>k</Key><ETag>e</ETag><Size>5</Size></Contents>"
LIMIT_BYTES = 64 * 2**20


class Answer:
    """What the server says to everything, and what it was asked."""

    head = ""
    body = b""

    def __init__(self):
        self.asked = []

    def be(self, head, body=b""):
        self.head, self.body = head, body


@pytest.fixture
async def hostile(monkeypatch):
    """A SourceS3 (making one takes a second) on a server that says what a test wants."""
    monkeypatch.setattr(s3_module, "ATTEMPTS", 1)
    monkeypatch.setattr(clients, "ATTEMPTS", 1)
    answer = Answer()
    tasks = set()

    async def serve(reader, writer):
        tasks.add(asyncio.current_task())
        with (
            contextlib.suppress(ConnectionError, asyncio.IncompleteReadError),
            contextlib.closing(writer.transport),
        ):
            while True:
                answer.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
                writer.write(f"HTTP/1.1 {answer.head}\r\n".encode("latin-1"))
                if not answer.asked[-1].startswith("HEAD"):
                    size = len(answer.body)
                    writer.write(b"Content-Length: %d\r\n\r\n" % size + answer.body)
                else:
                    writer.write(b"\r\n")
                await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    ring = KeyRing(SourceKeys("AKIAEXAMPLE", Secret(SECRET)), {})
    try:
        async with SourceS3(ring, StoreSettings(s3_endpoint_url=url), "us-east-1") as source:
            yield source, answer
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


HEADS = {
    "no size": "ETag: x",
    "a negative size": "Content-Length: -5",
    "a size in words": "Content-Length: many",
    "a size beyond all bounds": f"Content-Length: {'9' * 30}",
    "a header that is not UTF-8": "Content-Length: 5\r\nETag: \xff",
    "a count in words": "Content-Length: 5\r\nx-amz-missing-meta: some",
}  # fmt: skip


async def test_a_head_that_makes_no_sense_is_a_source_that_does_not_answer(hostile, subtests):
    source, answer = hostile
    for case, headers in HEADS.items():
        with subtests.test(case):
            answer.be(f"200 OK\r\n{headers}")
            with pytest.raises(SourceUnreachable):
                await source.head("bucket", "key")


async def test_a_time_that_makes_no_sense_is_no_reason_to_leave_an_object_out(hostile, subtests):
    source, answer = hostile
    for moment in ("never", "Mon, 24 Nov 99999 16:00:00 GMT", "\x1b[31m", "9" * 99):
        with subtests.test(moment):
            answer.be(f"200 OK\r\nContent-Length: 5\r\nLast-Modified: {moment}")
            facts = await source.head("bucket", "key")
            assert (facts.size_bytes, facts.last_modified_ms) == (5, None)


def listing(inner):
    return f"{XML}<ListBucketResult>{inner}</ListBucketResult>"


LAUGHS = "".join(
    f'<!ENTITY {name} "{f"&{of};" * 10}">' for of, name in zip("abcdefgh", "bcdefghi", strict=True)
)
LISTINGS = {
    "no key": listing(ENTRY.replace("<Key>k</Key>", "")),
    "no size": listing(ENTRY.replace("<Size>5</Size>", "")),
    "a size in words": listing(ENTRY.replace(">5<", ">many<")),
    "a negative size": listing(ENTRY.replace(">5<", ">-5<")),
    "a size beyond all bounds": listing(ENTRY.replace(">5<", f">{'9' * 30}<")),
    "a size of a million digits": listing(ENTRY.replace(">5<", f">{'9' * 1_000_000}<")),
    "more to come, and nowhere": listing(f"<IsTruncated>true</IsTruncated>{ENTRY}"),
    "more to come, for ever": listing(
        "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
    ),
    "no XML": "welcome",
    "HTML": "<html><br></html>",
    "XML cut short": listing(ENTRY)[:90],
    "a control character": listing(ENTRY.replace(">k<", ">&#x1b;[31m<")),
    "a billion laughs": f'{XML}<!DOCTYPE l [<!ENTITY a "{"lol" * 9}">{LAUGHS}]><a>&i;</a>',
    "an entity from a file": f'{XML}<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]><a>&a;</a>',
    "a depth of a hundred thousand": XML + "<a>" * 100_000,
    "elements without an end": listing("<a/>" * 1_500_000),
    "more than is ever read": listing("<Key>" + "k" * 9_000_000 + "</Key>"),
}


async def test_a_listing_that_makes_no_sense_is_a_source_that_does_not_answer(hostile, subtests):
    source, answer = hostile

    async def pages():
        return [page async for page in walk(source, "bucket", "")]

    for case, body in LISTINGS.items():
        with subtests.test(case):
            answer.be("200 OK\r\nContent-Type: application/xml", body.encode())
            tracemalloc.start()
            try:
                with pytest.raises(SourceUnreachable):
                    await pages()
                assert tracemalloc.get_traced_memory()[1] < LIMIT_BYTES
            finally:
                tracemalloc.stop()


async def test_a_listed_key_that_no_request_can_be_made_of_is_an_invalid_row(hostile, subtests):
    source, answer = hostile
    for key in ("", "k" * 1025, "ü" * 513):
        with subtests.test(key[:3]):
            answer.be("200 OK", listing(ENTRY.replace(">k<", f">{key}<")).encode())
            pages = listed_rows(walk(source, "bucket", ""), "bucket", "", Filter(), first_row=1)
            (rows,) = [page.rows async for page in pages]
            assert [(type(row), row.column) for row in rows] == [(InvalidRow, "key")]


ECHO = (
    "<Error><Code>{0}</Code><Message>the key {0} is wrong</Message>"
    "<SecretAccessKey>{0}</SecretAccessKey></Error>"
)


async def test_an_s3_that_repeats_the_secret_is_not_quoted(hostile, subtests):
    source, answer = hostile
    body = (XML + ECHO.format(SECRET)).encode()
    for status in ("400 Bad", "403 Forbidden", "404 Not Found", "500 Oops"):
        with subtests.test(status):
            answer.be(f"{status}\r\nx-amz-id-2: {SECRET}", body)
            try:
                told = repr(await Preflight(source).look("bucket", "key", None))
            except SourceUnreachable as error:
                told = repr(error) + str(error)
            assert SECRET[:12] not in told
    assert SECRET not in "".join(answer.asked)


async def test_http_of_s3_that_makes_no_sense_is_not_quoted_with_the_secret_in_it(hostile):
    source, answer = hostile
    answer.be(f"200 OK\r\nContent-Length: {SECRET}")
    with pytest.raises(SourceUnreachable) as raised:
        await source.head("bucket", "key")
    assert SECRET[:12] not in str(raised.value)
