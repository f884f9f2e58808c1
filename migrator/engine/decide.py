"""What to do: snapshots and replies in, changes out. No clock, no chance, no I/O.

Everything that decides the fate of a transfer stands here; `submit`, `follow` and `resolve` carry
it out. Times are arguments (epoch milliseconds), and every answer is a `Change` for the checkpoint
or None for "nothing happened".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus

import msgspec

from migrator.checkpoint.change import Change, Facts, Transfer
from migrator.engine.tag import read_tag
from migrator.errors import ExitCode
from migrator.lifecycle import Event, State
from migrator.model import DecidedBy, LearnedBy, Outcome, Reason
from migrator.pixop import wire
from migrator.pixop.client import Answer, NotSent, Reply
from migrator.settings import UUID_PATTERN

RESTART_DELAYS_S = (5, 20)
"""Seconds before a failed copy is restarted; the last one stands for all further restarts."""

KEYS_REFUSED = frozenset({"INVALID_CREDENTIALS", "HEAD_BUCKET_ERROR"})
"""The platform's codes for source keys that do not open the bucket."""

SOURCE_ABSENT = frozenset({"BUCKET_NOT_FOUND", "KEY_NOT_FOUND"})
"""Codes of a 404 that is about the source, and not about where the video was meant to be made."""

TEAM_LOST = frozenset({"TEAM_NOT_FOUND", "DEFAULT_TEAM_NOT_API_ENABLED"})
"""Codes that concern every row alike: the run stops instead of calling a catalogue missing."""

DONE, FAILED = "DONE", "FAILED"
"""The statuses of the platform that end something. Any other, known or not, means in progress."""

COMPLETE_SWEEPS_TO_PRESUME = 2
"""Complete sweeps in a row that must not show a video before it is presumed absent."""

NOT_ACTED_ON = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS})
"""Answers after which nothing has happened on the platform."""

MAX_TEXT = 1000
"""Characters of the platform's own words that are kept for the report."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reply to a POST means: the change, and what else it asks for.

    `throttled`: a 429. `ask_account`: a 403, which means the row or the key. `ask_place`: a 404
    that does not say what is absent: the object, or the project or team that it was meant for.
    `stops`: why the whole run has to stop, "" when it goes on. `keys_refused`: the platform refuses
    the bucket's keys.
    """

    change: Change
    throttled: bool = False
    ask_account: bool = False
    ask_place: bool = False
    stops: str = ""
    keys_refused: bool = False


def judge_submit(reply: Reply, transfer: Transfer, now_ms: int) -> Verdict:
    """What the reply to a row's POST means.

    `transfer` is the row as it was before the intent: a request that was provably not acted on
    gives its attempt back.
    """
    if isinstance(reply, NotSent):
        return Verdict(_not_created(transfer, None, None, reply.detail))
    if not isinstance(reply, Answer):
        return Verdict(_unknown(reply.status, None, f"no whole answer: {reply.detail}"))
    error = wire.decode(reply.body, wire.ApiError) or wire.ApiError()
    code, message = _cut(error.error_code), _cut(error.message)
    status = reply.status
    if reply.ok:
        return Verdict(_accepted(reply))
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Verdict(_not_created(transfer, status, code, message), throttled=True)
    if status == HTTPStatus.UNAUTHORIZED or code in TEAM_LOST:
        stops = f"the platform answered {status} {code or ''}: {message or 'no message'}"
        return Verdict(_not_created(transfer, status, code, message), stops=stops)
    if status == HTTPStatus.FORBIDDEN:
        refusal = _refused(Event.REJECT, Reason.ACCESS_DENIED, status, code, message, now_ms)
        return Verdict(refusal, ask_account=True)
    if status == HTTPStatus.REQUEST_TIMEOUT or not _is_definite(status):
        return Verdict(_unknown(status, code, message or f"HTTP {status}"))
    if status == HTTPStatus.NOT_FOUND:
        bucket = code is not None and "BUCKET" in code
        reason = Reason.BUCKET_NOT_FOUND if bucket else Reason.OBJECT_NOT_FOUND
        refusal = _refused(Event.MISS, reason, status, code, message, now_ms)
        return Verdict(refusal, ask_place=code not in SOURCE_ABSENT)
    reason = reason_of_refusal(code, message)
    return Verdict(
        _refused(Event.REJECT, reason, status, code, message, now_ms),
        keys_refused=reason is Reason.BAD_CREDENTIALS,
    )


