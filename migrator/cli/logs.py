"""Where the log goes: to stderr, or to a file; in lines for people, or in lines of JSON.

Only this program's own events are logged. The libraries' debug logs stay off at every level: they
would show requests with their secrets.
"""

import contextlib
import json
import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from migrator.errors import UsageError
from migrator.log import LOGGER, RUN_FAILED
from migrator.settings import DisplaySettings
from migrator.text import plain


def configure_logs(display: DisplaySettings) -> None:
    """Set the log up as the flags say. Raises UsageError for a file that cannot be opened.

    Without -v warnings are logged, with it what happens to the run, with -vv every call and every
    row. A file holds what -v shows at least. So does stderr where it is in JSON, unless --quiet:
    there it takes the place of the display.
    """
    wanted = {0: logging.WARNING, 1: logging.INFO}.get(display.verbose, logging.DEBUG)
    form = _JsonLine() if display.log_format == "json" else _TextLine()
    stderr = _Stderr(tells_errors=display.log_format == "json" and display.log_file is None)
    handlers: list[logging.Handler] = [stderr]
    if display.log_file is None:
        in_json = stderr.tells_errors and not display.quiet
        level = min(wanted, logging.INFO) if in_json else wanted
        stderr.setFormatter(form)
    else:
        level = min(wanted, logging.INFO)
        file = _File(display.log_file)
        file.setFormatter(form)
        handlers.append(file)
        stderr.setLevel(logging.WARNING)
        stderr.setFormatter(_TextLine())
    for handler in LOGGER.handlers:
        handler.close()
    LOGGER.handlers = handlers
    LOGGER.propagate = False
    LOGGER.setLevel(level)


class _TextLine(logging.Formatter):
    """One line that holds nothing but what can be seen: others' words may be in it."""

    def format(self, record: logging.LogRecord) -> str:
        event = getattr(record, "event", record.name)
        return plain(f"{_time(record)} {record.levelname} {event} {record.getMessage()}")


class _JsonLine(logging.Formatter):
    """One object in ASCII: line breaks and what steers a terminal are spelled as escapes."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", record.name),
            "text": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        return json.dumps(line, default=str)


def _time(record: logging.LogRecord) -> str:
    told = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return told.replace("+00:00", "Z")


class _Stderr(logging.Handler):
    """Whatever stderr is at the moment: a live display puts itself in its place.

    `tells_errors`: a program reads there. People are told in other words why a run has failed.
    """

    def __init__(self, *, tells_errors: bool) -> None:
        super().__init__()
        self.tells_errors = tells_errors

    def filter(self, record: logging.LogRecord) -> bool:
        return self.tells_errors or getattr(record, "event", "") != RUN_FAILED.name

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody reads any more
            print(self.format(record), file=sys.stderr, flush=True)


class _File(logging.Handler):
    """Appends to a file of the owner's alone. Where that fails the run goes on, and it is said."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._fails = False
        self._was_cut = False
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)  # the batch's own is not there yet
            # Not blocking: a pipe that nobody reads is refused, and never waited for.
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC
            self._descriptor = os.open(path, flags, 0o600)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "no name of a file"
            raise UsageError(
                f"--log-file {path}: cannot be written ({why})",
                "name a file in a directory that is there and may be written to",
            ) from None

    def emit(self, record: logging.LogRecord) -> None:
        line = f"{self.format(record)}\n".encode(errors="backslashreplace")
        if self._was_cut:
            line = b"\n" + line
        try:
            written = os.write(self._descriptor, line)
        except OSError as error:
            self._say(error.strerror or type(error).__name__)
        else:
            self._was_cut = written < len(line)
            self._fails = self._fails and self._was_cut

    def close(self) -> None:
        os.close(self._descriptor)
        super().close()

    def _say(self, why: str) -> None:
        if self._fails:
            return
        self._fails = True
        with contextlib.suppress(OSError, ValueError):
            print(
                plain(f"migrator: --log-file {self._path}: cannot be written any more ({why})")
                + "\n  next: make room: the run goes on, and so does the log once there is some",
                file=sys.stderr,
                flush=True,
            )
