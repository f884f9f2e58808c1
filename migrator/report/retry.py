"""`retry.csv`: a manifest of the rows that have no video for certain.

What is in it may be imported again without making a second video, so the rule is strict: a failed,
unresolved or copying row is never in it, nor one beside which a video of the same tag was seen.
"""

import csv
import io
from collections.abc import Sequence
from typing import BinaryIO

from migrator.checkpoint.change import Transfer
from migrator.checkpoint.values import Source
from migrator.model import Columns, Outcome, Reason
from migrator.report.cells import Cell, all_cells, line_of
from migrator.report.files import LINE_END, CsvSink
from migrator.report.reconcile import Verdict

_FIRST = ("bucket", "key")


def has_no_video(transfer: Transfer, verdict: Verdict) -> bool:
    """Whether no video of this row exists for certain."""
    outcome, reason = verdict
    refused = outcome in {Outcome.REJECTED, Outcome.MISSING}
    return (refused or reason is Reason.NOT_STARTED) and not transfer.may_have_video


def header_of(sources: Sequence[Source]) -> tuple[str, ...]:
    """The manifest's own header; of several sources the union, with bucket and key first."""
    headers = [source.header for source in sources]
    if headers and all(header == headers[0] for header in headers):
        return headers[0]
    return tuple(dict.fromkeys(name for header in (_FIRST, *headers) for name in header))


class RetryTable:
    """Writes `retry.csv` into `stream`, cells exactly as they were read."""

    def __init__(self, stream: BinaryIO, sources: Sequence[Source]) -> None:
        self._header = header_of(sources)
        self._columns = {source.id: Columns.of(source.header) for source in sources}
        self._places = {source.id: _places(source.header, self._header) for source in sources}
        self._sink = CsvSink(stream)
        self._writer = csv.writer(self._sink, lineterminator=LINE_END)
        self._writer.writerow(self._header)

    def append(self, transfers: Sequence[Transfer], verdicts: Sequence[Verdict]) -> None:
        """Write those of the rows that may be sent again."""
        for transfer, verdict in zip(transfers, verdicts, strict=True):
            if has_no_video(transfer, verdict):
                self._write(transfer)

    def _write(self, transfer: Transfer) -> None:
        line = line_of(transfer)
        if line is None:
            cells = all_cells(transfer, self._columns[transfer.source_id])
            self._writer.writerow(_picked(cells, self._places[transfer.source_id]))
        elif stays_ragged(line, len(self._header)):
            self._sink.write(line.rstrip("\r\n"))
        else:
            self._writer.writerow([line])


def stays_ragged(line: str, width: int) -> bool:
    """Whether `line`, written as it is into a CSV file of `width` columns, is ragged again.

    An open quote would swallow the rows after it, and a line that the header of several sources
    happens to fit would come back as a row that nobody wrote. Such a line goes in as one cell,
    which no manifest takes for a row.
    """
    after = ["the next line"]
    try:
        rows = list(csv.reader(io.StringIO(line.rstrip("\r\n") + "\n" + after[0], newline="")))
    except csv.Error:
        return False
    return len(rows) > 1 and rows[-1] == after and all(len(row) != width for row in rows[:-1])


def _places(own: Sequence[str], header: Sequence[str]) -> tuple[int | None, ...]:
    """For each column of `header` the index in `own`, or None."""
    if tuple(own) == tuple(header):
        return tuple(range(len(header)))
    return tuple(own.index(name) if name in own else None for name in header)


def _picked(cells: Sequence[Cell], places: Sequence[int | None]) -> list[Cell]:
    return [cells[at] if at is not None and at < len(cells) else None for at in places]
