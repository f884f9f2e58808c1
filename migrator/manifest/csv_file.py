"""A CSV manifest: RFC 4180 as pyarrow reads it, each cell exact to the byte.

Row n is the n-th record after the header. Lines with nothing in them are no records and are not
counted; a record with quoted line breaks counts once. So a row's number is not its line number.
"""

import codecs
import secrets
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from migrator.errors import UsageError
from migrator.manifest.csv_parse import Piece, parse
from migrator.manifest.header import NO_RENAMES, columns_of, renamed
from migrator.manifest.places import Place
from migrator.manifest.rows import UNDECODABLE, ragged
from migrator.manifest.screening import rows_of
from migrator.manifest.unusable import READ_ERRORS, no_rows, shown, shown_path, unreadable
from migrator.manifest.url_keys import RowsOf
from migrator.model import Columns, InvalidRow, ManifestRow

BLOCK_BYTES = 2**18
"""How much is read at a time, which bounds memory. A record must not be longer: that is the sign
of an unclosed quote."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a CSV file that does not name its columns is known to be.

    `header` are its columns. With `has_header` the first record is no row all the same. `rows_of`
    makes rows of its columns. Only one that `may_be_empty` has no row.
    """

    header: tuple[str, ...]
    has_header: bool
    rows_of: RowsOf
    may_be_empty: bool = False


class CsvManifest:
    """The rows of a CSV file; see `opening.ManifestReader`.

    Without a `shape` the first record names the columns, and `renames` gives them other names.
    Raises UsageError when the file cannot be read, its header is unusable, or it has no row.
    """

    def __init__(
        self,
        place: Place,
        shape: Shape | None = None,
        renames: Mapping[str, str] = NO_RENAMES,
        *,
        block_bytes: int = BLOCK_BYTES,
        token: str | None = None,
    ) -> None:
        self._records = _Records(place, block_bytes, token or secrets.token_hex(16))
        if shape is None:
            names = renamed(place, _utf8(place, self._records.first()), renames)
            self.columns: Columns = columns_of(place, names)
            shape = Shape(self.columns.header, has_header=True, rows_of=rows_of)
        else:
            self.columns = Columns.of(shape.header)
        self._rows_of = shape.rows_of
        self._first = 0 if shape.has_header else 1
        if not shape.may_be_empty and next(self.batches(), None) is None:
            raise no_rows(place, "nothing follows the header")

    def batches(self, first_row: int = 1) -> Iterator[list[ManifestRow | InvalidRow]]:
        """The rows from `first_row` on, in order, about a block of the file at a time.

        Raises UsageError that names the row from which on the file cannot be read.
        """
        width = len(self.columns.header)
        for row, piece in self._records.pieces(width, self._first):
            misfits = [ragged(row + m.place, m.line, m.cells, width) for m in piece.misfits]
            numbers = _numbers(range(row, row + piece.records), misfits)
            start = bisect_left(numbers, max(first_row, 1))  # The header is numbered 0.
            arrays = [column[start:] for column in piece.columns]
            rows = self._rows_of(self.columns, numbers[start:], arrays)
            if misfits:
                rows += [misfit for misfit in misfits if misfit.row >= first_row]
                rows.sort(key=lambda each: each.row)
            if rows:
                yield rows


def _utf8(place: Place, names: list[str]) -> list[str]:
    for name in names:
        if UNDECODABLE.search(name):
            raise UsageError(
                f"{shown_path(place)} is not UTF-8: its header has {shown(name)}",
                "Save the manifest as UTF-8. It may be Latin-1 now, or no text at all.",
            )
    return names


def first_record(place: Place) -> list[str]:
    """The cells of the first record of a CSV file, however many they are.

    Bytes that are not UTF-8 stand as lone surrogates. Raises UsageError when there is none.
    """
    return _Records(place, BLOCK_BYTES, secrets.token_hex(16)).first()


class _Records:
    """The records of a CSV file, piece by piece."""

    def __init__(self, place: Place, block_bytes: int, token: str) -> None:
        self._place = place
        self._block_bytes = block_bytes
        self._token = token

    def first(self) -> list[str]:
        """See `first_record`."""
        _, piece = next(self.pieces(width=1), (0, None))
        if piece is None:
            raise no_rows(self._place, "it is empty")
        is_misfit = bool(piece.misfits) and piece.misfits[0].place == 0
        width = piece.misfits[0].cells if is_misfit else 1
        _, piece = next(self.pieces(width))
        cells = [column[:1].cast("binary").to_pylist()[0] for column in piece.columns]
        names = [cell.decode("utf-8", "surrogateescape") for cell in cells]
        if not "".join(names).strip():
            raise no_rows(self._place, "it is blank")
        return names

    def pieces(self, width: int, first: int = 0) -> Iterator[tuple[int, Piece]]:
        """The file's records piece by piece, each with the number of its first; a header is 0.

        Raises UsageError when the file cannot be read on, or a quote in it is never closed.
        """
        row = first
        rest = b""
        try:
            with self._place.open("rb") as file:
                rest = file.read(len(codecs.BOM_UTF8)).removeprefix(codecs.BOM_UTF8)
                ended = False
                while not ended:
                    chunk = file.read(self._block_bytes)
                    ended = not chunk
                    block = rest + chunk
                    end = len(block) if ended else _after_last_line_break(block)
                    piece = parse(block[:end], width, self._token)
                    rest = block[end - piece.open_bytes :]
                    if piece.records:
                        yield row, piece
                    row += piece.records
                    if ended and rest:
                        raise self._open_quote(row)
                    if len(rest) > self._block_bytes:
                        raise self._too_long(row)
        except READ_ERRORS as error:
            raise unreadable(self._place, error, row) from error

    def _open_quote(self, row: int) -> UsageError:
        return UsageError(
            f"{shown_path(self._place)}: a quoted field that begins in or after "
            f"{_name_of(row)} is never closed",
            _LOOK_FOR_A_QUOTE,
        )

    def _too_long(self, row: int) -> UsageError:
        return UsageError(
            f"{shown_path(self._place)}: {_name_of(row)} is longer than {self._block_bytes:,} "
            "bytes, as if a quoted field were never closed",
            _LOOK_FOR_A_QUOTE,
        )


_LOOK_FOR_A_QUOTE = 'Look there for a lone ", and double each " that is part of a quoted cell.'


def _name_of(row: int) -> str:
    return f"row {row:,}" if row else "the header"


def _after_last_line_break(block: bytes) -> int:
    return max(block.rfind(b"\n"), block.rfind(b"\r")) + 1


def _numbers(records: range, misfits: Sequence[InvalidRow]) -> Sequence[int]:
    """The numbers that the misfits leave to the good records."""
    if not misfits:
        return records
    taken = {misfit.row for misfit in misfits}
    return [row for row in records if row not in taken]
