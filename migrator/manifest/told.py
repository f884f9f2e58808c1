"""What a manifest itself says of its objects, for the filters alone: it never rejects a row."""

from collections.abc import Callable
from datetime import UTC, datetime

from migrator.filters import Facts
from migrator.model import Columns, ManifestRow

MAX_SIZE_DIGITS = 18


def teller(columns: Columns) -> Callable[[ManifestRow], Facts]:
    """A function that reads of a row what its columns size, last_modified and storage_class say.

    What is empty, or cannot be read, is not known.
    """
    names = columns.other_names
    size, changed, storage_class = (
        names.index(name) if name in names else None
        for name in ("size", "last_modified", "storage_class")
    )

    def told(row: ManifestRow) -> Facts:
        def cell(place: int | None) -> str:
            return "" if place is None else row.cells[place] or ""

        return Facts(
            _size(cell(size)) if row.size_bytes is None else row.size_bytes,
            _ms(cell(changed)) if row.last_modified_ms is None else row.last_modified_ms,
            row.storage_class or cell(storage_class).strip().upper() or None,
        )

    return told


def _size(text: str) -> int | None:
    is_number = text.isascii() and text.isdigit() and len(text) <= MAX_SIZE_DIGITS
    return int(text) if is_number else None


def _ms(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text.strip())
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
