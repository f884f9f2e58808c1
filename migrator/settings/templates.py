"""Texts with fields in braces: parsed once, and filled for each row. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from migrator.errors import UsageError

_PART = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|([{}])")

KEY_FIELDS = ("bucket", "key", "name", "stem", "ext", "dirname", "row")
"""What every row has; a column of the same name stands behind them."""


@dataclass(frozen=True, slots=True)
class Template:
    """Literal texts and names of fields by turns: `texts` has one more than `fields`."""

    texts: tuple[str, ...]
    fields: tuple[str, ...]

    @classmethod
    def of(cls, flag: str, text: str) -> "Template":
        """Read `text`, in which `{{` and `}}` stand for braces. Raises UsageError."""
        texts, fields, end = [""], [], 0
        for part in _PART.finditer(text):
            texts[-1] += text[end : part.start()]
            end = part.end()
            if part[2]:
                raise UsageError(
                    f"{flag} {text!r}: a lone {part[2]} at character {part.start() + 1}",
                    "name a field like {stem}; write {{ and }} for braces themselves",
                )
            if part[1]:
                fields.append(part[1])
                texts.append("")
            else:
                texts[-1] += part[0][0]
        texts[-1] += text[end:]
        if not text.strip():
            raise UsageError(f"{flag}: the template is empty", "leave it out, or give it a text")
        return cls(tuple(texts), tuple(fields))

    def filled(self, value: Callable[[str], str]) -> str:
        """The text with the value of each field in its place."""
        parts = [self.texts[0]]
        for field, text in zip(self.fields, self.texts[1:], strict=True):
            parts += (value(field), text)
        return "".join(parts)


def field_of_key(field: str, bucket: str, key: str, row: int) -> str | None:
    """The value of one of `KEY_FIELDS`; None for any other.

    Of `a/b/film.en.mp4`: name `film.en.mp4`, stem `film.en`, ext `mp4`, dirname `a/b`.
    """
    dirname, _, name = key.rpartition("/")
    stem, dot, ext = name.rpartition(".")
    if not dot or not stem:  # no extension, or a name that begins with its only dot
        stem, ext = name, ""
    values = (bucket, key, name, stem, ext, dirname, str(row))
    return dict(zip(KEY_FIELDS, values, strict=True)).get(field)
