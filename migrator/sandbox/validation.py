"""Reading what a client sent, and naming every field that breaks a rule.

All fields are looked at before the request is refused, so that one answer names them all.
A secret is never given back, however wrong it is.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from migrator.sandbox.errors import ApiError, InvalidField, invalid_request, unreadable_body
from migrator.sandbox.moments import from_iso

MAX_BODY_BYTES = 1024 * 1024
"""Far more than the bounds of all fields together allow."""

FILE_NAME = re.compile(r"[a-zA-Z0-9_\-.]{1,255}")

_ENCODINGS = frozenset({"identity", "gzip", "deflate", "br", "zstd"})
"""What aiohttp decodes; anything else it would hand on as it is."""

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_INTEGER = re.compile(r"-?[0-9]{1,10}")
_BUCKET = re.compile(r"[A-Za-z0-9._-]+")
_SHOWN = 100
_INT32_MAX = 2**31 - 1

Choice = TypeVar("Choice", bound=str)


def utf16_units(text: str) -> int:
    """The length of `text` as the platform (Java) counts it: an emoji is two."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


class Findings:
    """What is wrong with a request, gathered over its query and body."""

    def __init__(self) -> None:
        self._invalid: list[InvalidField] = []

    def add(self, field: str, message: str, value: object = msgspec.UNSET) -> None:
        """Note that `field` breaks a rule. Leave `value` out where there is none, or a secret."""
        if value is msgspec.UNSET:
            self._invalid.append(InvalidField(field, message))
            return
        shown = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        cut = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"
        self._invalid.append(InvalidField(field, message, cut))

    def check(self) -> None:
        """Raise the 400 that names all that was found, if anything was."""
        if self._invalid:
            raise invalid_request(self._invalid)


class Query:
    """The query parameters of a request."""

    def __init__(self, request: web.Request, findings: Findings) -> None:
        self._given = request.query
        self._findings = findings

    def uuid(self, name: str) -> str | None:
        """A UUID in lower case, or None where it is absent."""
        text = self._one(name)
        if text is None:
            return None
        if _UUID.fullmatch(text) is None:
            self._findings.add(name, "must be a UUID", text)
        return text.lower()

    def boolean(self, name: str) -> bool:
        """`true` or `false`; False where it is absent."""
        text = self._one(name)
        if text not in {None, "true", "false"}:
            self._findings.add(name, "must be true or false", text)
        return text == "true"

    def integer(self, name: str, default: int, *, low: int, high: int = _INT32_MAX) -> int:
        """A whole number from `low` to `high`; `default` where it is absent."""
        found = self.number(name, low=low, high=high)
        return default if found is None else found

    def number(self, name: str, *, low: int, high: int) -> int | None:
        """A whole number from `low` to `high`, or None where it is absent."""
        text = self._one(name)
        if text is None:
            return None
        if _INTEGER.fullmatch(text) is None or not low <= int(text) <= high:
            self._findings.add(name, f"must be a whole number from {low} to {high}", text)
            return None
        return int(text)

    def choice(self, name: str, options: tuple[Choice, ...]) -> Choice:
        """One of `options`; the first where it is absent."""
        given = self.optional_choice(name, options)
        return options[0] if given is None else given

    def optional_choice(self, name: str, options: tuple[Choice, ...]) -> Choice | None:
        """One of `options`, or None where it is absent."""
        text = self._one(name)
        if text is None:
            return None
        for option in options:
            if text == option:
                return option
        self._findings.add(name, f"must be one of {', '.join(options)}", text)
        return None

    def moment(self, name: str) -> int | None:
        """A date-time of RFC 3339 in milliseconds since 1970, or None where it is absent."""
        text = self._one(name)
        if text is None:
            return None
        found = from_iso(text)
        if found is None:
            self._findings.add(name, "must be a date-time such as 2026-01-31T12:00:00Z", text)
        return found

    def _one(self, name: str) -> str | None:
        given = self._given.getall(name, [])
        if len(given) > 1:
            self._findings.add(name, "must be given once", ", ".join(given))
            return None
        return given[0] if given else None


def path_uuid(request: web.Request, name: str) -> str:
    """The UUID in the path, in lower case; a 400 where it is none."""
    text = request.match_info[name]
    if _UUID.fullmatch(text) is None:
        raise invalid_request([InvalidField(name, "must be a UUID", text)])
    return text.lower()


async def read_object(request: web.Request) -> dict[str, Any]:
    """The body as a JSON object. Raises the 400 that fits where it is none."""
    decoded = await _read(request)
    if decoded is msgspec.UNSET:
        raise ApiError(400, "MISSING_REQUEST_BODY", "A request body is required")
    if not isinstance(decoded, dict):
        raise unreadable_body("The body must be a JSON object")
    return decoded


async def read_uuids(request: web.Request) -> list[str] | None:
    """The body as a list of UUIDs, in lower case; None where there is no body."""
    decoded = await _read(request)
    if decoded is msgspec.UNSET:
        return None
    if not isinstance(decoded, list):
        raise unreadable_body("The body must be a list of UUIDs")
    findings = Findings()
    for number, one in enumerate(decoded):
        if not isinstance(one, str) or _UUID.fullmatch(one) is None:
            findings.add(f"[{number}]", "must be a UUID", one)
    findings.check()
    return [one.lower() for one in decoded]


