"""Opening a manifest: what kind of file it is, and the reader for it."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, Protocol

from migrator.errors import UsageError
from migrator.log import MANIFEST_RECOGNISED, tell
from migrator.manifest.csv_file import CsvManifest, first_record
from migrator.manifest.finding import PARQUET_SUFFIXES, find
from migrator.manifest.header import NO_RENAMES
from migrator.manifest.inventory import InventoryManifest, is_inventory
from migrator.manifest.jsonl_file import JsonlManifest
from migrator.manifest.parquet_file import ParquetManifest
from migrator.manifest.places import MAGICS, Objects, Place, Unpacked, fingerprint
from migrator.manifest.s3_batch import looks_like, open_s3_csv
from migrator.manifest.series import Series
from migrator.manifest.unusable import (
    READ_ERRORS,
    check_regular,
    no_rows,
    shown_path,
    unreadable,
)
from migrator.model import Columns, InvalidRow, ManifestRow

Kind = Literal["csv", "parquet", "jsonl", "s3-batch", "s3-completion", "s3-inventory"]
ManifestFormat = Literal["auto"] | Kind

PARQUET_MAGICS = (b"PAR1", b"PARE")
"""First bytes of a Parquet file; the second, of one whose footer is encrypted."""

_LOOK_BYTES = 4096

_UTF16 = "a text file in UTF-16"

_FOREIGN = {
    b"\xff\xfe": _UTF16,
    b"\xfe\xff": _UTF16,
    b"\x1f\x8b": "compressed with gzip twice",
    b"BZh": "compressed with bzip2",
    b"\x28\xb5\x2f\xfd": "compressed with zstd twice",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x89PNG": "a PNG image",
    b"%PDF": "a PDF document",
    b"SQLite format 3\0": "an SQLite database",
}
"""What is handed over in place of a text file, by its first bytes."""


class ManifestReader(Protocol):
    """A manifest that can be read any number of times, from any row."""

    columns: Columns
    """The columns of the manifest, in its order. Further ones may turn up behind them as rows are
    read, always in the same order."""

    def batches(self, first_row: int = 1) -> Iterator[list[ManifestRow | InvalidRow]]:
        """The rows in order, in lists that are never empty and bounded in size.

        Rows count from 1, a header not included; those below `first_row` are left out, which is
        how a load is taken up again. Raises UsageError when the file cannot be read on.
        """
        ...


def open_named(
    name: str,
    manifest_format: ManifestFormat,
    objects: Objects | None = None,
    renames: Mapping[str, str] = NO_RENAMES,
    *,
    all_versions: bool = False,
) -> tuple[ManifestReader, str]:
    """The reader of what `--manifest` names, and the fingerprint of its bytes.

    `renames` gives columns other names; `all_versions` are wanted of an inventory.

    Raises UsageError when it is unusable, RunFailed when S3 does not answer.
    """
    found = find(name, objects)
    if not isinstance(found, list):
        reader = open_manifest(found, manifest_format, renames, all_versions=all_versions)
        return reader, fingerprint(found)
    if manifest_format not in {"auto", "parquet"}:
        raise UsageError(
            f"{shown_path(name)} names several files, which only Parquet may be",
            "Name one file, or give --manifest-format parquet.",
        )
    parts = [(shown_path(place), _open_parquet(place, _start(place), renames)) for place in found]
    told = "".join(f"{place}\n{fingerprint(place)}\n" for place in found)
    return Series(name, parts), hashlib.sha256(told.encode()).hexdigest()


def open_manifest(
    place: Place,
    manifest_format: ManifestFormat = "auto",
    renames: Mapping[str, str] = NO_RENAMES,
    *,
    all_versions: bool = False,
) -> ManifestReader:
    """Open the manifest at `place`; `auto` goes by its first bytes, then by its extension.

    Raises UsageError when the file is unusable: absent, unreadable, of another kind, without a
    column bucket or key, or without any row.
    """
    start = _start(place)
    codec = next((codec for magic, codec in MAGICS.items() if start.startswith(magic)), None)
    if codec is not None:
        place = Unpacked(place, codec)
        start = _start(place)

    kind = _kind(place, start) if manifest_format == "auto" else manifest_format
    is_parquet = start.startswith(PARQUET_MAGICS)
    if kind == "parquet":
        return _open_parquet(place, start, renames)
    if is_parquet:
        raise UsageError(
            f"{shown_path(place)} is a Parquet file, not {_WORDS[kind]}",
            "Give --manifest-format parquet, or leave the format to be found out.",
        )
    _refuse_foreign(place, start, _WORDS[kind])
    if kind == "s3-inventory":
        if renames:
            raise UsageError(
                f"{shown_path(place)}: --map does not go with an inventory", "leave --map out"
            )
        return InventoryManifest(place, all_versions=all_versions)
    if kind == "jsonl":
        return JsonlManifest(place, renames)
    if kind == "csv" and manifest_format == "auto" and not renames:  # its columns have names then
        kind = looks_like(first_record(place)) or kind
        if kind != "csv":
            tell(MANIFEST_RECOGNISED, manifest=shown_path(place), format=kind)
    return CsvManifest(place, None, renames) if kind == "csv" else open_s3_csv(place, kind)


def _open_parquet(place: Place, start: bytes, renames: Mapping[str, str]) -> ParquetManifest:
    if not start.startswith(PARQUET_MAGICS):
        raise UsageError(
            f"{shown_path(place)} is not a Parquet file: it does not begin with PAR1",
            "Name a Parquet file, or say with --manifest-format what it is.",
        )
    if isinstance(place, Unpacked):
        raise UsageError(
            f"{shown_path(place)} is a Parquet file inside {place.codec}",
            "Unpack it: Parquet is compressed within itself and has to be read in pieces.",
        )
    return ParquetManifest(place, renames)


_WORDS = {
    "csv": "CSV",
    "s3-batch": "CSV",
    "s3-completion": "CSV",
    "s3-inventory": "manifest.json of an inventory",
    "jsonl": "JSON Lines",
}


def _start(place: Place) -> bytes:
    """The first bytes. Raises UsageError when there are none."""
    if isinstance(place, Path):
        check_regular(place)
    try:
        with place.open("rb") as file:
            start = file.read(_LOOK_BYTES)
    except READ_ERRORS as error:
        raise unreadable(place, error) from error
    if not start:
        raise no_rows(place, "it is empty")
    return start


def _kind(place: Place, start: bytes) -> Kind:
    if start.startswith(PARQUET_MAGICS) or str(place).lower().endswith(PARQUET_SUFFIXES):
        return "parquet"
    if not start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return "csv"
    return "s3-inventory" if is_inventory(start) else "jsonl"


def _refuse_foreign(place: Place, start: bytes, wanted: str) -> None:
    kind = next((kind for magic, kind in _FOREIGN.items() if start.startswith(magic)), None)
    # In UTF-16 every other byte of a header is NUL, which no name of a column has.
    first_line = start.split(b"\n")[0]
    if kind is None and b"\0" in first_line:
        kind = "a text file in UTF-16 or no text at all"
    if kind is None and b'"ReportSchema"' in start and b'"Results"' in start:
        kind = "what a job of S3 Batch Operations says of its reports: name one of those, as CSV"
    if kind is None and start.lstrip().startswith((b"[{", b"[\n")):
        kind = "a JSON array: write an object a line, without brackets and commas around them"
    if kind:
        raise UsageError(
            f"{shown_path(place)} is no {wanted} file; it looks like {kind}",
            "Save the manifest as CSV or JSON Lines in UTF-8, or as Parquet.",
        )
