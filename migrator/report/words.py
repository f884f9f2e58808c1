"""How the report spells things: pure functions from values to text."""

from datetime import UTC, datetime, timedelta

from migrator.report.files import original_bytes
from migrator.text import is_hidden

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_UNITS = ("kB", "MB", "GB", "TB", "PB", "EB")


def iso_utc(ms: int) -> str:
    """`2025-03-01T12:00:00.000Z` for epoch milliseconds."""
    return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds")[:-6] + "Z"


def moment(iso: str | None) -> str:
    """`2025-03-01 12:00:00 UTC` for a time that `iso_utc` wrote, or a dash."""
    return f"{iso[:10]} {iso[11:19]} UTC" if iso else "—"


def bytes_in_words(size_bytes: int) -> str:
    """`1.4 TB`: three significant digits in decimal units, the ones that storage is sold in."""
    if size_bytes < 1000:  # noqa: PLR2004 - the step of decimal units
        return f"{size_bytes} bytes"
    size, step = size_bytes / 1000, 0
    while size >= 999.5:  # noqa: PLR2004 - would round to four digits
        size, step = size / 1000, step + 1
    return f"{size:.3g} {_UNITS[step]}"


def escaped(text: str | None) -> str | None:
    r"""Text that UTF-8 can hold: bytes that are not UTF-8 are written as escapes, `\xff`."""
    if text is None:
        return None
    return original_bytes(text).decode(errors="backslashreplace")


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters, with an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def visible(text: str) -> str:
    r"""Text in which nothing hides: what a reader sees is what the key holds.

    Control characters become their pictures (a line feed becomes `␊`); marks that reorder, hide or
    leave a gap become escapes (`\u202e`); blanks at either end, where nobody sees them, become
    `␠`. For people only: a key that spells an escape in plain letters looks the same.
    """
    core = text.strip(" ")
    before = len(text) - len(text.lstrip(" "))
    after = len(text) - len(core) - before if core else 0
    return "␠" * before + "".join(map(_shown, core)) + "␠" * after


def _shown(character: str) -> str:
    code = ord(character)
    if " " <= character <= "~":
        return character
    if code < 0x20:  # noqa: PLR2004 - the C0 controls
        return chr(0x2400 + code)
    if code == 0x7F:  # noqa: PLR2004 - delete
        return "␡"
    if is_hidden(character):
        return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004
    return character
