"""The quota headers of an answer, read with distrust.

The platform announces a quota of requests a minute on every answer. A header that is absent,
negative, not a number or absurd is as good as absent; one that holds a point in time instead of
seconds is read as such. Of a list (a header that came twice, or `1200, 1200;w=60` as gateways write
it) the first number counts.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from fractions import Fraction
from functools import lru_cache

MAX_LIMIT = 1_000_000_000
"""An announced limit beyond this many requests a minute is taken for nonsense."""

MAX_WAIT_S = 300
"""No header makes the engine wait longer at once: five windows of the platform."""

MAX_DIGITS = 18
"""Of a number: what is longer is none that anybody meant."""

ABSURD_S = 24 * 3600
"""A wait beyond a day is no wait that anybody meant."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What one answer announces; None where the header is absent or makes no sense.

    `limit` is in requests a minute, `remaining` in requests; `reset_s` is the time to the next
    window, `retry_after_s` the time to wait after a 429.
    """

    limit: int | None = None
    remaining: int | None = None
    reset_s: int | None = None
    retry_after_s: int | None = None


def read_quota(headers: Mapping[str, str], date_s: int | None) -> Quota:
    """The quota that `headers` announce; `date_s` is the answer's own `Date` (epoch seconds)."""
    limit = _count(headers.get("X-RateLimit-Limit"))
    waits = (headers.get("X-RateLimit-Retry-After"), headers.get("Retry-After"))
    told = (_seconds(text, date_s) for text in waits)
    return Quota(
        limit=limit if limit is not None and 1 <= limit <= MAX_LIMIT else None,
        remaining=_count(headers.get("X-RateLimit-Remaining")),
        reset_s=_seconds(headers.get("X-RateLimit-Reset"), date_s),
        retry_after_s=next((wait_s for wait_s in told if wait_s is not None), None),
    )


@lru_cache(maxsize=64)
def epoch_s(text: str | None) -> int | None:
    """An HTTP date (RFC 9110, 5.6.7) as epoch seconds; None when it is none."""
    if text is None:
        return None
    try:
        return int(parsedate_to_datetime(text).timestamp())
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=4096)
def _number(text: str | None) -> Fraction | int | None:
    if text is not None and text.isdecimal() and text.isascii() and len(text) <= MAX_DIGITS:
        return int(text)  # as nearly all of them are written
    found = re.fullmatch(r"\s*([0-9]{1,18}(?:\.[0-9]{0,18})?)\s*(?:[,;].*)?", text or "")
    return None if found is None else Fraction(found[1].rstrip("."))


def _count(text: str | None) -> int | None:
    number = _number(text)
    return None if number is None else math.floor(number)


def _seconds(text: str | None, date_s: int | None) -> int | None:
    number = _number(text)
    value = epoch_s(text) if number is None else math.ceil(number)
    if value is None:
        return None
    if value > 10**12:  # an epoch in milliseconds
        value //= 1000
    if value > 10**9:  # an epoch in seconds
        if date_s is None or value < date_s:
            return None
        value -= date_s
    return min(value, MAX_WAIT_S) if value <= ABSURD_S else None
