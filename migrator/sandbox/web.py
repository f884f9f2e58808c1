"""Reading from a URL, by ranges. Which URLs are read at all, `addresses` says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Self

import aiohttp
import yarl
from aiohttp.abc import AbstractResolver

from migrator.sandbox.addresses import (
    NOT_PUBLIC,
    ForbiddenAddressError,
    ForbiddenUrlError,
    Guard,
    check_url,
)
from migrator.sandbox.moments import from_http_date
from migrator.sandbox.origin import (
    SourceError,
    SourceHead,
    SourceUrl,
    content_range,
    require_range,
)

CONNECTIONS = 64
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 30.0


class WebSource:
    """Any URL that the API admits, and with `allow_local` those of this machine."""

    def __init__(self, *, allow_local: bool) -> None:
        self._allow_local = allow_local
        self._session = open_session(Guard(allow_local=allow_local))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    def check(self, url: str) -> None:
        """Raise SourceError INVALID_HTTPS_URL where the URL itself is not admitted."""
        try:
            check_url(url, allow_local=self._allow_local)
        except ForbiddenUrlError as error:
            raise _invalid(str(error)) from error

    async def head(self, wanted: SourceUrl) -> SourceHead:
        """Ask for the first byte, which tells the size and that ranges are honoured.

        Raises SourceError: INVALID_HTTPS_URL, CONTENT_NOT_PARTIAL_ERROR,
        CONTENT_RANGE_HEADER_INVALID or RESOLVE_OBJECT_METADATA_ERROR.
        """
        self.check(wanted.url)
        async with self._send(wanted, "bytes=0-0") as answer:
            return SourceHead(
                size_bytes=_size(answer),
                content_type=answer.headers.get("Content-Type", ""),
                modified_at_ms=from_http_date(answer.headers.get("Last-Modified")),
            )

    @asynccontextmanager
    async def reading(
        self, wanted: SourceUrl, *, first: int, last: int, size_bytes: int
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """The bytes `first` to `last` (inclusive) of what has `size_bytes`.

        Raises SourceError where the answer is a refusal, or of another range or size.
        """
        self.check(wanted.url)
        async with self._send(wanted, f"bytes={first}-{last}") as answer:
            if answer.status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
                raise _inaccessible(answer)
            require_range(answer.headers, first=first, last=last, size_bytes=size_bytes)
            yield answer.content

    @asynccontextmanager
    async def _send(self, wanted: SourceUrl, span: str) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self._session.get(
                # As it stands: the signature of a presigned URL is over these very bytes.
                yarl.URL(wanted.url, encoded=True),
                headers={"Range": span},
                allow_redirects=False,  # each hop would have to be looked at again
            ) as answer:
                yield answer
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, ForbiddenAddressError):
                raise _invalid(NOT_PUBLIC) from error
            raise SourceError("RESOLVE_OBJECT_METADATA_ERROR", "no connection was made") from error
        except (aiohttp.InvalidURL, ValueError) as error:
            raise _invalid("it cannot be read") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            message = f"the source broke off: {type(error).__name__}"
            raise SourceError("RESOLVE_OBJECT_METADATA_ERROR", message) from error


def open_session(resolver: AbstractResolver | None = None) -> aiohttp.ClientSession:
    """A session for reading sources; the caller closes it."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS, resolver=resolver),
        timeout=aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=READ_TIMEOUT_S
        ),
        headers={"Accept-Encoding": "identity"},
        auto_decompress=False,
        # The source stands on this machine; a proxy of the user's would not find it.
        trust_env=False,
    )


def _size(answer: aiohttp.ClientResponse) -> int:
    """The size of the whole, from an answer to a question for its first byte."""
    stated = answer.headers.get("Content-Range", "")
    if answer.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and stated == "bytes */0":
        return 0  # nothing has no first byte
    if answer.status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        raise _inaccessible(answer)
    given = content_range(answer.headers)
    if given is not None and given[:2] == (0, 0):
        return given[2]
    if answer.status == HTTPStatus.PARTIAL_CONTENT:
        message = "Content-Range header invalid or not found"
        raise SourceError("CONTENT_RANGE_HEADER_INVALID", message)
    if answer.headers.get("Content-Length") == "0":
        return 0
    raise SourceError("CONTENT_NOT_PARTIAL_ERROR", "Partial content not received")


def _invalid(why: str) -> SourceError:
    return SourceError("INVALID_HTTPS_URL", f"Invalid HTTPS URL: {why}")


def _inaccessible(answer: aiohttp.ClientResponse) -> SourceError:
    return SourceError("RESOLVE_OBJECT_METADATA_ERROR", f"the URL answered {answer.status}")
