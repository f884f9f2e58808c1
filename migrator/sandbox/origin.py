"""Where a video is copied from, and what is found there."""

import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from migrator.sandbox.keys import KeyPair

_CONTENT_RANGE = re.compile(r"bytes ([0-9]+)-([0-9]+)/([0-9]+)")


class SourceError(Exception):
    """The source did not give what was asked; `code` is one of the API's error codes."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class SourceObject(msgspec.Struct, frozen=True, tag="s3"):
    """An object in a bucket, and the keys to read it with."""

    bucket: str
    key: str
    keys: KeyPair


class SourceUrl(msgspec.Struct, frozen=True, tag="url"):
    """A URL, which may be a secret itself: a presigned one opens its object to anybody."""

    url: str

    def __repr__(self) -> str:
        return f"SourceUrl({self.shown})"

    @property
    def shown(self) -> str:
        """The URL without what may be secret in it: its query."""
        parts = urllib.parse.urlsplit(self.url)
        return parts._replace(query="***" if parts.query else "", fragment="").geturl()


Origin = SourceObject | SourceUrl


@dataclass(frozen=True, slots=True)
class SourceHead:
    """What is told of a source. `modified_at_ms` is None where no date was named."""

    size_bytes: int
    content_type: str
    modified_at_ms: int | None


def content_range(headers: Mapping[str, str]) -> tuple[int, int, int] | None:
    """The first and last byte of an answer and the size of the whole, or None if not said.

    This header is what tells that a range was honoured: rclone answers one with 200.
    """
    given = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    if given is None:
        return None
    return int(given[1]), int(given[2]), int(given[3])


def require_range(headers: Mapping[str, str], *, first: int, last: int, size_bytes: int) -> None:
    """Raise SourceError where an answer is not of exactly this range of a whole of this size."""
    given = content_range(headers)
    if given is None:
        raise SourceError("CONTENT_NOT_PARTIAL_ERROR", "the source ignored the range")
    if given != (first, last, size_bytes):
        message = f"asked for {first}-{last}/{size_bytes}, got {given[0]}-{given[1]}/{given[2]}"
        raise SourceError("UNEXPECTED_CONTENT_RANGE", message)
