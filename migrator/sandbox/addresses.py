"""Which URLs the platform calls at all.

A platform that fetches from, or posts to, whatever URL it is given can be led into its own
network. So the API takes https on port 443 of a public host alone, and the address is looked at
where the connection is made: a name that leads elsewhere by then is found out too. `allow_local`
opens loopback, plain http and other ports, and nothing else.
"""

import asyncio
import functools
import ipaddress
import re
import socket
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from socket import AddressFamily

from aiohttp.abc import AbstractResolver, ResolveResult

HTTPS_PORT = 443

NOT_PUBLIC = "its host is not a public one"

LOOKUPS_AT_ONCE = 32
"""More than there can be active webhooks, each with one name."""

_PRINTABLE = range(0x21, 0x7F)

_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""As the last part of a host it makes an IPv4 address, in whatever form (WHATWG URL, 3.5)."""


class ForbiddenUrlError(Exception):
    """A URL that may not be called; the message says what is wrong, and not the URL."""


class ForbiddenAddressError(OSError):
    """A host leads to an address that may not be connected to."""


def check_url(url: str, *, allow_local: bool) -> None:
    """Raise ForbiddenUrlError where the URL itself is not admitted.

    A host that is a name is looked at when it is connected to; see Guard.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ForbiddenUrlError("it cannot be read") from error
    if not all(ord(character) in _PRINTABLE for character in url):
        raise ForbiddenUrlError("it has characters that must be percent-encoded")
    if parts.scheme != "https" and not (allow_local and parts.scheme == "http"):
        raise ForbiddenUrlError("it must begin with https://")
    if not host or parts.username is not None or parts.password is not None:
        raise ForbiddenUrlError("it must name a host, and no user")
    if port not in {None, HTTPS_PORT} and not allow_local:
        raise ForbiddenUrlError("only port 443 is allowed")
    if is_forbidden(host, allow_local=allow_local):
        raise ForbiddenUrlError(NOT_PUBLIC)


def is_forbidden(host: str, *, allow_local: bool) -> bool:
    """Whether `host` is an address that may not be connected to; a name is not one."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return _NUMBER.fullmatch(host.lower().rstrip(".").rpartition(".")[2]) is not None
    if address.is_loopback:
        return not allow_local
    return not address.is_global or address.is_multicast


class Guard(AbstractResolver):
    """Resolves names, and refuses those that lead to an address that is not admitted.

    In threads of its own: a name server that does not answer holds up nothing but who asked it.
    """

    def __init__(self, *, allow_local: bool) -> None:
        self._allow_local = allow_local
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE, thread_name_prefix="sandbox-names")

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_INET
    ) -> list[ResolveResult]:
        """What a name leads to; raises ForbiddenAddressError where any of it is not admitted."""
        loop = asyncio.get_running_loop()
        look_up = functools.partial(
            socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG
        )
        found = await loop.run_in_executor(self._threads, look_up)
        addresses = [str(address[0]) for *_, address in found]
        if any(is_forbidden(one, allow_local=self._allow_local) for one in addresses):
            raise ForbiddenAddressError(f"{host} is not public")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=own_family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address, (own_family, _, protocol, _, _) in zip(addresses, found, strict=True)
        ]

    async def close(self) -> None:
        """Wait for no name server any longer."""
        self._threads.shutdown(wait=False, cancel_futures=True)
