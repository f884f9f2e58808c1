"""What `migrator retry` does with a row that had ended: pure, and never to be argued with by flags.

The rule (design section 4, "Retry"): a row that has a video, or may have one, never goes back to
pending by itself. Its copy is restarted or looked at again, or, where that is asked for, its video
is removed and proven gone first. A row that was refused at its only POST, or before, has none.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum

from migrator.checkpoint.change import Change, Facts, Transfer
from migrator.lifecycle import Event, State
from migrator.model import Outcome, Reason

RETRIABLE = frozenset({State.REJECTED, State.MISSING, State.FAILED})
"""States that a row can be retried from."""

NEVER: dict[Reason, str] = {
    Reason.COPIED: "it is imported",
    Reason.INVALID_ROW: "no request can be made of it: mend the row in retry.csv and run that as "
    "a new batch",
    Reason.DUPLICATE_ROW: "there is nothing to import",
    Reason.FILTERED: "a filter of the batch leaves it out: give it to a batch without that",
    Reason.FOLDER_MARKER: "there is nothing to import",
    Reason.ALREADY_IMPORTED: "an earlier batch has imported it",
    Reason.NOT_STARTED: "it is open: `migrator resume` goes on with it",
    Reason.IN_FLIGHT: "it is open: `migrator resume` goes on with it",
    Reason.UNRESOLVED: "it is open: `migrator resume` looks for it again",
}
"""Reasons whose rows cannot be retried, and why."""


class Act(StrEnum):
    """What is done with a row, in words for a person."""

    SEND = "headed and sent again: no video was ever made of it"
    LOOK_FOR = "looked for on the platform; sent again only if no video of it is there"
    RESTART = "its copy is restarted"
    LOOK = "its video is looked at again"
    REPLACE = "its video is removed and proven gone, then it is sent again"
    NEEDS_REPLACE = "left as it is: --replace would remove the video first"
    NEEDS_ACCEPTANCE = "left as it is: --accept-duplicates would send it all the same"
    HAS_SEVERAL = "left as it is: several videos carry its tag, decide on the platform which stays"
    CANNOT = "left as it is: no request can be made of it"


LEFT = frozenset({Act.NEEDS_REPLACE, Act.NEEDS_ACCEPTANCE, Act.HAS_SEVERAL, Act.CANNOT})
"""Acts that change nothing."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rows are meant (an empty selection means any), and what their owner agrees to.

    `expired` says of a row that the URL that it was sent with opens its object no longer.
    """

    reasons: Collection[Reason] = ()
    outcomes: Collection[Outcome] = ()
    buckets: Collection[str] = ()
    replace: bool = False
    accept_duplicates: bool = False
    expired: Callable[[Transfer], bool] = lambda _transfer: False

    def covers(self, transfer: Transfer) -> bool:
        """Whether the row is meant."""
        return (
            transfer.state in RETRIABLE
            and (not self.reasons or transfer.reason in self.reasons)
            and (not self.outcomes or transfer.state.value in self.outcomes)
            and (not self.buckets or transfer.bucket in self.buckets)
        )


def act_on(transfer: Transfer, choice: Choice) -> Act:
    """What is done with a row that `choice` covers."""
    if transfer.object_id is None:
        return Act.CANNOT
    if transfer.video_id is not None:
        return _act_on_video(transfer, choice)
    if transfer.reason is Reason.AMBIGUOUS and not choice.accept_duplicates:
        return Act.NEEDS_ACCEPTANCE
    refused = transfer.state in {State.REJECTED, State.MISSING}
    return Act.SEND if refused and not transfer.may_have_video else Act.LOOK_FOR


def _act_on_video(transfer: Transfer, choice: Choice) -> Act:
    if choice.replace:
        several = transfer.duplicate_video_ids not in {None, "[]"}
        return Act.HAS_SEVERAL if several else Act.REPLACE
    restarted = transfer.reason in {Reason.COPY_FAILED, Reason.STUCK}
    if transfer.reason is Reason.DELETED or (restarted and choice.expired(transfer)):
        return Act.NEEDS_REPLACE
    return Act.RESTART if restarted else Act.LOOK


def change_for(
    act: Act, transfer: Transfer, choice: Choice, now_ms: int, platform_date_s: int | None
) -> Change | None:
    """The change that carries an act out; None for one that changes nothing.

    `platform_date_s` is the platform's clock at its last answer to this batch: of a row that was
    never sent nothing older is looked for.
    """
    if act in LEFT:
        return None
    if act is Act.REPLACE:  # the reason stays: the row ends with it again if that cannot be done
        return Change(Event.REPLACE)
    opened: Facts = {
        "reason": None,
        "decided_by": None,
        "learned_by": None,
        "finished_ms": None,
        "error_code": None,
        "http_status": None,
        "message": None,
        "restarts": 0,
        "not_before_ms": None,
    }
    if act is Act.RESTART:
        return Change(Event.RETRY_COPY, {**opened, "not_before_ms": now_ms})
    if act is Act.LOOK:
        return Change(Event.LOOK_AGAIN, opened)
    opened["preflighted_ms"] = None  # the object may be another by now
    opened["forgiven"] = transfer.attempts
    if act is Act.SEND:
        return Change(Event.REOPEN, opened)
    opened["accepted"] = bool(transfer.accepted) or choice.accept_duplicates
    if not transfer.attempts:
        opened["intent_date_s"] = platform_date_s
    return Change(Event.LOOK_FOR, opened)
