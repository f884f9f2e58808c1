"""What makes a row usable: one row's cells in, a `ManifestRow` or an `InvalidRow` out.

Pure. The bounds are those of the platform's `POST /v1/videos/in/s3`; whatever it would refuse for
a row's own sake is refused here, before quota is spent.
"""

import re
from collections.abc import Callable, Sequence

from migrator.manifest.naming import LEGAL_FILE_NAME
from migrator.model import MAX_KEY_BYTES, MAX_NAME_CHARACTERS, Columns, InvalidRow, ManifestRow

MIN_BUCKET_CHARACTERS = 3
MAX_BUCKET_CHARACTERS = 63
"""Bounds of `bucket` (platform document, `s3Bucket`)."""

UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
"""The canonical form of a `projectId`; for `fullmatch`."""

UNDECODABLE = re.compile("[\udc80-\udcff]")
"""A byte that is not UTF-8, as `surrogateescape` writes it in a text."""


def judge(row: int, cells: Sequence[str | None], columns: Columns) -> ManifestRow | InvalidRow:
    """Decide on row number `row`, whose `cells` stand in the order of `columns.header`.

    Bytes that are not UTF-8 stand in a cell as lone surrogates (`surrogateescape`). The first
    problem found is the one told.
    """
    for name, cell in zip(columns.header, cells, strict=True):
        problem = _encoding_problem(cell)
        if problem:
            return _invalid(row, name, problem, cells, columns)
    for name, problem_of in _RULES.items():
        if name not in columns.header:
            continue
        problem = problem_of(cells[columns.header.index(name)])
        if problem:
            return _invalid(row, name, problem, cells, columns)
    version_id = None if columns.version_id is None else cells[columns.version_id] or None
    return ManifestRow(
        row=row,
        bucket=cells[columns.bucket] or "",
        key=cells[columns.key] or "",
        version_id=version_id,
        cells=tuple(cells[index] for index in columns.other),
    )


def ragged(row: int, line: str, found: int, expected: int) -> InvalidRow:
    """The row for a `line` of `found` cells under a header of `expected`."""
    problem = f"{found:,} cells where the header has {expected:,}" + _line_breaks(line)
    return InvalidRow(row, None, problem, (line,), ragged=True)


def _invalid(
    row: int, column: str, problem: str, cells: Sequence[str | None], columns: Columns
) -> InvalidRow:
    return InvalidRow(
        row=row,
        column=column,
        problem=problem,
        cells=tuple(cells),
        bucket=_for_showing(cells[columns.bucket]),
        key=_for_showing(cells[columns.key]),
    )


def _for_showing(text: str | None) -> str | None:
    if text is None:
        return None
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _encoding_problem(cell: str | None) -> str | None:
    found = None if cell is None or cell.isascii() else UNDECODABLE.search(cell)
    if found is None or cell is None:
        return None
    offset = len(cell[: found.start()].encode())
    return f"not UTF-8: byte 0x{ord(found[0]) - 0xDC00:02x} at offset {offset:,}"


BUCKET_PATTERN = re.compile(r"[A-Za-z0-9.\-_]+")
"""What S3 ever allowed in a bucket's name (Amazon S3 user guide, "Bucket naming rules", with the
older rules of us-east-1)."""


def _bucket_problem(bucket: str | None) -> str | None:
    if not bucket:
        return "empty"
    if MIN_BUCKET_CHARACTERS <= len(bucket) <= MAX_BUCKET_CHARACTERS:
        if BUCKET_PATTERN.fullmatch(bucket):
            return None
        return "a bucket's name has letters, digits, dots, dashes and underscores only"
    return (
        f"{len(bucket):,} characters; a bucket has "
        f"{MIN_BUCKET_CHARACTERS} to {MAX_BUCKET_CHARACTERS}"
    )


def _key_problem(key: str | None) -> str | None:
    if not key:
        return "empty"
    size_bytes = len(key.encode())
    if size_bytes <= MAX_KEY_BYTES:
        return None
    return f"{size_bytes:,} bytes; a key has at most {MAX_KEY_BYTES:,}" + _line_breaks(key)


def _line_breaks(text: str) -> str:
    """The likely cause of a cell or line that is far too long: a quote swallowed its successors."""
    lines = len(re.split(r"\r\n|\r|\n", text))
    return f"; it spans {lines:,} lines: a quote may be unclosed" if lines > 1 else ""


def _name_problem(name: str | None) -> str | None:
    if name is None or len(name) <= MAX_NAME_CHARACTERS:
        return None
    return f"{len(name):,} characters; a name has at most {MAX_NAME_CHARACTERS}"


def _file_name_problem(file_name: str | None) -> str | None:
    if not file_name or LEGAL_FILE_NAME.fullmatch(file_name):
        return None
    return "a file name is 1 to 255 of the characters a-z A-Z 0-9 _ - ."


def _project_id_problem(project_id: str | None) -> str | None:
    if not project_id or UUID.fullmatch(project_id):
        return None
    return "not a UUID, such as 123e4567-e89b-12d3-a456-426614174000"


_RULES: dict[str, Callable[[str | None], str | None]] = {
    "bucket": _bucket_problem,
    "key": _key_problem,
    "name": _name_problem,
    "file_name": _file_name_problem,
    "project_id": _project_id_problem,
}
"""Each column with a rule of its own, in the order they are applied. `description` is cut later;
`size` and `last_modified` never reject, as the source itself is asked."""
