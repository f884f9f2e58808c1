"""A manifest in JSON Lines: an object a line, each value exact to the byte.

Row n is the n-th line with something on it. Texts are unescaped as JSON says; whatever else a field
holds stays as it is written, `1.10` and `[1, 2]` alike. Fields may come and go from line to line: a
name that turns up for the first time makes a further column behind those there are.
"""

import codecs
from collections.abc import Iterator, Mapping

import msgspec
import pyarrow as pa

from migrator.errors import UsageError
from migrator.manifest.header import NO_RENAMES, TEXT_COLUMNS, columns_of, not_there
from migrator.manifest.places import Place
from migrator.manifest.screening import rows_of
from migrator.manifest.unusable import READ_ERRORS, no_rows, shown_path, too_long, unreadable
from migrator.model import Columns, InvalidRow, ManifestRow

BLOCK_BYTES = 2**18
"""How much is read at a time, which bounds memory. A line must not be longer."""

MAX_COLUMNS = 1000
"""Names of fields in one file. A file with a new one in each line would else grow without end."""

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)

_KINDS = {ord("{"): "an object", ord("["): "a list", ord("t"): "true", ord("f"): "false"}


class JsonlManifest:
    """The rows of a JSON Lines file; see `opening.ManifestReader`.

    `columns` grows while rows are read, only at its end. Fields that `renames` names stand under
    their new names, wherever they turn up. Raises UsageError when the file cannot be
    read, no line of its first block is an object, or none of them has a bucket and a key.
    """

    def __init__(
        self,
        place: Place,
        renames: Mapping[str, str] = NO_RENAMES,
        *,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        self._place = place
        self._renames = renames
        self._block_bytes = block_bytes
        self._met: set[str] = set()
        self.columns: Columns = columns_of(place, self._first_names())

    def batches(self, first_row: int = 1) -> Iterator[list[ManifestRow | InvalidRow]]:
        """The rows from `first_row` on, in order, about a block of the file at a time.

        Raises UsageError that names the row from which on the file cannot be read, or at its end
        what `--map` names and no row had.
        """
        for row, lines in self._lines():
            rows = self._rows(row, lines)[max(first_row - row, 0) :]
            if rows:
                yield rows
        absent = next((old for old in self._renames if old not in self._met), None)
        if absent is not None:
            raise not_there(self._place, absent, self._own_names())

    def _own_names(self) -> list[str]:
        """The names of the columns as they stand in the file."""
        old = {self._renames[each]: each for each in self._met}
        return [old.get(name, name) for name in self.columns.header]

    def _first_names(self) -> list[str]:
        names: dict[str, None] = {}
        problem = "nothing but blanks in it"
        _, lines = next(self._lines(), (0, []))
        if not lines:
            raise no_rows(self._place, "it is empty")
        for line in reversed(lines):  # the problem told is that of the first line
            try:
                record = self._decode(line)
            except _Unusable as found:
                problem = str(found)
            else:
                names = dict.fromkeys(record) | names
        if not names:
            raise UsageError(
                f"{shown_path(self._place)} is not JSON Lines: row 1 is {problem}",
                'Write an object a line, such as {"bucket": "my-bucket", "key": "a.mp4"}.',
            )
        return list(names)[:MAX_COLUMNS]

    def _rows(self, first: int, lines: list[bytes]) -> list[ManifestRow | InvalidRow]:
        numbers: list[int] = []
        records: list[dict[str, str | None]] = []
        invalid: list[InvalidRow] = []
        for row, line in enumerate(lines, first):
            try:
                record = self._decode(line)
                self._grow(record)
                self._check_kinds(record)
                cells = {name: _cell(raw) for name, raw in record.items()}
            except _Unusable as found:
                text = line.decode("utf-8", "surrogateescape")
                invalid.append(InvalidRow(row, found.column, str(found), (text,), ragged=True))
            else:
                numbers.append(row)
                records.append(cells)
        header = self.columns.header
        arrays = [pa.array([r.get(name) for r in records], pa.string()) for name in header]
        rows = rows_of(self.columns, numbers, arrays)
        return sorted([*rows, *invalid], key=lambda each: each.row) if invalid else rows

    def _decode(self, line: bytes) -> dict[str, msgspec.Raw]:
        try:
            record = _object.decode(line)
        except msgspec.ValidationError:
            raise _Unusable("no JSON object") from None
        except UnicodeDecodeError:
            raise _Unusable("not UTF-8") from None
        except (msgspec.DecodeError, RecursionError) as error:
            raise _Unusable(f"not JSON: {error}") from None
        if self._renames.keys().isdisjoint(record):
            return record
        self._met |= self._renames.keys() & record.keys()
        names = [self._renames.get(name, name) for name in record]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise _Unusable("two fields of this name, by --map", twice)
        return dict(zip(names, record.values(), strict=True))

    def _grow(self, record: Mapping[str, object]) -> None:
        new = record.keys() - set(self.columns.header)
        if not new:
            return
        header = (*self.columns.header, *(name for name in record if name in new))
        if len(header) > MAX_COLUMNS:
            raise _Unusable(f"the file has more than {MAX_COLUMNS:,} different fields with this")
        self.columns = Columns.of(header)

    def _check_kinds(self, record: Mapping[str, msgspec.Raw]) -> None:
        for name in TEXT_COLUMNS:
            start = bytes(record.get(name, b'"'))[:1]
            if start not in {b'"', b"n"}:
                kind = _KINDS.get(start[0], "a number")
                raise _Unusable(f"{kind} where text must stand", name)

    def _lines(self) -> Iterator[tuple[int, list[bytes]]]:
        """The lines that are not blank, block by block, each with the number of its first."""
        row = 1
        rest = b""
        try:
            with self._place.open("rb") as file:
                begun = False
                while chunk := file.read(self._block_bytes):
                    block = rest + chunk
                    if not begun:
                        block = block.removeprefix(codecs.BOM_UTF8)
                        begun = True
                    *complete, rest = block.split(b"\n")
                    lines = [line for line in complete if line.strip()]
                    if lines:
                        yield row, lines
                    row += len(lines)
                    if len(rest) > self._block_bytes:
                        raise too_long(self._place, row, self._block_bytes)
                if rest.strip():
                    yield row, [rest]
        except READ_ERRORS as error:
            raise unreadable(self._place, error, row) from error


class _Unusable(Exception):
    """A line that is no row, and which field of it is to blame."""

    def __init__(self, problem: str, column: str | None = None) -> None:
        super().__init__(problem)
        self.column = column


def _cell(raw: msgspec.Raw) -> str | None:
    text = bytes(raw)
    try:
        if text.startswith(b'"'):
            return _text.decode(text)
        return None if text == b"null" else text.decode()
    except UnicodeDecodeError:
        raise _Unusable("not UTF-8") from None
    except msgspec.DecodeError as error:
        raise _Unusable(f"not JSON: {error}") from None
