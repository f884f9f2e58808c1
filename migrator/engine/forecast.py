"""What a migration will cost: calls and hours, as arithmetic. No clock, no I/O.

Every number is a lower and an upper estimate where the platform decides, and what cannot be known
beforehand is an assumption that stands beside it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from migrator.engine.follow import SHARE
from migrator.engine.pauses import FALLBACK_S, INTERVAL_S, Pauses
from migrator.engine.quotas import WINDOW_S
from migrator.engine.sweep import HORIZON_SLACK_MS, PAGE_SIZE

UNKNOWN_TAIL_S = 60.0
"""How long the last copies are taken to run where no speed is given; it only counts calls."""

MEGABYTE = 10**6


@dataclass(frozen=True, slots=True)
class Work:
    """What there is to do.

    `objects` would be sent, with `size_bytes` known bytes in all; `largest_bytes` is the largest
    of them. `listed` is how many videos the team's list holds that is read first; None: it is not
    read whole. `reads_list` False: another key of the team reads it. `checks` are the calls before
    that: the account, the team, the projects. `clips`: the free clip of each is to be noted.
    """

    objects: int
    size_bytes: int
    largest_bytes: int
    listed: int | None
    checks: int
    reads_list: bool = True
    clips: bool = False


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast it may go.

    `per_minute` calls may leave (`Quotas.per_window`), `max_in_flight` copies may run at once, and
    `max_in_flight_bytes` of them, None for any number.
    `copy_mb_per_s` is the speed of one copy, `total_mb_per_s` that of all copies together, both in
    10^6 bytes a second and None where nobody knows. `settle_s` is --settle-seconds. `told`: by
    webhooks it is told which copies have ended.
    """

    per_minute: int
    max_in_flight: int
    settle_s: float
    copy_mb_per_s: float | None = None
    total_mb_per_s: float | None = None
    told: bool = False
    max_in_flight_bytes: int | None = None

    def at_once(self, work: Work) -> int:
        """How many copies of mean size may run at once."""
        if self.max_in_flight_bytes is None or not work.size_bytes:
            return self.max_in_flight
        fit = self.max_in_flight_bytes * work.objects // work.size_bytes
        return max(1, min(self.max_in_flight, fit))


@dataclass(frozen=True, slots=True)
class Span:
    """A number between two bounds."""

    least: int
    most: int

    def __add__(self, calls: int) -> "Span":
        return Span(self.least + calls, self.most + calls)


@dataclass(frozen=True, slots=True)
class CallForecast:
    """Calls by what they are for.

    `resolve_each` is what settling lost answers costs each time that some are lost; none is
    counted. `clips` is what one reading of the list of clips costs, where they are wanted; the
    platform makes them by itself.
    """

    submit: int
    sweep: int
    follow: Span
    checks: int
    resolve_each: int
    resolve: int = 0
    clips: int = 0

    @property
    def total(self) -> Span:
        """All calls."""
        return self.follow + (self.submit + self.sweep + self.checks + self.clips)


@dataclass(frozen=True, slots=True)
class Forecast:
    """Calls and times in seconds.

    `quota_s` is what the calls up to the last submit take at `Speed.per_minute`, with what of the
    quota following may use meanwhile; `in_flight_s` and `bytes_s` what the copies take at least by
    their own speed, and all together, where those are given. `last_copy_s` is how long a copy of
    mean size runs: the last one, beyond the last submit. `duration_s` is all in all, `bound_by`
    what makes it so long: "quota", "in_flight" or "bytes".

    `in_flight_binds_beyond_s`: where a copy takes longer on average, --max-in-flight (or its bytes)
    is what holds the run up and not the quota. `bytes_bind_below_mb_per_s`: so much the platform
    has to copy in all to keep up with the quota. Both None where there is nothing to send.
    """

    calls: CallForecast
    quota_s: float
    in_flight_s: float | None
    bytes_s: float | None
    last_copy_s: float | None
    duration_s: float
    bound_by: str
    in_flight_binds_beyond_s: float | None
    bytes_bind_below_mb_per_s: float | None


def forecast(work: Work, speed: Speed) -> Forecast:
    """Put the estimates together.

    duration = max(calls up to the last submit / per_minute + a copy of mean size,
                   bytes / (copy speed * copies at once), the largest object / copy speed,
                   bytes / total speed)
    """
    in_flight_s, bytes_s, last_copy_s = _copying(work, speed)
    submit_s = work.objects * WINDOW_S / speed.per_minute
    copies_s = max(in_flight_s or 0.0, bytes_s or 0.0)
    follow = follow_calls(work, speed, max(submit_s, copies_s), last_copy_s)
    calls = CallForecast(
        submit=work.objects,
        sweep=sweep_calls(work.listed) if work.reads_list else 0,
        follow=follow,
        checks=work.checks,
        resolve_each=resolve_calls(work, speed),
        clips=work.objects // PAGE_SIZE + 1 if work.clips and work.objects else 0,
    )
    # What follows the last submit is no matter of the quota: nobody waits for it.
    before_the_last = calls.checks + calls.sweep + calls.submit / (1 - SHARE)
    quota_s = before_the_last * WINDOW_S / speed.per_minute
    bounds = {
        "quota": quota_s + (last_copy_s or 0.0),
        "in_flight": in_flight_s or 0.0,
        "bytes": bytes_s or 0.0,
    }
    bound_by = max(bounds, key=lambda name: bounds[name])
    return Forecast(
        calls=calls,
        quota_s=quota_s,
        in_flight_s=in_flight_s,
        bytes_s=bytes_s,
        last_copy_s=last_copy_s,
        duration_s=bounds[bound_by],
        bound_by=bound_by,
        in_flight_binds_beyond_s=speed.at_once(work) * WINDOW_S / speed.per_minute
        if work.objects
        else None,
        bytes_bind_below_mb_per_s=work.size_bytes / MEGABYTE / submit_s if work.objects else None,
    )


