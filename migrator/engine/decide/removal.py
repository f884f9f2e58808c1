"""What may be removed from the platform for `retry --replace`, and what proves that it is gone."""

from enum import Enum, auto
from http import HTTPStatus

from migrator.checkpoint.change import Change, Transfer
from migrator.engine.breaker import is_own_404
from migrator.engine.decide.copies import DONE, FAILED, Sight
from migrator.engine.decide.posts import TEAM_LOST
from migrator.engine.tag import read_tag
from migrator.lifecycle import Event
from migrator.model import Reason
from migrator.pixop import wire
from migrator.pixop.client import Answer


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
    if answer.status != HTTPStatus.NOT_FOUND or not is_own_404(answer):
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
