"""Where a setting's value comes from: its flag, else the environment, else the file, else here.

cyclopts calls `Layers` for each verb, between the flags and the defaults. It adds what the
environment (`MIGRATOR_MAX_IN_FLIGHT` for `--max-in-flight`) and migrator.toml say as if it stood on
the command line, so that both are converted, judged and refused exactly as flags are.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from cyclopts import App, Argument, ArgumentCollection, Token

from migrator.errors import UsageError
from migrator.settings.config_file import read_config, setting_names

PREFIX = "MIGRATOR_"

CONFIG = f"{PREFIX}CONFIG"
"""The variable that names another file than ./migrator.toml, as `--config` does."""


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.replace("-", "_").upper()


class Layers:
    """A hook for `App(config=…)`; afterwards it knows where each setting came from."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._origins: dict[str, str] = {}
        self.file = ""
        """The file that was read last, as people call it."""

    def __call__(
        self, _app: App, _commands: tuple[str, ...], arguments: ArgumentCollection
    ) -> None:
        """Add the values of the settings that no flag gave. Raises UsageError."""
        self._origins = {}
        settings = _settings(arguments)
        if not settings:
            return
        file = read_config(self._path(arguments))
        self.file = str(file.path)
        for name, argument in settings.items():
            given, names = argument.tokens, _names(argument)
            if given and given[0].source == "cli":
                self._origins[name] = "flag"
            elif any(map(self._told, names)):
                given[:] = []  # of two variables the one of this program counts
                for each in names:
                    self._add(argument, variable(each), variable(each), self._told(each))
            elif given:
                self._origins[name] = given[0].keyword or "environment"
            else:
                for each in file.values:  # in the order of the file, as flags are in theirs
                    if each in names:
                        place = file.lines[each]
                        self._add(argument, f"{each} ({place})", place, file.values[each])

    def origin(self, name: str) -> str:
        """Where the value of a setting came from, in words; `default` where nobody gave one."""
        return self._origins.get(name, "default")

    def placed(self, message: str) -> str:
        """A complaint about a flag, with the place where its value stands, if that is no flag."""
        about = re.match(r"--([a-z0-9-]+)", message)
        origin = self._origins.get(about[1], "flag") if about else "flag"
        return message if origin == "flag" else f"{message} (set by {origin})"

    def unknown(self) -> list[str]:
        """Variables that look like settings of this program and are none."""
        known = {CONFIG, *map(variable, setting_names())}
        return sorted(
            name for name in self._environment if name.startswith(PREFIX) and name not in known
        )

    def _told(self, name: str) -> tuple[str, ...]:
        """What the environment says, one value a line; an empty variable says nothing."""
        text = self._environment.get(variable(name), "")
        return tuple(line for line in text.split("\n") if line)

    def _path(self, arguments: ArgumentCollection) -> Path | None:
        path = self._environment.get(CONFIG) or None
        for argument in arguments:
            if argument.name == "--config":
                if argument.tokens:
                    path = argument.tokens[0].value
                elif path:
                    argument.append(Token(keyword=CONFIG, value=path))
        return Path(path) if path is not None else None

    def _add(self, argument: Argument, keyword: str, origin: str, texts: tuple[str, ...]) -> None:
        if not texts:
            return
        several = argument.token_count()[1]
        if len(texts) > 1 and not several:
            raise UsageError(f"{keyword}: takes one value", "give one of them")
        for index, text in enumerate(texts, len(argument.tokens)):
            token = Token(keyword=keyword, value=text, index=index)
            if argument.parameter.count:
                token = token.evolve(value="", implicit_value=_times(keyword, text))
            argument.append(token)
        self._origins[argument.name.removeprefix("--")] = origin


def _names(argument: Argument) -> list[str]:
    """The settings that one argument takes: nearly always one, and two where their order counts."""
    known = setting_names()
    return [name for each in argument.names if (name := each.removeprefix("--")) in known]


def _times(keyword: str, text: str) -> int:
    """How often a flag like -v stands there."""
    if not re.fullmatch("[0-9]", text):
        raise UsageError(f"{keyword}: not a number from 0 to 9: {text!r}", "give how often")
    return int(text)


def _settings(arguments: ArgumentCollection) -> dict[str, Argument]:
    """The arguments of a verb that are settings, by name.

    A verb's own parameters are none, also where they are called like one (`report --report-scope`
    is for this once); `--out` is, where the verb takes a file of settings.
    """
    known = setting_names()
    takes_file = any(argument.name == "--config" for argument in arguments)
    found = {}
    for argument in arguments:
        name = argument.name.removeprefix("--")
        is_setting = bool(argument.keys) or (name == "out" and takes_file)
        if argument.parse and not argument.children and is_setting and name in known:
            found[name] = argument
    return found
