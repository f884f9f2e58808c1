"""Reading from a URL, by ranges.

A platform that fetches whatever URL it is given can be made to fetch from inside its own
network. So the API takes https on port 443 of a public host alone, and the address is looked
at where the connection is made: a name that leads elsewhere by then is found out too.
`allow_local` opens loopback, plain http and other ports, and nothing else.
"""

import ipaddress
import urllib.parse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from socket import AddressFamily
from typing import Self

import aiohttp
import yarl
from aiohttp.abc import AbstractResolver, ResolveResult

from migrator.sandbox.moments import from_http_date
from migrator.sandbox.origin import (
    SourceError,
    SourceHead,
    SourceUrl,
    content_range,
    require_range,
)

HTTPS_PORT = 443

CONNECTIONS = 64
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 30.0

_PRINTABLE = range(0x21, 0x7F)


class ForbiddenAddressError(OSError):
    """A host leads to an address that may not be fetched from."""


class WebSource:
    """Any URL that the API admits, and with `allow_local` those of this machine."""

    def __init__(self, *, allow_local: bool) -> None:
        self._allow_local = allow_local
        self._session = open_session(_Guard(allow_local=allow_local))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    def check(self, url: str) -> None:
        """Raise SourceError INVALID_HTTPS_URL where the URL itself is not admitted.

        A host that is a name is looked at when it is connected to.
        """
        try:
            parts = urllib.parse.urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise _invalid("it cannot be read") from error
        if not all(ord(character) in _PRINTABLE for character in url):
            raise _invalid("it has characters that must be percent-encoded")
        if parts.scheme != "https" and not (self._allow_local and parts.scheme == "http"):
            raise _invalid("it must begin with https://")
        if not host or parts.username is not None or parts.password is not None:
            raise _invalid("it must name a host, and no user")
        if port not in {None, HTTPS_PORT} and not self._allow_local:
            raise _invalid("only port 443 is allowed")
        if _is_forbidden(host, allow_local=self._allow_local):
            raise _invalid("its host is not a public one")

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
                raise _invalid("its host is not a public one") from error
            raise SourceError("RESOLVE_OBJECT_METADATA_ERROR", "no connection was made") from error
        except (aiohttp.InvalidURL, ValueError) as error:
            raise _invalid("it cannot be read") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            message = f"the source broke off: {type(error).__name__}"
            raise SourceError("RESOLVE_OBJECT_METADATA_ERROR", message) from error


class _Guard(AbstractResolver):
    """Resolves names, and refuses those that lead to an address that is not admitted."""

    def __init__(self, *, allow_local: bool) -> None:
        self._allow_local = allow_local
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if any(_is_forbidden(one["host"], allow_local=self._allow_local) for one in found):
            raise ForbiddenAddressError(f"{host} is not public")
        return found

    async def close(self) -> None:
        await self._resolver.close()


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


def _is_forbidden(host: str, *, allow_local: bool) -> bool:
    """Whether `host` is an address that may not be fetched from; a name is not one."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if address.is_loopback:
        return not allow_local
    return not address.is_global or address.is_multicast


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
