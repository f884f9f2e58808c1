"""What can end a run, whose fault it is, and the exit code it ends with.

A bad row is data and never an exception. A bad run is one of these: the message says what is wrong
and where, `hint` says what to do next, and `exit_code` is the one of design section 7.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every verb."""

    OK = 0
    RUN_FAILED = 1
    USAGE = 2
    WITH_PROBLEMS = 3
    STOPPED = 4
    CHECKPOINT = 5
    UNBALANCED = 6
    INTERRUPTED = 130


class MigratorError(Exception):
    """The run cannot start or go on. `hint` is the next step for the person who reads it."""

    exit_code = ExitCode.RUN_FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class RunFailed(MigratorError):
    """The run failed for a reason outside the rows: the platform cannot be reached, no room."""

    exit_code = ExitCode.RUN_FAILED


class UsageError(MigratorError):
    """A flag, a setting or an input file is unusable: the caller's to mend."""

    exit_code = ExitCode.USAGE


class StoppedByItself(MigratorError):
    """The run stopped to protect the archive; nothing is lost and it can be resumed."""

    exit_code = ExitCode.STOPPED


class BadCanary(StoppedByItself):
    """One of the first rows was not imported, and nothing else was sent."""


class CheckpointError(MigratorError):
    """The checkpoint is locked, damaged, or of another manifest, platform or version."""

    exit_code = ExitCode.CHECKPOINT


class Unbalanced(MigratorError):
    """The outcomes do not add up to the rows of the manifest: a defect of this program."""

    exit_code = ExitCode.UNBALANCED
