"""Rows of the checkpoint as a report reads them: some thousands at once, column by column.

A report of a million rows has no time for an object a row. What a row says of its state, its reason
and who settled it is one of a few combinations, and is worked out once for each. Only rows that
somebody may have to look at become transfers.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Self

import pyarrow as pa

from migrator.checkpoint.change import Transfer
from migrator.checkpoint.records import REPORTED, Reported, Standing, standing, told_in_part
from migrator.model import Outcome
from migrator.report.columnar import TEXT
from migrator.report.reconcile import Verdict, outcome_of

_PLACES = {name: place for place, name in enumerate(REPORTED)}

_QUIET = frozenset({Outcome.IMPORTED, Outcome.SKIPPED})
"""Outcomes that ask nothing of anybody."""


class Chunk:
    """Consecutive records of the checkpoint, at least one, as columns."""

    def __init__(self, records: Sequence[Reported]) -> None:
        self._records = records
        self._columns: list[tuple[Any, ...]] = list(zip(*records, strict=True))
        stand = list(zip(*(self.values(name) for name in Standing._fields), strict=True))
        numbers = {each: number for number, each in enumerate(dict.fromkeys(stand))}
        self._kinds = [numbers[each] for each in stand]
        self._numbers = pa.array(self._kinds, pa.int32())
        self._standings = [standing(*each) for each in numbers]
        self._verdicts = [outcome_of(each.state, each.reason) for each in self._standings]

    def __len__(self) -> int:
        return len(self._records)

    def values(self, name: str) -> tuple[Any, ...]:
        """What is stored of a field of Transfer; ids and hashes are packed."""
        return self._columns[_PLACES[name]]

    def array(self, name: str, kind: Any) -> Any:
        """The same as an Arrow array of that type."""
        return pa.array(self.values(name), kind)

    def words(self, word: Callable[[Standing, Verdict], str | None]) -> Any:
        """An Arrow array of texts that depend on how a row stands alone."""
        pairs = zip(self._standings, self._verdicts, strict=True)
        return pa.array([word(*pair) for pair in pairs], TEXT).take(self._numbers)

    def within(self, outcomes: Collection[Outcome]) -> Self | None:
        """Those of the rows whose outcome is one of these; None where there are none."""
        wanted = [outcome in outcomes for outcome, _ in self._verdicts]
        if all(wanted):
            return self
        kept = [
            record for record, kind in zip(self._records, self._kinds, strict=True) if wanted[kind]
        ]
        return type(self)(kept) if kept else None

    def noted(self) -> tuple[list[Transfer], list[Verdict]]:
        """Rows that are neither imported nor skipped, or beside which other videos were seen."""
        loud = [outcome not in _QUIET for outcome, _ in self._verdicts]
        duplicates = self.values("duplicate_video_ids")
        if not any(loud) and not any(duplicates):
            return [], []
        places = [
            place
            for place, (kind, other) in enumerate(zip(self._kinds, duplicates, strict=True))
            if loud[kind] or other
        ]
        return (
            [told_in_part(self._records[place]) for place in places],
            [self._verdicts[self._kinds[place]] for place in places],
        )

    def transfer(self, place: int) -> Transfer:
        """One of the rows, by its place from 0 on."""
        return told_in_part(self._records[place])
