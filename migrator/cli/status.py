"""`migrator status`."""

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from migrator.errors import ExitCode, RunFailed, UsageError

if TYPE_CHECKING:
    from migrator.cli.standing import Standing
    from migrator.engine.snapshot import Snapshot

LOOK_EVERY_S = 0.5

_Switch = Parameter(negative=())


def status(
    directory: Path,
    /,
    *,
    watch: Annotated[bool, _Switch] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Show how a batch is doing, from the file that a running migrator rewrites each second.

    It can be asked from any shell, while the batch runs and afterwards. Where the process is gone
    that wrote the file last, it says so.

    Example: migrator status reports/catalogue

    Example: migrator status reports/catalogue --watch && mail -s done me@example.com

    Exit codes: 0, and with --watch the exit code of the run that was watched; 1 where its process
    is gone without having ended in order; 2 where there is no status.

    Parameters
    ----------
    directory
        The --out directory of the batch.
    watch
        Go on showing it, in place on a terminal, until the run ends.
    as_json
        Print the file itself; with --watch one line for each time that it changes.
    """
    if watch:
        return _watch(directory, as_json=as_json)
    from migrator.cli.standing import standing

    raw, snapshot = _read(directory)
    now = standing(snapshot, time.time_ns() // 1_000_000, socket.gethostname(), _is_there)
    if as_json:
        # What JSON leaves as it is may steer a terminal: it is spelled in ASCII.
        print(json.dumps(json.loads(raw), indent=1))
    else:
        _print(snapshot)
    _say(now, as_json=as_json)
    return ExitCode.OK


def _read(directory: Path) -> "tuple[bytes, Snapshot]":
    """The file and what it says. Raises UsageError."""
    import msgspec

    from migrator.engine.snapshot import STATUS_FILE, Snapshot

    path = directory / STATUS_FILE
    try:
        raw = path.read_bytes()
        return raw, msgspec.json.decode(raw, type=Snapshot)
    except msgspec.DecodeError as error:
        raise UsageError(f"{path}: not a status ({error})", "run or resume the batch") from None
    except RecursionError:
        raise UsageError(f"{path}: not a status", "run or resume the batch") from None
    except FileNotFoundError:
        raise UsageError(
            f"{directory}: no status there", "give the --out directory of a batch that was begun"
        ) from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no name of a file"
        raise UsageError(
            f"{path}: cannot be read ({why})", "give the --out directory of a batch"
        ) from None


def _watch(directory: Path, *, as_json: bool) -> int:
    from migrator.cli.standing import standing

    raw, snapshot = _read(directory)
    told = b""
    with _showing(as_json=as_json) as show:
        while True:
            now = standing(snapshot, time.time_ns() // 1_000_000, socket.gethostname(), _is_there)
            show(snapshot)
            if as_json and raw != told:
                print(json.dumps(json.loads(raw)), flush=True)
                told = raw
            if now.is_over:
                break
            time.sleep(LOOK_EVERY_S)
            raw, snapshot = _read(directory)
    if not as_json:
        _print(snapshot)
    if snapshot.exit_code is None:
        raise RunFailed(now.words, now.hint)
    _say(now, as_json=as_json)
    return snapshot.exit_code


@contextmanager
def _showing(*, as_json: bool) -> "Iterator[Callable[[Snapshot], None]]":
    """The right way to show snapshots on stdout here; JSON is printed as it is."""
    from migrator.cli.display import Lines, is_paintable

    if as_json:
        yield lambda _snapshot: None
    elif is_paintable(sys.stdout, os.environ):
        from migrator.cli.live import live

        with live(sys.stdout) as show:
            yield show
    else:
        yield Lines(sys.stdout)


def _print(snapshot: "Snapshot") -> None:
    """The picture on a terminal, one line elsewhere."""
    from migrator.cli.display import is_paintable
    from migrator.cli.words import line

    if not is_paintable(sys.stdout, os.environ):
        print(line(snapshot))
        return
    from migrator.cli.console import Terminal
    from migrator.cli.picture import picture

    console = Terminal(highlight=False)
    console.print(picture(snapshot, console, console.height))


def _say(now: "Standing", *, as_json: bool) -> None:
    """What the file itself does not say; beside JSON it goes to stderr."""
    if now.words and not (as_json and now.is_in_order):
        words = f"{now.words}; {now.hint}" if now.hint else now.words
        print(words, file=sys.stderr if as_json else sys.stdout)


def _is_there(pid: int) -> bool:
    """Whether a process of this number is there, on this machine."""
    if not 0 < pid < 2**31:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
