"""Answers that go wrong on purpose, as a plan of faults has it.

What is struck before anything is done never reaches its route. What is struck after has been
done in full: only the client cannot know.
"""

import asyncio
import socket
import struct
from collections.abc import Mapping

from aiohttp import web

from migrator.sandbox.errors import ApiError
from migrator.sandbox.plan import (
    AnswerFault,
    Break,
    Enormous,
    Html,
    Reset,
    Slow,
    Throttle,
    Truncate,
    Withhold,
)

PIECES = 20
"""In so many pieces a slow answer comes."""

BLANKS = b" " * 65_536

PAGE = "<!DOCTYPE html>\n<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\n"

ABSURD_S = 10**12
"""As a number of seconds, some 31,000 years."""

_OUTAGES = {502: "502 Bad Gateway", 503: "503 Service Unavailable"}


class Proxied(Exception):
    """The page of a proxy in front of the platform, instead of an answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Cut(Exception):
    """No answer: the connection is to be reset."""


def strike_before(fault: AnswerFault | None) -> None:
    """Raise what is struck before anything is done, if anything is."""
    match fault:
        case Throttle():
            raise ApiError(429, "TOO_MANY_REQUESTS", "Too many requests")
        case Break(when="before") | Reset(when="before"):
            _break(fault)


def strike_after(fault: AnswerFault | None) -> None:
    """Raise what is struck after all has been done, if anything is."""
    match fault:
        case Break(when="after") | Reset(when="after"):
            _break(fault)


def _break(fault: Break | Reset) -> None:
    if isinstance(fault, Reset):
        raise Cut
    if fault.status in _OUTAGES:
        raise Proxied(fault.status)
    raise ApiError(500, "INTERNAL_SERVER_ERROR", "Unexpected error")


def page_of(status: int) -> web.Response:
    """The page of a proxy that has no answer to give on."""
    page = PAGE.format(_OUTAGES[status])
    return web.Response(status=status, text=page, content_type="text/html")


def twisted(headers: dict[str, str], how: str, now_ms: int) -> dict[str, str]:
    """The quota headers of a 429, as `how` has them (see `plan.Throttle`).

    The quota itself is not touched: that nothing remains is only said, as a 429 has to.
    """
    waits = ("X-RateLimit-Reset", "X-RateLimit-Retry-After")  # the latter a 429 alone has
    if how == "absent":
        return {}
    reset_s = int(headers["X-RateLimit-Reset"])
    said = {
        "correct": reset_s,
        "negative": -reset_s,
        "text": "soon",
        "epoch": now_ms // 1000 + reset_s,
        "absurd": ABSURD_S,
    }[how]
    return {**headers, "X-RateLimit-Remaining": "0", **dict.fromkeys(waits, str(said))}


def reset(request: web.Request) -> web.Response:
    """Reset the connection of a request; what is returned goes nowhere."""
    transport = request.transport
    if transport is not None:
        # Without lingering, closing is an RST: the client sees a reset and not an end.
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


async def delivered(
    request: web.Request, answer: web.StreamResponse, fault: AnswerFault | None
) -> web.StreamResponse:
    """Send `answer` in the way that `fault` has it; without one it is only given back."""
    match fault:
        case Withhold():
            await asyncio.sleep(fault.seconds)
        case Html():
            page = PAGE.format("Pixop").encode()
            return web.Response(body=page, content_type="text/html", headers=_others(answer))
    if isinstance(answer, web.Response) and isinstance(answer.body, bytes) and answer.body:
        return await _twisted_body(request, answer, answer.body, fault)
    return answer


async def _twisted_body(
    request: web.Request, answer: web.Response, body: bytes, fault: AnswerFault | None
) -> web.StreamResponse:
    match fault:
        case Truncate(cut="body"):
            answer.body = body[: len(body) // 2]
        case Truncate():
            await _stream(request, answer, [body[: len(body) // 2]], length=len(body))
            return reset(request)
        case Slow():
            step = max(1, -(-len(body) // PIECES))
            pieces = [body[start : start + step] for start in range(0, len(body), step)]
            pause_s = fault.seconds / max(1, len(pieces))
            return await _stream(request, answer, pieces, length=len(body), pause_s=pause_s)
        case Enormous():
            return await _enormous(request, answer, body, fault.size_bytes)
    return answer


async def _stream(
    request: web.Request,
    answer: web.Response,
    pieces: list[bytes],
    *,
    length: int,
    pause_s: float = 0.0,
) -> web.StreamResponse:
    stream = await _opened(request, answer, length)
    for piece in pieces:
        await asyncio.sleep(pause_s)
        await stream.write(piece)
    return stream


async def _enormous(
    request: web.Request, answer: web.Response, body: bytes, size_bytes: int
) -> web.StreamResponse:
    left = max(0, size_bytes - len(body))
    stream = await _opened(request, answer, len(body) + left)
    await stream.write(body)
    while left:
        blanks = BLANKS[:left]
        await stream.write(blanks)  # ends with an exception once the client has had enough
        left -= len(blanks)
    return stream


async def _opened(request: web.Request, answer: web.Response, length: int) -> web.StreamResponse:
    headers = {**_others(answer), "Content-Type": "application/json"}
    stream = web.StreamResponse(status=answer.status, headers=headers)
    stream.content_length = length
    await stream.prepare(request)
    return stream


def _others(answer: web.StreamResponse) -> Mapping[str, str]:
    """The headers of an answer but those of its body."""
    own = {"content-type", "content-length"}
    return {name: value for name, value in answer.headers.items() if name.lower() not in own}
