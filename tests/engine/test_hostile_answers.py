"""Answers of any size, shape and pace: what the client makes of them, and what they may cost."""

import asyncio
import contextlib
import json
import tracemalloc
import zlib
from dataclasses import dataclass

import aiohttp
import pytest

from migrator.pixop import client as client_module
from migrator.pixop import wire
from migrator.pixop.client import Answer, Lost, PixopClient
from migrator.settings import Secret

KEY = "canary-api-key-1234"
VIDEO = "00000000-0000-4000-8000-000000000001"
LIMIT_BYTES = 32 * 2**20
"""A few times the largest body: the parts, the whole, and what it is decoded to."""


@dataclass
class Hostile:
    """A server on loopback that sends what `speak` yields, until nobody listens."""

    url: str = ""
    heads: list = None
    sent: int = 0


@contextlib.asynccontextmanager
async def speaking(speak):
    server_side = Hostile(heads=[])
    tasks = set()

    async def serve(reader, writer):
        tasks.add(asyncio.current_task())
        with (
            contextlib.suppress(ConnectionError, asyncio.IncompleteReadError),
            contextlib.closing(writer.transport),
        ):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                server_side.heads.append(head.decode())
                if b"content-length: 2" in head.lower():
                    await reader.readexactly(2)
                async for piece in speak():
                    writer.write(piece)
                    server_side.sent += len(piece)
                    await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    server_side.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"
    try:
        yield server_side
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def call(url, method="GET"):
    async with PixopClient(url, Secret(KEY), 4) as client:
        return await client.call(method, "/v1/videos", None, b"{}" if method == "POST" else None)


def told(head, body=b"", repeat=0):
    """One piece after the other: the head, then `body` so many times (0: for ever)."""

    async def speak():
        yield head.encode() + b"\r\n\r\n"
        for _ in range(repeat) if repeat else iter(int, 1):
            yield body
            await asyncio.sleep(0)

    return speak


