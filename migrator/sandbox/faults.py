"""Which requests are struck, and by what: the same ones for the same seed and requests.

Each rule counts the requests it is about for itself, so that one rule neither shifts nor uses
up the chances of another. Request number n of rule number r is struck if a hash of (seed, r, n)
says so; no state but those counters is behind it.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from msgspec import Struct

from migrator.sandbox.moments import Clock
from migrator.sandbox.plan import (
    AnswerFault,
    AnyRule,
    CopyFails,
    CopyFault,
    CopySize,
    CopyStalls,
    DeliveryDoubled,
    DeliveryFault,
    DeliveryLate,
    DeliveryLost,
    DeliveryMissigned,
    DeliveryReordered,
    Late,
    Plan,
    Shift,
    Ties,
    operations_of,
)

_WHOLE = 1 << 64


@dataclass(frozen=True, slots=True)
class Struck:
    """What one request is struck by. Of several faults of a kind the first rule's counts."""

    answer: AnswerFault | None = None
    copy: CopyFault | None = None
    delivery: DeliveryFault | None = None
    size_off_bytes: int = 0
    late_s: float = 0.0
    shift_rows: int = 0
    ties_s: int = 0
    salt: int = 1
    """What order equal moments come in; odd."""


UNTOUCHED = Struck()


class RuleCount(Struct, frozen=True, rename="camel"):
    """How a rule has fared: requests it was about, and how many of them were struck."""

    seen: int = 0
    struck: int = 0


class Faults:
    """The plan in force. `operations` are all there are, as `METHOD /template`."""

    def __init__(self, plan: Plan, operations: frozenset[str], clock: Clock) -> None:
        self.operations = operations
        self._clock = clock
        self.replace(plan)

    def replace(self, plan: Plan) -> None:
        """Put another plan in force; all counts begin anew, and the clock is set."""
        self.plan = plan
        self._clock.offset_ms = round(plan.clock_offset_s * 1000)
        self._counts = [RuleCount() for _ in plan.rules]
        self._by_operation: dict[str, list[tuple[int, AnyRule]]] = defaultdict(list)
        for number, rule in enumerate(plan.rules):
            for operation in operations_of(rule, self.operations):
                self._by_operation[operation].append((number, rule))

    @property
    def counts(self) -> Sequence[RuleCount]:
        """How each rule has fared since the plan came into force."""
        return tuple(self._counts)

    def strike(self, operation: str) -> Struck:
        """What the next request of an operation is struck by; counts it."""
        rules = self._by_operation.get(operation)
        if rules is None:
            return UNTOUCHED
        struck = UNTOUCHED
        for number, rule in reversed(rules):  # so that the first has the last word
            ordinal = self._counts[number].seen
            if self._is_struck(number, rule):
                struck = _with(struck, rule, _chance(self.plan.seed, number, ordinal, "which"))
        return struck

    def _is_struck(self, number: int, rule: AnyRule) -> bool:
        count = self._counts[number]
        spent = rule.count is not None and count.struck >= rule.count
        hit = (
            not spent
            and count.seen >= rule.after
            and _chance(self.plan.seed, number, count.seen, "whether") < rule.probability
        )
        self._counts[number] = RuleCount(seen=count.seen + 1, struck=count.struck + hit)
        return hit


def _chance(seed: int, rule: int, ordinal: int, question: str) -> float:
    """A number from 0 up to 1, the same for the same question about the same request."""
    text = f"{seed}/{rule}/{ordinal}/{question}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) / _WHOLE


def _with(struck: Struck, rule: AnyRule, chance: float) -> Struck:
    match rule:
        case Late():
            return replace(struck, late_s=rule.seconds)
        case Shift():
            step = int(chance * 2 * rule.rows)  # 0 up to 2 * rows - 1, and never no shift at all
            return replace(struck, shift_rows=step - rule.rows + (step >= rule.rows))
        case Ties():
            return replace(struck, ties_s=rule.seconds, salt=int(chance * 1_000_000) | 1)
        case CopySize():
            return replace(struck, size_off_bytes=rule.off_bytes)
        case CopyFails() | CopyStalls():
            return replace(struck, copy=rule)
        case (
            DeliveryLost()
            | DeliveryDoubled()
            | DeliveryLate()
            | DeliveryReordered()
            | DeliveryMissigned()
        ):
            return replace(struck, delivery=rule)
        case _:
            return replace(struck, answer=rule)
