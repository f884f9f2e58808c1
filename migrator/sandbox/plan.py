"""A plan of faults: what shall go wrong, how often, and from which seed.

It is read from a TOML file or taken as JSON of the same shape; the README of this room lists
every fault with its fields. A plan that cannot be meant is refused with the rule and the field.
"""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Union

import msgspec
from msgspec import Meta, Struct

from migrator.sandbox.errors import SandboxError
from migrator.sandbox.events import EVENT_TYPES

Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Percent = Annotated[int, Meta(ge=0, le=99)]
When = Literal["before", "after"]
"""Before anything was done, or after all was done and only the answer is at stake."""

CREATES = frozenset(
    {
        "POST /v1/videos/in/s3",
        "POST /v1/videos/in/s3/{inputLocationId}",
        "POST /v1/videos/in/https",
    }
)
LISTS = frozenset({"GET /v1/videos", "GET /v1/videos/{videoId}/derived"})

DELIVERIES = frozenset(f"DELIVER {event_type}" for event_type in EVENT_TYPES)
"""Attempts to deliver an event to a webhook: no operations of the API, but struck like them."""

MAX_CLOCK_OFFSET_S = 10 * 366 * 86_400


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="fault"):
    """What all rules have: which requests are meant, and how often they are struck."""

    only: ClassVar[frozenset[str] | None] = None
    """The operations that such a fault can happen to; None: all of the API."""

    operation: str = "*"
    """Method and path template, such as `GET /v1/videos`; `*` stands for any characters."""
    probability: Annotated[float, Meta(gt=0, le=1)] = 1.0
    count: Annotated[int, Meta(ge=1)] | None = None
    """At most so many are struck."""
    after: Annotated[int, Meta(ge=0)] = 0
    """So many requests of the operation are spared first."""


class Throttle(Rule, frozen=True, tag="throttle"):
    """429, with quota headers as they should be, or not."""

    headers: Literal["correct", "absent", "negative", "text", "epoch", "absurd"] = "correct"


class Break(Rule, frozen=True, tag="error"):
    """A 5xx: 500 in the error form, 502 and 503 as a proxy's page."""

    status: Literal[500, 502, 503] = 500
    when: When = "before"


class Reset(Rule, frozen=True, tag="reset"):
    """The connection is reset (RST), and there is no answer."""

    when: When = "before"


class Withhold(Rule, frozen=True, tag="withhold"):
    """All is done, but the answer comes only after so many seconds."""

    seconds: Seconds


class Truncate(Rule, frozen=True, tag="truncate"):
    """Half of the JSON: as a whole answer, or with the connection cut."""

    cut: Literal["body", "connection"] = "body"


class Html(Rule, frozen=True, tag="html"):
    """All is done, but the answer is a page of HTML with status 200."""


class Slow(Rule, frozen=True, tag="slow"):
    """The answer comes in pieces over so many seconds."""

    seconds: Seconds


class Enormous(Rule, frozen=True, tag="enormous"):
    """The answer is followed by blanks, up to so many bytes."""

    size_bytes: Annotated[int, Meta(ge=1, le=1 << 40)] = 1 << 30


class Shift(Rule, frozen=True, tag="shift"):
    """Pages but the first begin up to so many rows early or late, as if rows had come or gone."""

    only = LISTS
    rows: Annotated[int, Meta(ge=1, le=100)] = 3


class Ties(Rule, frozen=True, tag="ties"):
    """Moments in lists are rounded down to so many seconds; equal ones come in any order."""

    only = LISTS
    seconds: Annotated[int, Meta(ge=1, le=86_400)] = 60


class Late(Rule, frozen=True, tag="late"):
    """A new video appears in lists only after so many seconds."""

    only = CREATES
    seconds: Seconds


class CopyFails(Rule, frozen=True, tag="copy_fails"):
    """The copy ends FAILED at so many percent: the first time, or whenever it is tried."""

    only = CREATES
    at_percent: Percent = 50
    always: bool = False
    code: Annotated[str, Meta(min_length=1, max_length=100)] = "COPY_FAILED"


class CopyStalls(Rule, frozen=True, tag="copy_stalls"):
    """The copy stays IN_PROGRESS at so many percent: for so many seconds, or for good."""

    only = CREATES
    at_percent: Percent = 0
    seconds: Seconds | None = None


