"""Whether every row of the manifest is accounted for: pure arithmetic over counts.

The numbers compared are learned in three independent ways: the rows that were read in (per
source), the outcomes (counted by SQL over states and reasons), and the rows that each table holds.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from migrator.checkpoint.values import Tally
from migrator.lifecycle import FINAL, State
from migrator.model import OUTCOME_OF, Outcome, Reason
from migrator.settings import ReportScope

_OPEN: dict[State, Reason] = {
    State.PENDING: Reason.NOT_STARTED,
    State.SUBMITTING: Reason.UNRESOLVED,  # the answer may have been lost with the last run
    State.UNRESOLVED: Reason.UNRESOLVED,
    State.COPYING: Reason.IN_FLIGHT,
    State.RESTARTING: Reason.IN_FLIGHT,
    State.INGESTING: Reason.IN_FLIGHT,
    State.REPLACING: Reason.IN_FLIGHT,  # its old video may still be there
}

Verdict = tuple[Outcome, Reason | None]
"""A row's outcome and reason. The reason is None only where a final row has none: a defect."""


def outcome_of(state: State, reason: Reason | None) -> Verdict:
    """What the report says of a row that stands in `state` with the stored `reason`.

    An open row is unfinished, whatever reason an earlier attempt left behind. An imported row has
    only one possible reason, so that it need not be stored.
    """
    if state not in FINAL:
        return Outcome.UNFINISHED, _OPEN[state]
    outcome = Outcome(state.value)
    if outcome is Outcome.IMPORTED and reason is None:
        return outcome, Reason.COPIED
    return outcome, reason


def fits(verdict: Verdict) -> bool:
    """Whether the reason belongs to the outcome."""
    outcome, reason = verdict
    return reason is not None and OUTCOME_OF[reason] is outcome


@dataclass(frozen=True, slots=True)
class Totals:
    """Rows and known bytes by outcome (all six), rows by reason (above zero), and misfits."""

    outcomes: dict[Outcome, int]
    size_bytes: dict[Outcome, int]
    reasons: dict[Reason, int]
    misfits: tuple[str, ...] = field(default=())


def totals(tallies: Iterable[Tally]) -> Totals:
    """Add up the checkpoint's own counts."""
    outcomes = dict.fromkeys(Outcome, 0)
    size_bytes = dict.fromkeys(Outcome, 0)
    reasons = dict.fromkeys(Reason, 0)
    misfits = []
    for tally in tallies:
        verdict = outcome_of(tally.state, tally.reason)
        outcome, reason = verdict
        outcomes[outcome] += tally.rows
        size_bytes[outcome] += tally.size_bytes
        if reason is not None:
            reasons[reason] += tally.rows
        if not fits(verdict):
            misfits.append(f"{tally.rows} rows are {outcome} with the reason {reason}")
    return Totals(
        outcomes=outcomes,
        size_bytes=size_bytes,
        reasons={reason: rows for reason, rows in reasons.items() if rows},
        misfits=tuple(misfits),
    )


SCOPES: Mapping[ReportScope, Collection[Outcome]] = {
    "AllTasks": frozenset(Outcome),
    "FailedTasksOnly": frozenset(Outcome) - {Outcome.IMPORTED, Outcome.SKIPPED},
}
"""The outcomes whose rows stand in the tables: what is unfinished has not succeeded either."""


def disagreements(
    rows: int,
    found: Totals,
    written: Mapping[str, int],
    written_outcomes: Mapping[Outcome, int],
    scope: ReportScope = "AllTasks",
) -> tuple[str, ...]:
    """Every way in which the report does not add up, each with both numbers; empty when it does.

    `rows` were read in, `found` says what the checkpoint counts, `written` how many rows each table
    holds, `written_outcomes` what the table's own outcome column adds up to, of those in `scope`.
    """
    said = list(found.misfits)
    accounted = sum(found.outcomes.values())
    if accounted != rows:
        said.append(f"{rows} rows were read in and {accounted} have an outcome")
    left_out = sum(n for outcome, n in found.outcomes.items() if outcome not in SCOPES[scope])
    of_them = "" if scope == "AllTasks" else f", {left_out} of them for no table,"
    said += [
        f"{rows} rows were read in{of_them} and {name} holds {held}"
        for name, held in written.items()
        if held != rows - left_out
    ]
    said += [
        f"{found.outcomes[outcome]} rows are {outcome} and the tables hold "
        f"{written_outcomes.get(outcome, 0)}"
        for outcome in Outcome
        if outcome in SCOPES[scope] and found.outcomes[outcome] != written_outcomes.get(outcome, 0)
    ]
    return tuple(said)
