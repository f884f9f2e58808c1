"""Makes the sample manifests in this folder, the same each time: `python make_samples.py`."""

# ruff: noqa: INP001 - a folder of samples is no package

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq

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

    pq.write_table(_table(ROWS), folder / "sample.parquet")
    parts = folder / "sample-parts"
    parts.mkdir(exist_ok=True)
    pq.write_table(_table(ROWS[:3]), parts / "part-00000.parquet")
    pq.write_table(_table(ROWS[3:]), parts / "part-00001.parquet")


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
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
    with (
        Path(f"{path}.gz").open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,
    ):
        packed.write(content)
    Path(f"{path}.zst").write_bytes(pa.compress(content, codec="zstd", asbytes=True))


def _table(rows: tuple[tuple[str, ...], ...]) -> pa.Table:
    cells = zip(*rows, strict=True)
    texts = [pa.array([cell or None for cell in column], pa.string()) for column in cells]
    return pa.table(texts, names=list(COLUMNS))


if __name__ == "__main__":
    main()
