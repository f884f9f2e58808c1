"""Several Parquet files that are one manifest: a directory of them, or what a pattern names."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from migrator.manifest.header import columns_of
from migrator.manifest.parquet_file import ParquetManifest
from migrator.model import Columns, InvalidRow, ManifestRow


class Series:
    """The rows of several files, one after the other; see `opening.ManifestReader`.

    The columns are those of all files, in the order in which they turn up; a file without one of
    them says nothing there. `name` is what the files are called together, `parts` are they with
    the name of each.
    """

    def __init__(self, name: str, parts: Sequence[tuple[str, ParquetManifest]]) -> None:
        self._parts = parts
        names = [name for _, part in self._parts for name in part.columns.header]
        self.columns: Columns = columns_of(name, list(dict.fromkeys(names)))

    def batches(self, first_row: int = 1) -> Iterator[list[ManifestRow | InvalidRow]]:
        """The rows from `first_row` on, in order, a bounded number of one file at a time.

        Raises UsageError when a file cannot be read on.
        """
        before = 0
        for name, part in self._parts:
            if before + part.row_count >= first_row:
                moved = Moved(name, part.columns, self.columns, before)
                for rows in part.batches(first_row - before):
                    yield [moved.row(row) for row in rows]
            before += part.row_count


class Moved:
    """Rows of one file as rows of them all: `before` is how many stand before it."""

    def __init__(self, name: str, own: Columns, all_: Columns, before: int) -> None:
        self._name = name
        self._before = before
        self._cells = _places(own.other_names, all_.other_names)
        self._header = _places(own.header, all_.header)

    def row(self, row: ManifestRow | InvalidRow) -> ManifestRow | InvalidRow:
        """The row with its number among all, and its cells where all columns have them."""
        number = row.row + self._before
        if isinstance(row, InvalidRow):
            return replace(
                row,
                row=number,
                problem=f"{row.problem} (row {row.row:,} of {self._name})",
                cells=tuple(None if at is None else row.cells[at] for at in self._header),
            )
        return ManifestRow(
            number,
            row.bucket,
            row.key,
            row.version_id,
            tuple(None if at is None else row.cells[at] for at in self._cells),
        )


def _places(own: Sequence[str], wanted: Sequence[str]) -> list[int | None]:
    where = {name: index for index, name in enumerate(own)}
    return [where.get(name) for name in wanted]
