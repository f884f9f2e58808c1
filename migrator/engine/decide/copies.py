"""What a look at a copy, or the reply to its restart, means."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from migrator.checkpoint.change import Change, Transfer
from migrator.engine.breaker import is_own_404
from migrator.engine.decide.changes import cut, failed
from migrator.lifecycle import Event, State
from migrator.model import DecidedBy, LearnedBy, Reason
from migrator.pixop import wire
from migrator.pixop.client import Answer, NotSent, Reply

RESTART_DELAYS_S = (5, 20)
"""Seconds before a failed copy is restarted; the last one stands for all further restarts."""

DONE, FAILED = "DONE", "FAILED"
"""The statuses of the platform that end something. Any other, known or not, means in progress."""

NOT_ACTED_ON = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS})
"""Answers after which nothing has happened on the platform."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look shows of a copy.

    `progress` is in percent; the error is the platform's word about a failed copy.
    """

    upload_status: str | None
    progress: float | None
    file_size_bytes: int | None
    ingestion_status: str | None
    error_code: str | None = None
    error_message: str | None = None
    ingestion_progress: float | None = None

    @classmethod
    def of(cls, video: wire.Video | wire.VideoInStatus) -> "Sight":
        """Read a list item or a status."""
        upload = video.upload or wire.Upload()
        state = upload.upload_state or wire.UploadState()
        file = upload.file
        if file is None and isinstance(video, wire.Video) and video.master_video is not None:
            file = video.master_video.video_file
        ingestion = video.ingestion and video.ingestion.ingestion_state
        error = state.error or wire.UploadError()
        return cls(
            upload_status=state.upload_status,
            progress=state.progress_percentage,
            file_size_bytes=file.size if file is not None else None,
            ingestion_status=ingestion.ingestion_status if ingestion else None,
            error_code=error.code,
            error_message=error.message,
            ingestion_progress=ingestion.progress_percentage if ingestion else None,
        )


@dataclass(frozen=True, slots=True)
class CopyRules:
    """The settings that a copy is judged by.

    `url_ends_ms` says of a row when the URL that it was sent with opens its object no longer;
    None where no URLs are used.
    """

    restarts: int
    until_ingested: bool
    url_ends_ms: Callable[[Transfer], int | None] | None = None


def judge_copy(
    state: State,
    restarts: int,
    size_bytes: int | None,
    sight: Sight,
    rules: CopyRules,
    learned_by: LearnedBy,
    now_ms: int,
) -> Change | None:
    """What a look at a copy means for its row; None while nothing has ended.

    `size_bytes` is the source's; a copy of another size is not the object.
    """
    if sight.upload_status == FAILED and state in {State.COPYING, State.RESTARTING}:
        return _judge_failed_copy(state, restarts, sight, rules, learned_by, now_ms)
    if sight.upload_status != DONE:
        return None
    if state is not State.INGESTING and size_bytes and sight.file_size_bytes not in {
        None, 0, size_bytes,
    }:  # fmt: skip
        return failed(
            Reason.SIZE_MISMATCH,
            now_ms,
            message=f"the copy has {sight.file_size_bytes} bytes, the source {size_bytes}",
            learned_by=learned_by,
        )
    imported = Change(
        Event.IMPORT,
        {
            "reason": Reason.COPIED,
            "decided_by": DecidedBy.PLATFORM,
            "learned_by": learned_by,
            "finished_ms": now_ms,
            "error_code": None,
        },
    )
    if not rules.until_ingested or sight.ingestion_status == DONE:
        return imported
    if sight.ingestion_status == FAILED:
        return failed(
            Reason.INGESTION_FAILED,
            now_ms,
            message="the copy is done and the platform could not read it as a video",
            learned_by=learned_by,
        )
    return Change(Event.COPIED) if state is not State.INGESTING else None


def _judge_failed_copy(
    state: State,
    restarts: int,
    sight: Sight,
    rules: CopyRules,
    learned_by: LearnedBy,
    now_ms: int,
) -> Change | None:
    if state is State.RESTARTING:  # known, and its restart is waited for
        return None
    code, message = cut(sight.error_code), cut(sight.error_message)
    if restarts >= rules.restarts:
        return failed(Reason.COPY_FAILED, now_ms, message=message, code=code, learned_by=learned_by)
    delay_s = RESTART_DELAYS_S[min(restarts, len(RESTART_DELAYS_S) - 1)]
    return Change(
        Event.COPY_FAILED,
        {"not_before_ms": now_ms + delay_s * 1000, "error_code": code, "message": message},
    )


def unless_expired(
    change: Change, transfer: Transfer, rules: CopyRules, learned_by: LearnedBy, now_ms: int
) -> Change:
    """No restart of a copy whose URL opens nothing any more: the platform would use that URL."""
    ends_ms = rules.url_ends_ms(transfer) if rules.url_ends_ms is not None else None
    if change.event is not Event.COPY_FAILED or ends_ms is None or now_ms < ends_ms:
        return change
    message = cut(f"its URL has expired, so that it is not restarted: {change.facts['message']}")
    code = change.facts["error_code"]
    return failed(Reason.COPY_FAILED, now_ms, message=message, code=code, learned_by=learned_by)


def restart(restarts: int) -> Change:
    """The restart is about to leave; it is counted before, so that no crash makes it one more."""
    return Change(Event.RESTART, {"restarts": restarts + 1, "not_before_ms": None})


def judge_restart(reply: Reply, restarts: int, now_ms: int) -> Change | None:
    """What the reply to `in/restart` means; None for "look": it may have been acted on.

    `restarts` is the count before it: what was provably not acted on is given back, and sent again.
    A 409 (it is not FAILED) and a lost answer both mean: look.
    """
    if isinstance(reply, NotSent) or (isinstance(reply, Answer) and reply.status in NOT_ACTED_ON):
        due_ms = now_ms + RESTART_DELAYS_S[0] * 1000
        return Change(Event.COPY_FAILED, {"restarts": restarts, "not_before_ms": due_ms})
    if isinstance(reply, Answer) and reply.status == HTTPStatus.NOT_FOUND and is_own_404(reply):
        return failed(Reason.DELETED, now_ms, status=404, message="the video is gone")
    if isinstance(reply, Answer) and reply.status in {400, 403}:
        error = wire.decode(reply.body, wire.ApiError) or wire.ApiError()
        return failed(
            Reason.COPY_FAILED,
            now_ms,
            code=cut(error.error_code),
            status=reply.status,
            message=f"the restart was refused: {error.message}",
        )
    return None


def stuck(hours: float, now_ms: int) -> Change:
    """A copy that has not moved for too long; it is never submitted again."""
    return failed(Reason.STUCK, now_ms, message=f"no progress for {hours:.1f} hours")


def deleted(now_ms: int) -> Change:
    """The platform does not know the video any more; it is never sent again."""
    return failed(
        Reason.DELETED,
        now_ms,
        status=404,
        message="the platform does not know this video any more",
        learned_by=LearnedBy.STATUS,
    )
