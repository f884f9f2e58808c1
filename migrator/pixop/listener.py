"""The server that takes the platform's deliveries: small, bounded, and trusting nobody.

It reads one body of at most some kilobytes a request, hands it on with its headers, and answers
with the status that it is given. Beyond MAX_CONNECTIONS nobody gets in; a connection over which no
request has come to its end for IDLE_S is shut, whatever drips in.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from multidict import MultiMapping

from migrator.errors import UsageError
from migrator.pixop.deliveries import MAX_DELIVERY_BYTES

MAX_CONNECTIONS = 64
"""At once: the platform makes some deliveries at a time, a proxy keeps some more."""

IDLE_S = 30.0
"""A connection is shut that has brought no whole request for so long."""

BODY_S = 5.0
"""A body that is not there within this time is not waited for."""

MAX_HEADERS, MAX_HEADER_BYTES = 64, 4096
"""What a proxy adds has room in it."""

SHUTDOWN_S = 1.0
"""How long requests under way may still take when the run ends."""

Take = Callable[[MultiMapping[str], bytes], int]
"""Takes a delivery, headers and body, and answers with an HTTP status at once."""


class _Full(asyncio.Protocol):
    """Whoever comes when all connections are taken."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


class _Server(web.Server):
    """Knows since when each connection has brought nothing (`alive_s`, of the loop's clock)."""

    def __init__(self, answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        super().__init__(
            answer,
            access_log=None,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
            lingering_time=0.0,
            auto_decompress=False,
        )
        self.alive_s: dict[RequestHandler, float] = {}

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self.alive_s.pop(handler, None)


class Listener:
    """Hands what comes to `take`."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._clock = asyncio.get_running_loop().time
        self._server = _Server(self._answer)

    def connect(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        if len(self._server.alive_s) >= MAX_CONNECTIONS:
            return _Full()
        handler = self._server()
        self._server.alive_s[handler] = self._clock()
        return handler

    async def shut_idle(self) -> None:
        """Shut what has brought nothing for too long, for ever."""
        while True:
            await asyncio.sleep(IDLE_S / 10)
            for handler, since_s in list(self._server.alive_s.items()):
                if self._clock() - since_s <= IDLE_S:
                    continue
                if handler.transport is not None:
                    handler.transport.abort()
                else:  # it never came to be connected
                    self._server.alive_s.pop(handler, None)

    async def end(self) -> None:
        """Let requests under way come to their end, and shut all connections."""
        self._server.pre_shutdown()
        await self._server.shutdown(SHUTDOWN_S)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "POST":
            return _refused(HTTPStatus.METHOD_NOT_ALLOWED)
        if (request.content_length or 0) > MAX_DELIVERY_BYTES:
            return _refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            async with asyncio.timeout(BODY_S):
                body = await _read(request)
        except (TimeoutError, web.HTTPException):
            return _refused(HTTPStatus.REQUEST_TIMEOUT)
        if body is None:
            return _refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        status = self._take(request.headers, body)
        if request.protocol in self._server.alive_s:
            self._server.alive_s[request.protocol] = self._clock()
        return web.Response(status=status)


def _refused(status: HTTPStatus) -> web.Response:
    """Refuse what is not read to its end, and the connection with it."""
    answer = web.Response(status=status)
    answer.force_close()
    return answer


async def _read(request: web.BaseRequest) -> bytes | None:
    """The body, or None where it is too large."""
    parts: list[bytes] = []
    size = 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > MAX_DELIVERY_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


@asynccontextmanager
async def listening(host: str, port: int, take: Take) -> AsyncIterator[None]:
    """Take deliveries at `host`:`port` as long as the block runs.

    Raises UsageError where that address cannot be listened on.
    """
    listener = Listener(take)
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(listener.connect, host, port)
    except OSError as error:
        raise UsageError(
            f"--webhook-listen {host}:{port}: cannot be listened on ({error.strerror or error})",
            "choose another port, and let --webhook-url lead there",
        ) from None
    shutting = asyncio.ensure_future(listener.shut_idle())
    try:
        yield
    finally:
        shutting.cancel()
        server.close()
        await listener.end()
        await server.wait_closed()
