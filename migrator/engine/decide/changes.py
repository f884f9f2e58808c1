"""The changes that several decisions lead to."""

from migrator.checkpoint.change import Change, Transfer
from migrator.lifecycle import Event
from migrator.model import DecidedBy, LearnedBy, Reason

MAX_TEXT = 1000
"""Characters of the platform's own words that are kept for the report."""


def failed(
    reason: Reason,
    now_ms: int,
    *,
    message: str | None = None,
    code: str | None = None,
    status: int | None = None,
    learned_by: LearnedBy | None = None,
) -> Change:
    """Settled as failed, by what the platform showed."""
    return Change(
        Event.FAIL,
        {
            "reason": reason,
            "decided_by": DecidedBy.PLATFORM,
            "learned_by": learned_by,
            "finished_ms": now_ms,
            "error_code": code,
            "http_status": status,
            "message": cut(message),
        },
    )


def refused(
    event: Event,
    reason: Reason,
    status: int,
    code: str | None,
    message: str | None,
    now_ms: int,
) -> Change:
    """A definite refusal of the platform."""
    return Change(
        event,
        {
            "reason": reason,
            "decided_by": DecidedBy.PLATFORM,
            "finished_ms": now_ms,
            "http_status": status,
            "error_code": code,
            "message": message,
        },
    )


def not_created(
    transfer: Transfer, status: int | None, code: str | None, message: str | None
) -> Change:
    """Provably no video: the row is pending again, and has its attempt back."""
    return Change(
        Event.NOT_CREATED,
        {
            "attempts": transfer.attempts,
            "forgiven": transfer.forgiven,
            "http_status": status,
            "error_code": code,
            "message": cut(message),
        },
    )


def unknown(status: int | None, code: str | None, message: str | None) -> Change:
    """A video may exist: it is to be looked for."""
    return Change(
        Event.OUTCOME_UNKNOWN,
        {"http_status": status, "error_code": code, "message": cut(message)},
    )


def cut(text: str | None) -> str | None:
    """As much of the platform's own words as is kept."""
    return text if text is None else text[:MAX_TEXT]
