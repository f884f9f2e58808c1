"""The customer's S3: what is asked of it, and its refusals in one vocabulary.

Foreign exceptions end here: a refusal of S3 becomes `S3Refusal` with S3's own code, a network that
does not answer becomes `SourceUnreachable`.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    ParamValidationError,
    SSLError,
)
from botocore.utils import parse_timestamp

from migrator.certificates import HINT_UNTRUSTED, why_untrusted
from migrator.errors import RunFailed, UsageError
from migrator.redaction import Redactor
from migrator.settings import Secret
from migrator.source.credentials import KeyRing, SourceKeys
from migrator.source.reading import BoundedSession

MAX_CONNECTIONS = 64
"""Connections to the source for each pair of keys."""

ATTEMPTS = 4
"""Tries of the library's own for each question; beyond them the engine waits and asks again."""

PAUSE_S = 0.5
"""Seconds before a part of an object that broke off is asked for again."""
CRC32C_BYTES = 4

MAX_CODE, MAX_MESSAGE = 100, 1000
"""Characters of S3's own words that are kept."""


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What S3 tells about an object.

    `etag` is without its quotes, `last_modified_ms` epoch milliseconds; `version_id` and
    `storage_class` are None where it has none. `archived` is True when the object must be restored
    before it can be read, None when only a HEAD can tell. `crc32c` is the checksum of the whole
    object, where S3 knows it and was asked.
    """

    size_bytes: int
    etag: str | None
    last_modified_ms: int | None
    version_id: str | None = None
    storage_class: str | None = None
    archived: bool | None = False
    crc32c: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What of an object is meant: one version of it, else the current one; its checksum too."""

    version_id: str | None = None
    checksum: bool = False


CURRENT = Asked()


class S3Refusal(Exception):
    """S3 answered, and the answer is no.

    `code` is S3's error code, or HTTP's number as text where S3 sent no body; `status` is HTTP's.
    """

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.status = status
        self.message = message


class SourceUnreachable(Exception):
    """S3 did not answer, or answered with a fault of its own, after the library's own retries."""


