"""What a checkpoint holds before it is migrated, counted by SQL: the facts that `plan` prints.

Nothing in here grows with the rows: every question is one aggregate, or a few examples.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from migrator.checkpoint.store import Checkpoint
from migrator.lifecycle import FINAL, State
from migrator.model import OUTCOME_OF, Outcome, Reason

MOST_BUCKETS = 100
"""Buckets that are told one by one."""

EXAMPLES = 3
"""Rows that are shown of each reason."""


@dataclass(frozen=True, slots=True)
class BucketCount:
    """A bucket: its rows, those that would be sent with their known bytes, those refused."""

    bucket: str
    rows: int
    to_send: int
    size_bytes: int
    refused: int


@dataclass(frozen=True, slots=True)
class SizeClass:
    """Objects to be sent of at least 10^`decade` bytes and less than ten times that."""

    decade: int
    objects: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Example:
    """A row as an example for a reason, with S3's code and words where it said any."""

    row: int
    bucket: str | None
    key: str | None
    size_bytes: int | None
    code: str | None
    message: str | None


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """Rows that will not be imported, or are settled already, for one reason."""

    outcome: Outcome
    reason: Reason
    rows: int
    size_bytes: int
    settled: bool
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class LaneCount:
    """What would be sent with one API key: objects, their known bytes, the largest."""

    objects: int = 0
    size_bytes: int = 0
    largest_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Census:
    """All rows of a batch by what would become of them.

    `to_send` rows would be sent; of `unsized` of them the size is not known. `open_rows` are those
    of an earlier run that have no outcome yet and are not pending. `bucket_count` counts all
    buckets, `buckets` holds the largest ones. `lanes` are those of the API keys that have any.
    """

    rows: int
    to_send: int
    size_bytes: int
    unsized: int
    largest_bytes: int
    open_rows: int
    reasons: tuple[ReasonCount, ...]
    buckets: tuple[BucketCount, ...]
    bucket_count: int
    sizes: tuple[SizeClass, ...]
    lanes: Mapping[int, LaneCount]

    def outcomes(self) -> dict[Outcome, int]:
        """Rows by outcome, if every row that is sent is imported."""
        found = dict.fromkeys(Outcome, 0)
        found[Outcome.IMPORTED] = self.to_send + self.open_rows
        for told in self.reasons:
            found[told.outcome] += told.rows
        del found[Outcome.UNFINISHED]
        return found


def take_census(checkpoint: Checkpoint, *, preflight: bool) -> Census:
    """Count the rows; `preflight` False leaves out what an earlier preflight has foreseen."""
    rows = to_send = size_bytes = unsized = open_rows = 0
    reasons = []
    for state_name, reason_name, count, known_bytes, without_size in checkpoint.select(
        "census_tallies", preflight
    ):
        state = State(state_name)
        rows += count
        if state is State.PENDING and reason_name is None:
            to_send, size_bytes, unsized = count, int(known_bytes), without_size
        elif state is not State.PENDING and state not in FINAL:
            open_rows += count
        else:
            # An imported row has only one possible reason, so that it need not be stored.
            reason = Reason.COPIED if reason_name is None else Reason(reason_name)
            examples = tuple(_examples(checkpoint, state, reason))
            settled = state in FINAL
            reasons.append(
                ReasonCount(OUTCOME_OF[reason], reason, count, int(known_bytes), settled, examples)
            )
    sizes, largest_bytes = [], 0
    for decade, objects, known_bytes, largest in checkpoint.select("census_sizes", preflight):
        sizes.append(SizeClass(decade, objects, int(known_bytes)))
        largest_bytes = max(largest_bytes, largest)
    order = {reason: place for place, reason in enumerate(Reason)}
    return Census(
        rows=rows,
        to_send=to_send,
        size_bytes=size_bytes,
        unsized=unsized,
        largest_bytes=largest_bytes,
        open_rows=open_rows,
        reasons=tuple(sorted(reasons, key=lambda told: (order[told.reason], told.settled))),
        buckets=tuple(
            BucketCount(bucket, count, sent, int(known_bytes), refused)
            for bucket, count, sent, known_bytes, refused in checkpoint.select(
                "census_buckets", preflight, MOST_BUCKETS
            )
        ),
        bucket_count=next(checkpoint.select("census_bucket_count"))[0],
        sizes=tuple(sizes),
        lanes={
            lane: LaneCount(objects, int(known_bytes), largest)
            for lane, objects, known_bytes, largest in checkpoint.select("census_lanes", preflight)
        },
    )


def _examples(checkpoint: Checkpoint, state: State, reason: Reason) -> Iterator[Example]:
    if state is State.IMPORTED:
        return
    foreseen = state is State.PENDING
    found = (
        checkpoint.select("census_foreseen_examples", reason, EXAMPLES)
        if foreseen
        else checkpoint.select("census_settled_examples", reason, state, EXAMPLES)
    )
    for row in found:
        yield Example(*row)
