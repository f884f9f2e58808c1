"""Manifests to measure with: made from a seed, with keys like those of a grown catalogue."""

import random

import pyarrow as pa
import pyarrow.parquet as pq

OBJECT_BYTES = 10**9
"""The size of every object, at the stubs' S3 and on their platform."""

HEADER = ("bucket", "key", "name", "description", "barcode")

_WORDS = ("Archiv", "Été", "tape", "REEL", "第三巻", "final", "master_v2", "cut 00123", "news")


def rows(count, seed, duplicates_percent=0):
    """`count` rows of HEADER's columns; so many of them name an object of an earlier row."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        if made and chance.random() * 100 < duplicates_percent:
            made.append(made[chance.randrange(len(made))])
            continue
        words = " ".join(chance.choices(_WORDS, k=3))
        key = f"masters/{1990 + number % 35}/{number:08d} {words}.mov"
        barcode = f"{chance.randrange(10**12):013d}"
        made.append(("catalogue-bucket", key, words, f"Shelf {number % 997}", barcode))
    return made


def write_csv(path, made):
    # No cell holds a quote, a comma or a line's end.
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(HEADER) + "\n")
        file.writelines(",".join(row) + "\n" for row in made)
    return path


def write_parquet(path, made):
    columns = [pa.array(column, pa.string()) for column in zip(*made, strict=True)]
    pq.write_table(pa.table(columns, names=list(HEADER)), path)
    return path
