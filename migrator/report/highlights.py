"""The rows that a person should see first: what the page shows of a batch of any size."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from migrator.checkpoint.change import Transfer
from migrator.checkpoint.values import Source
from migrator.model import Outcome, Reason
from migrator.report.cells import line_of
from migrator.report.reconcile import Verdict
from migrator.report.words import escaped, shortened

PAGE_ROWS = 500
"""Problem rows that the page shows; the tables hold them all."""

PAGE_DUPLICATES = 100
"""Rows with duplicate videos that the page shows."""

_LONGEST_CELL = 1_200
"""Characters of one text on the page: a whole key fits, a ragged line of a megabyte does not."""

_Name = TypeVar("_Name")


@dataclass(frozen=True, slots=True)
class Problem:
    """One row that needs a look. `source` is set where the batch has several."""

    row: int
    source: str | None
    bucket: str
    key: str
    http_status: int | None
    error_code: str
    message: str
    video_id: str
    duplicate_video_ids: tuple[str, ...]


class Highlights:
    """Collects rows as the tables are written; holds a bounded number of them."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._locations = {s.id: s.location for s in sources} if len(sources) > 1 else {}
        self._problems: dict[Reason, list[Problem]] = {}
        self._counts: Counter[Reason] = Counter()
        self.duplicates: list[Problem] = []
        self.rows_with_duplicates = 0

    def append(self, transfers: Sequence[Transfer], verdicts: Sequence[Verdict]) -> None:
        """Look through one chunk."""
        for transfer, (outcome, reason) in zip(transfers, verdicts, strict=True):
            if reason is not None and needs_a_person(outcome, reason):
                self._counts[reason] += 1
                kept = self._problems.setdefault(reason, [])
                if len(kept) < PAGE_ROWS:
                    kept.append(self._problem(transfer))
            if transfer.duplicate_video_ids not in {None, "[]"}:
                self.rows_with_duplicates += 1
                if len(self.duplicates) < PAGE_DUPLICATES:
                    self.duplicates.append(self._problem(transfer))

    def problems(self) -> dict[Reason, list[Problem]]:
        """The rows to show, by reason in the order of `Reason`, `PAGE_ROWS` in all."""
        shares = fair_shares(self._counts, PAGE_ROWS)
        return {r: self._problems[r][: shares[r]] for r in Reason if r in self._problems}

    def _problem(self, transfer: Transfer) -> Problem:
        line = line_of(transfer)
        key = transfer.key if line is None or transfer.key is not None else escaped(line)
        return Problem(
            row=transfer.row,
            source=self._locations.get(transfer.source_id),
            bucket=_cut(transfer.bucket),
            key=_cut(key),
            http_status=transfer.http_status,
            error_code=_cut(transfer.error_code),
            message=_cut(transfer.message),
            video_id=_cut(transfer.video_id),
            duplicate_video_ids=tuple(msgspec.json.decode(transfer.duplicate_video_ids or "[]")),
        )


def needs_a_person(outcome: Outcome, reason: Reason) -> bool:
    """Whether a row waits for somebody: it is not imported, skipped or simply under way."""
    return (
        outcome in {Outcome.REJECTED, Outcome.MISSING, Outcome.FAILED}
        or reason is Reason.UNRESOLVED
    )


def fair_shares(counts: Mapping[_Name, int], limit: int) -> dict[_Name, int]:
    """Share `limit` places so that a rare reason is not crowded out by a frequent one.

    The smallest groups are shown whole, as long as each takes no more than an even share of what
    is left; the large ones divide the rest.
    """
    shares: dict[_Name, int] = {}
    ascending = sorted(counts, key=lambda name: counts[name])
    for position, name in enumerate(ascending):
        shares[name] = min(counts[name], limit // (len(ascending) - position))
        limit -= shares[name]
    return shares


def _cut(text: str | None) -> str:
    return shortened(text or "", _LONGEST_CELL)
