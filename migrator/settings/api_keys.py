"""Several API keys in one batch: the `[keys.NAME]` tables of migrator.toml."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from migrator.errors import UsageError
from migrator.settings.inputs import parse_prefix
from migrator.settings.platform import UUID_PATTERN
from migrator.settings.secret import Secret, as_secret

NAME = re.compile("[A-Za-z0-9_-]{1,32}")

DEFAULT = "default"
"""What the key that serves all other rows is called where calls are counted."""

MOST_KEYS = 20


@dataclass(frozen=True, kw_only=True)
class ApiKeySettings:
    """A further API key: where it is read from, where it makes videos, and which rows it serves.

    `buckets` are served whole, `prefixes` (s3://bucket/prefix) where the key begins so; of several
    that match, the longest counts.
    """

    api_key_env: str
    team_id: str | None = None
    project_id: str | None = None
    buckets: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()

    @property
    def serves(self) -> tuple[tuple[str, str], ...]:
        """(bucket, key prefix) of all that it serves. Raises UsageError for what is no prefix."""
        flag = "migrator.toml: prefixes"
        return (
            *((bucket, "") for bucket in self.buckets),
            *(parse_prefix(prefix, flag) for prefix in self.prefixes),
        )


def check_api_keys(keys: Mapping[str, ApiKeySettings]) -> None:
    """Raises UsageError for keys that make no sense, alone or together."""
    if len(keys) > MOST_KEYS:
        raise UsageError(f"migrator.toml: {len(keys)} [keys.NAME] tables", f"{MOST_KEYS} at most")
    owners: dict[tuple[str, str], str] = {}
    for name, key in keys.items():
        where = f"migrator.toml: [keys.{name}]"
        if not NAME.fullmatch(name) or name == DEFAULT:
            raise UsageError(
                f"migrator.toml: [keys.{name!r}]: not a name for a key",
                f"use up to 32 letters, digits, - and _, and not {DEFAULT!r}",
            )
        for setting, value in (("team_id", key.team_id), ("project_id", key.project_id)):
            if value is not None and not UUID_PATTERN.fullmatch(value):
                raise UsageError(f"{where} {setting} {value!r}: not a UUID", "copy the id")
        if not key.serves:
            raise UsageError(f"{where}: serves nothing", "give it buckets or prefixes")
        for place in key.serves:
            if place in owners:
                raise UsageError(
                    f"{where}: s3://{place[0]}/{place[1]} is served by [keys.{owners[place]}] too",
                    "let one key serve it",
                )
            owners[place] = name


def pinned_keys(keys: Mapping[str, ApiKeySettings]) -> str:
    """What must stay the same for all of a batch: who serves what, and where. Not the variables."""
    return "; ".join(
        f"{name} makes videos in team {key.team_id or 'of its own'}, project "
        f"{key.project_id or 'of its own'}, from "
        + ", ".join(f"s3://{bucket}/{prefix}" for bucket, prefix in sorted(key.serves))
        for name, key in sorted(keys.items())
    )


def read_api_keys(
    keys: Mapping[str, ApiKeySettings], environment: Mapping[str, str]
) -> dict[str, Secret]:
    """The keys themselves, by their names. Raises UsageError for one that is not there."""
    hint = "set that environment variable to an API key"
    return {
        name: as_secret(environment.get(key.api_key_env, ""), key.api_key_env, hint)
        for name, key in keys.items()
    }


def check_different(default: Secret, further: Mapping[str, Secret]) -> None:
    """Raises UsageError where two names are for one key: each would use its quota as its own."""
    owners = {default.reveal(): "the default key"}
    for name, key in further.items():
        owner = owners.setdefault(key.reveal(), f"[keys.{name}]")
        if owner != f"[keys.{name}]":
            raise UsageError(
                f"migrator.toml: [keys.{name}] holds the same API key as {owner}",
                "give each a key of its own, or let one of them serve what both do",
            )
