"""Where a secret would show: in every file that a program leaves, in every spelling."""

import base64
import sqlite3
import urllib.parse

import pyarrow.parquet as pq

NAMES = ("PIXOP_API_KEY", "AWS_SECRET_ACCESS_KEY", "PIXOP_SOURCE_SECRET_ACCESS_KEY")


def spellings(secret):
    """The secret as it could stand somewhere: plain, percent-encoded, in base64, in parts."""
    raw = secret.encode()
    return {
        raw,
        urllib.parse.quote(secret, safe="").encode(),
        base64.b64encode(raw).rstrip(b"=")[:-1],
        raw.hex().encode(),
        raw[: len(raw) * 3 // 4],  # cut short is told all the same
    }


def contents(directory, since=0.0):
    """What stands in the files below `directory` that were written since, by where it stands.

    What is compressed, or split over pages, is looked at as values too.
    """
    pile = {}
    for path in directory.rglob("*"):
        if not path.is_file() or path.name == "keys.toml" or path.stat().st_mtime < since:
            continue
        pile[path.name] = path.read_bytes()
        if path.suffix == ".parquet":
            pile[f"cells of {path.name}"] = repr(pq.read_table(path).to_pylist()).encode()
        if path.name == "checkpoint.db":
            pile[f"dump of {path.name}"] = _dump(path)
    return pile


def places_that_tell(pile, secrets):
    """Where any of the secrets stands."""
    return sorted(
        place
        for place, content in pile.items()
        if any(spelling in content for secret in secrets for spelling in spellings(secret))
    )


def _dump(path):
    with sqlite3.connect(path) as db:
        text = "\n".join(db.iterdump())
    db.close()
    return text.encode(errors="replace")
