"""Secrets: read by name, and never shown."""

import re
from collections.abc import Mapping

from migrator.errors import UsageError
from migrator.settings.platform import PlatformSettings

SECRET_VARIABLES = (
    "PIXOP_API_KEY",
    "PIXOP_SOURCE_ACCESS_KEY_ID",
    "PIXOP_SOURCE_SECRET_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)
"""What this program reads keys from. `--on-finish` gets none of it; AWS_PROFILE stays."""


class Secret:
    """A text that no print, log, report or traceback shows; `reveal` is the only way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret itself: for the wire, and for nothing else."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"


def read_api_key(settings: PlatformSettings, environment: Mapping[str, str]) -> Secret:
    """The API key from the named file or from PIXOP_API_KEY.

    Raises UsageError when there is none, or when it cannot be a header's value; the message never
    holds the key.
    """
    if settings.api_key_file is not None:
        where = str(settings.api_key_file)
        try:
            text = settings.api_key_file.read_bytes()[:4096].decode("ascii")
        except (OSError, ValueError) as error:
            kind = error.strerror if isinstance(error, OSError) else "not ASCII text"
            raise UsageError(
                f"--api-key-file {where}: cannot be read ({kind})",
                "give a file that holds the key alone",
            ) from None
    else:
        where = "PIXOP_API_KEY"
        text = environment.get(where, "")
    hint = "set the environment variable PIXOP_API_KEY, or name a file with --api-key-file"
    return as_secret(text, where, hint)


def as_secret(text: str, where: str, hint: str) -> Secret:
    """An API key as it was read from `where`. Raises UsageError for what cannot be one."""
    text = text.strip()
    if not text:
        raise UsageError(f"no API key: {where} is empty", hint)
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        raise UsageError(
            f"the API key in {where} holds characters that no key has (spaces, control characters)",
            "copy the key again from the platform's web application",
        )
    return Secret(text)
