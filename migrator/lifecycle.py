"""The life of a transfer: its states, its events and the one table that joins them.

Theory of operation. A transfer is one manifest row on its way. Everything that happens to it is an
`Event`, and `TRANSITIONS` says what state follows; a pair that is not in the table is impossible by
design, so `advance` raises `IllegalTransition` and changes nothing. Nothing else in the program
assigns a state: the checkpoint stores what `advance` answers. Final states are left by `migrator
retry` alone.

The order of writing is what makes the table safe over a crash. `SUBMIT` is durable before the
request leaves, so a row found in `submitting` at start-up may have a video: it gets
`OUTCOME_UNKNOWN` and is settled by looking (`FOUND`, `ABSENCE_PRESUMED`, `AMBIGUOUS`), never by
sending again. Only `NOT_CREATED`, `ABSENCE_PRESUMED` and, of rows that were refused, `REOPEN` lead
back to `pending`, and no event leads there from a state in which a video is known, or may be.
"""

from enum import StrEnum


class State(StrEnum):
    """Where a transfer is. The last five are final and are the report's outcomes."""

    PENDING = "pending"
    SUBMITTING = "submitting"
    UNRESOLVED = "unresolved"
    COPYING = "copying"
    RESTARTING = "restarting"
    INGESTING = "ingesting"
    REPLACING = "replacing"
    IMPORTED = "imported"
    REJECTED = "rejected"
    MISSING = "missing"
    FAILED = "failed"
    SKIPPED = "skipped"


class Event(StrEnum):
    """What can happen to a transfer."""

    REJECT = "reject"
    """Preflight, or a definite refusal of the platform."""
    MISS = "miss"
    """The bucket or the object is not there."""
    SKIP = "skip"
    """Nothing to import: a folder marker."""
    SUBMIT = "submit"
    """The intent to POST is durable; the request may leave."""
    ACCEPT = "accept"
    """2xx with a videoId."""
    NOT_CREATED = "not_created"
    """Provably no video: never connected, or 429."""
    OUTCOME_UNKNOWN = "outcome_unknown"
    """The answer was lost; a video may exist."""
    FOUND = "found"
    """A video that carries the row's tag was found by a sweep."""
    ABSENCE_PRESUMED = "absence_presumed"
    """Two complete sweeps in a row did not show it."""
    FAIL = "fail"
    """Settled as failed: ambiguous, deleted, stuck, gave up, or the copy's own failure."""
    COPY_FAILED = "copy_failed"
    """The platform says FAILED and a restart is left."""
    RESTART = "restart"
    """The restart is durable; `in/restart` may leave, and then the copy is looked at again."""
    COPIED = "copied"
    """The copy is DONE and ingestion is waited for."""
    IMPORT = "import"
    """The copy (and the ingestion, where waited for) is DONE."""
    REOPEN = "reopen"
    """`retry`: no video of it was ever made, so it may be sent again."""
    LOOK_FOR = "look_for"
    """`retry`: a video may have been made, so it is looked for before it may be sent again."""
    LOOK_AGAIN = "look_again"
    """`retry`: its video is there, and is looked at again."""
    RETRY_COPY = "retry_copy"
    """`retry`: its copy failed, or got stuck, and is restarted."""
    REPLACE = "replace"
    """`retry --replace`: its video shall be removed."""
    REMOVED = "removed"
    """The old video is proven gone; others of the row are looked for."""


FINAL = frozenset(
    {State.IMPORTED, State.REJECTED, State.MISSING, State.FAILED, State.SKIPPED},
)
"""States that only `migrator retry` leaves."""

RETRYING = frozenset(
    {Event.REOPEN, Event.LOOK_FOR, Event.LOOK_AGAIN, Event.RETRY_COPY, Event.REPLACE},
)
"""Events by which `migrator retry` opens a row that had ended."""

WITH_VIDEO = frozenset({State.COPYING, State.RESTARTING, State.INGESTING})
"""Open states in which a video is known to exist."""

TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.PENDING, Event.REJECT): State.REJECTED,
    (State.PENDING, Event.MISS): State.MISSING,
    (State.PENDING, Event.SKIP): State.SKIPPED,
    (State.PENDING, Event.SUBMIT): State.SUBMITTING,
    (State.PENDING, Event.FOUND): State.COPYING,
    (State.PENDING, Event.FAIL): State.FAILED,
    (State.SUBMITTING, Event.ACCEPT): State.COPYING,
    (State.SUBMITTING, Event.REJECT): State.REJECTED,
    (State.SUBMITTING, Event.MISS): State.MISSING,
    (State.SUBMITTING, Event.NOT_CREATED): State.PENDING,
    (State.SUBMITTING, Event.OUTCOME_UNKNOWN): State.UNRESOLVED,
    (State.UNRESOLVED, Event.FOUND): State.COPYING,
    (State.UNRESOLVED, Event.ABSENCE_PRESUMED): State.PENDING,
    (State.UNRESOLVED, Event.FAIL): State.FAILED,
    (State.COPYING, Event.COPY_FAILED): State.RESTARTING,
    (State.COPYING, Event.COPIED): State.INGESTING,
    (State.COPYING, Event.IMPORT): State.IMPORTED,
    (State.COPYING, Event.FAIL): State.FAILED,
    (State.RESTARTING, Event.RESTART): State.COPYING,
    (State.RESTARTING, Event.COPIED): State.INGESTING,
    (State.RESTARTING, Event.IMPORT): State.IMPORTED,
    (State.RESTARTING, Event.FAIL): State.FAILED,
    (State.INGESTING, Event.IMPORT): State.IMPORTED,
    (State.INGESTING, Event.FAIL): State.FAILED,
    (State.REJECTED, Event.REOPEN): State.PENDING,
    (State.MISSING, Event.REOPEN): State.PENDING,
    (State.REJECTED, Event.LOOK_FOR): State.UNRESOLVED,
    (State.MISSING, Event.LOOK_FOR): State.UNRESOLVED,
    (State.FAILED, Event.LOOK_FOR): State.UNRESOLVED,
    (State.FAILED, Event.LOOK_AGAIN): State.COPYING,
    (State.FAILED, Event.RETRY_COPY): State.RESTARTING,
    (State.FAILED, Event.REPLACE): State.REPLACING,
    (State.REPLACING, Event.REMOVED): State.UNRESOLVED,
    (State.REPLACING, Event.LOOK_AGAIN): State.COPYING,
    (State.REPLACING, Event.FAIL): State.FAILED,
}
"""(state, event) -> the state that follows. A pair that is absent is illegal."""


class IllegalTransition(Exception):
    """An event met a state that it cannot happen in: a defect, never an outcome."""

    def __init__(self, state: State, event: Event, story: str = "") -> None:
        super().__init__(f"{event} cannot happen in {state}" + (f" ({story})" if story else ""))
        self.state = state
        self.event = event


def advance(state: State, event: Event, story: str = "") -> State:
    """The state that follows `event` in `state`.

    Raises IllegalTransition, with the transfer's `story`, when the table has no such pair.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransition(state, event, story) from None
