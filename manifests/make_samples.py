"""Makes the sample manifests in this folder, the same each time: `python make_samples.py`."""

# ruff: noqa: INP001 - a folder of samples is no package

import csv
from pathlib import Path

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


def main() -> None:
    """Write sample.csv and sample.parquet beside this script; the two hold the same rows."""
    here = Path(__file__).parent
    with (here / "sample.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(ROWS)
    cells = zip(*ROWS, strict=True)
    texts = [pa.array([cell or None for cell in column], pa.string()) for column in cells]
    pq.write_table(pa.table(texts, names=list(COLUMNS)), here / "sample.parquet")


if __name__ == "__main__":
    main()
