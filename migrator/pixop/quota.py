"""The quota headers of an answer, read with distrust.

The platform announces a quota of requests a minute on every answer. A header that is absent,
negative, not a number or absurd is as good as absent; one that holds a point in time instead of
seconds is read as such.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_LIMIT = 1_000_000_000
"""An announced limit beyond this many requests a minute is taken for nonsense."""

MAX_WAIT_S = 300
"""No header makes the engine wait longer at once: five windows of the platform."""

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
    limit = _number(headers.get("X-RateLimit-Limit"))
    return Quota(
        limit=limit if limit is not None and 1 <= limit <= MAX_LIMIT else None,
        remaining=_number(headers.get("X-RateLimit-Remaining")),
        reset_s=_seconds(headers.get("X-RateLimit-Reset"), date_s),
        retry_after_s=_seconds(
            headers.get("X-RateLimit-Retry-After", headers.get("Retry-After")), date_s
        ),
    )


def _number(text: str | None) -> int | None:
    if text is None or not re.fullmatch(r"\s*[0-9]{1,18}(\.0*)?\s*", text):
        return None
    return int(text.strip().split(".")[0])


def _seconds(text: str | None, date_s: int | None) -> int | None:
    value = _number(text)
    if value is None:
        return None
    if value > 10**12:  # an epoch in milliseconds
        value //= 1000
    if value > 10**9:  # an epoch in seconds
        if date_s is None or value < date_s:
            return None
        value -= date_s
    return min(value, MAX_WAIT_S) if value <= ABSURD_S else None
