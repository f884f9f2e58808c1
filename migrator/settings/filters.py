"""Which objects of a manifest or a listing are wanted."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import Parameter, Token

from migrator.errors import UsageError
from migrator.settings.fields import FILTERS, moment, size

INCLUDE, EXCLUDE = "+ ", "- "
"""How a rule begins, as rclone's and rsync's filter files write it."""


def _rules(_type: object, tokens: Sequence[Token]) -> tuple[str, ...]:
    """The globs of both flags in the order in which they were given.

    A keyword is `--exclude`, `exclude (migrator.toml:3)` or `MIGRATOR_EXCLUDE`.
    """
    return tuple(
        (EXCLUDE if _EXCLUDES.match(token.keyword or "") else INCLUDE) + token.value
        for token in tokens
    )


_EXCLUDES = re.compile("(--|MIGRATOR_)?exclude", re.IGNORECASE)


def _classes(_type: object, tokens: Sequence[Token]) -> tuple[str, ...]:
    """Names of storage classes, as S3 spells them."""
    names = tuple(token.value.upper() for token in tokens)
    for name in names:
        if not re.fullmatch("[A-Z0-9_-]{1,40}", name):
            raise ValueError(f"not a storage class like STANDARD_IA: {name[:40]!r}")
    return names


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class FilterSettings:
    """Which objects are wanted: those that every kind of filter given lets through.

    A rule of `include` is `+ GLOB` or `- GLOB`. Times are UTC, sizes are bytes.
    """

    include: Annotated[
        tuple[str, ...],
        Parameter(
            name=["--include", "--exclude"],
            converter=_rules,
            negative=(),
            consume_multiple=False,
        ),
    ] = ()
    """Keys that match this glob are wanted, or not. Repeatable; the last one that matches decides,
    and where none does, the opposite of the first. `*` stands for any text, slashes too, `?` for
    one character, `[a-z]` for one of these, `[!a-z]` for one of all others."""
    suffix: Annotated[tuple[str, ...], Parameter(negative=(), consume_multiple=False)] = ()
    """Keys that end so are wanted (.mov), in small letters or capitals. Repeatable."""
    video_only: Annotated[bool, Parameter(negative=())] = False
    """Keys with the extension of a video are wanted; README.md has the list."""
    min_size: Annotated[int | None, Parameter(converter=size)] = None
    """Objects of at least this size are wanted (500, 10MB, 1.5GiB)."""
    max_size: Annotated[int | None, Parameter(converter=size)] = None
    """Objects of at most this size are wanted."""
    modified_after: Annotated[datetime | None, Parameter(converter=moment)] = None
    """Objects changed at this time or later are wanted (2024-05-31, 2024-05-31T12:00:00Z)."""
    modified_before: Annotated[datetime | None, Parameter(converter=moment)] = None
    """Objects changed before this time are wanted."""
    storage_class: Annotated[
        tuple[str, ...], Parameter(converter=_classes, negative=(), consume_multiple=False)
    ] = ()
    """Objects of this storage class are wanted. Repeatable."""

    @property
    def asks_the_source(self) -> bool:
        """Whether a key alone does not say if its object is wanted."""
        bounds = (self.min_size, self.max_size, self.modified_after, self.modified_before)
        return bool(self.storage_class) or any(bound is not None for bound in bounds)


def check_filters(filters: FilterSettings) -> None:
    """Raises UsageError for filters that let nothing through, whatever there is."""
    for suffix in (*filters.suffix, *(rule[len(INCLUDE) :] for rule in filters.include)):
        if not suffix:
            raise UsageError(
                "--include, --exclude or --suffix is empty", "leave it out, or give it a text"
            )
    least, most = filters.min_size, filters.max_size
    if least is not None and most is not None and least > most:
        raise UsageError(
            f"--min-size {least} is more than --max-size {most}: no object is both",
            "exchange them, or leave one out",
        )
    after, before = filters.modified_after, filters.modified_before
    if after is not None and before is not None and after >= before:
        raise UsageError(
            f"--modified-after {after.isoformat()} is not before "
            f"--modified-before {before.isoformat()}: no object is both",
            "exchange them, or leave one out",
        )


def time_bound(moment: datetime | None) -> tuple[int, str] | None:
    """A time in epoch milliseconds, and as the flags take it."""
    if moment is None:
        return None
    return int(moment.timestamp() * 1000), moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
