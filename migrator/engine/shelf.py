"""Where rows are put as they are read: the checkpoint, with what is settled about them by then."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from msgspec import json

from migrator.checkpoint import order
from migrator.checkpoint.earlier import EarlierBatches
from migrator.checkpoint.records import record
from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.values import Source
from migrator.engine.book import Book
from migrator.filters import Facts, Filter
from migrator.manifest.told import teller
from migrator.model import Columns, InvalidRow, ManifestRow
from migrator.settings import OrderBy
from migrator.source.listing import Listed

Rows = Sequence[ManifestRow | InvalidRow]

Arrive = Callable[[Checkpoint, int, int], Callable[[], None]]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where rows are put: the checkpoint, under a namespace, beside what is imported already.

    Those that `wanted` leaves out are skipped. Where rows are sent while others are listed,
    `arrive` is called in the commit that these come in with, with the first and the last of them,
    and answers what is to be done once they are durable.
    """

    book: Book
    namespace: str
    earlier: EarlierBatches
    wanted: Filter
    by_url: Callable[[str], bool]
    serving: Sequence[tuple[int, str, str]] = ()
    order_by: OrderBy = "manifest"
    arrive: Arrive | None = None

    async def put(
        self,
        source: Source,
        rows: Rows,
        columns: Columns,
        header: Sequence[str] | None,
        part_rows: Sequence[int] = (),
    ) -> None:
        """Store rows of a manifest of these `columns`, and the projects that they name.

        In one commit with its `header`, where it has grown, and with how many rows each of its
        parts has that was read to its end.
        """
        told = teller(columns)
        left_out = _left_out(rows, self.wanted, told)
        places = _places(rows, self.order_by, told)
        projects = _projects(rows, left_out, columns)
        now_ms, imported = self.book.now_ms(), self.earlier.imported
        # Here and not in the checkpoint's thread, which has its hands full.
        source_id, file, space = source.id, source.file, self.namespace
        records = [
            record(source_id, file, row, space, now_ms, self.by_url, place)
            for row, place in zip(rows, places, strict=True)
        ]

        def store(checkpoint: Checkpoint) -> None:
            if header is not None:
                checkpoint.set_header(source.id, header)
            checkpoint.add_records(rows, records, now_ms, imported, left_out)
            checkpoint.serve(rows[0].row, rows[-1].row, self.serving)
            checkpoint.add_projects(projects)
            if part_rows:
                checkpoint.set_meta(_parts_of(source), json.encode(part_rows).decode())

        await self.book.run(store)
        self.book.tallies.read(len(rows))

    async def part_rows(self, source: Source) -> list[int]:
        """How many rows each part of a manifest has, as far as parts were read to their end."""
        kept = await self.book.run(lambda checkpoint: checkpoint.meta(_parts_of(source)))
        return json.decode(kept or "[]", type=list[int])

    async def put_listed(self, source: Source, listed: Listed) -> None:
        """Store a page of a listing, and how far it is, in one commit."""
        now_ms, imported = self.book.now_ms(), self.earlier.imported
        places = _places(listed.rows, self.order_by, lambda row: Facts(row.size_bytes))
        records = [
            record(source.id, "", row, self.namespace, now_ms, self.by_url, place)
            for row, place in zip(listed.rows, places, strict=True)
        ]

        def store(checkpoint: Checkpoint) -> Callable[[], None]:
            stored: Callable[[], None] = partial(self.book.tallies.read, len(records))
            if records:
                first, last = listed.rows[0].row, listed.rows[-1].row
                checkpoint.add_records(listed.rows, records, now_ms, imported, {})
                checkpoint.serve(first, last, self.serving)
                if self.arrive is not None:
                    stored = self.arrive(checkpoint, first, last)
            checkpoint.note_listed(source.id, listed.last_key, listed.filtered)
            return stored

        stored = await self.book.run(store)
        stored()


def _parts_of(source: Source) -> str:
    """Under which name it is kept: what other content has at its place has other parts."""
    return f"parts of manifest {source.sha256}"


def _left_out(rows: Rows, wanted: Filter, told: Callable[[ManifestRow], Facts]) -> dict[int, str]:
    """Of usable rows those that their source or a filter leaves out, with the words of it."""
    good = [row for row in rows if isinstance(row, ManifestRow)]
    found = {row.row: row.left_out for row in good if row.left_out is not None}
    if not wanted.lets_all_through:
        rest = ((row.row, wanted.against(row.key, told(row))) for row in good)
        found = {row: words for row, words in rest if words is not None} | found
    return found


def _places(
    rows: Rows, order_by: OrderBy, told: Callable[[ManifestRow], Facts]
) -> list[int | None]:
    """Where each row stands by what its source tells of the object's size."""
    if order_by == "manifest":
        return [None] * len(rows)
    sizes = (told(row).size_bytes if isinstance(row, ManifestRow) else None for row in rows)
    return [order.place(order_by, size_bytes) for size_bytes in sizes]


def _projects(rows: Rows, left_out: Collection[int], columns: Columns) -> set[str]:
    names = columns.other_names
    if "project_id" not in names:
        return set()
    place = names.index("project_id")
    return {
        cell
        for row in rows
        if isinstance(row, ManifestRow) and row.row not in left_out and (cell := row.cells[place])
    }
