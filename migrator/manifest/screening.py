"""From Arrow columns to rows, a batch at a time.

Nearly every row is good. Whole columns are screened by vectorised checks, and only rows that one
of them suspects are put before `rows.judge`, which alone decides: a check here may suspect too
much and must never suspect too little. That is what makes 300,000 rows a second possible.
"""

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from migrator.manifest.naming import LEGAL_FILE_NAME
from migrator.manifest.rows import (
    BUCKET_PATTERN,
    MAX_BUCKET_CHARACTERS,
    MIN_BUCKET_CHARACTERS,
    UUID,
    judge,
)
from migrator.model import MAX_KEY_BYTES, MAX_NAME_CHARACTERS, Columns, InvalidRow, ManifestRow


def rows_of(
    columns: Columns, numbers: Sequence[int], arrays: Sequence[pa.Array]
) -> list[ManifestRow | InvalidRow]:
    """The rows numbered `numbers`, whose cells stand in `arrays`, one for each column.

    `arrays` are of type string, if they are known to be UTF-8, or else binary.
    """
    try:
        strings = [array.cast(pa.string()) for array in arrays]
    except pa.ArrowInvalid:
        # Some byte in the batch is not UTF-8: each row is looked at by itself.
        decoded = (map(_text, array.cast(pa.binary()).to_pylist()) for array in arrays)
        return [
            judge(row, cells, columns)
            for row, cells in zip(numbers, zip(*decoded, strict=True), strict=True)
        ]

    texts: list[list[Any]] = [array.to_pylist() for array in strings]
    versions = repeat(None) if columns.version_id is None else texts[columns.version_id]
    others = [texts[index] for index in columns.other]
    cells: Iterable[tuple[str | None, ...]] = zip(*others, strict=True) if others else repeat(())
    # A null bucket or key makes a row here that is replaced below, as nulls are suspect.
    rows: list[ManifestRow | InvalidRow] = list(
        map(
            ManifestRow,
            numbers,
            texts[columns.bucket],
            texts[columns.key],
            (version or None for version in versions),  # An empty cell means absent.
            cells,
        )
    )
    for index in _suspects(columns, strings):
        rows[index] = judge(numbers[index], [text[index] for text in texts], columns)
    return rows


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode("utf-8", "surrogateescape")


def _suspects(columns: Columns, strings: Sequence[pa.Array]) -> list[int]:
    """The places of rows that may break a rule."""
    places = {name: index for index, name in enumerate(columns.header)}
    bucket_characters = pc.utf8_length(strings[columns.bucket])
    key_bytes = pc.binary_length(strings[columns.key])
    legal_bucket = pc.match_substring_regex(
        strings[columns.bucket], rf"\A{BUCKET_PATTERN.pattern}\z"
    )
    checks = [
        pc.invert(legal_bucket),
        pc.less(bucket_characters, MIN_BUCKET_CHARACTERS),
        pc.greater(bucket_characters, MAX_BUCKET_CHARACTERS),
        pc.equal(key_bytes, 0),
        pc.greater(key_bytes, MAX_KEY_BYTES),
    ]
    # Null is suspect in bucket and key, where no comparison is true of it, and nowhere else.
    found = [check.fill_null(fill_value=True) for check in checks]
    if "name" in places:
        characters = pc.utf8_length(strings[places["name"]])
        found.append(pc.greater(characters, MAX_NAME_CHARACTERS).fill_null(fill_value=False))
    for name, pattern in (("file_name", LEGAL_FILE_NAME), ("project_id", UUID)):
        if name in places:
            legal = pc.match_substring_regex(strings[places[name]], rf"\A({pattern.pattern})?\z")
            found.append(pc.invert(legal).fill_null(fill_value=False))
    return sorted({place for check in found for place in pc.indices_nonzero(check).to_pylist()})
