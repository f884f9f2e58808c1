"""Secrets that come back: an error form may repeat what it was sent, and a report keeps its words.

What the platform and S3 say goes through a `Redactor` where it comes in. It finds a secret in the
spellings that an answer may give it (plain, escaped for JSON, a URL or HTML, in base64 or hex), and
pieces of it too: where a text was cut, or a secret was split over several fields.
"""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from ahocorasick_rs import BytesAhoCorasick

from migrator.settings import UUID_PATTERN, Secret

MASK = "***"

PIECE = 8
"""Characters of a secret in a row that are too many to be shown."""

_STRIDE = 4
"""Pieces are first looked for at every fourth place: what is 11 characters long holds one."""

MAX_SCANNED = 2**20
"""Characters: what is longer and holds a secret is not kept at all."""

LOOKED_AT, OVERLAP = 2**20, 2**10
"""Bytes that are looked at together, so that what is all secrets takes no memory for its matches,
and how many of them again with the next: more than the longest piece has."""

_ESCAPE = re.compile(
    r"%(?:25)*([0-9a-fA-F]{2})|\\+u00([0-9a-fA-F]{2})|\\+x([0-9a-fA-F]{2})|\\+([^ux])"
    r"|&(?:amp;)*(#?[0-9A-Za-z]{2,8});"
)
"""One character as URLs, JSON, Python and HTML spell it, be it escaped several times over."""


_ESCAPES = ("\\", "%", "&")
"""What each of them begins with."""

_SIGNATURE = re.compile(
    r"(?i)signature\W{0,6}([0-9a-f]{16,})|security-token\W{0,6}([0-9a-z%+/=_-]{16,})"
)
"""What makes a presigned URL open something, whoever signed it and when: nobody keeps a list."""


class Redactor:
    """Masks secrets in what others say, and the signature and session token of any URL."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self._secrets = {secret.reveal() for secret in secrets} - {""}
        spelled = {form for secret in self._secrets for form in _forms(secret)}
        telling = {_bytes(p) for form in spelled for p in _pieces(form, _STRIDE)}
        self._telling = BytesAhoCorasick(sorted(telling))
        self._pieces = {p for form in spelled for p in _pieces(form, 1)}
        self._lengths = sorted({len(piece) for piece in self._pieces})

    def text(self, text: str) -> str:
        """`text` with every secret in it masked."""
        if not self._tells(text):
            return text
        return self._masked(text) if len(text) <= MAX_SCANNED else MASK

    def body(self, body: bytes) -> bytes:
        """An answer's body with every secret in it masked, and JSON otherwise as it was.

        Only texts are touched, no number, no id and no short name of a field. A body that holds a
        secret and is far too long for what it is answers nothing any more.
        """
        text = body.decode("utf-8", "surrogateescape")
        if not self._tells(text):
            return body
        if len(text) > MAX_SCANNED:
            return MASK.encode()
        try:
            return json.dumps(self._walked(json.loads(text))).encode()
        except (ValueError, RecursionError):
            return self._masked(text).encode("utf-8", "surrogateescape")

    def _tells(self, text: str) -> bool:
        if self._is_told_in(text):
            return True
        if not any(sign in text for sign in _ESCAPES):  # a page has some 300 kB, and mostly none
            return False
        plain = _ESCAPE.sub(_unescaped, text)
        return plain != text and self._is_told_in(plain)

    def _is_told_in(self, text: str) -> bool:
        raw = _bytes(text)
        step = LOOKED_AT - OVERLAP
        told = (
            self._telling.find_matches_as_indexes(raw[begin : begin + LOOKED_AT])
            for begin in range(0, max(1, len(raw) - OVERLAP), step)
        )
        return any(told) or _has_signature(text)

    def _walked(self, value: Any) -> Any:
        match value:
            case str():
                return value if self._is_id(value) else self.text(value)
            case list():
                return [self._walked(each) for each in value]
            case dict():
                return {self._name(name): self._walked(each) for name, each in value.items()}
            case _:
                return value

    def _is_id(self, text: str) -> bool:
        """Whether a text is an id, and not a secret of that form.

        Of millions of ids some share eight digits with a secret, or with the hex form of one, by
        chance; masked, they would take the sense from a whole page.
        """
        return UUID_PATTERN.fullmatch(text) is not None and not any(
            len(secret) >= PIECE and (secret in text or text in secret) for secret in self._secrets
        )

    def _name(self, name: str) -> str:
        """A field's name; those that an answer needs are not taken apart by a short secret."""
        return self.text(name) if len(name) >= PIECE else name

    def _masked(self, text: str) -> str:
        # As its escapes spell it, and then as it stands: a secret may hold what looks like one.
        text = self._hidden(text, list(_characters(text)))
        return self._hidden(text, [(character, at, at + 1) for at, character in enumerate(text)])

    def _hidden(self, text: str, places: list[tuple[str, int, int]]) -> str:
        """`text` with each run of pieces masked, be they adjacent or overlapping."""
        plain = "".join(character for character, _, _ in places)
        hides = bytearray(len(places))
        for begin in range(len(plain)):
            for length in self._lengths:
                piece = plain[begin : begin + length]  # shorter at the end
                if piece in self._pieces:
                    hides[begin : begin + len(piece)] = b"\1" * len(piece)
        for found in _SIGNATURE.finditer(plain):
            begin, end = found.span(found.lastindex or 0)
            hides[begin:end] = b"\1" * (end - begin)
        parts: list[str] = []
        before = False
        for (_, begin, end), hide in zip(places, hides, strict=True):
            if not hide:
                parts.append(text[begin:end])
            elif not before:
                parts.append(MASK)
            before = bool(hide)
        return "".join(parts)


