"""One object, one row: the unique index that holds it, put aside while rows are read.

Identities are hashes, so that each row lands in another page of the index, and each commit writes
most of it anew: storing 200,000 rows took twice the CPU time with it. So it is dropped before the
first row, and made once all are there, by sorting; rows of an object that has one already are
found then. Until that is committed nothing is sent: with the end of the last source, or, where rows
are sent while others are listed, before the first listing. The index of open rows goes with it:
nobody asks for them before.
"""

import sqlite3

_HAS_ROWS = "SELECT EXISTS (SELECT 1 FROM object)"

_DROP = ("DROP INDEX IF EXISTS object_identity", "DROP INDEX IF EXISTS object_open")

_IS_THERE = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'object_identity')"

_MAKE_OPEN = """
CREATE INDEX object_open ON object (state, row)
    WHERE state IN
        ('pending', 'submitting', 'unresolved', 'copying', 'restarting', 'ingesting', 'replacing')
"""

_MAKE = "CREATE UNIQUE INDEX object_identity ON object (object_id) WHERE object_id IS NOT NULL"

_FIND = (
    "CREATE INDEX object_by_identity ON object (object_id) WHERE object_id IS NOT NULL",
    """
CREATE TEMP TABLE twice AS SELECT object_id, min(row) AS first FROM object
WHERE object_id IS NOT NULL GROUP BY object_id HAVING count(*) > 1
""",
    """
CREATE TEMP TABLE again AS SELECT object.row AS row, first FROM twice JOIN object
ON object.object_id = twice.object_id AND object.row > first
""",
    "DROP INDEX object_by_identity",
)
"""Over an index that is not unique yet: in the order of identities equal ones stand together."""

_SKIP = """
UPDATE object SET object_id = NULL, state = 'skipped', reason = 'duplicate_row',
    decided_by = 'manifest', finished_ms = ?, room = NULL,
    message = 'the same object as row ' || first
FROM again WHERE again.row = object.row
"""


def put_aside(db: sqlite3.Connection) -> None:
    """Drop the indexes where no row is stored yet."""
    if not db.execute(_HAS_ROWS).fetchone()[0]:
        for drop in _DROP:
            db.execute(drop)


def is_there(db: sqlite3.Connection) -> bool:
    """Whether a further row of an object is found at once."""
    return bool(db.execute(_IS_THERE).fetchone()[0])


def settle(db: sqlite3.Connection, now_ms: int) -> None:
    """Make the indexes where they were put aside; further rows of an object become duplicates."""
    if is_there(db):
        return
    for step in _FIND:
        db.execute(step)
    db.execute(_SKIP, (now_ms,))
    for table in ("twice", "again"):
        db.execute(f"DROP TABLE {table}")
    db.execute(_MAKE)
    db.execute(_MAKE_OPEN)
