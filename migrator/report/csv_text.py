r"""A chunk of a table as lines of CSV for a spreadsheet, a column at a time: no object a cell.

The dialect is that of `csv.writer` with minimal quotes and `\n`. It is what pandas writes too, byte
for byte (a test compares the two), in a fraction of the time.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from migrator.report.columnar import TEXT, TIME, all_bytes, first_bytes, times
from migrator.report.columns import IDS

RUN_BY_SPREADSHEETS = (
    r"\A([\t\r\n]|[\p{Z}\p{Cc}\p{Cf}\"'\x{2018}-\x{201f}]*"
    r"[-=+@\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}\x{fe62}\x{fe63}\x{fe66}\x{fe6b}])"
)
"""What makes a cell a formula (in RE2's syntax): `= + - @`, also in their full and small widths.

Blanks, quotes and characters that show nothing may stand before them, since a program that reads
the file may drop those first (OWASP, "CSV Injection").
"""

_HARMLESS = np.array([bytes([byte]).isalnum() for byte in range(256)])  # in ASCII
"""First bytes of texts that are no formula: there is no need to look any further."""

_QUOTED = r"[,\"\r\n]"
_QUOTED_BYTES = (b",", b'"', b"\r", b"\n")


def csv_lines(table: Any) -> bytes:
    """The rows of `table` as CSV without a header.

    Texts that a spreadsheet would run get a quote before them; times are ISO 8601 in UTC, several
    ids stand in one cell with blanks between them.
    """
    cells = [
        _cells(column.combine_chunks(), field.type)
        for column, field in zip(table.columns, table.schema, strict=True)
    ]
    cells[-1] = _joined(cells[-1], "\n", "")
    return all_bytes(_joined(*cells, ","))


def _joined(*parts: Any) -> Any:
    """The cells of each row in one text; the last of `parts` stands between them."""
    return pc.binary_join_element_wise(*parts, null_handling="replace", null_replacement="")


def _cells(column: Any, kind: Any) -> Any:
    if column.null_count == len(column):
        return pa.nulls(len(column), TEXT)
    if kind == TEXT:
        return _quoted(defused(column))
    if kind == TIME:
        return times(column)
    if kind == IDS:
        return _quoted(pc.binary_join(column, " "))
    return column.cast(TEXT)


def defused(column: Any) -> Any:
    """Texts, with a quote before each that a spreadsheet would run."""
    if _HARMLESS[first_bytes(column)].all():
        return column
    risky = pc.match_substring_regex(column, RUN_BY_SPREADSHEETS)
    if not pc.any(risky).as_py():
        return column
    return pc.if_else(risky, pc.binary_join_element_wise("'", column, ""), column)


def _quoted(column: Any) -> Any:
    text = all_bytes(column)
    if not any(byte in text for byte in _QUOTED_BYTES):
        return column
    odd = pc.match_substring_regex(column, _QUOTED)
    doubled = pc.replace_substring(column, '"', '""')
    return pc.if_else(odd, pc.binary_join_element_wise('"', doubled, '"', ""), column)
