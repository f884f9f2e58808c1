"""Reading the customer's bucket with the keys that were handed over.

Each request may come with other keys, so there is no client per pair: botocore signs, and
one aiohttp session carries. Whatever S3 answers is translated here, once, into the codes
that the API knows.
"""

import asyncio
import re
import urllib.parse
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import aiohttp
import yarl
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from migrator.sandbox.keys import REGION, KeyPair
from migrator.sandbox.moments import from_http_date
from migrator.sandbox.origin import SourceError, SourceHead, SourceObject, require_range

# botocore has no types: here, and in `_signed`, is all that touches it.
_REQUEST: Any = AWSRequest
_CREDENTIALS: Any = Credentials
_SIGNATURE: Any = S3SigV4Auth

ABSENT_KEY = "The given key does not exist in the bucket"

_CODE = re.compile(rb"<Code>([A-Za-z]+)</Code>")
_WRONG_KEYS = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch"})


class Source:
    """The S3 at `url`, read with a key pair per request."""

    def __init__(self, url: str, session: aiohttp.ClientSession, *, recheck_s: float = 0.0) -> None:
        self._url = url
        self._session = session
        self._recheck_s = recheck_s

    async def head(self, wanted: SourceObject) -> SourceHead:
        """HEAD the object.

        Raises SourceError: INVALID_CREDENTIALS, BUCKET_NOT_FOUND, KEY_NOT_FOUND or
        HEAD_OBJECT_ERROR.
        """
        try:
            return await self._head_once(wanted)
        except SourceError as error:
            if error.code not in {"BUCKET_NOT_FOUND", "KEY_NOT_FOUND"} or not self._recheck_s:
                raise
        # The local S3 remembers directories for a moment; what was put there within that
        # moment is absent only to its memory.
        await asyncio.sleep(self._recheck_s)
        return await self._head_once(wanted)

    async def _head_once(self, wanted: SourceObject) -> SourceHead:
        async with self._send("HEAD", wanted) as answer:
            if answer.status == HTTPStatus.OK:
                size_bytes = answer.content_length
                if size_bytes is None:  # a listing of the bucket, for keys that look like it: `/`
                    raise SourceError("KEY_NOT_FOUND", ABSENT_KEY)
                return SourceHead(
                    size_bytes=size_bytes,
                    content_type=answer.headers.get("Content-Type", ""),
                    modified_at_ms=from_http_date(answer.headers.get("Last-Modified")),
                )
            status = answer.status
        # An answer to HEAD has no body, so the reason must be asked for once more.
        async with self._send("GET", wanted, {"Range": "bytes=0-0"}) as answer:
            raise await _refusal(answer, f"HEAD answered {status}")

    @asynccontextmanager
    async def reading(
        self, wanted: SourceObject, *, first: int, last: int, size_bytes: int
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """The bytes `first` to `last` (inclusive) of an object of `size_bytes`.

        Raises SourceError where S3 refuses, or answers with another range or size.
        """
        async with self._send("GET", wanted, {"Range": f"bytes={first}-{last}"}) as answer:
            if answer.status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
                raise await _refusal(answer, f"GET answered {answer.status}")
            require_range(answer.headers, first=first, last=last, size_bytes=size_bytes)
            yield answer.content

    @asynccontextmanager
    async def _send(
        self, method: str, wanted: SourceObject, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        path = urllib.parse.quote(f"{wanted.bucket}/{wanted.key}", safe="-_.~/")
        url = f"{self._url}/{path}"
        signed = _signed(method, url, wanted.keys, headers or {})
        try:
            async with self._session.request(
                # Signed as it stands: a key such as `a/../b` must not be tidied up.
                method,
                yarl.URL(url, encoded=True),
                headers=signed,
                allow_redirects=False,
            ) as answer:
                yield answer
        except (aiohttp.ClientError, TimeoutError) as error:
            message = f"the source broke off: {type(error).__name__}"
            raise SourceError("RESOLVE_OBJECT_METADATA_ERROR", message) from error


def _signed(method: str, url: str, keys: KeyPair, headers: Mapping[str, str]) -> dict[str, str]:
    for secret in (keys.access_key, keys.secret_access_key):
        if not secret.isascii() or not secret.isprintable() or " " in secret:
            raise SourceError("INVALID_CREDENTIALS", "the access keys cannot be keys of S3")
    request = _REQUEST(method=method, url=url, headers=dict(headers))
    credentials = _CREDENTIALS(keys.access_key, keys.secret_access_key)
    _SIGNATURE(credentials, "s3", REGION).add_auth(request)
    return {str(name): str(value) for name, value in request.headers.items()}


async def _refusal(answer: aiohttp.ClientResponse, what: str) -> SourceError:
    """What a refusing answer means, by the code in its body."""
    found = _CODE.search(await answer.content.read(65_536))
    code = found[1].decode() if found else ""
    if code in _WRONG_KEYS:
        return SourceError("INVALID_CREDENTIALS", "Invalid credentials")
    if code == "NoSuchBucket":
        return SourceError("BUCKET_NOT_FOUND", "Bucket not found")
    # rclone calls keys invalid that no file can have, `a//b` or `../c`: here they cannot be.
    if code in {"NoSuchKey", "InvalidArgument"} or (
        answer.status == HTTPStatus.NOT_FOUND and not code
    ):
        return SourceError("KEY_NOT_FOUND", ABSENT_KEY)
    return SourceError("HEAD_OBJECT_ERROR", f"Error in HeadObject: {what} {code}".rstrip())
