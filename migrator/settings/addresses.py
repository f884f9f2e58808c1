"""What an address may look like."""

import ipaddress
import re
from urllib.parse import urlsplit

from migrator.errors import UsageError

LOOPBACK = "127.0.0.1"


def is_plain_url(text: str) -> bool:
    """Whether `text` is scheme, host, port and path alone: no user, query or fragment."""
    try:
        parts = urlsplit(text)
        port_is_sane = parts.port is None or parts.port > 0
    except ValueError:
        return False
    odd = re.search("[@?#\\s\0-\x1f\ud800-\udfff]", text)
    # Without it [::1].example.com is ::1 for one library, and for another who knows what.
    one_host = re.fullmatch(r"(\[[^\[\]]+\]|[^\[\]:]+)(:[0-9]*)?", parts.netloc)
    is_http = parts.scheme in {"http", "https"} and bool(parts.hostname)
    return is_http and port_is_sane and odd is None and one_host is not None


def unusable_url(flag: str, url: str, hint: str) -> UsageError:
    """Why a URL is refused; it is not repeated where what is wrong with it may be a password."""
    if re.search(r"[@?#]", url):
        return UsageError(f"{flag}: holds a user, a password, a query or a fragment", hint)
    return UsageError(f"{flag} {url!r}: not an http(s) URL of a host, with or without a port", hint)


def is_this_machine(host: str) -> bool:
    """Whether a host is loopback, by its literal address or as `localhost` itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listening_address(flag: str, text: str, hint: str) -> tuple[str, int]:
    """(host, port) of `HOST:PORT`, `:PORT` or `PORT`; without a host it is this machine alone.

    Raises UsageError for anything else.
    """
    match = re.fullmatch(r"(?:(\[[0-9A-Fa-f:.%a-z]+\]|[^:\[\]\s]*):)?([0-9]{1,5})", text)
    if match is None or int(match[2]) >= 2**16:
        raise UsageError(f"{flag} {text!r}: not of the form HOST:PORT", hint)
    return (match[1] or LOOPBACK).strip("[]"), int(match[2])
