"""How S3's answers are read: never without a bound."""

from typing import Any

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession

MAX_ANSWER_BYTES = 8 * 2**20
"""A page of a listing has 1,000 keys of 1,024 bytes, each byte perhaps as `%XX`: some 4 MB."""


MAX_TAGS = 200_000
"""Tags of XML in an answer: a listing has some 20 a key. Each takes up many times its length."""


class AnswerTooLarge(aiohttp.ClientPayloadError):
    """An answer is longer than any answer of S3 is."""


class BoundedResponse(aiohttp.ClientResponse):
    """An answer that is read up to a bound; botocore itself reads whatever comes."""

    async def read(self) -> bytes:
        """The whole body. Raises AnswerTooLarge."""
        if self._body is None:
            parts: list[bytes] = []
            size = 0
            async for part in self.content.iter_any():
                size += len(part)
                if size > MAX_ANSWER_BYTES:
                    self.close()
                    raise AnswerTooLarge(f"an answer larger than {MAX_ANSWER_BYTES} bytes")
                parts.append(part)
            body = b"".join(parts)
            if body.count(b"<") > MAX_TAGS:
                raise AnswerTooLarge(f"an answer of more than {MAX_TAGS} tags")
            self._body = body
        return self._body


class BoundedSession(AIOHTTPSession):  # type: ignore[misc]  # botocore has no types
    """aiobotocore's HTTP session with bounded answers."""

    async def _get_session(self, proxy_url: str | None) -> Any:
        session = await super()._get_session(proxy_url)
        session._response_class = BoundedResponse  # noqa: SLF001 - it offers no other way
        return session


async def read_bounded(body: Any, length: int) -> bytes:
    """The body up to one byte more than there must be; shut before its end if there is more."""
    parts: list[bytes] = []
    left = length + 1
    try:
        while left and (part := await body.read(left)):
            parts.append(part)
            left -= len(part)
    finally:
        body.close()
    return b"".join(parts)
