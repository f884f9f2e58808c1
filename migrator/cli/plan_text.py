"""A plan as a person reads it, on stdout."""

import re
from collections.abc import Iterator

from rich.table import Table

from migrator.cli.console import Terminal
from migrator.cli.planned import Planned
from migrator.cli.words import duration, size
from migrator.text import plain

BOUNDS = {
    "quota": "the quota",
    "in_flight": "copies in flight (--max-in-flight, --max-in-flight-bytes)",
    "bytes": "bytes",
}

MOST_BUCKETS_SHOWN = 15
"""Buckets in the text; --json has more."""


def print_text(plan: Planned) -> None:
    """Print the whole plan."""
    console = Terminal(highlight=False, soft_wrap=True)
    for part in (_rows, _buckets, _sizes, _refused, _cost, _settings):
        for line in part(plan):
            console.print(line, markup=False)
        console.print()
    for sentence in plan.assumptions:
        console.print(plain(f"assumed: {sentence}"), markup=False)


Printed = str | Table


def _rows(plan: Planned) -> Iterator[Printed]:
    for source in plan.sources:
        line = f"{source.kind} {source.location}: {source.rows:,} rows"
        if source.filtered:
            line += f"; filters leave out {source.filtered:,} further objects"
        yield plain(line)
    objects = plan.objects
    yield f"to be sent: {objects.to_send:,} objects, {size(objects.size_bytes)}"
    if plan.preflight is not None:
        looks = plan.preflight
        yield f"looked at: {looks.rows:,} objects, {looks.headed_now:,} of them just now"
    if objects.open:
        yield f"under way from an earlier run: {objects.open:,}"
    table = _table("outcome", "rows")
    for outcome, rows in plan.outcomes.items():
        table.add_row(outcome, f"{rows:,}")
    table.add_row("sum", f"{plan.rows:,}")
    yield table


def _buckets(plan: Planned) -> Iterator[Printed]:
    table = _table("bucket", "rows", "to send", "bytes", "not to send")
    for bucket in plan.buckets[:MOST_BUCKETS_SHOWN]:
        table.add_row(
            plain(bucket.bucket),
            f"{bucket.rows:,}",
            f"{bucket.to_send:,}",
            size(bucket.size_bytes),
            f"{bucket.rows - bucket.to_send:,}",
        )
    yield table
    further = plan.bucket_count - len(plan.buckets[:MOST_BUCKETS_SHOWN])
    if further > 0:
        yield f"and {further:,} further buckets (--json)"


def _sizes(plan: Planned) -> Iterator[Printed]:
    table = _table("size of an object", "objects", "bytes")
    for each in plan.sizes:
        name = f"{size(10**each.decade)} to {size(10 ** (each.decade + 1))}"
        table.add_row(name, f"{each.objects:,}", size(each.size_bytes))
    if plan.objects.unsized:
        table.add_row("not known", f"{plan.objects.unsized:,}", "")
    yield table
    if plan.objects.to_send:
        mean = plan.objects.size_bytes / plan.objects.to_send
        yield f"mean {size(round(mean))}, largest {size(plan.objects.largest_bytes)}"


def _refused(plan: Planned) -> Iterator[Printed]:
    yield f"rows for an object that stands there already: {plan.duplicates:,}"
    if not plan.reasons:
        yield "nothing is against sending any row"
        return
    yield "not to be sent:"
    for told in plan.reasons:
        yield f"{told.rows:>10,}  {told.outcome}/{told.reason}"
        for each in told.examples:
            words = _words(each.code, each.message)
            yield plain(f"            row {each.row}, {each.bucket}/{each.key}{words}")
    if any(not told.settled for told in plan.reasons):
        yield (
            "`run` in this directory settles them as they stand for a day; once something is "
            "mended, plan again with --recheck"
        )


def _cost(plan: Planned) -> Iterator[Printed]:
    calls, time, platform = plan.calls, plan.time, plan.platform
    announced = platform.announced_per_minute
    told = "no quota is announced" if announced is None else f"of {announced:,} announced"
    yield f"pace: {platform.used_per_minute:,} calls a minute ({told})"
    follow = _span(calls.follow.least, calls.follow.most)
    table = _table("calls", "")
    table.add_row("submit", f"{calls.submit:,}")
    table.add_row("follow", follow)
    table.add_row("sweep of the team's list", f"{calls.sweep:,}")
    table.add_row("account, team, projects, webhook", f"{calls.checks:,}")
    table.add_row("resolve", f"{calls.resolve:,}")
    table.add_row("clips (the platform makes them; --with-clips notes them)", f"{calls.clips:,}")
    table.add_row("sum", _span(calls.total.least, calls.total.most))
    yield table
    yield from _keys(plan)
    yield f"time: {duration(time.duration_s)}, until {time.finish_at} if it began now"
    yield f"what binds: {BOUNDS[time.bound_by]}"
    for name, seconds in (
        ("quota", time.quota_s), ("in_flight", time.in_flight_s), ("bytes", time.bytes_s),
    ):  # fmt: skip
        if seconds is not None:
            yield f"  by {BOUNDS[name]}: {duration(seconds)}"
    if time.in_flight_binds_beyond_s is not None and time.in_flight_s is None:
        yield (
            "  copies in flight would bind where a copy takes longer than "
            f"{duration(time.in_flight_binds_beyond_s)} on average"
        )
    if time.bytes_bind_below_mb_per_s is not None and time.bytes_s is None:
        yield (
            "  bytes would bind where the platform copies less than "
            f"{time.bytes_bind_below_mb_per_s:,.1f} MB/s in all"
        )


def _keys(plan: Planned) -> Iterator[Printed]:
    """What goes with each of several API keys."""
    if not plan.keys:
        return
    table = _table("API key", "to send", "bytes", "calls", "a minute", "time")
    for key in plan.keys:
        calls = _span(key.calls.total.least, key.calls.total.most)
        pace = f"{key.used_per_minute:,}"
        if key.announced_per_minute is not None:
            pace += f" of {key.announced_per_minute:,}"
        table.add_row(
            plain(key.name), f"{key.to_send:,}", size(key.size_bytes), calls, pace,
            duration(key.duration_s),
        )  # fmt: skip
    yield table


def _settings(plan: Planned) -> Iterator[Printed]:
    table = _table("settings in force", "")
    table.columns[1].justify = "left"
    for group in plan.settings.values():
        for name, value in group.items():
            if not isinstance(value, dict):
                table.add_row(name, plain(_value(value)))
    yield table


def _value(value: object) -> str:
    if isinstance(value, str) and (span := re.fullmatch(r"PT([0-9.]+)S", value)):
        return duration(float(span[1]))
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _table(first: str, *numbers: str) -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False)
    table.add_column(first)
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def _span(least: int, most: int) -> str:
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _words(code: str | None, message: str | None) -> str:
    words = ": ".join(word for word in (code, message) if word)
    return f" ({words[:120]})" if words else ""
