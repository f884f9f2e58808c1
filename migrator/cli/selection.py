"""Which rows `retry` shall open: from flags to a choice, from rows to a table, and a yes."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from migrator.checkpoint.change import Transfer
from migrator.checkpoint.store import Checkpoint
from migrator.engine import reopen
from migrator.engine.reopen import Act, Choice
from migrator.errors import UsageError
from migrator.model import Outcome, Reason

CHUNK = 5_000
"""Rows that are read from the checkpoint at once."""

OUTCOMES = (Outcome.REJECTED, Outcome.MISSING, Outcome.FAILED)

Survey = Mapping[tuple[Reason | None, Act], int]
"""How many rows there are of each reason, and what would be done with them."""


def read_choice(
    reasons: Sequence[str],
    outcomes: Sequence[str],
    buckets: Sequence[str],
    *,
    replace: bool,
    accept_duplicates: bool,
) -> Choice:
    """What the flags mean. Raises UsageError for what is unknown, or can never be retried."""
    if not (reasons or outcomes or buckets):
        raise UsageError(
            "which rows? neither --reason nor --outcome nor --bucket is given",
            "name reasons as the report writes them, like --reason copy_failed",
        )
    known = [reason for reason in Reason if reason not in reopen.NEVER]
    for name in reasons:
        if name not in set(Reason):
            names = ", ".join(sorted(known))
            raise UsageError(f"--reason {name!r}: no such reason", f"one of {names}")
        if name in reopen.NEVER:
            why = reopen.NEVER[Reason(name)]
            raise UsageError(f"--reason {name}: such a row is not retried", why)
    for name in outcomes:
        if name not in OUTCOMES:
            raise UsageError(
                f"--outcome {name!r}: cannot be retried", f"one of {', '.join(OUTCOMES)}"
            )
    return Choice(
        frozenset(map(Reason, reasons)),
        frozenset(map(Outcome, outcomes)),
        frozenset(buckets),
        replace=replace,
        accept_duplicates=accept_duplicates,
    )


def covered(checkpoint: Checkpoint, choice: Choice) -> Iterator[tuple[Transfer, Act]]:
    """Every row that is meant, and what would be done with it, in row order."""
    row = 0
    while chunk := checkpoint.ended_after(row, CHUNK):
        row = chunk[-1].row
        for transfer in chunk:
            if choice.covers(transfer):
                yield transfer, reopen.act_on(transfer, choice)


def survey(checkpoint: Checkpoint, choice: Choice) -> Survey:
    """Count what is meant."""
    return Counter((transfer.reason, act) for transfer, act in covered(checkpoint, choice))


def open_rows(checkpoint: Checkpoint, choice: Choice, now_ms: int) -> None:
    """Open all of them again: durable as a whole, or not at all."""
    date_s = checkpoint.last_platform_date()
    with checkpoint.transaction():
        for transfer, act in covered(checkpoint, choice):
            change = reopen.change_for(act, transfer, choice, now_ms, date_s)
            if change is not None:
                checkpoint.apply(transfer.row, transfer.state, change)


def show(found: Survey) -> None:
    """Print what would be done, row counts first."""
    table = Table(box=None, pad_edge=False, show_edge=False)
    table.add_column("rows", justify="right")
    table.add_column("reason")
    table.add_column("what is done with them")
    order = {reason: place for place, reason in enumerate(Reason)}
    for (reason, act), rows in sorted(
        found.items(), key=lambda item: (order.get(item[0][0] or Reason.COPIED, 0), item[0][1])
    ):
        table.add_row(f"{rows:,}", str(reason or ""), act.value)
    Console(highlight=False, soft_wrap=True).print(table)


def agree(rows: int) -> bool:
    """Ask on the terminal. Raises UsageError where there is none."""
    if not sys.stdin.isatty():
        raise UsageError(
            f"{rows:,} rows would be opened again, and there is no terminal to ask on",
            "look at the table above, then give --yes",
        )
    print(f"open {rows:,} rows again and go on? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
