"""What happened to a transfer, as the checkpoint writes it: one event and the facts beside it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypedDict

from migrator.lifecycle import Event, State
from migrator.model import DecidedBy, LearnedBy, Reason


class Facts(TypedDict, total=False):
    """Columns of a transfer that an event sets; those left out keep their value."""

    reason: Reason | None
    decided_by: DecidedBy | None
    learned_by: LearnedBy | None
    preflighted_ms: int | None
    attempts: int
    forgiven: int
    accepted: bool
    restarts: int
    not_before_ms: int | None
    intent_date_s: int | None
    submitted_ms: int | None
    finished_ms: int | None
    video_id: str | None
    video_created_ms: int | None
    adopted: bool
    duplicate_video_ids: str | None
    size_bytes: int | None
    etag: str | None
    last_modified_ms: int | None
    error_code: str | None
    http_status: int | None
    message: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a transfer with the facts that it brings."""

    event: Event
    facts: Facts = field(default_factory=Facts)


@dataclass(frozen=True, slots=True)
class Move:
    """A change that is to happen to a row, which stands in `state`.

    `if_taken` answers what happens instead where its video is another row's, which it is given.
    """

    row: int
    state: State
    change: Change
    if_taken: Callable[[int], Change] | None = None


class Transfer(NamedTuple):
    """A row of the checkpoint: the object, where it stands, and what was learned.

    Times end in `_ms` (epoch milliseconds, UTC) or `_s` (epoch seconds of the platform's own
    clock); `size_bytes` is the source's. `cells` is the JSON text of the manifest's other columns,
    and `raw` says how to read it: 0 other columns, 1 all columns of an invalid row, 2 the one line
    of a ragged row.
    """

    row: int
    source_id: int
    object_id: bytes | None
    bucket: str | None
    key: str | None
    version_id: str | None
    cells: str | None
    raw: int
    state: State
    reason: Reason | None
    decided_by: str | None
    learned_by: str | None
    size_bytes: int | None
    etag: str | None
    last_modified_ms: int | None
    preflighted_ms: int | None
    attempts: int
    restarts: int
    not_before_ms: int | None
    intent_date_s: int | None
    submitted_ms: int | None
    finished_ms: int | None
    video_id: str | None
    video_created_ms: int | None
    adopted: int
    duplicate_video_ids: str | None
    error_code: str | None
    http_status: int | None
    message: str | None
    forgiven: int = 0
    accepted: int = 0
    lane: int = 0

    @property
    def may_have_video(self) -> bool:
        """Whether a row that is pending, rejected or missing may have a video all the same.

        Of a POST that was not itself refused the answer had been lost, and absence was presumed,
        not proven: be the row refused at its next POST, by preflight or for its bucket's keys.
        """
        posts_refused = 1 if self.decided_by == DecidedBy.PLATFORM else 0
        seen = self.video_id is not None or self.duplicate_video_ids not in {None, "[]"}
        return seen or self.attempts > posts_refused

    @property
    def story(self) -> str:
        """One line that says what is known of this transfer, for errors."""
        return (
            f"row {self.row}, s3://{self.bucket}/{self.key!r}, {self.state}, "
            f"attempts {self.attempts}, restarts {self.restarts}, video {self.video_id}, "
            f"last answer {self.http_status} {self.error_code}"
        )
