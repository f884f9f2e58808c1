"""Whether the platform tells of copies that end, and how it reaches this program."""

import ipaddress
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter

from migrator.errors import UsageError
from migrator.settings.addresses import is_plain_url, is_this_machine, listening_address
from migrator.settings.fields import WEBHOOKS

MAX_URL = 4096
"""Characters of a webhook's URL (published document, `HttpsURL`)."""

HTTPS_PORT = 443
"""The only port that the platform delivers to (the same)."""


@Parameter(name="*", group=WEBHOOKS)
@dataclass(frozen=True, kw_only=True)
class WebhookSettings:
    """Deliveries of the platform: each is a hint to look, so that fewer calls follow the copies."""

    webhook_listen: Annotated[str | None, Parameter(show_default=False)] = None
    """Listen for the platform's deliveries at HOST:PORT, in plain http: TLS ends at your proxy.
    Needs --webhook-url."""
    webhook_url: Annotated[str | None, Parameter(show_default=False)] = None
    """The https URL, on port 443 of a public host, by which the platform reaches --webhook-listen.
    It is registered while the run lasts."""

    @property
    def address(self) -> tuple[str, int] | None:
        """(host, port) to listen on; None where no webhooks are wanted. Raises UsageError."""
        if self.webhook_listen is None:
            return None
        hint = "give it like 127.0.0.1:8080, where your proxy forwards to"
        host, port = listening_address("--webhook-listen", self.webhook_listen, hint)
        if port == 0:
            raise UsageError(
                f"--webhook-listen {self.webhook_listen}: port 0 is any free one, and your proxy "
                "would not know which",
                hint,
            )
        return host, port


def check_webhooks(settings: WebhookSettings, api_url: str) -> None:
    """Raises UsageError for webhooks that cannot work with the platform at `api_url`."""
    listen, url = settings.webhook_listen, settings.webhook_url
    if url is None and listen is None:
        return
    if url is None:
        raise UsageError(
            "--webhook-listen without --webhook-url: the platform would not know where to deliver",
            "give the https URL that leads to it, or leave both out",
        )
    if listen is None:
        raise UsageError(
            "--webhook-url without --webhook-listen: nobody would take the deliveries",
            "give HOST:PORT that the URL leads to, or leave both out",
        )
    assert settings.address is not None  # it is of the right form
    hint = "give an https URL on port 443 of a public host, like https://hooks.example.com/pixop"
    if not is_plain_url(url) or len(url) > MAX_URL:
        raise UsageError(
            f"--webhook-url: not a URL of a host and a path alone, of at most {MAX_URL} characters",
            hint,
        )
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_this_machine(urlsplit(api_url).hostname or ""):
        return  # a rehearsal: a platform on this machine delivers where it likes
    if parts.scheme != "https":
        raise UsageError(f"--webhook-url {url}: the platform delivers to https alone", hint)
    if parts.port not in {None, HTTPS_PORT}:
        raise UsageError(f"--webhook-url {url}: the platform delivers to port 443 alone", hint)
    if not _may_be_public(host):
        raise UsageError(
            f"--webhook-url {url}: the platform cannot reach an address that is not public", hint
        )


def _may_be_public(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return host != "localhost" and not host.endswith(".localhost")
