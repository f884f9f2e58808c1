"""A program that webhooks lead to, on this machine: it keeps what came, and answers as told."""

import asyncio
import json
from base64 import b64decode
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

DEADLINE_S = 20.0


@dataclass(frozen=True)
class Delivery:
    """One request that came."""

    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def type(self):
        return self.json["eventType"]

    def is_signed_by(self, keys):
        """Whether it verifies with the key that it names, of those published."""
        published = {key["id"]: key["publicKey"] for key in keys}
        key_id = self.headers["X-Pixop-Public-Key-Id"]
        assert self.headers["X-Pixop-Algorithm"] == "SHA256withECDSA"
        if key_id not in published:
            return False
        key = load_der_public_key(b64decode(published[key_id]))
        assert isinstance(key.curve, ec.SECP256R1)
        signature = b64decode(self.headers["X-Pixop-Signature"])
        signed = self.headers["X-Pixop-Timestamp"].encode() + b"." + self.body
        try:
            key.verify(signature, signed, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


class Receiver:
    """Answers each delivery by `answer`; every body is held against the document."""

    def __init__(self, contract):
        self.deliveries = []
        self.answer = lambda _request: web.Response(status=204)
        self.url = ""
        self.violations = []
        self._contract = contract
        self._came = asyncio.Condition()

    async def take(self, request):
        assert request.content_type == "application/json"
        body = await request.read()
        try:
            self._contract.check_delivery(body)
        except AssertionError as violation:
            self.violations.append(f"{violation}: {body}")
        async with self._came:
            self.deliveries.append(Delivery(dict(request.headers), body))
            self._came.notify_all()
        answer = self.answer(request)
        return await answer if asyncio.iscoroutine(answer) else answer

    async def until(self, count):
        """The deliveries, once so many have come."""
        async with asyncio.timeout(DEADLINE_S), self._came:
            await self._came.wait_for(lambda: len(self.deliveries) >= count)
        return list(self.deliveries)

    @property
    def types(self):
        return [one.type for one in self.deliveries]


@asynccontextmanager
async def receiving(contract, port=0, ssl_context=None):
    receiver = Receiver(contract)
    app = web.Application()
    app.router.add_post("/told", receiver.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=ssl_context).start()
    scheme = "http" if ssl_context is None else "https"
    receiver.url = f"{scheme}://127.0.0.1:{runner.addresses[0][1]}/told"
    try:
        yield receiver
    finally:
        await runner.cleanup()
        assert not receiver.violations