def together(costs: Sequence[Forecast]) -> Forecast:
    """What all API keys of a batch cost, each of which goes at the pace of its own quota.

    They run side by side: the slowest says how long it takes, but for the bytes, of which the
    platform copies those of all keys at one speed.
    """
    if len(costs) == 1:
        return costs[0]
    calls = [cost.calls for cost in costs]
    slowest = max(costs, key=lambda cost: cost.duration_s)
    bytes_s = _sum(cost.bytes_s for cost in costs)
    by_bytes = bytes_s is not None and bytes_s > slowest.duration_s
    return Forecast(
        calls=CallForecast(
            submit=sum(each.submit for each in calls),
            sweep=sum(each.sweep for each in calls),
            follow=Span(
                sum(each.follow.least for each in calls), sum(each.follow.most for each in calls)
            ),
            checks=sum(each.checks for each in calls),
            resolve_each=sum(each.resolve_each for each in calls),
            resolve=sum(each.resolve for each in calls),
            clips=sum(each.clips for each in calls),
        ),
        quota_s=max(cost.quota_s for cost in costs),
        in_flight_s=_largest(cost.in_flight_s for cost in costs),
        bytes_s=bytes_s,
        last_copy_s=_largest(cost.last_copy_s for cost in costs),
        duration_s=max(slowest.duration_s, bytes_s or 0.0),
        bound_by="bytes" if by_bytes else slowest.bound_by,
        in_flight_binds_beyond_s=min(
            (each for cost in costs if (each := cost.in_flight_binds_beyond_s) is not None),
            default=None,
        ),
        bytes_bind_below_mb_per_s=_sum(cost.bytes_bind_below_mb_per_s for cost in costs),
    )


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def sweep_calls(listed: int | None) -> int:
    """Pages of a list of `listed` videos.

    floor(listed / 100) + 1: a full page may have another after it, so that a list of exactly 200
    takes three. Where the list is not read whole (None) it is read back to the last run: one page
    at least, and one is counted.
    """
    return 1 if listed is None else listed // PAGE_SIZE + 1


def resolve_calls(work: Work, speed: Speed) -> int:
    """Calls to settle lost answers once: however many they are, two sweeps settle all of them.

    Each reads back from the settling to five minutes before the first of them was sent: what this
    run has made in between, a hundred a page, and one page more where the window ends.
    """
    window_s = HORIZON_SLACK_MS / 1000 + 2 * speed.settle_s
    made = min(work.objects, speed.per_minute * window_s / WINDOW_S)
    return 2 * (math.floor(made / PAGE_SIZE) + 1)


def follow_calls(work: Work, speed: Speed, duration_s: float, last_copy_s: float | None) -> Span:
    """Calls to follow all copies to their end.

    At least one page for a hundred copies. At most, while rows wait to be sent, the share of the
    quota that following keeps to: SHARE / (1 - SHARE) calls for each submit. Where the copies and
    not the quota hold the run up nobody waits for a call, and each round reads the pages of all
    copies in flight, every INTERVAL_S at the longest. To that come the rounds after the last
    submit, until the last copy ends.

    Where webhooks tell of the ends, a page is read twice at most, and rounds are FALLBACK_S apart:
    a page each where all is told, and all pages where it is not.
    """
    if not work.objects:
        return Span(0, 0)
    pages = math.ceil(min(work.objects, speed.at_once(work)) / PAGE_SIZE)
    least = math.ceil(work.objects / PAGE_SIZE)
    if speed.told:
        rounds = math.ceil(duration_s / FALLBACK_S[1]) + rounds_within(FALLBACK_S[0])
        return Span(least, 2 * least + rounds * pages)
    shared = work.objects * SHARE / (1 - SHARE)
    rounds = math.ceil(duration_s / INTERVAL_S[1]) * pages
    submitting_s = work.objects * WINDOW_S / speed.per_minute
    held_up = duration_s > submitting_s
    during = max(shared, rounds) if held_up else shared
    tail_s = UNKNOWN_TAIL_S if last_copy_s is None else last_copy_s
    return Span(least, max(least, math.ceil(during) + rounds_within(tail_s) * pages))


def rounds_within(seconds: float) -> int:
    """Rounds of following that fit: pauses grow from the shortest to the longest."""
    pauses, longest_s = Pauses(), INTERVAL_S[1]
    rounds, at_s = 1, pauses.next_s
    while at_s <= seconds and pauses.next_s < longest_s:
        pauses.rested(pauses.next_s)
        pauses.by_lists(1, 0, longest_s, quiet=True)
        at_s += pauses.next_s
        rounds += 1
    return rounds if at_s > seconds else rounds + math.ceil((seconds - at_s) / longest_s)


def _copying(work: Work, speed: Speed) -> tuple[float | None, float | None, float | None]:
    """Seconds by the copies in flight, by all bytes together, and of the last copy."""
    if not work.objects:
        return None, None, None
    in_flight_s = bytes_s = last_copy_s = None
    if speed.copy_mb_per_s is not None:
        one = speed.copy_mb_per_s * MEGABYTE
        in_flight_s = max(work.size_bytes / (one * speed.at_once(work)), work.largest_bytes / one)
        last_copy_s = work.size_bytes / work.objects / one
    if speed.total_mb_per_s is not None:
        bytes_s = work.size_bytes / (speed.total_mb_per_s * MEGABYTE)
    return in_flight_s, bytes_s, last_copy_s