class SourceS3:
    """The source through the keys of each bucket. Use as an async context manager.

    `certificates` is the file of those that are trusted; None means botocore's own.
    """

    def __init__(
        self,
        ring: KeyRing,
        endpoint_url: str | None,
        region: str,
        certificates: str | None = None,
        endpoints: Mapping[str, str] | None = None,
    ) -> None:
        self._ring = ring
        self._endpoint_url = endpoint_url
        self._endpoints: Mapping[str, str | None] = endpoints or {}
        self._region = region
        self._certificates = certificates
        self._redactor = Redactor(pair.secret_access_key for pair in ring.all_keys())
        self._stack = AsyncExitStack()
        self._clients: dict[tuple[SourceKeys, str | None], Any] = {}
        self._regions_known: set[str] = set()

    async def __aenter__(self) -> Self:
        try:
            for keys in self._ring.all_keys():
                await self._made(keys, self._endpoint_url)
        except (BotoCoreError, ValueError) as error:
            await self._stack.aclose()
            raise UsageError(
                f"the S3 client cannot be made: {self._one_line(error)}",
                "check AWS_PROFILE, AWS_REGION, the AWS config file and --s3-endpoint-url",
            ) from None
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._stack.aclose()

    async def head(self, bucket: str, key: str, asked: Asked = CURRENT) -> ObjectFacts:
        """HEAD one object. Raises S3Refusal or SourceUnreachable.

        A HEAD's refusal has no body; the caller learns the code with `read_code`.
        """
        named = _named(bucket, key, asked)
        if asked.checksum:
            named["ChecksumMode"] = "ENABLED"
        answer = await self._ask(bucket, "head_object", **named)
        with _sense():
            return _facts_of_head(answer)

    async def read_code(self, bucket: str, key: str, asked: Asked = CURRENT) -> None:
        """GET the first byte, only to learn from the body of the refusal what S3 objects to.

        Returns when S3 does not object. Raises S3Refusal with a code, or SourceUnreachable.
        """
        named = _named(bucket, key, asked)
        answer = await self._ask(bucket, "get_object", **named, Range="bytes=0-0")
        answer["Body"].close()

    async def presigned(self, bucket: str, key: str, version_id: str | None, life_s: int) -> Secret:
        """A URL by which anybody may GET the object, or one version of it, for so many seconds.

        Signed here; of a bucket of AWS its region is asked for first, once. Raises S3Refusal for a
        name that no bucket has, SourceUnreachable where S3 does not answer.
        """
        client = await self._client(bucket)
        await self._learn_region(bucket)
        named = _named(bucket, key, Asked(version_id))
        try:
            url = await client.generate_presigned_url("get_object", named, ExpiresIn=life_s)
        except ParamValidationError as error:
            raise S3Refusal("InvalidBucketName", 400, self._one_line(error)) from None
        return Secret(url)

    async def _learn_region(self, bucket: str) -> None:
        """Have the client find out where a bucket is: a URL that names another region is refused.

        botocore keeps what S3 tells of it beside an answer, a refusal too.
        """
        if bucket in self._regions_known or self._endpoint_of(bucket):
            return
        with suppress(S3Refusal):
            await self._ask(bucket, "head_bucket", Bucket=bucket)
        self._regions_known.add(bucket)

    async def read(self, bucket: str, key: str, begin: int, length: int, etag: str | None) -> bytes:
        """`length` bytes of an object from `begin` on, as long as it has this ETag.

        Raises S3Refusal, also with PreconditionFailed, and SourceUnreachable where S3 does not
        answer or sends something else.
        """
        arguments = {"IfMatch": f'"{etag}"'} if etag else {}
        wanted = f"bytes={begin}-{begin + length - 1}"
        for left in reversed(range(ATTEMPTS)):
            answer = await self._ask(
                bucket, "get_object", Bucket=bucket, Key=key, Range=wanted, **arguments
            )
            try:
                content = await _read_bounded(answer["Body"], length)
            except (OSError, HTTPClientError, BotoCoreError, aiohttp.ClientError) as error:
                if not left:
                    raise SourceUnreachable(self._one_line(error)) from None
                await asyncio.sleep(PAUSE_S)
                continue
            is_whole = len(content) == length and answer.get("ETag", "").strip('"') == (etag or "")
            if not is_whole or not str(answer.get("ContentRange", "")).startswith(
                f"bytes {begin}-"
            ):
                raise SourceUnreachable(f"S3 sends something else than {wanted} of {key}")
            return content
        raise AssertionError  # the last attempt answers or raises

    async def list(
        self, bucket: str, prefix: str, start_after: str
    ) -> AsyncIterator[list[tuple[str, ObjectFacts]]]:
        """(key, facts) of every object under `prefix` behind `start_after`, a page at a time."""
        arguments: dict[str, str] = {"Bucket": bucket, "Prefix": prefix}
        if start_after:
            arguments["StartAfter"] = start_after
        while True:
            page = await self._ask(bucket, "list_objects_v2", **arguments)
            with _sense():
                entries = [(e["Key"], _facts_of_entry(e)) for e in page.get("Contents", ())]
            yield entries
            if not page.get("IsTruncated"):
                return
            token = page.get("NextContinuationToken")
            if not token or token == arguments.get("ContinuationToken"):
                raise SourceUnreachable("S3 says that a listing goes on, and not where")
            arguments["ContinuationToken"] = token

    async def _ask(self, bucket: str, operation: str, **arguments: str) -> dict[str, Any]:
        client = await self._client(bucket)
        try:
            with _sense():
                answer: dict[str, Any] = await getattr(client, operation)(**arguments)
        except ClientError as error:
            raise self._refusal(error) from None
        except ParamValidationError as error:
            raise S3Refusal("InvalidBucketName", 400, self._one_line(error)) from None
        except (BotoCoreError, HTTPClientError, OSError) as error:
            self._refuse_untrusted(error)
            raise SourceUnreachable(self._one_line(error)) from None
        return answer

    def _refuse_untrusted(self, error: Exception) -> None:
        """A certificate that is refused now is refused in an hour: raises RunFailed."""
        cause = error.kwargs.get("error") if isinstance(error, SSLError) else None
        why = cause and why_untrusted(cause)
        if why:
            raise RunFailed(f"the certificate of S3 is not trusted: {why}", HINT_UNTRUSTED)

    def _refusal(self, error: ClientError) -> Exception:
        response: Mapping[str, Any] = error.response
        told: Mapping[str, Any] = response.get("Error", {})
        status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        code = self._redactor.text(str(told.get("Code", status)))[:MAX_CODE]
        message = self._redactor.text(str(told.get("Message", "")))[:MAX_MESSAGE]
        if status >= 500:  # noqa: PLR2004 - HTTP's own number
            return SourceUnreachable(f"{code}: {message} (HTTP {status})")
        return S3Refusal(code, status, message)

    def _one_line(self, error: Exception) -> str:
        return _one_line(self._redactor.text(str(error)))

    async def _client(self, bucket: str) -> Any:
        return await self._made(self._ring.keys_for(bucket), self._endpoint_of(bucket))

    def _endpoint_of(self, bucket: str) -> str | None:
        return self._endpoints.get(bucket, self._endpoint_url)

    async def _made(self, keys: SourceKeys, endpoint_url: str | None) -> Any:
        known = self._clients.get((keys, endpoint_url))
        if known is None:
            session = AioSession()
            parsers = session.get_component("response_parser_factory")
            parsers.set_parser_defaults(timestamp_parser=_moment)
            known = await self._stack.enter_async_context(
                session.create_client(
                    "s3",
                    region_name=self._region,
                    endpoint_url=endpoint_url,
                    aws_access_key_id=keys.access_key_id,
                    aws_secret_access_key=keys.secret_access_key.reveal(),
                    verify=self._certificates,
                    config=AioConfig(
                        http_session_cls=BoundedSession,
                        max_pool_connections=MAX_CONNECTIONS,
                        connect_timeout=10,
                        read_timeout=30,
                        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                        s3={"addressing_style": "path"} if endpoint_url else {},
                        # A URL would else be signed by version 2, which S3 has given up.
                        signature_version="s3v4",
                    ),
                )
            )
            self._clients[keys, endpoint_url] = known
        return known


