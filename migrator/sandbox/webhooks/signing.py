"""The keys that sign what webhooks are sent: ECDSA over P-256, published, and changed on command.

The newest key signs. One that it took the place of stays published for a while, so that what it
signed can still be verified, but cannot sign again: its private half is erased. Private halves
are kept sealed (see `seal`).
"""

import sqlite3
import uuid
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from migrator.sandbox.database import Database
from migrator.sandbox.moments import Clock
from migrator.sandbox.seal import Sealer

ALGORITHM = "SHA256withECDSA"

GRACE_S = 86_400
"""How long a key is still published after another has taken its place, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A published key. `encoded` is the SubjectPublicKeyInfo, in DER and base64."""

    key_id: str
    created_at: int
    updated_at: int
    encoded: str
    expires_at: int | None


class Signer:
    """A private key, under the id that its public half is published by."""

    def __init__(self, key_id: str, private_key: Any) -> None:
        self._key_id = key_id
        self._private_key = private_key

    def headers(self, body: bytes, *, timestamp_s: int) -> dict[str, str]:
        """What tells a receiver that `body` is the platform's, signed at `timestamp_s`."""
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

        signed = f"{timestamp_s}.".encode() + body
        signature = self._private_key.sign(signed, ec.ECDSA(hashes.SHA256()))
        return {
            "X-Pixop-Signature": b64encode(signature).decode(),
            "X-Pixop-Public-Key-Id": self._key_id,
            "X-Pixop-Timestamp": str(timestamp_s),
            "X-Pixop-Algorithm": ALGORITHM,
        }

    def stranger(self) -> "Signer":
        """One who signs under the same id with another key."""
        return Signer(self._key_id, _new_private_key())

    def unknown(self) -> "Signer":
        """One who signs with the same key under an id that was never published."""
        return Signer(str(uuid.uuid4()), self._private_key)


class SigningKeys:
    """All keys that are published; `signer` is the newest."""

    def __init__(self, database: Database, clock: Clock, sealer: Sealer) -> None:
        self._database = database
        self._clock = clock
        self._sealer = sealer
        self.signer: Signer

    async def load(self) -> None:
        """Take up the key that was left to sign with; make one where none can be opened."""

        def read(connection: sqlite3.Connection) -> tuple[str, bytes] | None:
            row = connection.execute(
                "SELECT key_id, sealed_private FROM webhook_keys WHERE sealed_private NOT NULL"
            ).fetchone()
            return None if row is None else (row["key_id"], row["sealed_private"])

        kept = await self._database.read(read)
        private = None if kept is None else self._sealer.open(kept[1], _about(kept[0]))
        if kept is None or private is None:
            await self.rotate(grace_s=GRACE_S)
        else:
            self.signer = Signer(kept[0], _decoded(private))

    async def rotate(self, *, grace_s: int) -> None:
        """Sign with a new key from now on; the one before stays published for `grace_s`.

        No more than these two are: one that had been replaced before is published no longer.
        """
        key_id, private_key, now = str(uuid.uuid4()), _new_private_key(), self._clock.now_ms()
        private, public = _encoded(private_key)
        sealed = self._sealer.seal(private, _about(key_id))

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM webhook_keys WHERE expires_at NOT NULL")
            connection.execute(
                "UPDATE webhook_keys SET sealed_private = NULL, updated_at = ?, expires_at = ?",
                (now, now + 1000 * grace_s),
            )
            connection.execute(
                "INSERT INTO webhook_keys VALUES (?, ?, ?, ?, ?, NULL)",
                (key_id, now, now, public, sealed),
            )

        await self._database.ask(write)
        self.signer = Signer(key_id, private_key)

    async def published(self) -> list[PublicKey]:
        """The keys that are valid now, the one that signs last."""
        now = self._clock.now_ms()

        def read(connection: sqlite3.Connection) -> list[PublicKey]:
            rows = connection.execute(
                "SELECT key_id, created_at, updated_at, public_key, expires_at FROM webhook_keys"
                " WHERE coalesce(expires_at > ?, TRUE) ORDER BY expires_at IS NULL, created_at",
                (now,),
            )
            return [_public(row) for row in rows]

        return await self._database.read(read)


def _public(row: sqlite3.Row) -> PublicKey:
    return PublicKey(
        key_id=row["key_id"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        encoded=b64encode(row["public_key"]).decode(),
        expires_at=row["expires_at"],
    )


def _new_private_key() -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    return ec.generate_private_key(ec.SECP256R1())


def _encoded(private_key: Any) -> tuple[bytes, bytes]:
    """The private and the public half, in DER."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    return (
        private_key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),  # it is sealed as a whole
        ),
        private_key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    )


def _decoded(private: bytes) -> Any:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    return serialization.load_der_private_key(private, password=None)


def _about(key_id: str) -> str:
    return f"webhook key {key_id}"
