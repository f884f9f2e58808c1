"""Where in a TOML file a setting stands, which the standard library does not tell."""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

LONGEST_STATEMENT = 2000
"""Lines of one value. Beyond them no place is told: each line is looked at with all before it."""

DEEPEST = 4
"""Tables within tables that are looked into: no setting lies deeper than three."""

Path = tuple[str, ...]


def lines_of(text: str) -> dict[Path, int]:
    """The line, counted from 1, on which each key and each table of a valid TOML file stands.

    A statement is the shortest run of lines that is TOML by itself.
    """
    found: dict[Path, int] = {}
    table: Path = ()
    lines = text.replace("\r\n", "\n").split("\n")
    start = 0
    for end in range(1, len(lines) + 1):
        if end - start > LONGEST_STATEMENT:
            break
        statement = "\n".join(lines[start:end])
        try:
            told = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        first, start = start + 1, end
        header = statement.lstrip().startswith("[")
        for path in _paths(told):
            found.setdefault(path if header else table + path, first)
            table = path if header else table
    return found


def _paths(told: Mapping[str, Any], above: Path = ()) -> Iterator[Path]:
    """Every key in what one statement tells, the deepest last."""
    for key, value in told.items():
        yield (*above, key)
        if isinstance(value, dict) and len(above) < DEEPEST:
            yield from _paths(value, (*above, key))
