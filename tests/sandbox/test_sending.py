"""One delivery on the wire: whatever a webhook does is told, and nothing of it is unbounded."""

import asyncio
import gzip
import socket
import threading
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from contracts.openapi import Contract
from fakes.receiver import receiving
from fakes.steered_clock import BEGAN_MS, SteeredClock

from migrator.sandbox.webhooks.sending import Sender

MEGABYTE = 1_000_000


@pytest.fixture
async def sender():
    async with Sender(SteeredClock(), allow_local=True) as sender:
        yield sender


@pytest.fixture
async def receiver():
    async with receiving(Contract(None)) as receiver:  # bodies are made up here
        yield receiver


async def post(sender, url):
    return await sender.post(url, b"{}", {"X-Pixop-Algorithm": "SHA256withECDSA"})


@asynccontextmanager
async def raw(*pieces, keep=False):
    """The URL of a server that says these bytes to whoever connects."""
    done = asyncio.Event()

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
        if keep:
            await done.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/told"
        done.set()


@pytest.mark.parametrize("status", [200, 202, 204, 299])
async def test_any_2xx_is_a_success_and_its_headers_are_not_kept(sender, receiver, status):
    receiver.answer = lambda _request: web.Response(status=status)
    response = await post(sender, receiver.url)
    assert (response.status, response.is_success, response.headers) == (status, True, {})
    assert response.requested_at == BEGAN_MS


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 410, 500, 503])
async def test_any_other_status_is_none_and_some_headers_are_kept_cut(sender, receiver, status):
    headers = {"Location": "/elsewhere" + "e" * 100, "Server": "s", "Set-Cookie": "a=b"}
    receiver.answer = lambda _request: web.Response(status=status, text="no", headers=headers)
    url = receiver.url.replace("127.0.0.1", "localhost")  # an address is never told its cookies
    response = await post(sender, url)
    assert (response.status, response.is_success, response.body) == (status, False, "no")
    assert response.headers == {
        "Content-Type": "text/plain; charset=utf-8",
        "Location": "/elsewhere" + "e" * 40,
        "Server": "s",
    }
    await post(sender, url)
    assert len(receiver.deliveries) == 2  # no redirect was followed
    assert "Cookie" not in receiver.deliveries[1].headers


async def test_of_a_body_a_hundred_characters_are_kept(sender, receiver):
    receiver.answer = lambda _request: web.Response(text="é" * MEGABYTE)
    assert (await post(sender, receiver.url)).body == "é" * 100


async def test_a_body_that_is_compressed_is_not_unpacked(sender, receiver):
    bomb = gzip.compress(bytes(50 * MEGABYTE))
    headers = {"Content-Encoding": "gzip"}
    receiver.answer = lambda _request: web.Response(body=bomb, headers=headers)
    response = await post(sender, receiver.url)
    assert response.body == bomb[:400].decode(errors="replace")[:100]


async def test_bytes_that_are_no_text_are_kept_as_text_that_can_be_shown(sender):
    said = b"HTTP/1.1 500 No\r\nServer: \xff\xfe\r\nContent-Length: 3\r\n\r\n\xff\x00\xfe"
    async with raw(said) as url:
        response = await post(sender, url)
    assert (response.body, response.headers["Server"]) == ("�\x00�", "��")
    response.body.encode()


async def test_a_webhook_that_does_not_answer_is_given_up_after_the_timeout(receiver):
    receiver.answer = lambda _request: asyncio.Event().wait()
    async with Sender(SteeredClock(), allow_local=True, timeout_s=0.05) as sender:
        response = await post(sender, receiver.url)
    assert (response.status, response.error_code) == (0, "TIMEOUT")


async def test_an_answer_whose_body_never_ends_is_given_up_too():
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nslowly"
    impatient = Sender(SteeredClock(), allow_local=True, timeout_s=0.05)
    async with raw(said, keep=True) as url, impatient as sender:
        response = await post(sender, url)
    assert (response.status, response.error_code) == (0, "TIMEOUT")


async def test_a_body_without_an_end_is_not_waited_for_once_enough_is_read(sender):
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000
    async with raw(said, keep=True) as url:
        assert (await post(sender, url)).body == "x" * 100


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"this is no HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ncut",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_an_answer_that_cannot_be_read_is_a_failed_connection(sender, said):
    async with raw(said) as url:
        response = await post(sender, url)
    assert (response.status, response.error_code) == (0, "CONNECTION_FAILED")


async def test_a_webhook_that_is_not_there_is_a_failed_connection(sender, receiver):
    async with raw() as url:
        pass
    response = await post(sender, url)
    assert (response.status, response.error_code) == (0, "CONNECTION_FAILED")


@pytest.mark.parametrize(
    "url",
    [
        "https://localhost/told",
        "http://example.com/told",
        "https://127.0.0.1/told",
        "https://a..b/told",
    ],
)
async def test_the_url_is_looked_at_again_and_so_is_what_its_name_leads_to(url):
    async with Sender(SteeredClock(), allow_local=False) as sender:
        response = await post(sender, url)
    assert (response.status, response.error_code) == (0, "INVALID_HTTPS_URL")


async def test_names_that_nobody_resolves_hold_up_nothing_else(sender, receiver, monkeypatch):
    answered, look_up = threading.Event(), socket.getaddrinfo

    def silent(host, *given):
        if host.endswith(".example"):
            answered.wait()
            raise socket.gaierror
        return look_up(host, *given)

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    urls = [f"https://silent{number}.example/told" for number in range(20)]
    waiting = [asyncio.create_task(post(sender, url)) for url in urls]
    try:
        known = await post(sender, receiver.url.replace("127.0.0.1", "localhost"))
        assert known.is_success
        assert await asyncio.to_thread(lambda: "the disk") == "the disk"
        assert not any(one.done() for one in waiting)
    finally:
        answered.set()
        failed = await asyncio.gather(*waiting)
    assert {one.error_code for one in failed} == {"CONNECTION_FAILED"}


@pytest.mark.parametrize(
    ("status", "retry_after", "in_s"),
    [
        (429, "120", 120),
        (429, "Fri, 15 Jan 2027 08:01:00 GMT", 60),
        (429, "Fri, 15 Jan 2010 08:01:00 GMT", None),
        (429, "Fri, 31 Dec 9999 23:59:59 GMT", None),
        (429, "Mon, 01 Jan 0001 00:00:00 -0000", None),
        (429, "-5", None),
        (429, "9" * 50, None),
        (429, "soon", None),
        (503, "120", None),
    ],
)
async def test_a_429_may_name_the_moment_to_try_again(sender, receiver, status, retry_after, in_s):
    headers = {"Retry-After": retry_after}
    receiver.answer = lambda _request: web.Response(status=status, headers=headers)
    response = await post(sender, receiver.url)
    assert response.retry_at == (None if in_s is None else BEGAN_MS + 1000 * in_s)