async def _read_bounded(body: Any, length: int) -> bytes:
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


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]


@contextmanager
def _sense() -> Iterator[None]:
    """An answer without what every answer has, or with something else there: SourceUnreachable."""
    try:
        yield
    except (KeyError, TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise SourceUnreachable(f"S3's answer makes no sense ({type(error).__name__})") from None


def _moment(value: Any) -> datetime | None:
    """A time as botocore reads it; None where it is none: nothing is decided by it."""
    try:
        return parse_timestamp(value)  # type: ignore[no-any-return]  # botocore has no types
    except (ValueError, OverflowError, RuntimeError):
        return None


def _size_bytes(value: Any) -> int:
    size_bytes = int(value)
    if not 0 <= size_bytes < 2**63:
        raise ValueError("no size")
    return size_bytes


def _facts_of_head(answer: Mapping[str, Any]) -> ObjectFacts:
    storage_class = answer.get("StorageClass")
    restored = 'ongoing-request="false"' in answer.get("Restore", "")
    archived = storage_class in {"GLACIER", "DEEP_ARCHIVE"} or "ArchiveStatus" in answer
    return ObjectFacts(
        size_bytes=_size_bytes(answer["ContentLength"]),
        etag=_etag(answer),
        last_modified_ms=_ms(answer.get("LastModified")),
        version_id=answer.get("VersionId"),
        storage_class=storage_class,
        archived=archived and not restored,
        crc32c=_crc32c(answer),
    )


def _crc32c(answer: Mapping[str, Any]) -> int | None:
    """The CRC-32C of the whole object; None where S3 has another kind of checksum, or of its parts.

    S3 writes it in base64, as four bytes, the first the highest (S3 user guide, "Checking object
    integrity"); the platform takes the number.
    """
    if answer.get("ChecksumType") == "COMPOSITE":
        return None
    try:
        raw = base64.b64decode(answer.get("ChecksumCRC32C") or "", validate=True)
    except ValueError:  # with "-N" behind it: of N parts
        return None
    return int.from_bytes(raw, "big") if len(raw) == CRC32C_BYTES else None


def _named(bucket: str, key: str, asked: Asked) -> dict[str, str]:
    """An object, and a version of it where one is asked for, as S3's operations name it."""
    named = {"Bucket": bucket, "Key": key}
    if asked.version_id is not None:
        named["VersionId"] = asked.version_id
    return named


def _facts_of_entry(entry: Mapping[str, Any]) -> ObjectFacts:
    storage_class = entry.get("StorageClass")
    # A listing does not say whether an archived object has been restored, nor in which tier
    # INTELLIGENT_TIERING keeps it.
    asks_for_head = storage_class in {"GLACIER", "DEEP_ARCHIVE", "INTELLIGENT_TIERING"}
    return ObjectFacts(
        size_bytes=_size_bytes(entry["Size"]),
        etag=_etag(entry),
        last_modified_ms=_ms(entry.get("LastModified")),
        storage_class=storage_class,
        archived=None if asks_for_head else False,
    )


def _etag(answer: Mapping[str, Any]) -> str | None:
    etag = answer.get("ETag")
    return etag.strip('"') if isinstance(etag, str) else None


def _ms(moment: object) -> int | None:
    return int(moment.timestamp() * 1000) if isinstance(moment, datetime) else None
