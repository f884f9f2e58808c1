"""`--on-finish`: a command of the operator's, once a run has ended and its report is written."""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from migrator.cli import complain
from migrator.errors import MigratorError, UsageError
from migrator.settings import SECRET_VARIABLES, BatchSettings

LONGEST_S = 300.0
"""A command that takes longer is ended: it may tell people, and is no part of the migration."""

_STANDS = "the outcome of the migration stands as it is"


class Finish:
    """What is to be run, and whether there is anything to tell it by now."""

    def __init__(
        self, words: Sequence[str], directory: Path, environment: Mapping[str, str]
    ) -> None:
        self._words = words
        self._summary = directory / "summary.json"
        self._environment = environment
        self._secret = set(SECRET_VARIABLES)
        self._reported = False

    def withhold(self, settings: BatchSettings) -> None:
        """Keep the variables that hold further keys from the command too."""
        for own in settings.buckets.values():
            self._secret.update(own.variables)
        self._secret |= {key.api_key_env for key in settings.api_keys.values()}

    def reported(self) -> None:
        """A run has ended, and its summary is on the disk."""
        self._reported = True

    def carry_out(self) -> None:
        """Run the command, if a run has ended; whatever goes wrong with it is said, and no more."""
        if not (self._words and self._reported):
            return
        name = self._words[0]  # the rest may hold a token
        try:
            with self._summary.open("rb") as summary:
                ended = subprocess.run(  # noqa: S603 - the operator's own words, without a shell
                    self._words,
                    stdin=summary,
                    stdout=sys.stderr.fileno(),  # our own stdout is for results alone
                    env=without(self._environment, self._secret),
                    timeout=LONGEST_S,
                    check=False,
                )
        except KeyboardInterrupt:
            complain(f"--on-finish: {name} was interrupted", _STANDS)
        except subprocess.TimeoutExpired:
            complain(f"--on-finish: {name} took longer than {LONGEST_S:.0f} s", _STANDS)
        except (OSError, ValueError) as error:
            complain(f"--on-finish: {name} cannot be run ({error})", _STANDS)
        else:
            if ended.returncode:
                complain(f"--on-finish: {name} ended with {ended.returncode}", _STANDS)


@contextmanager
def finishing(
    command: str | None, directory: Path, environment: Mapping[str, str]
) -> Iterator[Finish]:
    """Run the command behind the block, when the batch is let go: it may work on it then.

    Raises UsageError at once for a command that cannot be run.
    """
    finish = Finish(read_command(command), directory, environment)
    try:
        yield finish
    except MigratorError:
        finish.carry_out()
        raise
    finish.carry_out()


def read_command(command: str | None) -> Sequence[str]:
    """The words of a command, as a shell would split them. Raises UsageError."""
    if command is None:
        return ()
    hint = "give a program with its arguments, like --on-finish 'notify --channel archive'"
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--on-finish: cannot be split into words ({error})", hint) from None
    if not words or "\0" in command:
        raise UsageError("--on-finish: no command", hint)
    if shutil.which(words[0]) is None:
        raise UsageError(f"--on-finish: no program {words[0]!r} to run", hint)
    return words


def without(environment: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """An environment without some variables."""
    return {name: value for name, value in environment.items() if name not in names}
