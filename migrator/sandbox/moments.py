"""Moments as the room keeps them (UTC, milliseconds since 1970) and as the API writes them."""

import email.utils
import time
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(slots=True)
class Clock:
    """The platform's clock, which a plan of faults may set wrong."""

    offset_ms: int = 0

    def now_ms(self) -> int:
        """Now, in milliseconds since 1970, UTC."""
        return self.machine_ms() + self.offset_ms

    def machine_ms(self) -> int:
        """Now by the machine's own clock, in milliseconds since 1970, UTC."""
        return time.time_ns() // 1_000_000

    def http_date(self) -> str:
        """Now, as the `Date` of an answer."""
        return email.utils.formatdate(self.now_ms() / 1000, usegmt=True)


def iso(moment_ms: int) -> str:
    """ISO 8601 in UTC with milliseconds: `2026-01-31T12:00:00.000Z`."""
    seconds, milliseconds = divmod(moment_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


def from_http_date(text: str | None) -> int | None:
    """The moment of an HTTP date such as `Last-Modified`, or None if it cannot be read."""
    if text is None:
        return None
    try:
        return int(email.utils.parsedate_to_datetime(text).timestamp()) * 1000
    except ValueError:
        return None
