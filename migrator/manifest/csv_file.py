"""A CSV manifest: RFC 4180 as pyarrow reads it, each cell exact to the byte.

Row n is the n-th record after the header. Lines with nothing in them are no records and are not
counted; a record with quoted line breaks counts once. So a row's number is not its line number.
"""

# pyarrow exports from compiled modules, which mypy cannot see into.
# mypy: disable-error-code="attr-defined, name-defined, no-untyped-call"

import secrets
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv

from migrator.errors import UsageError
from migrator.manifest.csv_text import UNDECODABLE, MarkedText
from migrator.manifest.header import columns_of
from migrator.manifest.rows import ragged
from migrator.manifest.screening import rows_of
from migrator.manifest.unusable import READ_ERRORS, no_rows, shown, shown_path, unreadable
from migrator.model import Columns, InvalidRow, ManifestRow

BLOCK_BYTES = 2**20
"""How much is parsed at a time, which bounds memory. A record must fit in it: a longer one is the
sign of an unclosed quote."""

MAX_COLUMNS = 1000
"""Arrow wants the type of each column before it knows how many there are."""


class CsvManifest:
    """The rows of a CSV file; see `opening.ManifestReader`.

    Raises UsageError when the file cannot be read, its header is unusable, or no row follows.
    """

    def __init__(
        self, path: Path, *, block_bytes: int = BLOCK_BYTES, token: str | None = None
    ) -> None:
        self._path = path
        self._block_bytes = block_bytes
        self._token = token or secrets.token_hex(16)
        self.columns: Columns = columns_of(path, self._header())
        if next(self.batches(), None) is None:
            raise no_rows(path, "nothing follows the header")

    def batches(self, first_row: int = 1) -> Iterator[list[ManifestRow | InvalidRow]]:
        """The rows from `first_row` on, in order, about a block of the file at a time.

        Raises UsageError that names the row from which on the file cannot be read.
        """
        row = 0  # The header is a record too, and the one before row 1.
        try:
            with self._path.open("rb") as file, _Reading(file, self._token, self._block_bytes) as r:
                for batch in r.reader:
                    numbers, misfits = r.numbered(row, batch.num_rows)
                    row += len(numbers) + len(misfits)
                    swallower = r.swallower(batch, numbers, misfits)
                    if swallower is not None:
                        raise self._open_quote(swallower)
                    start = bisect_left(numbers, max(first_row, 1))
                    arrays = [r.restored(array) for array in batch.slice(start).columns]
                    rows = rows_of(self.columns, numbers[start:], arrays)
                    if misfits:
                        rows += [misfit for misfit in misfits if misfit.row >= first_row]
                        rows.sort(key=lambda each: each.row)
                    if rows:
                        yield rows
        except READ_ERRORS as error:
            raise self._trouble(error, row) from error

    def _header(self) -> list[str]:
        """The column names: the cells of the first record."""
        try:
            with self._path.open("rb") as file, _Reading(file, self._token, self._block_bytes) as r:
                first = r.reader.read_next_batch()
                names = [r.text.restore(column[0].as_py()) for column in first.columns]
                sentinel = r.text.sentinel
        except READ_ERRORS as error:
            raise self._trouble(error, 0) from error
        if names == [sentinel]:
            raise no_rows(self._path, "it is empty")
        if sentinel in names[-1]:
            raise self._open_quote(0)
        if not "".join(names).strip():
            raise no_rows(self._path, "it is blank")
        for name in names:
            if UNDECODABLE.search(name):
                raise UsageError(
                    f"{shown_path(self._path)} is not UTF-8: its header has {shown(name)}",
                    "Save the manifest as UTF-8. It may be Latin-1 now, or no text at all.",
                )
        if len(names) > MAX_COLUMNS:
            raise UsageError(
                f"{shown_path(self._path)} has {len(names):,} columns",
                f"A CSV manifest has at most {MAX_COLUMNS:,}: leave some out.",
            )
        return names

    def _trouble(self, error: BaseException, row: int) -> UsageError:
        """What Arrow's complaint means; `row` is the next one due, 0 for the header."""
        complaint = str(error)
        if "straddl" in complaint or "cannot infer number of columns" in complaint:
            return self._open_quote(
                row, f"a record is longer than {self._block_bytes:,} bytes, as "
            )
        return unreadable(self._path, error, row)

    def _open_quote(self, row: int, finding: str = "") -> UsageError:
        where = f"row {row:,}" if row else "the header"
        finding += "if " if finding else ""
        return UsageError(
            f"{shown_path(self._path)}: {finding}a quoted field that begins in or after {where} "
            "is never closed",
            'Look there for a lone ", and double each " that is part of a quoted cell.',
        )


class _Reading:
    """One pass over a file: Arrow's reader, and the records it could not place.

    Arrow calls `_on_misfit` for each record with too few or too many cells, a block or more before
    the batch that follows it; the good records come in batches, without numbers. Arrow counts
    both from 1, the header included, so the good ones have the numbers that the misfits leave.
    """

    def __init__(self, file: BinaryIO, token: str, block_bytes: int) -> None:
        self.text = MarkedText(file, token)
        self._misfits: deque[InvalidRow] = deque()
        self.reader = pcsv.open_csv(
            pa.PythonFile(self.text, mode="r"),
            # Without threads, as Arrow numbers no record otherwise.
            read_options=pcsv.ReadOptions(
                use_threads=False, autogenerate_column_names=True, block_size=block_bytes
            ),
            parse_options=pcsv.ParseOptions(
                newlines_in_values=True, invalid_row_handler=self._on_misfit
            ),
            convert_options=pcsv.ConvertOptions(
                column_types={f"f{index}": pa.string() for index in range(MAX_COLUMNS)},
                strings_can_be_null=False,
                check_utf8=False,  # `MarkedText` has seen to it.
            ),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.reader.close()

    def _on_misfit(self, record: Any) -> str:
        if record.text != self.text.sentinel:
            self._misfits.append(
                ragged(
                    record.number - 1,
                    self.text.restore(record.text),
                    record.actual_columns,
                    record.expected_columns,
                )
            )
        return "skip"

    def numbered(self, row: int, count: int) -> tuple[list[int], list[InvalidRow]]:
        """The numbers of the next `count` good records, `row` being the next of all records.

        With them come the misfits that stand before, between and right after these records.
        """
        numbers: list[int] = []
        passed: list[InvalidRow] = []
        while True:
            if self._misfits and self._misfits[0].row == row:
                passed.append(self._misfits.popleft())
                row += 1
            elif len(numbers) < count:
                end = row + count - len(numbers)
                if self._misfits:
                    end = min(end, self._misfits[0].row)
                numbers.extend(range(row, end))
                row = end
            else:
                return numbers, passed

    def swallower(
        self, batch: pa.RecordBatch, numbers: list[int], misfits: list[InvalidRow]
    ) -> int | None:
        """The number of the record that swallowed the sentinel, by a quote left open.

        It can only be the last record of the file, in its last cell.
        """
        sentinel = self.text.sentinel
        if numbers and sentinel in batch.column(batch.num_columns - 1)[-1].as_py():
            return numbers[-1]
        if misfits and sentinel in (misfits[-1].cells[0] or ""):
            return misfits[-1].row
        return None

    def restored(self, array: pa.Array) -> pa.Array:
        """`array` with its original bytes, as binary where it has some that are not UTF-8."""
        if not self.text.damaged or not pc.any(pc.match_substring(array, self.text.mark)).as_py():
            return array
        return pa.array(
            [
                self.text.restore(text).encode("utf-8", "surrogateescape")
                for text in array.to_pylist()
            ],
            pa.binary(),
        )
