"""Whether the files of a report are still those that its `summary.json` speaks of.

Nothing but the files is needed: a report that was put into an archive can be checked there.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from migrator.errors import Unbalanced, UsageError
from migrator.report.summary import SCHEMA, Summary

FILES = ("objects.parquet", "objects.csv", "retry.csv", "report.html")
"""What `summary.json` gives digests of."""

_WRITE_AGAIN = "write the report again from its checkpoint: migrator report DIR"


class Finding(StrEnum):
    """What became of a file since the report was written."""

    SAME = "same"
    DIFFERS = "differs"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    NOT_NAMED = "not in summary.json"


@dataclass(frozen=True, slots=True)
class Checked:
    """One file of the report. `sha256` is what is on the disk, "" where nothing could be read."""

    name: str
    finding: Finding
    sha256: str


def check_report(directory: Path) -> list[Checked]:
    """Compare every file with its digest.

    Raises UsageError where no report is, and Unbalanced where `summary.json` itself is no summary,
    or does not add up.
    """
    summary = _read(directory / "summary.json")
    counted = sum(summary.outcomes.values())
    if not counted == sum(summary.reasons.values()) == summary.manifest.rows:
        raise Unbalanced(
            f"{directory / 'summary.json'}: {summary.manifest.rows} rows were read in, "
            f"{counted} have an outcome and {sum(summary.reasons.values())} a reason",
            _WRITE_AGAIN,
        )
    return [_checked(directory / name, summary.report_files.get(name)) for name in FILES]


def _read(path: Path) -> Summary:
    try:
        raw = path.read_bytes()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no name of a file"
        raise UsageError(
            f"{path}: cannot be read ({why})", "give the directory of a report"
        ) from None
    try:
        summary = msgspec.json.decode(raw, type=Summary)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unbalanced(f"{path}: not a summary ({error})", _WRITE_AGAIN) from None
    if summary.schema != SCHEMA:
        raise Unbalanced(
            f"{path}: schema {summary.schema!r}, and this program reads {SCHEMA!r}",
            "use the version of migrator that wrote this report",
        )
    return summary


def _checked(path: Path, promised: str | None) -> Checked:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return Checked(path.name, Finding.MISSING, "")
    except OSError:
        return Checked(path.name, Finding.UNREADABLE, "")
    if promised is None:
        return Checked(path.name, Finding.NOT_NAMED, found)
    return Checked(path.name, Finding.SAME if found == promised else Finding.DIFFERS, found)
