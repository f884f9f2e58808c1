"""A plan as a document (schema `migrator.plan/1`): all of its numbers, and what they assume. Pure.

Times are ISO 8601 in UTC and seconds, sizes bytes, speeds 10^6 bytes a second.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from migrator.checkpoint.census import BucketCount, Census, LaneCount, ReasonCount, SizeClass
from migrator.checkpoint.values import Source
from migrator.engine.clips import ASKED_BY_ID
from migrator.engine.forecast import (
    CallForecast,
    Forecast,
    Span,
    Speed,
    Work,
    forecast,
    together,
)
from migrator.engine.plan import KeyFacts, PlatformFacts, Progress
from migrator.engine.webhooks.registration import MOST_ACTIVE
from migrator.model import Reason
from migrator.settings import BatchSettings, PlanSettings

SCHEMA = "migrator.plan/1"


class PlannedSource(msgspec.Struct, frozen=True):
    """A manifest or a listing that the rows come from.

    `filtered` objects of a listing are left out, and are no rows.
    """

    kind: str
    location: str
    rows: int
    sha256: str
    filtered: int


class PlannedObjects(msgspec.Struct, frozen=True):
    """Objects that would be sent; of `unsized` the size is not known. `open` are under way."""

    to_send: int
    size_bytes: int
    unsized: int
    largest_bytes: int
    open: int


class PlannedPlatform(msgspec.Struct, frozen=True):
    """Where the videos would be made, its quota, and what a run would use of it.

    `listed` counts the videos in the team's list; null where it is not read whole.
    """

    api_url: str
    team_id: str
    announced_per_minute: int | None
    used_per_minute: int
    listed: int | None


class PlannedCalls(msgspec.Struct, frozen=True):
    """Calls of a run by what they are for; see engine.forecast.CallForecast."""

    submit: int
    sweep: int
    follow: Span
    checks: int
    resolve: int
    resolve_each: int
    clips: int
    total: Span


class PlannedTime(msgspec.Struct, frozen=True):
    """How long it takes and what binds; see engine.forecast.Forecast."""

    duration_s: float
    finish_at: str
    bound_by: str
    quota_s: float
    in_flight_s: float | None
    bytes_s: float | None
    in_flight_binds_beyond_s: float | None
    bytes_bind_below_mb_per_s: float | None


class PlannedKey(msgspec.Struct, frozen=True):
    """What would go with one of several API keys, in which team, what it costs, how long it takes.

    `used_per_minute` is what a run would use of the quota that is announced for the key.
    """

    name: str
    team_id: str
    to_send: int
    size_bytes: int
    announced_per_minute: int | None
    used_per_minute: int
    listed: int | None
    calls: PlannedCalls
    duration_s: float
    bound_by: str


class PlannedLooks(msgspec.Struct, frozen=True):
    """Pending rows whose objects were looked at, and how many of them were asked for just now."""

    rows: int
    headed_now: int


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """A plan. `outcomes` are those if every row that is sent is imported.

    With several API keys `keys` has what goes with each; calls and quotas are those of all of them
    together, and the time that of the slowest.
    """

    schema: str = SCHEMA
    made_at: str
    rows: int
    sources: tuple[PlannedSource, ...]
    outcomes: dict[str, int]
    objects: PlannedObjects
    duplicates: int
    reasons: tuple[ReasonCount, ...]
    buckets: tuple[BucketCount, ...]
    bucket_count: int
    sizes: tuple[SizeClass, ...]
    platform: PlannedPlatform
    calls: PlannedCalls
    time: PlannedTime
    keys: tuple[PlannedKey, ...]
    preflight: PlannedLooks | None
    plan_calls: int
    settings: dict[str, Any]
    assumptions: tuple[str, ...]


def planned(
    census: Census,
    sources: Sequence[Source],
    told: PlatformFacts,
    progress: Progress,
    settings: BatchSettings,
    what_if: PlanSettings,
    now: datetime,
) -> Planned:
    """Put a plan together from what was counted and told."""
    parts = [_part(key, census, settings, what_if) for key in told.keys]
    cost = together([each.cost for each in parts])
    return Planned(
        made_at=_iso(now),
        rows=census.rows,
        sources=tuple(
            PlannedSource(each.kind, each.location, each.row_count, each.sha256, each.filtered)
            for each in sources
        ),
        outcomes={str(outcome): rows for outcome, rows in census.outcomes().items()},
        objects=PlannedObjects(
            census.to_send,
            census.size_bytes,
            census.unsized,
            census.largest_bytes,
            census.open_rows,
        ),
        duplicates=sum(r.rows for r in census.reasons if r.reason is Reason.DUPLICATE_ROW),
        reasons=census.reasons,
        buckets=census.buckets,
        bucket_count=census.bucket_count,
        sizes=census.sizes,
        platform=PlannedPlatform(
            settings.platform.api_url,
            told.keys[0].team_id,
            told.announced_per_minute,
            told.per_minute,
            told.listed,
        ),
        calls=_calls(cost.calls),
        time=_time(cost, now),
        keys=tuple(_planned_key(each) for each in parts) if len(parts) > 1 else (),
        preflight=PlannedLooks(progress.looked_at, progress.asked)
        if settings.source.preflight
        else None,
        plan_calls=told.calls,
        settings=msgspec.to_builtins(settings, enc_hook=str),
        assumptions=tuple(_assumptions(census, told, settings, parts, cost)),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """What goes with one API key, how fast, and what it costs."""

    key: KeyFacts
    work: Work
    speed: Speed
    cost: Forecast


def _part(key: KeyFacts, census: Census, settings: BatchSettings, what_if: PlanSettings) -> _Part:
    speed = Speed(
        key.per_minute,
        settings.pace.max_in_flight,
        settings.care.settle_seconds,
        what_if.copy_mb_per_s,
        what_if.total_mb_per_s,
        told=key.webhooks is not None,
        max_in_flight_bytes=settings.pace.max_in_flight_bytes,
    )
    count = census.lanes.get(key.lane, LaneCount())
    work = Work(
        count.objects,
        count.size_bytes,
        count.largest_bytes,
        key.listed,
        key.checks,
        reads_list=key.reads_list,
        clips=settings.platform.with_clips,
    )
    return _Part(key, work, speed, forecast(work, speed))


def _planned_key(part: _Part) -> PlannedKey:
    key, cost = part.key, part.cost
    return PlannedKey(
        key.name,
        key.team_id,
        part.work.objects,
        part.work.size_bytes,
        key.announced_per_minute,
        key.per_minute,
        key.listed,
        _calls(cost.calls),
        cost.duration_s,
        cost.bound_by,
    )


def _calls(calls: CallForecast) -> PlannedCalls:
    return PlannedCalls(
        calls.submit,
        calls.sweep,
        calls.follow,
        calls.checks,
        calls.resolve,
        calls.resolve_each,
        calls.clips,
        calls.total,
    )


def _time(cost: Forecast, now: datetime) -> PlannedTime:
    return PlannedTime(
        duration_s=cost.duration_s,
        finish_at=_iso(now + timedelta(seconds=cost.duration_s)),
        bound_by=cost.bound_by,
        quota_s=cost.quota_s,
        in_flight_s=cost.in_flight_s,
        bytes_s=cost.bytes_s,
        in_flight_binds_beyond_s=cost.in_flight_binds_beyond_s,
        bytes_bind_below_mb_per_s=cost.bytes_bind_below_mb_per_s,
    )


def _assumptions(
    census: Census,
    told: PlatformFacts,
    settings: BatchSettings,
    parts: Sequence[_Part],
    cost: Forecast,
) -> Iterator[str]:
    """What the numbers stand on, in sentences."""
    yield "every row that is sent is imported at its first request, and no copy is restarted"
    yield (
        "the platform announces no quota"
        if told.announced_per_minute is None
        else "nobody else uses the quota of this API key"
        if len(parts) == 1
        else "nobody else uses the quotas of these API keys"
    )
    if told.listed:
        yield (
            f"none of the {told.listed:,} videos in the list of "
            f"{'the team' if len(parts) == 1 else 'these teams'} is one of these objects: each "
            "that carries a tag of one is adopted and costs no request"
        )
    if settings.webhooks.address is not None:
        url, listen = settings.webhooks.webhook_url, settings.webhooks.webhook_listen
        yield (
            f"the platform reaches {url}, and what comes there reaches {listen} "
            "(`migrator doctor` tries): what is not delivered, lists find with more calls"
        )
        for key in told.keys:
            if key.reads_list and (key.webhooks or 0) >= MOST_ACTIVE:
                team = "the team" if len(parts) == 1 else f"team {key.team_id}"
                yield (
                    f"one of the {key.webhooks} active webhooks of {team} is deactivated before: "
                    f"it may have {MOST_ACTIVE}, and the run needs one"
                )
    if settings.care.assume_empty:
        yield "the team's list is empty, as --assume-empty says"
    yield from _of_copies(settings, parts)
    if settings.source.preflight:
        yield "what could be read from here can be read by the platform, until it is sent"
    else:
        yield "every object is there and may be read: none was looked at (--no-preflight)"
    if census.unsized and settings.source.preflight:
        yield f"{census.unsized:,} objects of which the source said nothing certain are sent"
    yield (
        "no answer is lost: each time that some are, settling all of them together costs about "
        f"{cost.calls.resolve_each:,} calls"
    )


def _of_copies(settings: BatchSettings, parts: Sequence[_Part]) -> Iterator[str]:
    speed = parts[0].speed
    if speed.copy_mb_per_s is None and speed.total_mb_per_s is None:
        yield (
            "the platform copies as fast as it is asked to: its speed is not known "
            "(--copy-mb-per-s, --total-mb-per-s), and the hours are those of the quota alone"
        )
    elif speed.copy_mb_per_s is None:
        yield "the speed of a single copy is not known (--copy-mb-per-s)"
    elif speed.total_mb_per_s is None:
        yield "all copies together are no slower than each alone (--total-mb-per-s)"
    for part in parts:
        if speed.max_in_flight_bytes is not None and part.work.objects:
            yield (
                f"copies are of mean size, so that {speed.at_once(part.work):,} run at once "
                f"{'' if len(parts) == 1 else f'with key {part.key.name} '}"
                "(--max-in-flight-bytes); one that is larger goes alone"
            )
    if settings.platform.until == "ingested":
        yield "ingestion takes no time beyond the copy: how long it takes is not known"
    if settings.platform.with_clips:
        objects = sum(part.work.objects for part in parts)
        yield (
            "every clip has ended when the last video is ingested: each further reading of the "
            f"newest costs a call or two, and up to {ASKED_BY_ID + objects // 100:,} videos "
            "that seem to have none are asked for by id"
        )


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
