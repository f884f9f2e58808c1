"""From what `--manifest` says to the place, or the places, where its bytes are."""

import glob
import re
import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from migrator.errors import UsageError
from migrator.manifest.places import Objects, Place, RemoteObject, standard_input
from migrator.manifest.unusable import shown_path

PARQUET_SUFFIXES = (".parquet", ".pq")

STANDARD_INPUT = "-"

_PATTERN = re.compile(r"[*?\[]")

_HINT = (
    "Check the name. A directory is read for the Parquet files in it; * and ** stand for others."
)


def find(name: str, objects: Objects | None) -> Place | list[Place]:
    """The place that `name` says; a list where it is a directory or a pattern of Parquet files.

    What is there by the very name comes before what the name matches as a pattern. A place that
    is not there is told by whoever opens it. Raises UsageError where nothing matches.
    """
    if name == STANDARD_INPUT:
        return standard_input(None if sys.stdin is None else sys.stdin.buffer)
    if name.startswith("s3://"):
        assert objects is not None
        bucket, _, key = name.removeprefix("s3://").partition("/")
        return _find_objects(name, objects, bucket, key)
    path = Path(name)
    if path.is_dir():
        return _several(name, _in_directory(path))
    if not path.exists() and _PATTERN.search(name):
        found = sorted(map(Path, glob.glob(name, recursive=True)))  # noqa: PTH207 - any root
        return _several(name, [each for each in found if each.is_file()])
    return path


def _several(name: str, places: Sequence[Place]) -> list[Place]:
    if not places:
        raise UsageError(f"{shown_path(name)}: no Parquet file there", _HINT)
    return list(places)


def _in_directory(path: Path) -> list[Path]:
    return [file for file in sorted(path.rglob("*")) if _is_part(file.relative_to(path).parts)]


def _is_part(segments: Sequence[str]) -> bool:
    """Whether a file below a directory belongs to its table.

    Names with _ or . first are markers and drafts of those who write tables (Spark, Hive, Arrow).
    """
    hidden = any(segment.startswith(("_", ".")) for segment in segments)
    return not hidden and segments[-1].lower().endswith(PARQUET_SUFFIXES)


def _find_objects(name: str, objects: Objects, bucket: str, key: str) -> Place | list[Place]:
    facts = objects.look(bucket, key) if key and not key.endswith("/") else None
    if facts is not None:
        return RemoteObject(objects, bucket, key, facts)
    if key and not key.endswith("/") and not _PATTERN.search(key):
        raise UsageError(
            f"{shown_path(name)}: there is no such object",
            "Check bucket and key. A name that ends in / is read for the Parquet files below it.",
        )
    return _several(name, list(_matching(objects, bucket, key)))


def _matching(objects: Objects, bucket: str, key: str) -> Iterator[Place]:
    special = _PATTERN.search(key)
    prefix = key[: special.start()] if special else key
    for each in objects.keys(bucket, prefix):
        if special:
            wanted = _matches(each.split("/"), key.split("/"))
        else:
            wanted = _is_part(each.removeprefix(prefix).split("/"))
        facts = objects.look(bucket, each) if wanted else None
        if facts is not None:
            yield RemoteObject(objects, bucket, each, facts)


def _matches(segments: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a key's segments match: `*` within one of them, `**` over any number."""
    if not pattern:
        return not segments
    if pattern[0] == "**":
        ends = range(len(segments) + 1)
        return any(_matches(segments[end:], pattern[1:]) for end in ends)
    if not segments:
        return False
    return fnmatchcase(segments[0], pattern[0]) and _matches(segments[1:], pattern[1:])
