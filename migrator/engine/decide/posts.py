"""What the reply to a POST means."""

from dataclasses import dataclass
from http import HTTPStatus

from migrator.checkpoint.change import Change, Transfer
from migrator.engine.breaker import is_own_404, is_strangers
from migrator.engine.decide.changes import cut, failed, not_created, refused, unknown
from migrator.lifecycle import Event
from migrator.model import Reason
from migrator.pixop import wire
from migrator.pixop.client import Answer, Lost, NotSent, Reply
from migrator.settings import UUID_PATTERN

KEYS_REFUSED = frozenset({"INVALID_CREDENTIALS", "HEAD_BUCKET_ERROR"})
"""The platform's codes for source keys that do not open the bucket."""

SOURCE_ABSENT = frozenset({"BUCKET_NOT_FOUND", "KEY_NOT_FOUND"})
"""Codes of a 404 that is about the source, and not about where the video was meant to be made."""

TEAM_LOST = frozenset({"TEAM_NOT_FOUND", "DEFAULT_TEAM_NOT_API_ENABLED"})
"""Codes that concern every row alike: the run stops instead of calling a catalogue missing."""


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


def as_told(reply: Reply) -> Reply:
    """A POST's reply; Lost where somebody else has answered in the platform's place.

    The platform says 404 without a body or in its own form: any other 404 is of a router that does
    not know the way, and tells nothing of the object.
    """
    if not isinstance(reply, Answer) or reply.status != HTTPStatus.NOT_FOUND or is_own_404(reply):
        return reply
    return Lost("HTTP 404, not in the platform's own form", reply.status)


def judge_submit(reply: Reply, transfer: Transfer, now_ms: int) -> Verdict:
    """What the reply to a row's POST means.

    `transfer` is the row as it was before the intent: a request that was provably not acted on
    gives its attempt back.
    """
    if isinstance(reply, NotSent):
        return Verdict(not_created(transfer, None, None, reply.detail))
    if not isinstance(reply, Answer):
        return Verdict(unknown(reply.status, None, f"no whole answer: {reply.detail}"))
    if reply.ok:
        return Verdict(_accepted(reply))
    error = wire.decode(reply.body, wire.ApiError) or wire.ApiError()
    code, message = cut(error.error_code), cut(error.message)
    status = reply.status
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Verdict(not_created(transfer, status, code, message), throttled=True)
    if status == HTTPStatus.UNAUTHORIZED or code in TEAM_LOST:
        stops = f"the platform answered {status} {code or ''}: {message or 'no message'}"
        return Verdict(not_created(transfer, status, code, message), stops=stops)
    if is_strangers(reply):
        return Verdict(unknown(status, None, f"HTTP {status}, not in the platform's own form"))
    if status == HTTPStatus.FORBIDDEN:
        refusal = refused(Event.REJECT, Reason.ACCESS_DENIED, status, code, message, now_ms)
        return Verdict(refusal, ask_account=True)
    if status == HTTPStatus.REQUEST_TIMEOUT or not _is_definite(status):
        return Verdict(unknown(status, code, message or f"HTTP {status}"))
    if status == HTTPStatus.NOT_FOUND:
        bucket = code is not None and "BUCKET" in code
        reason = Reason.BUCKET_NOT_FOUND if bucket else Reason.OBJECT_NOT_FOUND
        refusal = refused(Event.MISS, reason, status, code, message, now_ms)
        return Verdict(refusal, ask_place=code not in SOURCE_ABSENT)
    reason = reason_of_refusal(code, message)
    return Verdict(
        refused(Event.REJECT, reason, status, code, message, now_ms),
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
    return not_created(transfer, None, None, message)


def mistaken(accepted: Change, owner: int) -> Change:
    """A success with the videoId that row `owner` has: whatever was made is to be looked for."""
    status = accepted.facts["http_status"]
    return unknown(status, None, f"a success with the videoId of row {owner}")


def gave_up(transfer: Transfer, now_ms: int) -> Change:
    """Sent often enough, each time proven absent: it will not be sent again."""
    return failed(
        Reason.GAVE_UP,
        now_ms,
        message=f"sent {transfer.attempts} times without a video; last: {transfer.message}",
    )


def _is_definite(status: int) -> bool:
    """Whether an answer that is no success settles that nothing was created: any other 4xx."""
    return HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR


def _accepted(answer: Answer) -> Change:
    made = wire.decode(answer.body, wire.VideoInStatus)
    if made is None or not UUID_PATTERN.fullmatch(made.video_id):
        return unknown(answer.status, None, "a success without a videoId")
    return Change(
        Event.ACCEPT,
        {
            "video_id": made.video_id,
            "http_status": answer.status,
            "error_code": None,
        },
    )
