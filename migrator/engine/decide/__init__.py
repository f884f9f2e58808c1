"""What to do: snapshots and replies in, changes out. No clock, no chance, no I/O.

Everything that decides the fate of a transfer stands here; `submit`, `follow`, `resolve` and
`replace` carry it out. Times are arguments (epoch milliseconds), and every answer is a `Change` for
the checkpoint or None for "nothing happened".
"""

from migrator.engine.decide.carriers import (
    COMPLETE_SWEEPS_TO_PRESUME,
    Seen,
    absent,
    ambiguous,
    choose_carrier,
    found,
)
from migrator.engine.decide.changes import MAX_TEXT, failed
from migrator.engine.decide.copies import (
    DONE,
    FAILED,
    CopyRules,
    Sight,
    deleted,
    judge_copy,
    judge_restart,
    restart,
    stuck,
    unless_expired,
)
from migrator.engine.decide.ending import exit_code
from migrator.engine.decide.posts import (
    Verdict,
    as_told,
    gave_up,
    given_back,
    judge_submit,
    mistaken,
    reason_of_refusal,
)
from migrator.engine.decide.removal import OldVideo, is_gone, judge_old_video, removed

__all__ = [
    "COMPLETE_SWEEPS_TO_PRESUME",
    "DONE",
    "FAILED",
    "MAX_TEXT",
    "CopyRules",
    "OldVideo",
    "Seen",
    "Sight",
    "Verdict",
    "absent",
    "ambiguous",
    "as_told",
    "choose_carrier",
    "deleted",
    "exit_code",
    "failed",
    "found",
    "gave_up",
    "given_back",
    "is_gone",
    "judge_copy",
    "judge_old_video",
    "judge_restart",
    "judge_submit",
    "mistaken",
    "reason_of_refusal",
    "removed",
    "restart",
    "stuck",
    "unless_expired",
]