def reason_of_refusal(code: str | None, message: str | None) -> Reason:
    """The reason behind a 4xx other than 401, 403, 404 and 429.

    The API has no code for size: its text names 500 GB.
    """
    if message is not None and "500GB" in message.upper().replace(" ", "").replace("\u00a0", ""):
        return Reason.TOO_LARGE
    if code in KEYS_REFUSED:
        return Reason.BAD_CREDENTIALS
    if code == "UNSUPPORTED_CONTENT_TYPE":
        return Reason.UNSUPPORTED_CONTENT
    if code in {"ACCESS_DENIED", "FORBIDDEN", "HEAD_OBJECT_ERROR"}:
        return Reason.ACCESS_DENIED
    return Reason.INVALID_REQUEST


def given_back(transfer: Transfer, message: str) -> Change:
    """The intent was written and the request was not sent after all."""
    return _not_created(transfer, None, None, message)


def mistaken(accepted: Change, owner: int) -> Change:
    """A success with the videoId that row `owner` has: whatever was made is to be looked for."""
    status = accepted.facts["http_status"]
    return _unknown(status, None, f"a success with the videoId of row {owner}")


def gave_up(transfer: Transfer, now_ms: int) -> Change:
    """Sent often enough, each time proven absent: it will not be sent again."""
    return failed(
        Reason.GAVE_UP,
        now_ms,
        message=f"sent {transfer.attempts} times without a video; last: {transfer.message}",
    )


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
            "message": _cut(message),
        },
    )


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
    """The settings that a copy is judged by."""

    restarts: int
    until_ingested: bool


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
    code, message = _cut(sight.error_code), _cut(sight.error_message)
    if restarts >= rules.restarts:
        return failed(Reason.COPY_FAILED, now_ms, message=message, code=code, learned_by=learned_by)
    delay_s = RESTART_DELAYS_S[min(restarts, len(RESTART_DELAYS_S) - 1)]
    return Change(
        Event.COPY_FAILED,
        {"not_before_ms": now_ms + delay_s * 1000, "error_code": code, "message": message},
    )


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
    if isinstance(reply, Answer) and reply.status == HTTPStatus.NOT_FOUND:
        return failed(Reason.DELETED, now_ms, status=404, message="the video is gone")
    if isinstance(reply, Answer) and reply.status in {400, 403}:
        error = wire.decode(reply.body, wire.ApiError) or wire.ApiError()
        return failed(
            Reason.COPY_FAILED,
            now_ms,
            code=_cut(error.error_code),
            status=reply.status,
            message=f"the restart was refused: {error.message}",
        )
    return None


class OldVideo(Enum):
    """What a look by id tells of a video that shall be replaced."""

    GONE = auto()
    FAILED_COPY = auto()
    OTHER_COPY = auto()
    DONE_AFTER_ALL = auto()
    NOT_OURS = auto()


def judge_old_video(answer: Answer, transfer: Transfer, *, tagging: bool) -> OldVideo:
    """What the platform's answer about a row's video means for removing it.

    Only a video that is certainly the row's own is removed, and none whose copy has arrived well
    since the row was given up.
    """
    if is_gone(answer):
        return OldVideo.GONE
    video = wire.decode(answer.body, wire.Video) if answer.ok else None
    if video is None or video.id != transfer.video_id:
        return OldVideo.NOT_OURS
    tag = read_tag(video.description)
    if tagging and (tag is None or tag.object_id != transfer.object_id):
        return OldVideo.NOT_OURS
    sight = Sight.of(video)
    if sight.upload_status == FAILED:
        return OldVideo.FAILED_COPY
    if sight.upload_status == DONE and transfer.reason in {Reason.STUCK, Reason.COPY_FAILED}:
        return OldVideo.DONE_AFTER_ALL
    return OldVideo.OTHER_COPY


def is_gone(answer: Answer) -> bool:
    """Whether an answer about a video by its id says that there is no such video."""
    if answer.status != HTTPStatus.NOT_FOUND:
        return False
    error = wire.decode(answer.body, wire.ApiError) or wire.ApiError()
    return error.error_code not in TEAM_LOST


