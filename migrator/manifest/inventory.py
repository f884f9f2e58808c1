"""S3 Inventory: a `manifest.json` and the parts that it names, verified and read one by one.

Amazon S3 user guide, "Locating your inventory list" and "Amazon S3 Inventory list": beside
manifest.json stands manifest.checksum, the MD5 of its bytes, and in it the size and the MD5 of each
part. Parts are CSV in gzip (columns by `fileSchema`, no header, keys URL-encoded), Parquet or ORC
(columns in snake case, keys as they are).
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import msgspec

from migrator.errors import UsageError
from migrator.log import MANIFEST_UNPROVEN, tell
from migrator.manifest.csv_file import CsvManifest, Shape
from migrator.manifest.header import columns_of
from migrator.manifest.orc_file import OrcManifest
from migrator.manifest.parquet_file import ParquetManifest
from migrator.manifest.places import Place, RemoteObject, Spool, Unpacked, md5
from migrator.manifest.series import Moved
from migrator.manifest.unusable import READ_ERRORS, no_rows, shown, shown_path, unreadable
from migrator.manifest.url_keys import decoded_rows
from migrator.model import Columns, InvalidRow, ManifestRow

MAX_MANIFEST_BYTES = 64 * 2**20
"""A manifest.json has some 200 bytes a part."""

MAX_CHECKSUM_BYTES = 1000

KNOWN_AS = {"last_modified_date": "last_modified", "e_tag": "etag"}
"""Columns of an inventory that other manifests call otherwise."""

DELETE_MARKER = "a delete marker, by the inventory"
NOT_CURRENT = "not the current version, by the inventory"

NO_VERSION = "null"
"""What S3 calls the version of an object that came before its bucket had versions."""

ARCHIVED_CLASSES = {"GLACIER", "DEEP_ARCHIVE"}
"""What has to be restored before it can be read."""

ARCHIVED_TIERS = {"ARCHIVE", "ARCHIVE_ACCESS", "DEEP_ARCHIVE", "DEEP_ARCHIVE_ACCESS"}
"""The same of INTELLIGENT_TIERING, as inventories and HEADs spell it."""

Part = CsvManifest | ParquetManifest | OrcManifest


class _File(msgspec.Struct):
    key: str
    size: int
    md5: str = msgspec.field(name="MD5checksum")


class _Inventory(msgspec.Struct, rename="camel"):
    source_bucket: str
    destination_bucket: str
    file_format: str
    file_schema: str
    files: list[_File]


def is_inventory(start: bytes) -> bool:
    """Whether a file that begins so is the manifest.json of an inventory."""
    return all(name in start for name in (b'"sourceBucket"', b'"fileFormat"', b'"fileSchema"'))


class InventoryManifest:
    """The rows of an inventory; see `opening.ManifestReader`.

    A part is verified before its first row is told; one in S3 is kept in a nameless file meanwhile.
    With `all_versions` those that are not current are wanted too.

    Raises UsageError when manifest.json is unusable, is not what its checksum says, or tells of
    current versions alone where all are wanted.
    """

    def __init__(self, place: Place, *, all_versions: bool = False) -> None:
        if not isinstance(place, Path | RemoteObject):
            raise UsageError(
                f"{shown_path(place)}: an inventory's manifest.json has to be named where it lies",
                "Its parts are looked for from there: name the file as it was published, unpacked, "
                "or s3://….",
            )
        self._place = place
        content = _read(place, MAX_MANIFEST_BYTES)
        _check(place, content)
        self._told = _decoded(place, content)
        self._names = _column_names(place, self._told)
        self.columns: Columns = columns_of(place, _known_as(self._names))
        if not self._told.files:
            raise no_rows(place, "the inventory has no parts")
        self.part_rows: list[int] = []
        """Rows of each part that was read to its end, from the first on: set it to what is kept of
        an earlier reading before `batches`."""
        self._all_versions = all_versions
        if all_versions and not {"version_id", "is_latest"} <= set(self.columns.header):
            raise UsageError(
                f"{shown_path(place)}: this inventory tells of current versions alone (no columns "
                "VersionId and IsLatest)",
                "Have S3 make one that includes all versions, or leave --all-versions out.",
            )

    def batches(self, first_row: int = 1) -> Iterator[list[ManifestRow | InvalidRow]]:
        """The rows from `first_row` on, in order, a bounded number of one part at a time.

        A part of which `part_rows` says that it ends before them is not looked at again.

        Raises UsageError for a part that is not there, is not what manifest.json says, or cannot be
        read.
        """
        judge = _Judge(self.columns, all_versions=self._all_versions)
        before, known = 0, self.part_rows
        self.part_rows = []
        for number, file in enumerate(self._told.files):
            if number < len(known) and before + known[number] < first_row:
                self.part_rows.append(known[number])
                before += known[number]
                continue
            part = self._open(_verified(self._find(file), file))
            own = Columns.of(_known_as(part.columns.header))
            moved = Moved(shown(file.key, 200), own, self.columns, before)
            count = 0
            for rows in part.batches():
                count = rows[-1].row
                wanted = [judge.row(moved.row(r)) for r in rows if before + r.row >= first_row]
                if wanted:
                    yield wanted
            self.part_rows.append(count)
            before += count

    def _find(self, file: _File) -> Place:
        """Where a part is: by its key in the bucket, or in or above the folder of manifest.json."""
        place = self._place
        if ".." in file.key.split("/") or PurePosixPath(file.key).is_absolute():
            raise UsageError(
                f"{shown_path(place)} names a part {shown(file.key)}, which is no key of S3's own",
                _FETCH_AGAIN,
            )
        if isinstance(place, RemoteObject):
            destination = self._told.destination_bucket.rpartition(":")[2]
            for bucket in dict.fromkeys([place.bucket, destination]):
                facts = place.objects.look(bucket, file.key)
                if facts is not None:
                    return RemoteObject(place.objects, bucket, file.key, facts)
        else:
            assert isinstance(place, Path)
            segments = file.key.split("/")
            for folder in place.absolute().parents:
                for begin in range(len(segments)):
                    found = folder.joinpath(*segments[begin:])
                    if found.is_file():
                        return found
        raise UsageError(
            f"{shown_path(place)}: its part {shown(file.key, 200)} is not there",
            "Fetch the parts with it, in their folders, or name manifest.json where S3 has put it: "
            "s3://….",
        )

    def _open(self, place: Place) -> Part:
        match self._told.file_format.upper():
            case "CSV":
                names = tuple(self._names)
                shape = Shape(names, has_header=False, rows_of=decoded_rows, may_be_empty=True)
                return CsvManifest(Unpacked(place, "gzip"), shape)
            case "PARQUET":
                return ParquetManifest(place, may_be_empty=True)
        return OrcManifest(place)


_FETCH_AGAIN = "Fetch the inventory again, whole."


def _read(place: Place, limit: int) -> bytes:
    try:
        with place.open("rb") as file:
            content = file.read(limit + 1)
    except READ_ERRORS as error:
        raise unreadable(place, error) from error
    if len(content) > limit:
        raise UsageError(f"{shown_path(place)} is longer than {limit:,} bytes", _FETCH_AGAIN)
    return content


def _check(place: Path | RemoteObject, content: bytes) -> None:
    """Compare manifest.json with manifest.checksum beside it; that there is none is said."""
    beside: Place | None = None
    if isinstance(place, Path):
        path = place.with_suffix(".checksum")
        beside = path if path.is_file() else None
    else:
        key = place.key.removesuffix(".json") + ".checksum"
        facts = place.objects.look(place.bucket, key)
        if facts is not None:
            beside = RemoteObject(place.objects, place.bucket, key, facts)
    if beside is None:
        tell(MANIFEST_UNPROVEN, manifest=shown_path(place))
        return
    told = _read(beside, MAX_CHECKSUM_BYTES).strip().lower().decode(errors="replace")
    found = md5(content).hexdigest()
    if told != found:
        raise UsageError(
            f"{shown_path(place)} is not what its checksum says: {shown(told)}, and it is {found}",
            _FETCH_AGAIN,
        )


def _decoded(place: Place, content: bytes) -> _Inventory:
    try:
        told = msgspec.json.decode(content, type=_Inventory)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(
            f"{shown_path(place)} is no manifest.json of an S3 inventory: {shown(str(error), 200)}",
            _FETCH_AGAIN,
        ) from None
    if told.file_format.upper() not in {"CSV", "PARQUET", "ORC"}:
        raise UsageError(
            f"{shown_path(place)}: fileFormat is {shown(told.file_format)}",
            "Inventories are read in CSV, Parquet and ORC.",
        )
    return told


_SCHEMAS = {
    "CSV": re.compile(r"(?:^|,)\s*(\w+)\s*"),
    "PARQUET": re.compile(r"(?:required|optional)\s+\w+\s+(\w+)"),
    "ORC": re.compile(r"[<,]\s*(\w+)\s*:"),
}
"""Where the names of columns stand in a `fileSchema`."""

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def _column_names(place: Place, told: _Inventory) -> list[str]:
    """The columns by `fileSchema`, in snake case: `LastModifiedDate` is last_modified_date."""
    names = _SCHEMAS[told.file_format.upper()].findall(told.file_schema)
    if not names:
        raise UsageError(
            f"{shown_path(place)}: fileSchema names no columns: {shown(told.file_schema)}",
            _FETCH_AGAIN,
        )
    return [_HUMP.sub("_", name).lower() for name in names]


def _known_as(names: Sequence[str]) -> list[str]:
    return [KNOWN_AS.get(name, name) for name in names]


def _verified(place: Place, file: _File) -> Place:
    """The part as it can be read any number of times, once its size and MD5 are as they must be."""
    kept: Place = place
    try:
        if isinstance(place, Path):
            size_bytes = place.stat().st_size
            with place.open("rb") as stream:
                found = hashlib.file_digest(stream, md5).hexdigest()
        else:
            with place.open("rb") as stream:
                kept = spool = Spool(str(place), stream, md5)
            size_bytes, found = spool.size_bytes, spool.digest()
    except READ_ERRORS as error:
        raise unreadable(place, error) from error
    if (size_bytes, found) != (file.size, file.md5.lower()):
        raise UsageError(
            f"{shown_path(place)} is not the part that manifest.json names: {size_bytes:,} bytes "
            f"of MD5 {found}, and it must be {file.size:,} of {shown(file.md5)}",
            _FETCH_AGAIN,
        )
    return kept


class _Judge:
    """Adds to a row what an inventory says of its object: not wanted, or archived."""

    def __init__(self, columns: Columns, *, all_versions: bool) -> None:
        self._all_versions = all_versions
        names = columns.other_names
        self._deleted, self._latest, self._class, self._tier = (
            names.index(name) if name in names else None
            for name in (
                "is_delete_marker",
                "is_latest",
                "storage_class",
                "intelligent_tiering_access_tier",
            )
        )

    def row(self, row: ManifestRow | InvalidRow) -> ManifestRow | InvalidRow:
        if isinstance(row, InvalidRow):
            return row
        cells = row.cells
        if self._deleted is not None and cells[self._deleted] in _TRUE:
            return msgspec.structs.replace(row, left_out=DELETE_MARKER)
        if self._latest is not None and cells[self._latest] in _FALSE:
            if not self._all_versions:
                return msgspec.structs.replace(row, left_out=NOT_CURRENT)
            if row.version_id is None:  # without one the URL would open the current version
                row = msgspec.structs.replace(row, version_id=NO_VERSION)
        storage_class = None if self._class is None else cells[self._class]
        tier = None if self._tier is None else cells[self._tier]
        if storage_class in ARCHIVED_CLASSES or tier in ARCHIVED_TIERS:
            return msgspec.structs.replace(row, storage_class=storage_class, archived=True)
        return row


_TRUE, _FALSE = {"true", "True", "TRUE"}, {"false", "False", "FALSE"}
