"""From column names to `Columns`, or to an error that says how to mend the header."""

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from migrator.errors import UsageError
from migrator.manifest.unusable import shown, shown_names, shown_path
from migrator.model import Columns

NEEDED = ("bucket", "key")

NO_RENAMES: Mapping[str, str] = MappingProxyType({})

TEXT_COLUMNS = (*NEEDED, "version_id", "name", "description", "project_id", "file_name")
"""Known columns that are text in every format."""

_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def renamed(place: object, names: Sequence[str], renames: Mapping[str, str]) -> list[str]:
    """The column `names` of a manifest under those that `--map` gives them.

    Raises UsageError when one that it names is not there.
    """
    for old in renames:
        if old not in names:
            raise not_there(place, old, names)
    return [renames.get(name, name) for name in names]


def not_there(place: object, old: str, names: Sequence[str]) -> UsageError:
    """A column that `--map` names is not among those that a manifest has."""
    return UsageError(
        f"--map: {shown_path(place)} has no column {shown(old)}; its columns are "
        f"{shown_names(names)}",
        "Check the name. A retry.csv has the new names already: leave --map out for it.",
    )


def columns_of(place: object, names: Sequence[str]) -> Columns:
    """Index the column `names` of a manifest; they are matched exactly.

    Raises UsageError when a name stands twice, or `bucket` or `key` is absent.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    missing = [name for name in NEEDED if name not in names]
    if missing:
        wanted = " and ".join(missing)
        raise UsageError(
            f"{shown_path(place)} has no column {wanted}; its columns are {shown_names(names)}",
            _how_to_mend(names, missing),
        )
    if twice:
        raise UsageError(
            f"{shown_path(place)} has more than one column named {shown_names(twice)}",
            "Rename or remove the columns that are doubled.",
        )
    return Columns.of(names)


def _how_to_mend(names: Sequence[str], missing: Sequence[str]) -> str:
    for separator, word in _SEPARATORS.items():
        parts = [part.strip(' "').casefold() for name in names for part in name.split(separator)]
        if len(parts) > len(names) and set(missing) <= set(parts):
            return f"The header is separated by {word}: write the file with commas."
    likely = [
        f"found {shown(name)}, did you mean {needed!r}?"
        for needed in missing
        for name in names
        if name.strip().casefold() == needed
    ]
    if likely:
        return "Column names are matched exactly: " + " ".join(likely + _of_s3_batch(names))
    if any("/" in name or "." in name for name in names):
        return (
            "The first line looks like data, and must be the header that names the columns, "
            "such as bucket,key."
        )
    return "Name the columns bucket and key; in a CSV file the first line names the columns."


def _of_s3_batch(names: Sequence[str]) -> list[str]:
    """What a header may be that somebody wrote over a manifest of S3 Batch Operations."""
    if [name.strip().casefold() for name in names] not in (["bucket", "key"], _S3_BATCH):
        return []
    return [_IF_S3_BATCH]


_S3_BATCH = ["bucket", "key", "versionid"]

_IF_S3_BATCH = (
    "If it is a manifest of S3 Batch Operations, whose keys are URL-encoded, give "
    "--manifest-format s3-batch: this line is left out then."
)
