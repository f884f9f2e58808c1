"""One delivery on the wire, and what came of it.

What a webhook answers is a stranger's text: of its body and its headers no more is read, and no
more is kept, than the API shows.
"""

import asyncio
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Self

import aiohttp
import yarl

from migrator.sandbox.addresses import (
    NOT_PUBLIC,
    ForbiddenAddressError,
    ForbiddenUrlError,
    Guard,
    check_url,
)
from migrator.sandbox.moments import Clock, from_http_date
from migrator.sandbox.webhooks.values import Response

TIMEOUT_S = 10.0
"""For all of a delivery, until the answer has been read (the API's own rule)."""

BODY_SHOWN = 100
HEADER_SHOWN = 50
"""Characters; the API shows no more of an answer."""

HEADERS_SHOWN = ("Content-Type", "Location", "Retry-After", "Server")
"""Of an answer that is no success, as far as it has them."""

BODY_READ_BYTES = 4 * BODY_SHOWN
"""As many characters as are shown have no more bytes of UTF-8."""

KEEPALIVE_S = 2.0
"""Shorter than receivers keep a connection: a POST on one that they have closed would fail."""

FARTHEST_MS = 366 * 86_400_000
"""What asks to be tried again only later than this is not listened to."""

_SECONDS = re.compile(r"[0-9]{1,7}")


class Sender:
    """Posts to webhooks. `allow_local` opens plain http and this machine (see `addresses`)."""

    def __init__(self, clock: Clock, *, allow_local: bool, timeout_s: float = TIMEOUT_S) -> None:
        self._clock = clock
        self._allow_local = allow_local
        self._timeout_s = timeout_s
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # whoever sends holds each webhook to so many at once
                keepalive_timeout=KEEPALIVE_S,
                resolver=Guard(allow_local=allow_local),
            ),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity", "User-Agent": "pixop-sandbox"},
            auto_decompress=False,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    def check(self, url: str) -> None:
        """Raise ForbiddenUrlError where a URL is not admitted; a name is resolved when called."""
        check_url(url, allow_local=self._allow_local)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """Deliver `body`; redirects are not followed. What goes wrong is told by the response."""
        requested_at, began_s = self._clock.now_ms(), self._clock.monotonic_s()
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._posted(url, body, headers)
        except _Failure as failure:
            answer = {"status": 0, "error_code": failure.code, "error_message": failure.message}
        except TimeoutError:
            message = f"No answer within {self._timeout_s:g} seconds"
            answer = {"status": 0, "error_code": "TIMEOUT", "error_message": message}
        took_ms = round(1000 * (self._clock.monotonic_s() - began_s))
        return Response(requested_at=requested_at, took_ms=took_ms, **answer)

    async def _posted(self, url: str, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        try:
            self.check(url)  # again: the sandbox may have been started with another setting
            async with self._session.post(
                yarl.URL(url, encoded=True),
                data=body,
                headers={"Content-Type": "application/json", **headers},
                allow_redirects=False,  # each hop would have to be looked at again
            ) as answer:
                return await self._told(answer)
        except ForbiddenUrlError as error:
            raise _invalid(str(error)) from error
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, ForbiddenAddressError):
                raise _invalid(NOT_PUBLIC) from error
            raise _Failure("CONNECTION_FAILED", "No connection was made") from error
        except (aiohttp.InvalidURL, ValueError) as error:
            raise _invalid("it cannot be read") from error
        except (aiohttp.ClientError, OSError) as error:
            message = f"The connection broke off: {type(error).__name__}"
            raise _Failure("CONNECTION_FAILED", message) from error

    async def _told(self, answer: aiohttp.ClientResponse) -> dict[str, Any]:
        """What is kept of an answer, by the fields of Response."""
        content = bytearray()
        async for chunk in answer.content.iter_chunked(BODY_READ_BYTES):
            content += chunk
            if len(content) >= BODY_READ_BYTES:
                break
        told: dict[str, Any] = {
            "status": answer.status,
            "body": bytes(content[:BODY_READ_BYTES]).decode(errors="replace")[:BODY_SHOWN] or None,
        }
        if answer.status // 100 != HTTPStatus.OK // 100:
            told["headers"] = {
                name: _readable(answer.headers[name])[:HEADER_SHOWN]
                for name in HEADERS_SHOWN
                if name in answer.headers
            }
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            told["retry_at"] = self._retry_at(answer.headers.get("Retry-After", ""))
        return told

    def _retry_at(self, retry_after: str) -> int | None:
        """When the webhook asks to be tried again, by the platform's clock."""
        now = self._clock.now_ms()
        if _SECONDS.fullmatch(retry_after):
            return now + 1000 * int(retry_after)
        dated = from_http_date(retry_after)
        if dated is None:
            return None
        # It is by the webhook's clock, which is as right as this machine's.
        asked = dated + self._clock.offset_ms
        return asked if now <= asked <= now + FARTHEST_MS else None


class _Failure(Exception):
    """There was no answer."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def _invalid(why: str) -> _Failure:
    return _Failure("INVALID_HTTPS_URL", f"Invalid HTTPS URL: {why}")


def _readable(header: str) -> str:
    """A header as text that can be encoded: aiohttp hands bytes that are no UTF-8 on in escapes."""
    return header.encode(errors="surrogateescape").decode(errors="replace")
