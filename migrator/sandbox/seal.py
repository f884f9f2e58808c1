"""Secrets at rest: what was handed over to us is never on disk in clear.

A copy needs its keys again after a restart, and an input location for as long as it is there,
so they must be kept. They are sealed with AES-256-GCM under a key that lies beside the
database, in a file of its own for its owner only: a database that is copied, backed up or
attached to a report gives no secret away, and neither do its write-ahead log and free pages.
Whoever may read the whole directory as its owner can open them; so can the sandbox.

`cryptography` comes with the `sandbox` extra and is imported where it is used, so that the room
can be imported, and say what is missing, without it.
"""

import importlib.util
import secrets
from pathlib import Path
from typing import Any

from migrator.sandbox.errors import NOT_INSTALLED, SandboxError
from migrator.sandbox.keys import write_private

KEY_BYTES = 32
NONCE_BYTES = 12
"""Random for each sealing; fit for far more of them than a rehearsal makes (NIST SP 800-38D)."""


def require() -> None:
    """Raise SandboxError where the extra is not installed."""
    if importlib.util.find_spec("cryptography") is None:
        raise SandboxError(NOT_INSTALLED.format("cryptography"))


class Sealer:
    """Seals with the key kept at `path`, which is made the first time."""

    def __init__(self, path: Path) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        try:
            key = path.read_bytes()
        except FileNotFoundError:
            key = secrets.token_bytes(KEY_BYTES)
            write_private(path, key)
        if len(key) != KEY_BYTES:
            raise SandboxError(f"{path} is damaged; use another --dir")
        self._cipher: Any = AESGCM(key)

    def seal(self, secret: bytes, about: str) -> bytes:
        """Seal `secret`, which can then be opened only as being `about` the same."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + bytes(self._cipher.encrypt(nonce, secret, about.encode()))

    def open(self, sealed: bytes, about: str) -> bytes | None:
        """What was sealed; None where it was not sealed with this key, or about another."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415

        nonce, text = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return bytes(self._cipher.decrypt(nonce, text, about.encode()))
        except InvalidTag:
            return None
