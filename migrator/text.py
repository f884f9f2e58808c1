"""Untrusted text before people's eyes: keys and the platform's words may hold anything."""

import unicodedata

_INVISIBLE_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Blank fillers and joiners that Unicode does not file among its format characters."""

_HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})
"""Categories that show nothing, show as a box, reorder their neighbours, or steer a terminal."""


def is_hidden(character: str) -> bool:
    """Whether a character would not be seen for what it is; a plain space is."""
    if " " <= character <= "~":
        return False
    return (
        unicodedata.category(character) in _HIDDEN
        or character in _INVISIBLE_LETTERS
        or "\ufe00" <= character <= "\ufe0f"  # variation selectors
        or "\U000e0100" <= character <= "\U000e01ef"
    )


def escape_of(character: str) -> str:
    r"""A hidden character as Python spells it in plain ASCII: `\n`, `\x1b`, `\u202e`."""
    return character.encode("unicode_escape").decode()


def plain(text: str) -> str:
    """`text` in one line for a terminal, with every hidden character as a visible escape.

    So no key and no message of the platform can move the cursor, recolour a terminal, make a link
    or reverse what stands behind it.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(escape_of(each) if is_hidden(each) else each for each in text)