def compressed(window_bits, size_bytes):
    """Zeros in the deflate formats: a thousandth of their size."""
    packer = zlib.compressobj(9, zlib.DEFLATED, window_bits)
    zeros = bytes(2**20)
    packed = b"".join(packer.compress(zeros) for _ in range(size_bytes // len(zeros)))
    return packed + packer.flush()


OK = "HTTP/1.1 200 OK\r\nContent-Type: application/json"


@pytest.fixture(scope="module")
def bombs():
    gzip, deflate = compressed(31, 2**26), compressed(15, 2**26)
    return {
        "gzip": ("gzip", gzip),
        "deflate": ("deflate", deflate),
        "gzip in members": ("gzip", compressed(31, 2**20) * 64),
        "gzip, a name in capitals": ("GZIP", gzip),
    }


@contextlib.contextmanager
def bounded_memory():
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < LIMIT_BYTES, f"{peak / 2**20:.0f} MB"


@pytest.mark.parametrize("bomb", ["gzip", "deflate", "gzip in members", "gzip, a name in capitals"])
async def test_an_answer_that_unfolds_to_gigabytes_is_not_unfolded(bomb, bombs):
    encoding, packed = bombs[bomb]
    head = f"{OK}\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(packed)}"
    async with speaking(told(head, packed, 1)) as server:
        with bounded_memory():
            reply = await call(server.url)
    assert isinstance(reply, Lost)


ENDLESS = {
    "a body of a known size": (f"{OK}\r\nContent-Length: 9999999999", b"x" * 100_000),
    "a body without a size": (f"{OK}\r\nConnection: close", b"x" * 100_000),
    "chunks": (f"{OK}\r\nTransfer-Encoding: chunked", b"fff0\r\n" + b" " * 0xFFF0 + b"\r\n"),
    "chunk extensions": (f"{OK}\r\nTransfer-Encoding: chunked\r\n\r\n5;a", b"x" * 100_000),
    "trailers": (f"{OK}\r\nTransfer-Encoding: chunked\r\n\r\n0", b"X-T: y\r\n" * 1000),
    "headers": (OK.removesuffix("\r\n") + "\r\nX-First: 1", b""),
    "one header": ("HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 100_000),
    "a status line": ("HTTP/1.1 200 ", b"O" * 100_000),
    "interim answers": ("HTTP/1.1 100 Continue", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
}  # fmt: skip


@pytest.mark.parametrize("endless", ENDLESS)
async def test_an_answer_without_an_end_is_given_up(endless, monkeypatch):
    monkeypatch.setattr(client_module, "TIMEOUT", aiohttp.ClientTimeout(total=1))
    head, more = ENDLESS[endless]
    if endless in {"one header", "a status line"}:

        async def speak():
            yield head.encode()
            while True:
                yield more

    elif endless == "headers":

        async def speak():
            yield head.encode()
            number = 0
            while True:
                lines = (f"\r\nX-{number + i}: {'y' * 50}" for i in range(1000))
                yield "".join(lines).encode()
                number += 1000

    else:
        speak = told(head, more)
    async with speaking(speak) as server:
        with bounded_memory():
            reply = await call(server.url)
    assert isinstance(reply, Lost), reply


async def test_an_answer_that_trickles_is_given_up_after_the_time_of_a_whole_one(monkeypatch):
    monkeypatch.setattr(client_module, "TIMEOUT", aiohttp.ClientTimeout(total=0.5, sock_read=10))

    async def speak():
        yield f"{OK}\r\nContent-Length: 1000000\r\n\r\n".encode()
        while True:
            yield b" "
            await asyncio.sleep(0.01)

    async with speaking(speak) as server:
        assert await call(server.url) == Lost("timed out", 200)


async def test_an_answer_has_a_time_as_a_whole():
    assert client_module.TIMEOUT.total is not None


SHAPES = {
    "videos without an end": b'{"totalElements":1,"items":[' + b'{"id":"a"},' * 300_000 + b"{}]}",
    "nothings without an end": b'{"totalElements":1,"items":[' + b"0," * 2_000_000 + b"0]}",
    "a depth of four million": b'{"totalElements":1,"items":' + b"[" * 4_000_000,
    "a depth within a video": b'{"totalElements":1,"items":[{"id":"%s","x":%s}]}'
    % (VIDEO.encode(), b"[" * 2_000_000 + b"]" * 2_000_000),
    "fields without an end": b'{"totalElements":"1",'
    + b",".join(b'"%d":0' % n for n in range(300_000)) + b"}",
    "a number of a million digits": b'{"totalElements":1' + b"0" * 1_000_000 + b',"items":[]}',
    "a text of megabytes": b'{"totalElements":1,"items":"' + b"x" * 4_000_000 + b'"}',
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_a_page_of_any_shape_is_refused_within_bounds(shape):
    body = SHAPES[shape]
    assert len(body) < client_module.MAX_PAGE_BYTES
    with bounded_memory():
        assert wire.decode_page(body) is None
        assert wire.decode(body, wire.VideoInStatus) is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("where", ["the same host", "another port", "another host", "nowhere"])
async def test_no_redirect_is_followed_and_the_key_goes_nowhere(status, method, where):
    async with speaking(told("HTTP/1.1 200 OK\r\nContent-Length: 2", b"{}", 1)) as other:
        target = {
            "the same host": "/elsewhere",
            "another port": other.url,
            "another host": other.url.replace("127.0.0.1", "localhost"),
            "nowhere": "javascript:alert(1)",
        }[where]
        head = f"HTTP/1.1 {status} Moved\r\nLocation: {target}\r\nContent-Length: 0"
        async with speaking(told(head, b"", 1)) as server:
            reply = await call(server.url, method)
    assert isinstance(reply, Answer)
    assert reply.status == status
    assert len(server.heads) == 1
    assert not other.heads


ECHOES = [
    (401, {"errorCode": KEY, "message": f"the key {KEY} is unknown"}),
    (400, {"message": "denied: " + "".join(f"%{ord(c):02x}" for c in KEY)}),
    (500, {"message": "\\u0063" + KEY[1:]}),
    (200, {"items": [{"id": VIDEO, "description": KEY, "upload": {"file": {"name": KEY}}}]}),
]


@pytest.mark.parametrize(("status", "body"), ECHOES)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_platform_that_repeats_the_key_is_not_quoted(status, body, method):
    content = json.dumps(body).encode()
    head = (
        f"HTTP/1.1 {status} {KEY}\r\nX-Echo: {KEY}\r\nDate: {KEY}\r\nX-RateLimit-Limit: {KEY}"
        f"\r\nSet-Cookie: {KEY}\r\nContent-Length: {len(content)}"
    )
    async with speaking(told(head, content, 1)) as server:
        reply = await call(server.url, method)
    assert isinstance(reply, Answer)
    # Of a POST that succeeds nothing is kept but an id.
    assert (KEY in repr(reply)) == (method == "POST" and status == 200)


@pytest.mark.parametrize(
    "answer",
    [f"HTTP/1.1 {KEY}", f"{KEY} 200 OK", f"HTTP/1.1 200 OK\r\n{KEY}",
     f"HTTP/1.1 200 OK\r\nContent-Length: {KEY}",
     f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 19\r\n\r\n{KEY}",
     f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{KEY}\r\n{KEY}"],
)  # fmt: skip
async def test_http_that_makes_no_sense_is_not_quoted_with_the_key_in_it(answer):
    async with speaking(told(answer, b"", 1)) as server:
        reply = await call(server.url)
    assert isinstance(reply, Lost)
    assert KEY[:11] not in repr(reply)
