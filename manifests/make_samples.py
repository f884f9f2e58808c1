"""Makes the sample manifests in this folder, the same each time: `python make_samples.py`."""

# ruff: noqa: INP001 - a folder of samples is no package

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import orc

COLUMNS = ("bucket", "key", "name", "description", "asset_id")

ROWS = (
    ("catalogue-a", "masters/00123.mp4", "", "", "00123"),
    ("catalogue-a", "masters/Evening News 2009-04-01.mov", "Evening News", "From tape 7", "00124"),
    ("catalogue-a", "masters/reel #4 (50% cut).mxf", "", "Half of the reel, digitised", "00125"),
    ("catalogue-a", "masters/rock+roll.mp4", "Rock + Roll", 'Called "the loud one"', "00126"),
    ("catalogue-b", "filme/Über den Dächern.mp4", "Über den Dächern", "", "00127"),
    ("catalogue-b", "映画/東京の夜.mp4", "東京の夜", "First line\nsecond line", "00128"),
    ("catalogue-b", "shorts/NA", "", "Namibia, without an extension", "00129"),
    ("catalogue-b", "shorts/ leading space.mp4", "", "", "00130"),
)
"""Keys as they are found in old catalogues; an empty cell means that the manifest does not say."""


def main(folder: Path = Path(__file__).parent) -> None:
    """Write every sample into `folder`; all hold the same rows, in a format each."""
    _packed(folder / "sample.csv", _csv([COLUMNS, *ROWS]))

    records = [
        {name: cell for name, cell in zip(COLUMNS, row, strict=True) if cell} for row in ROWS
    ]
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
    _packed(folder / "sample.jsonl", "".join(lines).encode())

    encoded = [(bucket, quote_plus(key, safe="/")) for bucket, key, *_ in ROWS]
    (folder / "sample-s3-batch.csv").write_bytes(_csv(encoded))
    (folder / "sample-s3-completion.csv").write_bytes(_csv(_completion_report(encoded)))

    for name in ("csv", "parquet", "orc"):
        _inventory(folder, name)

    pq.write_table(_table(ROWS), folder / "sample.parquet")
    parts = folder / "sample-parts"
    parts.mkdir(exist_ok=True)
    pq.write_table(_table(ROWS[:3]), parts / "part-00000.parquet")
    pq.write_table(_table(ROWS[3:]), parts / "part-00001.parquet")


STAMP = "2026-01-04T01-00Z"

INVENTORY = (
    "Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size", "LastModifiedDate", "ETag",
    "StorageClass",
)  # fmt: skip

IN_SNAKE_CASE = pa.schema(
    {
        **dict.fromkeys(("bucket", "key", "version_id"), pa.string()),
        **dict.fromkeys(("is_latest", "is_delete_marker"), pa.bool_()),
        "size": pa.int64(),
        "last_modified_date": pa.timestamp("ms"),
        **dict.fromkeys(("e_tag", "storage_class"), pa.string()),
    }
)

UGLY = "a+b c/ü%2F#?.mp4"


def _inventory_rows() -> list[tuple[object, ...]]:
    """The objects of catalogue-a and what else an inventory may tell of a bucket.

    That is an object that was deleted, an old version, and an object in Glacier.
    """
    keys = [key for bucket, key, *_ in ROWS if bucket == "catalogue-a"]
    current = [(key, "", True, False, "STANDARD") for key in [*keys, UGLY]]
    others = [
        ("masters/deleted.mp4", "v3", True, True, ""),
        ("masters/00123.mp4", "v1", False, False, "STANDARD"),
        ("masters/in the vault.mxf", "", True, False, "GLACIER"),
    ]
    moment = datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC).replace(tzinfo=None)
    etag = "d41d8cd98f00b204e9800998ecf8427e"
    return [
        ("catalogue-a", key, version, latest, deleted, 0 if deleted else 1000, moment, etag, kind)
        for key, version, latest, deleted, kind in [*current[:2], *others, *current[2:]]
    ]


