"""Moments as the room keeps them (UTC, milliseconds since 1970) and as the API writes them."""

import asyncio
import email.utils
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_DATE_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.IGNORECASE | re.ASCII
)


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

    def monotonic_s(self) -> float:
        """Seconds of a clock that is never set."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for so long; not at all where it is less than nothing."""
        await asyncio.sleep(seconds)

    def http_date(self) -> str:
        """Now, as the `Date` of an answer."""
        return email.utils.formatdate(self.now_ms() / 1000, usegmt=True)


def iso(moment_ms: int) -> str:
    """ISO 8601 in UTC with milliseconds: `2026-01-31T12:00:00.000Z`."""
    seconds, milliseconds = divmod(moment_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


def from_iso(text: str) -> int | None:
    """The moment of a date-time of RFC 3339, or None if it is none; below a millisecond is cut."""
    if _DATE_TIME.fullmatch(text) is None:
        return None
    try:
        since = datetime.fromisoformat(text.upper()) - datetime.fromtimestamp(0, UTC)
    except ValueError:  # such as the 30th of February
        return None
    return since // timedelta(milliseconds=1)


def from_http_date(text: str | None) -> int | None:
    """The moment of an HTTP date such as `Last-Modified`, or None if it cannot be read."""
    if text is None:
        return None
    try:
        return int(email.utils.parsedate_to_datetime(text).timestamp()) * 1000
    except ValueError:
        return None
