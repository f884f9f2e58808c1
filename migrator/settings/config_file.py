"""`migrator.toml`."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from migrator.errors import UsageError
from migrator.settings.source import BucketKeyNames

MAX_CONFIG_BYTES = 2**20
"""A migrator.toml has some hundred bytes a bucket."""


def read_bucket_keys(path: Path | None) -> dict[str, BucketKeyNames]:
    """The `[buckets."NAME"]` tables of migrator.toml: the names of variables, never keys.

    `path` None reads ./migrator.toml where there is one. Raises UsageError with file and setting.
    """
    named = path is not None
    path = path or Path("migrator.toml")
    if not named and not path.exists():
        return {}
    try:
        with path.open("rb") as file:
            # Cut short where it is no such file at all: that is no TOML either, or unknown.
            data: dict[str, Any] = tomllib.loads(file.read(MAX_CONFIG_BYTES).decode())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})", "check --config") from None
    except (ValueError, RecursionError) as error:
        # A decoding error would quote what it could not decode.
        why = "not UTF-8" if isinstance(error, UnicodeError) else str(error)
        raise UsageError(f"{path}: not valid TOML: {why}", "mend the line it names") from None
    unknown = sorted(set(data) - {"buckets"})
    if unknown:
        raise UsageError(
            f"{path}: unknown setting {unknown[0]!r}", 'known here: [buckets."NAME"] tables'
        )
    try:
        buckets = msgspec.convert(data.get("buckets", {}), dict[str, BucketKeyNames])
    except msgspec.ValidationError as error:
        raise UsageError(
            f"{path}: [buckets]: {error}",
            'write [buckets."NAME"] with access_key_id_env and secret_access_key_env, each the '
            "name of an environment variable",
        ) from None
    for bucket, names in buckets.items():
        _check_names(path, bucket, names)
    return buckets


def _check_names(path: Path, bucket: str, names: BucketKeyNames) -> None:
    """Refuse what is no name of a variable without repeating it: it may be the key itself."""
    for setting in ("access_key_id_env", "secret_access_key_env"):
        name = getattr(names, setting)
        if not _VARIABLE.fullmatch(name) or _LIKE_A_KEY.fullmatch(name):
            raise UsageError(
                f"{path}: [buckets.{bucket!r}] {setting}: not the name of an environment variable",
                "keep keys out of this file: put each into a variable, and name that here",
            )


_VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")

_LIKE_A_KEY = re.compile("A[A-Z]IA[A-Z0-9]{12,}|[A-Za-z0-9]{40}")
"""Key ids and secret access keys of AWS as far as they could be names."""
