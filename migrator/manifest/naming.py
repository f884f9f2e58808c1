"""What a key is called on the platform when the manifest does not say."""

import re

from migrator.model import MAX_NAME_CHARACTERS, cut_to_units

MAX_FILE_NAME_CHARACTERS = 255
"""Longest `fileName` (platform document: `^[a-zA-Z0-9_\\-\\.]{1,255}$`)."""

MAX_EXTENSION_CHARACTERS = 16
"""A longer last part is no extension worth keeping when a file name is cut."""

LEGAL_FILE_NAME = re.compile(r"[a-zA-Z0-9_\-.]{1,255}")
"""The platform's pattern for `fileName`; for `fullmatch`, as `$` lets a final newline pass."""

_ILLEGAL_CHARACTER = re.compile(r"[^a-zA-Z0-9_\-.]")


def _last_segment(key: str) -> str:
    """What stands after the last slash, or the whole key where that is nothing."""
    return key.rpartition("/")[2] or key


def video_name(key: str) -> str:
    """The `name` for a video whose row has none: the last segment of its key.

    At most 255 UTF-16 units, cut between code points; never empty, as a key never is.
    """
    return cut_to_units(_last_segment(key), MAX_NAME_CHARACTERS)


def file_name(key: str) -> str:
    """A `fileName` the platform accepts: the key's last segment, `_` for what is not allowed.

    One underscore stands for one character, so the same key always gives the same name. A name
    that is too long loses the end of its stem and keeps its extension. Never empty, never only
    dots.
    """
    return legal_file_name(_last_segment(key))


def legal_file_name(text: str) -> str:
    """The same of any text that is not empty."""
    legal = _ILLEGAL_CHARACTER.sub("_", text)
    if not legal.strip("."):
        legal = "_" * len(legal)
    if len(legal) <= MAX_FILE_NAME_CHARACTERS:
        return legal
    stem, dot, extension = legal.rpartition(".")
    # A stem of dots alone would be left as nothing but dots and an extension: legal, so kept.
    if not dot or not 0 < len(extension) <= MAX_EXTENSION_CHARACTERS:
        stem, dot, extension = legal, "", ""
    return stem[: MAX_FILE_NAME_CHARACTERS - len(dot + extension)] + dot + extension
