"""The manifest's own cells, as the checkpoint keeps them, and where they go in the tables."""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import msgspec

from migrator.checkpoint.change import Transfer
from migrator.checkpoint.values import Source
from migrator.model import Columns
from migrator.report.chunk import Chunk
from migrator.report.words import escaped

Cell = str | None

_decoder = msgspec.json.Decoder(list[str | None])
_decoder_of_rows = msgspec.json.Decoder(list[list[str | None]])


def _stored(transfer: Transfer) -> list[Cell]:
    if transfer.cells is None:
        return []
    if transfer.raw:  # lone surrogates stand for bytes that are not UTF-8; msgspec refuses them
        return list(json.loads(transfer.cells))
    return _decoder.decode(transfer.cells)


def line_of(transfer: Transfer) -> str | None:
    """The one line of a ragged row as it was read, or None for every other row."""
    return (_stored(transfer)[0] or "") if transfer.raw == 2 else None  # noqa: PLR2004 - schema.sql


def other_cells(transfer: Transfer, columns: Columns) -> Sequence[Cell]:
    """The cells beside bucket, key and version id; none for a ragged row, which has no columns."""
    stored = _stored(transfer)
    if transfer.raw == 0:
        return stored
    if transfer.raw == 1:
        return [stored[index] if index < len(stored) else None for index in columns.other]
    return ()


def all_cells(transfer: Transfer, columns: Columns) -> list[Cell]:
    """Every cell in the order of the source's header, exactly as read; not for ragged rows."""
    stored = _stored(transfer)
    if transfer.raw == 1:
        return stored
    cells: list[Cell] = [None] * len(columns.header)
    cells[columns.bucket] = transfer.bucket
    cells[columns.key] = transfer.key
    if columns.version_id is not None:
        cells[columns.version_id] = transfer.version_id
    for index, cell in zip(columns.other, stored, strict=False):
        cells[index] = cell
    return cells


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the cells of each source stand among the manifest columns of the tables.

    `names` are those columns, the union over all sources in order of appearance; `places[source]`
    gives the index in `names` of each of the source's `Columns.other`.
    """

    names: tuple[str, ...]
    columns: dict[int, Columns]
    places: dict[int, tuple[int, ...]]

    @classmethod
    def of(cls, sources: Sequence[Source], taken: Collection[str]) -> "Layout":
        """Lay out the columns of `sources` beside the columns already `taken`."""
        names: dict[tuple[str, int], int] = {}  # (name, how many before it in its header) -> index
        columns = {source.id: Columns.of(source.header) for source in sources}
        places = {}
        for source in sources:
            seen: Counter[str] = Counter()
            own = []
            for name in columns[source.id].other_names:
                own.append(names.setdefault((name, seen[name]), len(names)))
                seen[name] += 1
            places[source.id] = tuple(own)
        unique: list[str] = []
        for name, _ in names:
            while name in taken or name in unique:
                name += " (manifest)"  # noqa: PLW2901 - until it is unique
            unique.append(name)
        return cls(tuple(unique), columns, places)

    def columns_of(self, chunk: Chunk) -> list[Sequence[Cell]]:
        """The manifest's cells of a chunk: a column for each of `names`.

        Bytes that are not UTF-8 are written as escapes.
        """
        columns: list[Any] = [[None] * len(chunk) for _ in self.names]
        if not columns:
            return columns
        rows = self._rows(chunk)
        sources = chunk.values("source_id")
        if len(set(sources)) == 1:
            for name, cells in zip(self.places[sources[0]], zip_longest(*rows), strict=False):
                columns[name] = cells
            return columns
        for at, (source, row) in enumerate(zip(sources, rows, strict=True)):
            for name, cell in zip(self.places[source], row, strict=False):
                columns[name][at] = cell
        return columns

    def _rows(self, chunk: Chunk) -> list[Sequence[Cell]]:
        """The cells of each row in the order of its source's `Columns.other`."""
        stored, raw = chunk.values("cells"), chunk.values("raw")
        odd = [place for place, each in enumerate(raw) if each] if any(raw) else []
        if odd:
            stored = tuple("[]" if form else cells for cells, form in zip(stored, raw, strict=True))
        usual = ",".join([cells or "[]" for cells in stored])
        rows: list[Sequence[Cell]] = [*_decoder_of_rows.decode(f"[{usual}]")]
        for place in odd:
            transfer = chunk.transfer(place)
            cells = other_cells(transfer, self.columns[transfer.source_id])
            rows[place] = [escaped(cell) for cell in cells]
        return rows
