"""`migrator.toml`: every flag by its own name, and a table for each bucket of its own kind."""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from migrator.errors import UsageError
from migrator.settings.api_keys import ApiKeySettings
from migrator.settings.batch import BatchSettings
from migrator.settings.output import DisplaySettings, FinishSettings, PlanSettings
from migrator.settings.source import BucketSettings
from migrator.settings.toml_lines import lines_of

T = TypeVar("T")

MAX_CONFIG_BYTES = 2**20
"""A migrator.toml has some hundred bytes a bucket."""

DEFAULT_PATH = Path("migrator.toml")

TABLES = frozenset({"buckets", "keys"})


def setting_names() -> frozenset[str]:
    """The name of every setting that a file or the environment may give, as its flag has it."""
    kept = [one.type for one in fields(BatchSettings) if is_dataclass(one.type)]
    groups = [*kept, FinishSettings, DisplaySettings, PlanSettings]
    return frozenset({"out", "exclude"}.union(*map(_names_in, groups)))


def _names_in(group: Any) -> Iterator[str]:
    """The settings of a group, those of groups within it too."""
    for one in fields(group):
        if is_dataclass(one.type):
            yield from _names_in(one.type)
        else:
            yield dashed(one.name)


def dashed(name: str) -> str:
    """The one spelling of a name: `max_in_flight` is `max-in-flight`."""
    return name.replace("_", "-")


@dataclass(frozen=True)
class ConfigFile:
    """What a migrator.toml says. `values` are texts, as flags would give them; `lines` tell where.

    Without a file there is nothing in it.
    """

    path: Path
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lines: Mapping[str, str] = field(default_factory=dict)
    buckets: Mapping[str, BucketSettings] = field(default_factory=dict)
    keys: Mapping[str, ApiKeySettings] = field(default_factory=dict)


def read_buckets(path: Path | None) -> Mapping[str, BucketSettings]:
    """The `[buckets."NAME"]` tables of migrator.toml; of keys they name the variables."""
    return read_config(path).buckets


def read_key_tables(path: Path | None) -> Mapping[str, ApiKeySettings]:
    """The `[keys.NAME]` tables of migrator.toml."""
    return read_config(path).keys


def read_config(path: Path | None) -> ConfigFile:
    """Read a migrator.toml; `path` None reads ./migrator.toml where there is one.

    Raises UsageError with file and line for what is no TOML, an unknown key or a senseless value.
    """
    named = path is not None
    path = path or DEFAULT_PATH
    if not named and not path.exists():
        return ConfigFile(path)
    text = _text(path)
    try:
        data: dict[str, Any] = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not valid TOML: {error}", "mend the line it names") from None
    return _Reader(path, data, lines_of(text)).read()


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            # Cut short where it is no such file at all: that is no TOML either, or unknown.
            return file.read(MAX_CONFIG_BYTES).decode()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})", "check --config") from None
    except UnicodeError:  # the error would quote what it could not decode
        raise UsageError(f"{path}: not valid TOML: not UTF-8", "write the file in UTF-8") from None


class _Reader:
    """Takes a parsed file apart, and says of each complaint where it stands."""

    def __init__(
        self, path: Path, data: Mapping[str, Any], lines: Mapping[tuple[str, ...], int]
    ) -> None:
        self._path = path
        self._data = data
        self._lines = lines

    def read(self) -> ConfigFile:
        values: dict[str, tuple[str, ...]] = {}
        lines: dict[str, str] = {}
        known = setting_names()
        for key, value in self._data.items():
            if key in TABLES:
                continue
            name = dashed(key)
            if name not in known:
                raise UsageError(f"{self._at(key)}: unknown setting {key!r}", _hint(name, known))
            if name in values:
                raise UsageError(f"{self._at(key)}: {name} stands here twice", "leave one of them")
            lines[name] = self._at(key)
            values[name] = tuple(self._texts(key, value))
        return ConfigFile(
            self._path,
            values,
            lines,
            self._tables("buckets", BucketSettings, _BUCKET_HINT),
            self._tables("keys", ApiKeySettings, _KEY_HINT),
        )

    def _at(self, *keys: str) -> str:
        """File and line of a key, or of the table that it would be in."""
        for depth in range(len(keys), 0, -1):
            if line := self._lines.get(keys[:depth]):
                return f"{self._path}:{line}"
        return str(self._path)

    def _texts(self, key: str, value: object) -> Iterator[str]:
        """A value as the words of a flag. Raises UsageError for what no flag could be given."""
        for one in value if isinstance(value, list) else [value]:
            match one:
                case bool():
                    yield "true" if one else "false"
                case datetime() | date() | time():
                    yield one.isoformat()
                case int() | float() | str() if "\0" not in str(one):
                    yield str(one)
                case _:
                    raise UsageError(
                        f"{self._at(key)}: {key} takes a text, a number, true or false",
                        f"see `--{dashed(key)}` in `migrator run --help`",
                    )

    def _tables(self, of: str, kind: type[T], hint: str) -> dict[str, T]:
        """All `[of.NAME]` tables."""
        tables = self._data.get(of, {})
        if not isinstance(tables, dict):
            raise UsageError(f"{self._at(of)}: [{of}] is no table", hint)
        return {name: self._table(of, name, table, kind, hint) for name, table in tables.items()}

    def _table(self, of: str, title: str, table: object, kind: type[T], hint: str) -> T:
        known = {one.name for one in fields(kind)}  # type: ignore[arg-type]  # it is a dataclass
        here = (of, title)
        places = {}
        if table == {}:
            raise UsageError(f"{self._at(*here)}: [{of}.{title!r}] is empty", hint)
        if isinstance(table, dict):
            for key in table:
                name = key.replace("-", "_")
                places[name] = self._at(*here, key)
                if name not in known:
                    raise UsageError(
                        f"{places[name]}: [{of}.{title!r}]: unknown setting {key!r}",
                        _hint(key, known),
                    )
            table = {key.replace("-", "_"): value for key, value in table.items()}
        try:
            names = msgspec.convert(table, kind)
        except msgspec.ValidationError as error:
            about = re.search(r"`\$\.(\w+)`", str(error))
            place = places[about[1]] if about else self._at(*here)
            raise UsageError(f"{place}: [{of}.{title!r}]: {error}", hint) from None
        for name in sorted(one for one in known if one.endswith("_env")):
            value = getattr(names, name)
            if value is not None and not _names_a_variable(value):
                # It is not repeated: it may be the key itself.
                raise UsageError(
                    f"{places[name]}: [{of}.{title!r}] {name}: "
                    "not the name of an environment variable",
                    "keep keys out of this file: put each into a variable, and name that here",
                )
        return names


def _hint(name: str, known: set[str] | frozenset[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return 'known are the flags of `migrator run` by their names, [buckets."NAME"] and [keys.NAME]'


def _names_a_variable(name: str) -> bool:
    return bool(_VARIABLE.fullmatch(name)) and not _LIKE_A_KEY.fullmatch(name)


_BUCKET_HINT = (
    'write [buckets."NAME"] with settings of that bucket: access_key_id_env and '
    "secret_access_key_env are names of environment variables"
)

_KEY_HINT = (
    "write [keys.NAME] with api_key_env, the name of an environment variable, and buckets or "
    "prefixes that it serves; team_id and project_id may stand there too"
)

_VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")

_LIKE_A_KEY = re.compile("A[A-Z]IA[A-Z0-9]{12,}|[A-Za-z0-9]{40}")
"""Key ids and secret access keys of AWS as far as they could be names."""