async def _read(request: web.Request) -> Any:
    """The body, decoded; UNSET where there is none."""
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding not in _ENCODINGS:
        raise unreadable_body("The Content-Encoding is not known")
    try:
        content = await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise unreadable_body(f"The body is larger than {MAX_BODY_BYTES} bytes") from error
    except web.RequestPayloadError as error:  # a Content-Encoding that the body does not have
        raise unreadable_body("The body cannot be read") from error
    if not content:
        return msgspec.UNSET
    if request.content_type != "application/json":
        raise unreadable_body(f"Content-Type must be application/json, not {request.content_type}")
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # The message of a decoder tells a position, never the content: that may be a secret.
        raise unreadable_body("The body is not valid JSON in UTF-8") from error


class Fields:
    """The fields of a JSON object, named by their path in the body."""

    def __init__(self, given: Mapping[str, Any], findings: Findings, *, within: str = "") -> None:
        self._given = given
        self._findings = findings
        self._within = within

    def required(self, name: str, *, low: int, high: int) -> str:
        """A text of `low` to `high` UTF-16 units that must be there."""
        return self._text(name, low, high, utf16_units) or ""

    def optional(self, name: str, *, low: int, high: int) -> str | None:
        """A text of `low` to `high` UTF-16 units, or None where it is absent."""
        return self._text(name, low, high, utf16_units) if name in self._given else None

    def object_key(self, name: str) -> str:
        """An S3 key: 1 to 1,024 characters for the API, and as many bytes of UTF-8 for S3."""
        return self._text(name, 1, 1024, lambda text: len(text.encode()), "bytes of UTF-8") or ""

    def url(self, name: str) -> str:
        """A URL of 1 to 4,096 characters; never shown, as a presigned one is a secret."""
        return self._text(name, 1, 4096, utf16_units, is_secret=True) or ""

    def bucket(self, name: str) -> str:
        """A bucket's name: 3 to 63 of the characters that a name in a host can have."""
        text = self._text(name, 3, 63, len)
        if text is not None and _BUCKET.fullmatch(text) is None:
            self._findings.add(self._path(name), "must be DNS-compliant", text)
        return text or ""

    def optional_bucket(self, name: str) -> str | None:
        """A bucket's name, or None where it is absent."""
        return self.bucket(name) if name in self._given else None

    def secret(self, name: str) -> str:
        """A text that must be there and not be empty, and is never shown."""
        value = self._given.get(name)
        if not isinstance(value, str) or not value:
            self._findings.add(self._path(name), "must be a non-empty string")
            return ""
        return value

    def optional_secret(self, name: str) -> str | None:
        """A text that is not empty and is never shown, or None where it is absent."""
        return self.secret(name) if name in self._given else None

    def uuid(self, name: str) -> str | None:
        """A UUID in lower case, or None where it is absent."""
        if name not in self._given:
            return None
        text = self._given[name]
        if not isinstance(text, str) or _UUID.fullmatch(text) is None:
            self._findings.add(self._path(name), "must be a UUID", text)
            return None
        return text.lower()

    def file_name(self, name: str) -> str | None:
        """A file name in the API's pattern, or None where it is absent."""
        if name not in self._given:
            return None
        text = self._given[name]
        if not isinstance(text, str) or FILE_NAME.fullmatch(text) is None:
            self._findings.add(self._path(name), "must match ^[a-zA-Z0-9_\\-\\.]{1,255}$", text)
            return None
        return text

    def within(self, name: str) -> "Fields":
        """The fields of an object inside; where it is missing, so are they all."""
        value = self._given.get(name)
        if not isinstance(value, dict):
            # Not shown: what stands in its place may well be the secret.
            self._findings.add(self._path(name), "must be an object")
            value = {}
        return Fields(value, self._findings, within=self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._within}.{name}" if self._within else name

    def _text(
        self,
        name: str,
        low: int,
        high: int,
        measure: Callable[[str], int],
        unit: str = "characters",
        *,
        is_secret: bool = False,
    ) -> str | None:
        if name not in self._given:
            self._findings.add(self._path(name), "is required")
            return None
        text = self._given[name]
        shown = msgspec.UNSET if is_secret else text
        if not isinstance(text, str):
            self._findings.add(self._path(name), "must be a string", shown)
            return None
        if not low <= measure(text) <= high:
            message = f"size must be between {low} and {high} {unit}"
            self._findings.add(self._path(name), message, shown)
            return None
        return text


def derived_file_name(key: str) -> str:
    """A file name in the API's pattern for an object's key: its last segment, normalized."""
    return normalized_file_name(key.rstrip("/").rpartition("/")[2])


def normalized_file_name(text: str) -> str:
    """A file name in the API's pattern for any text.

    It has `_` for every other character, and is cut at the front so that an extension stays.
    """
    return re.sub(r"[^a-zA-Z0-9_\-.]", "_", text)[-255:] or "video"
