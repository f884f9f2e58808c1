"""What flags are made of: groups of the help, converters and bounds."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from cyclopts import Group, Token, convert, validators

WHAT_IF = Group("What if", sort_key=0)
INPUT = Group("Rows in", sort_key=1)
FILTERS = Group("Filters", sort_key=1.5)
PLATFORM = Group("Platform", sort_key=2)
SOURCE = Group("Source", sort_key=3)
CROSSING = Group("Ways across", sort_key=3.5)
CLUSTER = Group("Cluster", sort_key=3.8)
PACE = Group("Pace", sort_key=4)
CARE = Group("Care", sort_key=5)
STOPPING = Group("Stopping by itself", sort_key=6)
WEBHOOKS = Group("Webhooks", sort_key=7)
OUTPUT = Group("Output", sort_key=8)

AT_LEAST_1 = validators.Number(gte=1)
AT_LEAST_0 = validators.Number(gte=0)
ABOVE_0 = validators.Number(gt=0)
SHARE = validators.Number(gte=0, lt=100)
UP_TO_A_DAY = validators.Number(gte=0, lte=24 * 3600)


def whole(_type: object, tokens: Sequence[Token]) -> int:
    """A whole number; cyclopts itself would round 1.5."""
    text = tokens[0].value
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise ValueError(f"not a whole number: {text!r}")
    return int(text)


def rate(kind: object, tokens: Sequence[Token]) -> Literal["auto"] | int:
    """`auto`, or a whole number."""
    return "auto" if tokens[0].value == "auto" else whole(kind, tokens)


def positive_rate(_type: object, value: object) -> None:
    """Refuses a rate of nothing."""
    if isinstance(value, int) and value < 1:
        raise ValueError("Must be 'auto' or a whole number of at least 1.")


def span(kind: type[timedelta], tokens: Sequence[Token]) -> timedelta:
    """A span of time that a timedelta can hold; cyclopts itself would overflow."""
    text = tokens[0].value
    if not re.fullmatch(r"([0-9]{1,6}(\.[0-9]{1,6})?[smhdwMy]){1,2}", text):
        raise ValueError(f"not a span of time like 90m, 6h or 1d: {text[:40]!r}")
    return convert(kind, [Token(value=text)])  # type: ignore[no-any-return]


def no_flag(_type: object, value: object) -> None:
    """Refuses the next flag in the place of a value; a lone dash is none."""
    if isinstance(value, str) and value.startswith("-") and value != "-":
        raise ValueError(f"requires an argument; a file of this name is ./{value[:40]}")


def above_zero(_type: object, value: object) -> None:
    """Refuses a span of no length."""
    if isinstance(value, timedelta) and value <= timedelta():
        raise ValueError("Must be longer than nothing.")


_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([kmgtp]?i?b)?", re.IGNORECASE)

_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def size(_type: object, tokens: Sequence[Token]) -> int:
    """A size in bytes: a whole number, or one with a unit (kB, MB, ... of 1000; KiB, ... of 1024).

    A letter alone is refused: it means 1000 to some programs, and 1024 to others.
    """
    text = tokens[0].value.strip()
    found = _SIZE.fullmatch(text)
    unit = (found[2] or "b").lower() if found else ""
    if found is None or unit == "ib" or (unit == "b" and "." in found[1]):
        raise ValueError(f"not a size like 500, 10MB or 1.5GiB: {text[:40]!r}")
    power = _POWERS[unit.removesuffix("b").removesuffix("i")]
    whole_part, _, fraction = found[1].partition(".")
    thousands = 1024 if "i" in unit else 1000
    digits = int(whole_part + fraction)
    for _ in range(power):
        digits *= thousands
    return digits // int("1" + "0" * len(fraction))


def moment(_type: object, tokens: Sequence[Token]) -> datetime:
    """A day or a time of ISO 8601, in UTC where it does not say otherwise."""
    text = tokens[0].value.strip()
    try:
        told = datetime.fromisoformat(text)
        return (told if told.tzinfo else told.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            f"not a time like 2024-05-31 or 2024-05-31T12:00:00Z: {text[:40]!r}"
        ) from None
