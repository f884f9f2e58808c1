"""CRC-32C, from a package of the `sandbox` extra.

It is imported where it is used, so that the room can be imported, and say what is missing,
without the extra.
"""

import importlib.util

from migrator.sandbox.errors import NOT_INSTALLED, SandboxError


def require() -> None:
    """Raise SandboxError where the extra is not installed."""
    if importlib.util.find_spec("google_crc32c") is None:
        raise SandboxError(NOT_INSTALLED.format("google-crc32c"))


def crc32c_of(content: bytes, before: int = 0) -> int:
    """The CRC-32C of `content`, or of what had the CRC-32C `before` with `content` after it."""
    import google_crc32c  # noqa: PLC0415

    return int(google_crc32c.extend(before, content))
