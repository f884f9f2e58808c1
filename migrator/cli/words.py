"""Numbers and snapshots in words that a person reads."""

from migrator.engine.snapshot import Snapshot
from migrator.text import plain

_THOUSAND = 1000
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")


def duration(seconds: float) -> str:
    """Seconds as a person reads them."""
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, day_hours = divmod(hours, 24)
    if days:
        return f"{days} d {day_hours:02} h"
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest_s:02} s" if minutes else f"{rest_s} s"


def size(size_bytes: int) -> str:
    """Bytes as a person reads them, in powers of a thousand."""
    number = float(size_bytes)
    for unit in _UNITS:
        if number < _THOUSAND or unit == _UNITS[-1]:
            break
        number /= _THOUSAND
    return f"{size_bytes:,} bytes" if unit == "bytes" else f"{number:,.1f} {unit}"


def line(snapshot: Snapshot) -> str:
    """A snapshot as one line of text."""
    parts = [f"{snapshot.phase}: {snapshot.done:,}/{snapshot.rows:,} rows"]
    parts += [f"{count:,} {name}" for name, count in snapshot.outcomes.items() if count]
    if snapshot.in_flight:
        parts.append(f"{snapshot.in_flight:,} in flight")
    if snapshot.unresolved:
        parts.append(f"{snapshot.unresolved:,} unresolved")
    parts.append(f"{snapshot.rate_per_minute:,.0f} of {snapshot.allowed_per_minute:,} calls/min")
    if snapshot.eta_s is not None:
        parts.append(f"submitted in {duration(snapshot.eta_s)}")
    if snapshot.waiting_for:
        parts.append(f"waiting for {snapshot.waiting_for}")
    return plain(", ".join(parts))  # a status file may have been written by anybody