class CopySize(Rule, frozen=True, tag="copy_size"):
    """The size that is shown differs from that of the source by so many bytes."""

    only = CREATES
    off_bytes: Annotated[int, Meta(ge=-(1 << 40), le=1 << 40)] = 1


class DeliveryLost(Rule, frozen=True, tag="delivery_lost"):
    """The delivery is not sent, and is not tried again."""

    only = DELIVERIES


class DeliveryDoubled(Rule, frozen=True, tag="delivery_doubled"):
    """The delivery is sent twice, whatever is answered to the first."""

    only = DELIVERIES


class DeliveryLate(Rule, frozen=True, tag="delivery_late"):
    """The delivery comes only after so many seconds."""

    only = DELIVERIES
    seconds: Seconds


class DeliveryReordered(Rule, frozen=True, tag="delivery_reordered"):
    """The delivery comes after so many later ones; where none are left to come, as the last."""

    only = DELIVERIES
    places: Annotated[int, Meta(ge=1, le=100)] = 1


class DeliveryMissigned(Rule, frozen=True, tag="delivery_missigned"):
    """The signature is of other bytes, or by another key, or names no known key, or is old."""

    only = DELIVERIES
    how: Literal["body", "key", "key_id", "timestamp"] = "body"


AnswerFault = Throttle | Break | Reset | Withhold | Truncate | Html | Slow | Enormous
CopyFault = CopyFails | CopyStalls
DeliveryFault = (
    DeliveryLost | DeliveryDoubled | DeliveryLate | DeliveryReordered | DeliveryMissigned
)
# Union[...] because msgspec reads the members at run time, and nested unions of `|` likewise.
AnyRule = Union[  # noqa: UP007
    AnswerFault, Shift, Ties, Late, CopyFault, CopySize, DeliveryFault
]


class Plan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All rules, in order, and the seed that their chances come from."""

    seed: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)] = 0
    clock_offset_s: Annotated[float, Meta(ge=-MAX_CLOCK_OFFSET_S, le=MAX_CLOCK_OFFSET_S)] = 0.0
    """How far the platform's clock is off, in `Date` and in every timestamp."""
    rules: tuple[AnyRule, ...] = ()


class PlanError(Exception):
    """A plan that cannot be meant; the message names the rule and the field."""


def from_toml(path: Path, operations: frozenset[str]) -> Plan:
    """The plan in a file. Raises SandboxError, with the file, the rule and the field."""
    try:
        return plan_of(tomllib.loads(path.read_text(encoding="utf-8")), operations)
    except OSError as error:
        raise SandboxError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SandboxError(f"{path} is not TOML: {error}") from error
    except PlanError as error:
        raise SandboxError(f"{path}: {error}") from error


def plan_of(given: Any, operations: frozenset[str]) -> Plan:
    """The plan that these values make. Raises PlanError; `operations` are those there are."""
    try:
        plan = msgspec.convert(given, Plan)
    except msgspec.ValidationError as error:
        raise PlanError(_placed(str(error))) from error
    for number, rule in enumerate(plan.rules, start=1):
        if not operations_of(rule, operations):
            able = operations if rule.only is None else rule.only
            message = f"{rule.operation!r} is none of: {', '.join(sorted(able))}"
            raise PlanError(f"rule {number}: operation: {message}")
    return plan


def operations_of(rule: Rule, operations: frozenset[str]) -> frozenset[str]:
    """Those of `operations`, or of deliveries, that a rule is about."""
    literal = (re.escape(part) for part in rule.operation.split("*"))
    pattern = re.compile(".*".join(literal))
    able = operations if rule.only is None else (operations | DELIVERIES) & rule.only
    return frozenset(one for one in able if pattern.fullmatch(one))


def _placed(message: str) -> str:
    """A message of msgspec's, with its place first and in the words of a plan."""
    text, _, path = message.partition(" - at `$")
    found = re.fullmatch(r"(?:\.rules\[([0-9]+|\.\.\.)\])?\.?(.*)`", path)
    rule, field = (found[1], found[2]) if found else (None, "")
    if not field and (named := re.search(r"field `([^`]+)`", text)):
        field = named[1]
    place = ([f"rule {int(rule) + 1}"] if rule else []) + ([field] if field else [])
    return ": ".join([*place, text])
