"""The order in which pending rows are read where it is not the manifest's: `--order-by`.

A row's place is written as it comes in, and never changes: neither what a HEAD tells of its size
nor what becomes of it moves it. So a resumed batch goes on in the same order, and a row number says
how far a reader is. An index of the pending rows by place is made once all rows are there, in the
batches that ask for it alone.
"""

import sqlite3

from migrator.settings.inputs import OrderBy

LAST = 2**63 - 1
"""The place of a row of whose size nothing is told: behind all others, in the order of rows."""

_KEEP = """
CREATE INDEX object_pending_by_place ON object (place, row) WHERE state = 'pending'
"""

_FORGET = "DROP INDEX IF EXISTS object_pending_by_place"


def place(order_by: OrderBy, size_bytes: int | None) -> int | None:
    """Where a row of an object of this size stands; None in the order of the manifest."""
    if order_by == "manifest":
        return None
    if size_bytes is None:
        return LAST
    return size_bytes if order_by == "size-asc" else -size_bytes


def keep(db: sqlite3.Connection) -> None:
    """Make the index, once every row has its place."""
    db.execute(_KEEP)


def forget(db: sqlite3.Connection) -> None:
    """Drop it: other rows, or the same in another order, are about to be read."""
    db.execute(_FORGET)
