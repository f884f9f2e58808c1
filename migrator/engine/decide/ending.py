"""How a run ended."""

from migrator.errors import ExitCode
from migrator.model import Outcome


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
