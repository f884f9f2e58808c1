"""One call of the platform's API, and what is known after it.

Every foreign exception ends here. A call has one of three ends: an `Answer` (whatever its status),
`NotSent` (provably, nothing can have been created) or `Lost` (the request may have been acted on).
Nothing is repeated here: whether to ask again is the engine's decision, and aiohttp itself never
resends a POST.
"""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from migrator import __version__
from migrator.certificates import why_untrusted
from migrator.pixop.quota import Quota, epoch_s, read_quota
from migrator.redaction import Redactor
from migrator.settings import Secret, is_this_machine

MAX_PAGE_BYTES, MAX_BODY_BYTES = 4 * 2**20, 2**18
"""Beyond this an answer to a GET, and to anything else, is not read: a page of 100 videos has some
300 kB, other answers are an id or a refusal, and many of them may come at once."""

TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=10)
"""Seconds: the platform heads the source before it answers a POST, so that may take a while. One
timer for all of a request: another one for its reading would be set anew with each packet."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The platform answered. `date_s` is its own clock (epoch seconds)."""

    status: int
    body: bytes
    quota: Quota
    date_s: int | None

    @property
    def ok(self) -> bool:
        """Whether the status is a success."""
        return _is_success(self.status)


@dataclass(frozen=True, slots=True)
class NotSent:
    """No connection was made: nothing can have been created.

    `untrusted`: the server's certificate was refused, so that it may be anybody's.
    """

    detail: str
    untrusted: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """The request left, and no whole answer came back."""

    detail: str
    status: int | None = None


Reply = Answer | NotSent | Lost


class Api(Protocol):
    """The port to the platform (a simulation brings its own)."""

    async def call(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        """One request, one reply; never raises for what the network or the platform does."""
        ...


class PixopClient:
    """The API over HTTP. Use as an async context manager."""

    def __init__(
        self,
        api_url: str,
        api_key: Secret,
        max_connections: int,
        handed_over: Sequence[Secret] = (),
    ) -> None:
        self._redactor = Redactor([api_key, *handed_over])
        self._base = api_url.rstrip("/")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=max_connections, ssl=ssl.create_default_context()),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=TIMEOUT,
            proxy=_proxy(api_url),
            headers={
                "X-API-Key": api_key.reveal(),
                "Accept": "application/json",
                "Content-Type": "application/json",
                "Cache-Control": "no-cache",  # a list out of a cache proves nothing
                "User-Agent": f"migrator/{__version__}",
            },
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        """One request, one reply. Redirects are not followed: the key stays with this host."""
        status: int | None = None
        query = tuple((params or {}).items())
        try:
            async with self._session.request(
                method, _joined(self._base, path, query), data=body, allow_redirects=False
            ) as response:
                status = response.status
                limit_bytes = MAX_PAGE_BYTES if method == "GET" else MAX_BODY_BYTES
                content = await _read(response, limit_bytes)
                if content is None:
                    return Lost(f"an answer larger than {limit_bytes} bytes", status)
                # Of what a POST made nothing is kept but an id, and most calls are of this kind.
                if method != "POST" or not _is_success(status):
                    content = self._redactor.body(content)
                date_s = epoch_s(response.headers.get("Date"))
                return Answer(status, content, read_quota(response.headers, date_s), date_s)
        except aiohttp.ClientConnectorCertificateError as error:
            why = why_untrusted(error) or "no reason given"
            return NotSent(f"the certificate of {error.host} is not trusted: {why}", untrusted=True)
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ConnectionTimeoutError,
            aiohttp.ClientHttpProxyError,
            aiohttp.InvalidURL,
        ) as error:
            return NotSent(self._redactor.text(_plain(error)))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Lost(self._redactor.text(_plain(error)), status)


@lru_cache(maxsize=256)
def _joined(base: str, path: str, params: tuple[tuple[str, str], ...]) -> URL:
    """The URL of a call; all POSTs of a run have the same one."""
    url = URL(base + path)
    return url.extend_query(params) if params else url


def _is_success(status: int) -> bool:
    return 200 <= status < 300  # noqa: PLR2004 - HTTP's own numbers


def _proxy(api_url: str) -> str | None:
    """The proxy that the environment names for the platform (HTTPS_PROXY, NO_PROXY).

    Worked out once: aiohttp's own `trust_env` does it for each request, and would send what it
    finds for this host in ~/.netrc besides.
    """
    parts = urlsplit(api_url)
    # What is on this machine is not reached through another one, and may be in plain http.
    if is_this_machine(parts.hostname or "") or proxy_bypass(parts.netloc):
        return None
    return getproxies().get(parts.scheme)


async def _read(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes | None:
    parts: list[bytes] = []
    size = 0
    while part := await response.content.readany():
        size += len(part)
        if size > limit_bytes:
            response.close()
            return None
        parts.append(part)
    return b"".join(parts)


def _plain(error: BaseException) -> str:
    """What went wrong, in one line without request headers."""
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"senseless HTTP ({error.status})"
    if isinstance(error, aiohttp.ClientConnectorError):
        why = error.os_error.strerror or str(error.os_error)
        return f"no connection to {error.host}:{error.port} ({' '.join(why.split())[:200]})"
    text = " ".join(str(error).split())[:200]
    return text or type(error).__name__
