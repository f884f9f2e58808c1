"""How fast a run goes, what it does when things go wrong, and when it stops by itself."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal

from cyclopts import Parameter, validators

from migrator.settings.fields import (
    AT_LEAST_0,
    AT_LEAST_1,
    CARE,
    PACE,
    SHARE,
    STOPPING,
    UP_TO_A_DAY,
    above_zero,
    positive_rate,
    rate,
    size,
    span,
    whole,
)


@Parameter(name="*", group=PACE)
@dataclass(frozen=True, kw_only=True)
class PaceSettings:
    """How fast the platform is asked."""

    requests_per_minute: Annotated[
        Literal["auto"] | int, Parameter(converter=rate, validator=positive_rate)
    ] = "auto"
    """Calls a minute; auto is what the platform announces, and a number is capped by it.
    600 where nothing is announced."""
    reserve_percent: Annotated[float, Parameter(validator=validators.Number(gte=0, lt=100))] = 5.0
    """Share of the announced quota that is left to other programs with the same key."""
    max_concurrency: Annotated[int, Parameter(converter=whole, validator=AT_LEAST_1)] = 32
    """Requests to the platform that may wait for an answer at once."""
    max_in_flight: Annotated[int, Parameter(converter=whole, validator=AT_LEAST_1)] = 5000
    """Copies that may run on the platform at once."""
    max_in_flight_bytes: Annotated[int | None, Parameter(converter=size, validator=AT_LEAST_1)] = (
        None
    )
    """Bytes that copies running at once may have together (500GB, 2TiB). What is larger goes alone;
    an object whose size nobody tells counts as the whole bound."""


@Parameter(name="*", group=CARE)
@dataclass(frozen=True, kw_only=True)
class CareSettings:
    """What happens when things go wrong."""

    assume_empty: Annotated[bool, Parameter(negative=())] = False
    """Do not read the team's list first. Only for a team that certainly holds no object of this
    catalogue: a lost checkpoint would import everything twice."""
    settle_seconds: Annotated[float, Parameter(validator=UP_TO_A_DAY)] = 30.0
    """Seconds after a lost answer before the list is trusted to show what became of it."""
    restarts: Annotated[int, Parameter(converter=whole, validator=AT_LEAST_0)] = 2
    """How often a copy that failed is restarted before it counts as failed."""
    attempts: Annotated[int, Parameter(converter=whole, validator=AT_LEAST_1)] = 5
    """How often a row is sent, each time proven absent before, until it is given up."""
    stuck_after: Annotated[timedelta, Parameter(converter=span)] = timedelta(hours=6)
    """A copy without any progress for this long is reported as stuck (90m, 6h, 1d)."""
    max_outage: Annotated[timedelta, Parameter(converter=span)] = timedelta(hours=1)
    """Stop, resumable, when the platform has not answered for this long."""


@Parameter(name="*", group=STOPPING)
@dataclass(frozen=True, kw_only=True)
class StoppingSettings:
    """When the run stops by itself (exit 4), resumable, with nothing cancelled."""

    tolerated_failure_percentage: Annotated[float | None, Parameter(validator=SHARE)] = None
    """Stop once more than this share of the rows tried is rejected, missing or failed: of at least
    100 of them, or a quarter of a smaller catalogue. Invalid rows count as a share of all rows,
    before anything is sent. A stop is remembered: resume counts anew from there."""
    tolerated_failure_count: Annotated[
        int | None, Parameter(converter=whole, validator=AT_LEAST_0)
    ] = None
    """Stop once more rows than this are rejected, missing or failed, invalid rows among them."""
    canary: Annotated[int | None, Parameter(converter=whole, validator=AT_LEAST_1)] = None
    """Send this many rows first: all of them must be imported before the rest goes. What preflight
    refuses is no part of it."""
    max_duration: Annotated[timedelta | None, Parameter(converter=span, validator=above_zero)] = (
        None
    )
    """Stop each run after this long (90m, 8h); copies go on, and resume has as long again."""
