"""The command line: one file per verb, and one place where errors become exit codes."""

import contextlib
import gc
import os
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

from migrator.cli.signals import INTERRUPTS
from migrator.engine.collecting import THRESHOLDS
from migrator.errors import ExitCode, MigratorError


def main(argv: Sequence[str] | None = None) -> None:
    """Run a verb and exit with its code (design section 7); every error is one clear message."""
    gc.set_threshold(*THRESHOLDS)  # a start makes 300,000 objects, and hardly any is garbage
    os.umask(0o077)  # whatever is written here concerns nobody else on this machine
    _open_closed_streams()
    INTERRUPTS.watch()
    with contextlib.suppress(OSError, ValueError):  # a core file would hold the keys
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    code = _run(sys.argv[1:] if argv is None else argv)
    INTERRUPTS.unwatch()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # nobody reads any more
            stream.flush()
    # Not sys.exit: all is written and closed by now, and Arrow's threads, where one still holds a
    # Python object while the interpreter is taken apart, abort the process in the place of `code`.
    os._exit(code)


def _open_closed_streams() -> None:
    """Where we were started with a stream closed, no file may get its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - until the end


def _run(argv: Sequence[str]) -> int:
    try:
        return _carried_out(argv)
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:  # `migrator status … | head`; a run shows nothing that it needs
        return ExitCode.OK
    except Exception as error:  # noqa: BLE001 - a defect: told in one line, never as a traceback
        if INTERRUPTS.requested:  # what was interrupted said so in its own way
            return _interrupted()
        complain(f"internal error: {type(error).__name__} at {_place(error)}", _REPORT_IT)
        return ExitCode.RUN_FAILED


def _interrupted() -> int:
    complain("interrupted", "nothing is lost: give the same command again")
    return ExitCode.INTERRUPTED


def _carried_out(argv: Sequence[str]) -> int:
    from cyclopts import CycloptsError

    from migrator.cli.app import VERBS, app, overview

    program = app if any(argument in VERBS for argument in argv) else overview()
    try:
        result = program(argv, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        verb = argv[0] if argv and not argv[0].startswith("-") else ""
        verb = verb if verb in VERBS else ""
        complain(str(error), f"see `migrator {verb} --help`".replace("  ", " "))
        return ExitCode.USAGE
    except MigratorError as error:
        from migrator.cli.layering import layers

        complain(layers.placed(error.message), error.hint)
        return error.exit_code
    return int(result or 0)


_REPORT_IT = "please report this with what you did; resuming is safe"


def complain(message: str, hint: str) -> None:
    """One error on stderr: what is wrong, and what to do next. Where the log is there, it tells."""
    from migrator.log import RUN_FAILED, errors_are_told, tell
    from migrator.text import plain

    tell(RUN_FAILED, message=message, hint=hint)
    if errors_are_told():
        return
    with contextlib.suppress(OSError):
        print(f"migrator: {plain(message)}", file=sys.stderr)
        if hint:
            print(f"  next: {plain(hint)}", file=sys.stderr)


def _place(error: BaseException) -> str:
    """Where a defect showed itself: file and line, without any value."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
