"""How long it will still take, as far as that can be said honestly. Pure: numbers in, numbers out.

The quota is the ceiling: no estimate is faster than what the platform lets through. Where the run
has lately been slower than that (copies in flight at their limit, an outage, other programs with
the same key), that is what the estimate goes by; and where nothing moves, there is none.
"""

from dataclasses import dataclass

MEASURED_OVER_S = 300.0
"""Seconds that the pace of late is an average over."""

MEASURED_FROM_S = 60.0
"""A pace counts once it was watched for a whole window of the quota; before, the quota says."""

CALLS_PER_ROW = 1.03
"""Calls that a row costs where nothing is known yet: one POST, and its share of what follows."""

ROWS_OF_DOUBT = 100
"""The first guess of the calls per row weighs as much as so many rows that were seen."""

SLOWEST_PER_MINUTE = 0.5
"""Below so many calls a minute the run stands still, and nobody knows for how long."""


@dataclass(frozen=True, slots=True)
class Course:
    """Where a run stands.

    `to_send` counts rows that no POST has settled yet, `in_flight` copies. `calls` and `rows_sent`
    are of the time since it began to send, `idle_s` the seconds since it had a row to send.
    `allowed_per_minute` is the quota's word, `measured_per_minute` the pace of late, None while it
    is not known. `copy_s` is the mean duration of copies, None before the first has ended.
    """

    to_send: int
    in_flight: int
    calls: int
    rows_sent: int
    allowed_per_minute: int
    measured_per_minute: float | None
    copy_s: float | None
    idle_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Eta:
    """Seconds until all is sent, and until all has ended; None where there is no honest answer."""

    sent_s: float | None
    ended_s: float | None


UNKNOWN = Eta(None, None)


def calls_per_row(calls: int, rows_sent: int) -> float:
    """Calls that one more row is likely to cost, by what those before it did."""
    return (calls + CALLS_PER_ROW * ROWS_OF_DOUBT) / (max(0, rows_sent) + ROWS_OF_DOUBT)


def estimate(course: Course) -> Eta:
    """How long it will still take."""
    sent_s = 0.0
    if course.to_send > 0:
        per_minute = float(course.allowed_per_minute)
        if course.measured_per_minute is not None:
            per_minute = min(per_minute, course.measured_per_minute)
        if per_minute < SLOWEST_PER_MINUTE:
            return UNKNOWN
        sent_s = course.to_send * calls_per_row(course.calls, course.rows_sent) / per_minute * 60
    if not (course.to_send or course.in_flight):
        return UNKNOWN
    # The last copy begins when all is sent, and takes about as long as the others did.
    last_s = None if course.copy_s is None else sent_s + course.copy_s - course.idle_s
    return Eta(sent_s or None, last_s if last_s is not None and last_s > 0 else None)
