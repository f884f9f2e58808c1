"""What the batch was run with: every setting by its flag, and what the checkpoint is pinned to."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import timedelta

from migrator.settings import ApiKeySettings, BatchSettings

_PINNED = {
    "api_url": "Platform",
    "team_id": "Team",
    "user_id": "User",
    "program": "Begun with migrator",
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One line: a flag, its value, and whether somebody chose it."""

    name: str
    value: str
    chosen: bool


def pinned(meta: Mapping[str, str | None]) -> list[Condition]:
    """Where the videos were made, and by which version of the program."""
    return [
        Condition(said, value, chosen=False)
        for name, said in _PINNED.items()
        if (value := meta.get(name)) is not None
    ]


def conditions(settings: BatchSettings) -> list[Condition]:
    """All settings in the order of the help; no secret is among them."""
    found = []
    for group in fields(settings):
        values = getattr(settings, group.name)
        if group.name == "buckets":
            found += [
                Condition(f"{bucket}: {field.name.replace('_', '-')}", str(value), chosen=True)
                for bucket, own in sorted(values.items())
                for field in fields(own)
                if (value := getattr(own, field.name)) is not None
            ]
            continue
        if group.name == "api_keys":
            found += [
                Condition(f"API key {name}", f"{key.api_key_env} for {_served(key)}", chosen=True)
                for name, key in sorted(values.items())
            ]
            continue
        found += _of_group(values)
    return found


def _served(key: ApiKeySettings) -> str:
    return ", ".join(f"s3://{bucket}/{prefix}" for bucket, prefix in key.serves)


def _of_group(values: object) -> list[Condition]:
    usual, found = type(values)(), []
    for field in fields(values):  # type: ignore[arg-type]  # a dataclass like all groups
        value = getattr(values, field.name)
        if is_dataclass(value):
            found += _of_group(value)
            continue
        found.append(
            Condition(
                f"--{field.name.replace('_', '-')}",
                in_words(value),
                chosen=value != getattr(usual, field.name),
            )
        )
    return found


META = tuple(_PINNED)
"""Names of what the checkpoint keeps beside the settings, for `pinned`."""


def in_words(value: object) -> str:
    """A setting as a person would write it."""
    if value is None or value in ("", ()):
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, timedelta):
        return _span(int(value.total_seconds()))
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, float) and value.is_integer():
        return f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _span(seconds: int) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
