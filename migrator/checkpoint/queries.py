"""The named queries of `queries.sql`, and what every part of the checkpoint has in common."""

import re
import sqlite3
from collections.abc import Mapping
from importlib import resources

from migrator.checkpoint.change import Transfer
from migrator.checkpoint.records import REPORTED, told

TRANSFER_COLUMNS = ", ".join(Transfer._fields)
_REPORTED = ", ".join(REPORTED)
_OPEN = (
    "state IN "
    "('pending', 'submitting', 'unresolved', 'copying', 'restarting', 'ingesting', 'replacing')"
)


def _load_queries() -> Mapping[str, str]:
    text = resources.files(__package__).joinpath("queries.sql").read_text()
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    pairs = list(zip(parts[::2], parts[1::2], strict=True))
    words = {"{transfer}": TRANSFER_COLUMNS, "{reported}": _REPORTED, "{open}": _OPEN}
    for mark, meant in words.items():
        pairs = [(name, sql.replace(mark, meant)) for name, sql in pairs]
    return {name: sql.strip() for name, sql in pairs}


SQL = _load_queries()
"""Every query by its name."""


class Tables:
    """A part of the checkpoint: its questions and changes on the one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def meta(self, name: str) -> str | None:
        """A setting of the batch, or None."""
        found = self._db.execute(SQL["meta"], (name,)).fetchone()
        return None if found is None else str(found[0])

    def set_meta(self, name: str, value: str) -> None:
        """Write a setting of the batch; never a secret."""
        self._db.execute(SQL["set_meta"], (name, value))

    def metas(self, beginning: str) -> dict[str, str]:
        """The settings whose names begin so."""
        return dict(self._db.execute(SQL["metas"], (beginning,)))

    def _transfers(self, query: str, values: tuple[object, ...]) -> list[Transfer]:
        return [told(found) for found in self._db.execute(SQL[query], values)]
