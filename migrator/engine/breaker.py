"""When to leave the platform, or a bucket, alone for a while. Times are arguments."""

import math
from dataclasses import dataclass, field
from http import HTTPStatus

from migrator.checkpoint.change import Facts
from migrator.model import DecidedBy, Reason
from migrator.pixop import wire
from migrator.pixop.client import Answer, Reply

FAILURES_TO_OPEN = 5
"""Failures in a row before the platform is left alone and only probed."""

REFUSALS_TO_OPEN = 3
"""Times in a row that the platform must refuse a bucket's keys before its rows are not sent."""


LONGEST_ASKED_S = 60.0
"""Longest wait of a platform's that is heeded: it may be back sooner than it thought."""

MEAN_THE_SAME_FROM_ALL = frozenset(
    {HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS}
)
"""Refusals that count whoever says them; the platform itself says 404 without a body, too."""


def is_outage(reply: Reply) -> bool:
    """Whether a reply says that the platform is not well: no answer, a 5xx, or a stranger's."""
    if not isinstance(reply, Answer):
        return True
    return reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR or is_strangers(reply)


def is_strangers(answer: Answer) -> bool:
    """Whether a refusal is a page, of a firewall or a proxy: the platform refuses in JSON."""
    if not HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return False
    body = answer.body.lstrip()
    return answer.status not in MEAN_THE_SAME_FROM_ALL and body[:1] == b"<"


def is_own_404(answer: Answer) -> bool:
    """Whether a 404 is the platform's own: without a body, or in the form of its errors."""
    error = wire.decode(answer.body, wire.ApiError)
    return not answer.body.strip() or (error is not None and error.error_code is not None)


@dataclass(slots=True)
class Breaker:
    """The platform's health. Opens after failures in a row; one good answer closes it.

    Until `asked_s` the platform has asked not to be asked (Retry-After of a 5xx).
    """

    failures: int = 0
    since_s: float | None = None
    well_s: float = -math.inf
    detail: str = ""
    asked_s: float = -math.inf

    @property
    def is_open(self) -> bool:
        """Whether requests wait and the platform is only probed."""
        return self.failures >= FAILURES_TO_OPEN

    def observe(self, reply: Reply, began_s: float, now_s: float) -> None:
        """Take in how a request ended that began at `began_s`.

        A failure of a request that began before the last good answer came is no news: it may have
        hung in an outage that is over.
        """
        if not is_outage(reply):
            self.failures, self.since_s, self.well_s = 0, None, now_s
            self.asked_s = -math.inf
            return
        if began_s < self.well_s:
            return
        self.failures += 1
        self.detail = f"HTTP {reply.status}" if isinstance(reply, Answer) else reply.detail
        asked_s = reply.quota.retry_after_s if isinstance(reply, Answer) else None
        if asked_s is not None:
            self.asked_s = now_s + min(asked_s, LONGEST_ASKED_S)
        if self.since_s is None:
            self.since_s = now_s

    def outage_s(self, now_s: float) -> float:
        """For how many seconds the platform has not answered; 0 when it does."""
        return 0.0 if self.since_s is None else now_s - self.since_s

    def paused_until_s(self) -> float:
        """Until when the pacer holds everything: for ever while open (the probe closes it)."""
        return math.inf if self.is_open else 0.0


@dataclass(slots=True)
class BucketBreakers:
    """Buckets whose keys the platform refuses: their rows cost no further call."""

    _in_a_row: dict[str, int] = field(default_factory=dict)
    _words: dict[str, Facts] = field(default_factory=dict)
    _good: set[str] = field(default_factory=set)

    def observe(self, bucket: str, facts: Facts, *, keys_refused: bool) -> None:
        """Take in how a POST for this bucket was answered."""
        if not keys_refused:
            self._good.add(bucket)
            self._words.pop(bucket, None)
            return
        if bucket in self._good:  # the keys have opened it: this was about something else
            return
        self._in_a_row[bucket] = self._in_a_row.get(bucket, 0) + 1
        if self._in_a_row[bucket] >= REFUSALS_TO_OPEN:
            self._words[bucket] = facts

    def refusal(self, bucket: str) -> Facts | None:
        """The facts for a row of a refused bucket, in the platform's words; None when open."""
        words = self._words.get(bucket)
        if words is None:
            return None
        return {
            **words,
            "reason": Reason.BAD_CREDENTIALS,
            "decided_by": DecidedBy.BREAKER,
        }
