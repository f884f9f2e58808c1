"""Connections, and what is answered on them before any request reaches the gate.

aiohttp refuses by itself what is no HTTP, headers that are too large and an `Expect` that makes no
sense. It knows neither the quota nor the form of a refusal; here both are given to it.
"""

import asyncio
import errno
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from aiohttp import web

from migrator.sandbox.errors import SandboxError
from migrator.sandbox.gate import Gate

HOST = "127.0.0.1"
SHUTDOWN_S = 2.0
"""How long requests under way are waited for at the end."""

log = logging.getLogger(__name__)


class Connection(web.RequestHandler):
    """A connection whose every answer is the platform's own."""

    __slots__ = ("_gate",)

    def __init__(self, manager: web.Server, gate: Gate, loop: asyncio.AbstractEventLoop) -> None:
        # No access log: a line for each request says nothing that /_sandbox/windows does not.
        super().__init__(manager, loop=loop, access_log=None)  # type: ignore[arg-type]
        self._gate = gate

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer. An exception of aiohttp's comes from outside: the gate translates all."""
        if isinstance(resp, web.HTTPException):
            resp = self._gate.refuse(request, resp)
        return await super().finish_response(request, resp, start_time)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it may quote what came, secrets too
    ) -> web.StreamResponse:
        """The answer to what could not be read (400), or to an error of our own (500)."""
        if request.writer.output_size > 0:
            raise ConnectionError("part of an answer has been sent: there cannot be another")
        if status == HTTPStatus.BAD_REQUEST:
            log.debug("a request could not be read", exc_info=exc)
            refusal: web.HTTPException = web.HTTPBadRequest()
        else:
            log.error("a request failed", exc_info=exc)
            refusal = web.HTTPInternalServerError()
        answer = self._gate.refuse(request, refusal)
        answer.force_close()  # where one request ends and the next begins is not known
        return answer


@asynccontextmanager
async def listening(application: web.Application, gate: Gate, port: int) -> AsyncIterator[int]:
    """Answer on 127.0.0.1; yields the port. Raises SandboxError where it is taken."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        manager = runner.server
        assert manager is not None
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(
                lambda: Connection(manager, gate, loop), HOST, port, backlog=128
            )
        except OSError as error:
            if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
                raise
            message = f"port {port} of {HOST} is in use or not ours; give --port another one, or 0"
            raise SandboxError(message) from error
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
    finally:
        await runner.cleanup()
