"""The one place where a file's troubles become a `UsageError`: what is wrong, and what to do."""

import stat
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from migrator.errors import UsageError

MAX_SHOWN_CHARACTERS = 40
MAX_SHOWN_NAMES = 12
MAX_SHOWN_ERROR_CHARACTERS = 200

READ_ERRORS = (OSError, pa.ArrowException, UnicodeError)
"""What Python and Arrow raise over a file that cannot be read."""


def shown(text: str, limit: int = MAX_SHOWN_CHARACTERS) -> str:
    """`text` quoted for a message: control characters escaped, and cut to a sane length."""
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")


def shown_names(names: Sequence[str]) -> str:
    """Column names, quoted and listed; the first dozen and how many more."""
    listed = ", ".join(shown(name) for name in names[:MAX_SHOWN_NAMES])
    more = len(names) - MAX_SHOWN_NAMES
    return f"{listed} and {more:,} more" if more > 0 else listed


def shown_path(place: object) -> str:
    """The name of a place as it was given, quoted only where it could disturb a terminal."""
    text = str(place)
    return text if text.isprintable() else repr(text)


def unreadable(place: object, error: BaseException, row: int | None = None) -> UsageError:
    """What `error`, met while reading `place`, means to the caller; `row` is the next one due."""
    where = f" from row {row:,} on" if row else ""
    file = shown_path(place)
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return UsageError(f"{file}: there is no such file", "Check the path of the manifest.")
        case PermissionError():
            return UsageError(
                f"{file} cannot be read{where}: permission denied",
                "Let the user who runs this read the file.",
            )
        case IsADirectoryError():
            return UsageError(f"{file} is a directory", "Name the manifest file in it.")
        case _:
            return UsageError(
                f"{file} cannot be read{where}: {_first_line(error)}",
                "The file may be damaged or cut off: fetch or write it again.",
            )


def _first_line(error: BaseException) -> str:
    strerror = error.strerror if isinstance(error, OSError) else None
    lines = (strerror or str(error) or type(error).__name__).splitlines()
    text = lines[0][:MAX_SHOWN_ERROR_CHARACTERS]
    return text if text.isprintable() else shown(text, MAX_SHOWN_ERROR_CHARACTERS)


def check_regular(path: Path) -> None:
    """Refuse what is no regular file; raises UsageError.

    A manifest is read more than once (fingerprint, header, rows, resume), which a pipe cannot
    give, and opening a pipe without a writer would block for ever.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if stat.S_ISDIR(mode):
        raise unreadable(path, IsADirectoryError())
    if not stat.S_ISREG(mode):
        raise UsageError(
            f"{shown_path(path)} is not a regular file",
            "A manifest is read more than once: save it as a file, or pipe it into --manifest -.",
        )


def no_rows(place: object, why: str) -> UsageError:
    """The manifest holds no row at all."""
    return UsageError(
        f"{shown_path(place)} has no rows: {why}",
        "Check that this is the right manifest, and that writing it was finished.",
    )


def too_long(place: object, row: int, limit_bytes: int) -> UsageError:
    """A line that no manifest has: it would have to be held in memory."""
    return UsageError(
        f"{shown_path(place)}: row {row:,} is longer than {limit_bytes:,} bytes",
        "Check that each row stands on a line of its own.",
    )
