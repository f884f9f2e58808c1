"""Untrusted text on a terminal: keys and the platform's words may hold anything."""

import unicodedata


def plain(text: str) -> str:
    """`text` with control, formatting and direction characters as visible escapes.

    So no key and no message of the platform can move the cursor, recolour a terminal or reverse
    what stands behind it.
    """
    return "".join(
        character
        if unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        else character.encode("unicode_escape").decode()
        for character in text
    )