def _bytes(text: str) -> bytes:
    """Any text as bytes, also one that is no Unicode."""
    return text.encode("utf-8", "surrogatepass")


def _has_signature(text: str) -> bool:
    # Looked for as it is written first: a page has some 300 kB, and hardly ever one of them.
    told = any(word in text for word in ("ignature", "IGNATURE", "ecurity-", "ECURITY-"))
    return told and _SIGNATURE.search(text) is not None


def _forms(secret: str) -> Iterator[str]:
    """The secret, and what base64 and hex make of it wherever it stands in a longer text."""
    raw = secret.encode("utf-8", "surrogateescape")
    yield secret
    if not secret.isascii():
        yield quote(secret)
    coded = [raw.hex(), raw.hex().upper()]
    for before in range(3):
        # The first and last characters depend on what stands beside the secret.
        base = base64.b64encode(b"\0" * before + raw)[4 if before else 0 : -4].decode()
        coded += [base, base.replace("+", "-").replace("/", "_")]
    # What is shorter cannot be told from chance.
    yield from (form for form in coded if len(form) >= PIECE)


def _pieces(form: str, stride: int) -> Iterator[str]:
    """The pieces of a form that give it away; a short one is a single piece."""
    last = max(0, len(form) - PIECE)
    for begin in [*range(0, last, stride), last]:
        yield form[begin : begin + PIECE]


def _characters(text: str) -> Iterator[tuple[str, int, int]]:
    """Each character that `text` spells, and where the spelling begins and ends."""
    end = 0
    for found in _ESCAPE.finditer(text):
        yield from ((text[at], at, at + 1) for at in range(end, found.start()))
        plain = _unescaped(found)
        # What is no escape after all stands for itself.
        if len(plain) == 1:
            yield plain, found.start(), found.end()
        else:
            yield from ((text[at], at, at + 1) for at in range(*found.span()))
        end = found.end()
    yield from ((text[at], at, at + 1) for at in range(end, len(text)))


def _unescaped(found: re.Match[str]) -> str:
    percent, json_code, python_code, single, entity = found.groups()
    if single is not None:
        return single
    if entity is not None:
        plain = html.unescape(f"&{entity};")
        return plain if len(plain) == 1 else found[0]
    return chr(int(percent or json_code or python_code, 16))