def _inventory(folder: Path, name: str) -> None:
    """An inventory in one format, in two parts, as S3 lays it out in a bucket `manifests`."""
    rows = _inventory_rows()
    base = f"sample-inventory/catalogue-a/{name}"
    (folder / base / "data").mkdir(parents=True, exist_ok=True)
    (folder / base / STAMP).mkdir(exist_ok=True)
    files = []
    for number, part in enumerate((rows[:4], rows[4:])):
        suffix = "csv.gz" if name == "csv" else name
        key = f"{base}/data/part-{number}.{suffix}"
        _inventory_part(folder / key, part, name)
        content = (folder / key).read_bytes()
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        files.append({"key": key, "size": len(content), "MD5checksum": digest})
    fields = [(field.name, str(field.type)) for field in IN_SNAKE_CASE]
    told = {
        "sourceBucket": "catalogue-a",
        "destinationBucket": "arn:aws:s3:::manifests",
        "version": "2016-11-30",
        "creationTimestamp": "1767488400000",
        "fileFormat": {"csv": "CSV", "parquet": "Parquet", "orc": "ORC"}[name],
        "fileSchema": {
            "csv": ", ".join(INVENTORY),
            "orc": f"struct<{','.join(f'{each}:{_ORC[kind]}' for each, kind in fields)}>",
            "parquet": "message s3.inventory { "
            + " ".join(f" optional {_PARQUET[kind]} {each};" for each, kind in fields)
            + "}",
        }[name],
        "files": files,
    }
    manifest = json.dumps(told, indent=2).encode()
    (folder / base / STAMP / "manifest.json").write_bytes(manifest)
    digest = hashlib.md5(manifest, usedforsecurity=False).hexdigest()
    (folder / base / STAMP / "manifest.checksum").write_text(digest)


_ORC = {"string": "string", "bool": "boolean", "int64": "bigint", "timestamp[ms]": "timestamp"}

_PARQUET = {"string": "binary", "bool": "boolean", "int64": "int64", "timestamp[ms]": "int64"}


def _inventory_part(path: Path, rows: list[tuple[object, ...]], name: str) -> None:
    if name == "csv":
        texts = [
            [str(bucket), quote_plus(str(key), safe="/"), *map(_word, rest)]
            for bucket, key, *rest in rows
        ]
        _gzip(path, _csv(texts, quoting=csv.QUOTE_ALL))
        return
    columns = [
        pa.array(column, field.type)
        for column, field in zip(zip(*rows, strict=True), IN_SNAKE_CASE, strict=True)
    ]
    table = pa.table(columns, schema=IN_SNAKE_CASE)
    if name == "orc":
        orc.write_table(table, path)
    else:
        pq.write_table(table, path)


def _word(value: object) -> str:
    """A value as an inventory in CSV writes it."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds") + "Z"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _csv(rows: Iterable[Sequence[str]], quoting: Literal[0, 1] = csv.QUOTE_MINIMAL) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n", quoting=quoting).writerows(rows)
    return text.getvalue().encode()


def _completion_report(rows: Sequence[tuple[str, str]]) -> Iterator[Sequence[str]]:
    """The report of a job that failed for every row but the first; codes stand in either order."""
    for number, (bucket, key) in enumerate(rows):
        if number == 0:
            yield (bucket, key, "", "succeeded", "200", "", "Successful")
        elif number % 2:
            yield (bucket, key, "", "failed", "403", "AccessDenied", "Access Denied")
        else:
            yield (bucket, key, "", "failed", "SlowDown", "503", "Please reduce your request rate.")


def _packed(path: Path, content: bytes) -> None:
    """The content as it is, in gzip and in zstd."""
    path.write_bytes(content)
    _gzip(Path(f"{path}.gz"), content)
    Path(f"{path}.zst").write_bytes(pa.compress(content, codec="zstd", asbytes=True))


def _gzip(path: Path, content: bytes) -> None:
    with path.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
        packed.write(content)


def _table(rows: tuple[tuple[str, ...], ...]) -> pa.Table:
    cells = zip(*rows, strict=True)
    texts = [pa.array([cell or None for cell in column], pa.string()) for column in cells]
    return pa.table(texts, names=list(COLUMNS))


if __name__ == "__main__":
    main()
