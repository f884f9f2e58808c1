"""`migrator config show`."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from migrator.errors import ExitCode
from migrator.settings import (
    OUTPUT,
    SECRET_VARIABLES,
    ApiKeySettings,
    BatchSettings,
    BucketSettings,
    DisplaySettings,
    FinishSettings,
    PlanSettings,
    check_settings,
    dashed,
    read_buckets,
    read_key_tables,
)
from migrator.text import plain

SCHEMA = "migrator.config/1"

config = App(name="config", help="Show what a run would be set to, and who says so.")

Value = str | int | float | bool | list[str] | None


@config.command
def show(
    *,
    out: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    batch: BatchSettings = BatchSettings(),
    what_if: PlanSettings = PlanSettings(),
    finish: FinishSettings = FinishSettings(),
    display: DisplaySettings = DisplaySettings(),
    config: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    as_json: Annotated[bool, Parameter(name="--json", group=OUTPUT, negative=())] = False,
) -> int:
    """Print every setting of `run` and `plan`, and where its value came from; asks nobody.

    A flag goes before the environment (MIGRATOR_MAX_IN_FLIGHT for --max-in-flight), that before
    migrator.toml, and that before the defaults. Keys are never shown, only whether they are there.

    Example: migrator config show

    Example: migrator config show --config nightly.toml --max-in-flight 50

    Exit codes: 0 they can be used; 2 one of them cannot: which, and in which file and line.

    Parameters
    ----------
    out
        Directory of the batch.
    config
        File of settings. Without it ./migrator.toml is read where there is one.
    as_json
        Print it as JSON (schema migrator.config/1).
    """
    from migrator.cli.layering import layers

    buckets = read_buckets(config)
    check_settings(batch)
    values: dict[str, Value] = {"out": None if out is None else str(out)}
    for group in (batch, what_if, finish, display):
        values |= dict(_values(group))
    keys = read_key_tables(config)
    secrets = _secrets([*buckets.values(), *keys.values()], os.environ)
    settings = [
        {"name": name, "value": value, "from": layers.origin(name)}
        for name, value in values.items()
    ]
    if as_json:
        told = {
            "schema": SCHEMA,
            "settings": settings,
            "secrets": secrets,
            "buckets": {bucket: dict(_values(names)) for bucket, names in buckets.items()},
            "keys": {name: dict(_values(key)) for name, key in keys.items()},
            "unknown": layers.unknown(),
        }
        print(json.dumps(told, indent=2))
        return ExitCode.OK
    tables: list[tuple[str, object]] = [(f"buckets.{b!r}", names) for b, names in buckets.items()]
    tables += [(f"keys.{name}", key) for name, key in keys.items()]
    rows = [(str(one["name"]), _text(one["value"]), str(one["from"])) for one in settings]
    rows += [
        (f"[{title}] {name}", _text(value), layers.file)
        for title, table in tables
        for name, value in _values(table)
    ]
    rows += [(name, shown, "environment") for name, shown in secrets.items()]
    widths = [max(len(plain(row[column])) for row in rows) for column in (0, 1)]
    for name, value, origin in rows:
        print(f"{plain(name):{widths[0]}}  {plain(value):{widths[1]}}  {plain(origin)}")
    for name in layers.unknown():
        print(f"no setting has this name: {plain(name)}")
    return ExitCode.OK


def _values(group: object) -> Iterator[tuple[str, Value]]:
    """(name, value) of every setting in a group, those of groups within it too."""
    assert is_dataclass(group)
    for field in fields(group):
        value = getattr(group, field.name)
        if is_dataclass(value):
            yield from _values(value)
        elif not isinstance(value, Mapping):
            yield dashed(field.name), _plain_value(field.name, value)


def _plain_value(name: str, value: object) -> Value:
    """A value as it could be written into the file."""
    match value:
        case None | bool() | int() | float():
            return value
        case tuple():
            return [str(one) for one in value]
        case timedelta():
            return _span(value)
        case str() if name == "on_finish":  # what comes behind the program may hold a token
            program, _, rest = value.partition(" ")
            return f"{program} ***" if rest else program
    return str(value)


def _span(span: timedelta) -> str:
    for unit, letter in ((timedelta(days=1), "d"), (timedelta(hours=1), "h"),
                         (timedelta(minutes=1), "m")):  # fmt: skip
        if span and span % unit == timedelta():
            return f"{span // unit}{letter}"
    return f"{span.total_seconds():g}s"


def _text(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return str(value).lower()
        case list():
            return ", ".join(value) or "-"
    return str(value) if value != "" else "-"


def _secrets(
    tables: Sequence[BucketSettings | ApiKeySettings], environment: Mapping[str, str]
) -> dict[str, str]:
    """Each variable that a key is read from, and whether there is something in it."""
    own = [
        name
        for table in tables
        for one in fields(table)
        if one.name.endswith("_env") and (name := getattr(table, one.name)) is not None
    ]
    names = dict.fromkeys([*SECRET_VARIABLES, *own])
    return {name: "***" if environment.get(name) else "not set" for name in names}
