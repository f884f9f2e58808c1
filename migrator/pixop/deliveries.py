"""What the platform delivers to a webhook: how it is signed, and what it says.

Everything here is a function of bytes; whether a delivery counts is `engine.webhooks.judge`'s to
say. What is signed: the timestamp as it stands in its header, a full stop, the raw body; by ECDSA
with SHA-256, in DER, in base64 (public reference, "Webhooks").
"""

import binascii
import re
from base64 import b64decode
from dataclasses import dataclass
from typing import Any

import msgspec
from multidict import MultiMapping

from migrator.pixop.wire import Timestamp, decode
from migrator.settings import UUID_PATTERN

MAX_DELIVERY_BYTES = 8192
"""A delivery has some 300 bytes; more is none."""

MAX_SIGNATURE = 200
"""Characters of a signature in base64: one over P-521 has 188."""

ALGORITHM = "SHA256withECDSA"


@dataclass(frozen=True, slots=True)
class Signature:
    """What the headers of a delivery say of it. `timestamp` is as it came, for it is signed."""

    key_id: str
    timestamp: str
    signature: bytes

    @property
    def timestamp_s(self) -> int:
        """When it was sent, in epoch seconds of the platform's clock."""
        return int(self.timestamp)

    @classmethod
    def of(cls, headers: MultiMapping[str]) -> "Signature | None":
        """Read them; None unless each is there once, and of its form."""
        each = [
            headers.getall(f"X-Pixop-{name}", [])
            for name in ("Public-Key-Id", "Timestamp", "Signature", "Algorithm")
        ]
        if any(len(values) != 1 for values in each):
            return None
        key_id, timestamp, encoded, algorithm = (values[0] for values in each)
        if (
            algorithm != ALGORITHM
            or not UUID_PATTERN.fullmatch(key_id)
            or not re.fullmatch("[0-9]{1,12}", timestamp, re.ASCII)
            or len(encoded) > MAX_SIGNATURE
        ):
            return None
        try:
            return cls(key_id.lower(), timestamp, b64decode(encoded, validate=True))
        except (binascii.Error, ValueError):
            return None


class PublicKey:
    """A key that the platform publishes. Raises ValueError where it is no elliptic curve's."""

    def __init__(self, encoded: str) -> None:
        # Only who wants webhooks waits for it.
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
            load_der_public_key,
        )

        try:
            key = load_der_public_key(b64decode(encoded, validate=True))
        except UnsupportedAlgorithm as error:
            raise ValueError(str(error)) from None
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise ValueError("not a key of an elliptic curve")  # noqa: TRY004 - it is data
        self._key: Any = key

    def has_signed(self, signature: Signature, body: bytes) -> bool:
        """Whether the signature is this key's, of this body at this time."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

        signed = signature.timestamp.encode() + b"." + body
        try:
            self._key.verify(signature.signature, signed, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


class _Told(msgspec.Struct, rename="camel", gc=False):
    """A video that an event is about."""

    type: str
    video_id: str


class Event(msgspec.Struct, rename="camel", gc=False):
    """The body of a delivery. `id` is the same at every attempt to deliver the event."""

    id: str
    webhook_id: str
    event_type: str
    occurred_at: str | int | float
    test: bool
    attempt_count: int
    data: _Told

    @property
    def video_id(self) -> str:
        """The video that it is about."""
        return self.data.video_id


def read_event(body: bytes) -> Event | None:
    """The event in a body; None for any other shape."""
    try:
        event = msgspec.json.decode(body, type=Event)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    ids = (event.id, event.webhook_id, event.data.video_id)
    if event.data.type != "VIDEO" or not all(UUID_PATTERN.fullmatch(each) for each in ids):
        return None
    event.id, event.webhook_id, event.data.video_id = (each.lower() for each in ids)
    return event


class PublishedKey(msgspec.Struct, rename="camel"):
    """An item of `GET /v1/webhooks/public-keys`."""

    id: str
    algorithm: str
    public_key: str
    expires_at: Timestamp = None


class Webhook(msgspec.Struct, rename="camel"):
    """An item of `GET /v1/webhooks`, and the answer of its POST."""

    id: str
    name: str | None = None
    active: bool | None = None


class WebhooksPage(msgspec.Struct, rename="camel"):
    """A page of `GET /v1/webhooks`."""

    total_elements: int
    items: list[Webhook]


class WebhookPost(msgspec.Struct, rename="camel", frozen=True):
    """The body of `POST /v1/webhooks`."""

    active: bool
    name: str
    url: str
    rate_limit_per_second: int
    max_total_retry_delay_minutes: int
    event_types: tuple[str, ...]


def read_keys(body: bytes) -> list[PublishedKey] | None:
    """The keys that the platform publishes, or None for anything else."""
    return decode(body, list[PublishedKey])


def read_webhook(body: bytes) -> Webhook | None:
    """A webhook, or None for anything else. Its id becomes part of a path."""
    webhook = decode(body, Webhook)
    return webhook if webhook is not None and UUID_PATTERN.fullmatch(webhook.id) else None


def read_webhooks(body: bytes) -> WebhooksPage | None:
    """A page of webhooks, or None for anything else."""
    page = decode(body, WebhooksPage)
    if page is None or not all(UUID_PATTERN.fullmatch(each.id) for each in page.items):
        return None
    return page
