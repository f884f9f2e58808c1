"""Somebody who signs deliveries: the platform, or whoever would like to be it."""

import json
import uuid
from base64 import b64encode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from multidict import CIMultiDict

DER = serialization.Encoding.DER
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


class Signer:
    """A key pair, under the id that its public half is published by."""

    def __init__(self, key_id=None):
        self.key_id = key_id or str(uuid.uuid4())
        self._key = ec.generate_private_key(ec.SECP256R1())

    def published(self, expires_at=None):
        """As an item of `GET /v1/webhooks/public-keys`."""
        public = b64encode(self._key.public_key().public_bytes(DER, SPKI)).decode()
        made = "2026-01-01T00:00:00Z"
        key = {"id": self.key_id, "createdAt": made, "updatedAt": made, "algorithm": "EC",
               "publicKey": public}  # fmt: skip
        return key if expires_at is None else {**key, "expiresAt": expires_at}

    def headers(self, body, timestamp):
        signed = f"{timestamp}.".encode() + body
        return CIMultiDict(
            {
                "X-Pixop-Signature": b64encode(
                    self._key.sign(signed, ec.ECDSA(hashes.SHA256()))
                ).decode(),
                "X-Pixop-Public-Key-Id": self.key_id,
                "X-Pixop-Timestamp": str(timestamp),
                "X-Pixop-Algorithm": "SHA256withECDSA",
            }
        )


def event(webhook_id, video_id=None, event_type="video_in.done", **changes):
    """The body of a delivery."""
    told = {
        "id": str(uuid.uuid4()),
        "webhookId": webhook_id,
        "eventType": event_type,
        "occurredAt": "2026-01-01T00:00:00Z",
        "test": False,
        "attemptCount": 1,
        "data": {"type": "VIDEO", "videoId": video_id or str(uuid.uuid4())},
    }
    return json.dumps({**told, **changes}).encode()