def removed(transfer: Transfer) -> Change:
    """The row's old video is proven gone; another one may still be there, so it is looked for."""
    return Change(
        Event.REMOVED,
        {
            "video_id": None,
            "video_created_ms": None,
            "adopted": False,
            "reason": None,
            "decided_by": None,
            "learned_by": None,
            "finished_ms": None,
            "error_code": None,
            "http_status": None,
            "restarts": 0,
            "not_before_ms": None,
            "preflighted_ms": None,
            "forgiven": transfer.attempts,
            "message": f"video {transfer.video_id} was removed to be replaced",
        },
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """A video as a sweep saw it, as far as it can be a row's; `size_bytes` is the copy's."""

    video_id: str
    created_ms: int | None
    upload_status: str | None
    size_bytes: int | None = None


def choose_carrier(carriers: Iterable[Seen]) -> tuple[Seen, tuple[str, ...]]:
    """Of several videos that carry one tag: the oldest DONE, else the oldest; and the others."""
    order = sorted(
        carriers,
        key=lambda seen: (seen.upload_status != DONE, seen.created_ms or 0, seen.video_id),
    )
    return order[0], tuple(sorted(seen.video_id for seen in order[1:]))


def found(carriers: Iterable[Seen], *, adopted: bool) -> Change:
    """A row's video was found on the platform."""
    chosen, others = choose_carrier(carriers)
    facts: Facts = {
        "video_id": chosen.video_id,
        "video_created_ms": chosen.created_ms,
        "adopted": adopted,
        "error_code": None,
        "http_status": None,
        "message": None,
        "duplicate_video_ids": msgspec.json.encode(others).decode() if others else None,
    }
    return Change(Event.FOUND, facts)


def absent() -> Change:
    """Two complete sweeps in a row did not show the row's video: it may be sent again."""
    return Change(Event.ABSENCE_PRESUMED)


def ambiguous(video_id: str, now_ms: int) -> Change:
    """An untagged master looks like the row's object: it is not sent."""
    return failed(
        Reason.AMBIGUOUS,
        now_ms,
        message=f"video {video_id} without a tag has the same file name and size: it may be this "
        "object",
    )


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


def exit_code(
    outcomes: dict[Outcome, int], duplicates: int, *, stopped: bool, interrupted: bool
) -> ExitCode:
    """The exit code of a run that ended in order (design section 7)."""
    if interrupted:
        return ExitCode.INTERRUPTED
    if stopped or outcomes.get(Outcome.UNFINISHED, 0):
        return ExitCode.STOPPED
    problems = (Outcome.REJECTED, Outcome.MISSING, Outcome.FAILED)
    if duplicates or any(outcomes.get(outcome, 0) for outcome in problems):
        return ExitCode.WITH_PROBLEMS
    return ExitCode.OK


def _is_definite(status: int) -> bool:
    """Whether an answer that is no success settles that nothing was created: any other 4xx."""
    return HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR


def _accepted(answer: Answer) -> Change:
    made = wire.decode(answer.body, wire.VideoInStatus)
    if made is None or not UUID_PATTERN.fullmatch(made.video_id):
        return _unknown(answer.status, None, "a success without a videoId")
    return Change(
        Event.ACCEPT,
        {
            "video_id": made.video_id,
            "http_status": answer.status,
            "error_code": None,
        },
    )


def _refused(
    event: Event,
    reason: Reason,
    status: int,
    code: str | None,
    message: str | None,
    now_ms: int,
) -> Change:
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


def _not_created(
    transfer: Transfer, status: int | None, code: str | None, message: str | None
) -> Change:
    return Change(
        Event.NOT_CREATED,
        {
            "attempts": transfer.attempts,
            "forgiven": transfer.forgiven,
            "http_status": status,
            "error_code": code,
            "message": _cut(message),
        },
    )


def _unknown(status: int | None, code: str | None, message: str | None) -> Change:
    return Change(
        Event.OUTCOME_UNKNOWN,
        {"http_status": status, "error_code": code, "message": _cut(message)},
    )


def _cut(text: str | None) -> str | None:
    return text if text is None else text[:MAX_TEXT]
