"""The client on real sockets: what is known after a call, whatever the other side does."""

import asyncio
import contextlib

import aiohttp
import pytest
from aiohttp import web

from migrator.pixop import client as client_module
from migrator.pixop.client import Answer, Lost, NotSent, PixopClient
from migrator.pixop.quota import Quota
from migrator.settings import Secret

KEY = "canary-api-key-1234"


@contextlib.asynccontextmanager
async def served(handler):
    """An HTTP server on loopback; yields its base URL."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}/api"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def raw(reply):
    """A server that reads one request and answers with bytes; None resets the connection."""
    seen = []
    handlers = set()

    async def serve(reader, writer):
        handlers.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            seen.append(head.split(b"\r\n")[0].decode())
            if reply is None:
                writer.transport.abort()
            else:
                writer.write(reply)
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api", seen
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.gather(*handlers)


async def call(url, method="POST", path="/v1/x", body=b"{}"):
    async with PixopClient(url, Secret(KEY), 4) as client:
        return await client.call(method, path, {"a": "b c"}, body)


async def test_an_answer_comes_with_status_quota_and_the_platform_s_date():
    seen = {}

    async def handler(request):
        seen.update(request.headers)
        seen["url"] = str(request.rel_url)
        headers = {
            "X-RateLimit-Limit": "1200",
            "X-RateLimit-Remaining": "3",
            "X-RateLimit-Reset": "9",
            "Date": "Mon, 24 Nov 2025 16:00:00 GMT",
        }
        return web.json_response({"x": 1}, status=202, headers=headers)

    async with served(handler) as url:
        reply = await call(url)
    assert reply == Answer(202, b'{"x": 1}', Quota(1200, 3, 9, None), 1_764_000_000)
    assert seen["X-API-Key"] == KEY
    assert (seen["Accept"], seen["Content-Type"]) == ("application/json", "application/json")
    assert seen["Cache-Control"] == "no-cache"
    assert seen["url"] == "/api/v1/x?a=b+c"


async def test_no_connection_means_not_sent():
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    assert isinstance(await call(f"http://127.0.0.1:{port}/api"), NotSent)


async def test_a_name_that_does_not_resolve_means_not_sent():
    assert isinstance(await call("http://no-such-host.invalid/api"), NotSent)


async def test_a_server_that_does_not_speak_tls_means_not_sent(monkeypatch):
    monkeypatch.setattr(client_module, "TIMEOUT", aiohttp.ClientTimeout(sock_connect=0.3))
    async with raw(b"hello\r\n\r\n") as (url, _):
        assert isinstance(await call(url.replace("http:", "https:")), NotSent)


@pytest.mark.parametrize(
    "reply",
    [
        None,
        b"",
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{",
        b"HTTP/1.1 nonsense\r\n\r\n",
        b"\x00\x01\x02\x03\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
    ],
)
async def test_a_request_that_left_without_a_whole_answer_is_lost_and_sent_once(reply):
    async with raw(reply) as (url, seen):
        assert isinstance(await call(url), Lost)
    assert len(seen) == 1


async def test_a_post_on_a_connection_that_went_stale_is_not_resent_by_the_library():
    requests = []

    async def serve(reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            requests.append(1)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            await writer.drain()
            await reader.readuntil(b"\r\n\r\n")  # the second request comes, and is dropped
            requests.append(2)
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"
    async with PixopClient(url, Secret(KEY), 1) as client:
        assert isinstance(await client.call("POST", "/v1/x", None, b"{}"), Answer)
        assert isinstance(await client.call("POST", "/v1/x", None, b"{}"), Lost)
    server.close()
    await server.wait_closed()
    assert requests == [1, 2]


async def test_an_answer_that_never_comes_is_lost_after_the_time_limit(monkeypatch):
    monkeypatch.setattr(client_module, "TIMEOUT", aiohttp.ClientTimeout(sock_read=0.1))
    released = asyncio.Event()

    async def handler(_request):
        await released.wait()
        return web.Response()

    async with served(handler) as url:
        reply = await call(url)
        released.set()
    assert reply == Lost("timed out", None)


async def test_an_enormous_answer_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr(client_module, "MAX_BODY_BYTES", 1000)
    written = 0

    async def handler(request):
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while written < 10**9:
                await response.write(b"x" * 100_000)
                written += 100_000
        return response

    async with served(handler) as url:
        reply = await call(url)
    assert isinstance(reply, Lost)
    assert reply.status == 200
    assert written < 10**8


async def test_a_redirect_is_an_answer_and_the_key_goes_nowhere_else():
    elsewhere = []

    async def other(request):
        elsewhere.append(request)
        return web.Response()

    async with served(other) as target:

        async def handler(_request):
            return web.Response(status=307, headers={"Location": target})

        async with served(handler) as url:
            reply = await call(url)
    assert isinstance(reply, Answer)
    assert reply.status == 307
    assert not elsewhere


async def test_what_went_wrong_is_told_without_the_key():
    async with raw(None) as (url, _):
        reply = await call(url)
    assert KEY not in repr(reply)


async def test_the_proxy_of_the_environment_is_used_and_its_exceptions_are_kept(monkeypatch):
    seen = []

    async def handler(request):
        seen.append(request.raw_path)
        return web.Response()

    async with served(handler) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.removesuffix("/api"))
        monkeypatch.setenv("NO_PROXY", "")
        assert isinstance(await call("http://platform.invalid/api"), Answer)
        monkeypatch.setenv("NO_PROXY", "platform.invalid")
        assert isinstance(await call("http://platform.invalid/api"), NotSent)
    assert seen == ["http://platform.invalid/api/v1/x?a=b+c"]
