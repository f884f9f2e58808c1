"""Opening a manifest: what kind of file it is, and the reader for it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Protocol

from migrator.errors import UsageError
from migrator.manifest.csv_file import CsvManifest
from migrator.manifest.parquet_file import ParquetManifest
from migrator.manifest.unusable import (
    READ_ERRORS,
    check_regular,
    no_rows,
    shown_path,
    unreadable,
)
from migrator.model import Columns, InvalidRow, ManifestRow

ManifestFormat = Literal["auto", "csv", "parquet"]

PARQUET_MAGICS = (b"PAR1", b"PARE")
"""First bytes of a Parquet file; the second, of one whose footer is encrypted."""

PARQUET_SUFFIXES = (".parquet", ".pq")

_LOOK_BYTES = 4096

_UTF16 = "a text file in UTF-16"

_FOREIGN = {
    b"\xff\xfe": _UTF16,
    b"\xfe\xff": _UTF16,
    b"\x1f\x8b": "compressed with gzip",
    b"BZh": "compressed with bzip2",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x89PNG": "a PNG image",
    b"%PDF": "a PDF document",
    b"SQLite format 3\0": "an SQLite database",
}
"""What is handed over in place of a CSV file, by its first bytes."""


class ManifestReader(Protocol):
    """A manifest that can be read any number of times, from any row."""

    columns: Columns
    """The columns of the manifest, in its order."""

    def batches(self, first_row: int = 1) -> Iterator[list[ManifestRow | InvalidRow]]:
        """The rows in order, in lists that are never empty and bounded in size.

        Rows count from 1, a header not included; those below `first_row` are left out, which is
        how a load is taken up again. Raises UsageError when the file cannot be read on.
        """
        ...


def open_manifest(path: Path, manifest_format: ManifestFormat = "auto") -> ManifestReader:
    """Open the manifest at `path`; `auto` goes by its first bytes, then by its extension.

    Raises UsageError when the file is unusable: absent, unreadable, of another kind, without a
    column bucket or key, or without any row.
    """
    check_regular(path)
    try:
        with path.open("rb") as file:
            start = file.read(_LOOK_BYTES)
    except READ_ERRORS as error:
        raise unreadable(path, error) from error
    if not start:
        raise no_rows(path, "it is empty")

    is_parquet = start.startswith(PARQUET_MAGICS)
    if manifest_format == "auto":
        named_parquet = path.suffix.lower() in PARQUET_SUFFIXES
        manifest_format = "parquet" if is_parquet or named_parquet else "csv"
    if manifest_format == "parquet":
        if not is_parquet:
            raise UsageError(
                f"{shown_path(path)} is not a Parquet file: it does not begin with PAR1",
                "Name a Parquet file, or give --manifest-format csv if it is CSV.",
            )
        return ParquetManifest(path)
    if is_parquet:
        raise UsageError(
            f"{shown_path(path)} is a Parquet file, not CSV",
            "Give --manifest-format parquet, or leave the format to be found out.",
        )
    _refuse_foreign(path, start)
    return CsvManifest(path)


def _refuse_foreign(path: Path, start: bytes) -> None:
    kind = next((kind for magic, kind in _FOREIGN.items() if start.startswith(magic)), None)
    # In UTF-16 every other byte of a header is NUL, which no name of a column has.
    first_line = start.split(b"\n")[0]
    if kind is None and b"\0" in first_line:
        kind = "a text file in UTF-16 or no text at all"
    if kind:
        raise UsageError(
            f"{shown_path(path)} is no CSV file; it looks like {kind}",
            "Save the manifest as plain CSV in UTF-8, or as Parquet.",
        )


def fingerprint(path: Path) -> str:
    """The SHA-256 of the file's bytes in hexadecimal, read as a stream.

    Raises UsageError when the file cannot be read.
    """
    check_regular(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except READ_ERRORS as error:
        raise unreadable(path, error) from error
