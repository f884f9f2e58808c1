"""The customer's S3: what is asked of it, and its refusals in one vocabulary.

Foreign exceptions end here: a refusal of S3 becomes `S3Refusal` with S3's own code, a network that
does not answer becomes `SourceUnreachable`.
"""

import asyncio
import base64
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Self

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.parsers import AioResponseParserFactory, AioRestXMLParser
from aiobotocore.session import AioSession
from botocore import handlers
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    ParamValidationError,
    SSLError,
)
from botocore.loaders import create_loader
from botocore.utils import parse_timestamp

from migrator import __version__
from migrator.certificates import HINT_UNTRUSTED, why_untrusted
from migrator.errors import RunFailed, UsageError
from migrator.redaction import Redactor
from migrator.settings import Secret, StoreSettings
from migrator.source.credentials import KeyRing, SourceKeys
from migrator.source.pages import ListPage, read_page
from migrator.source.reading import BoundedSession
from migrator.source.versions import VersionsPage

MAX_CONNECTIONS = 64
"""Connections to the source for each pair of keys."""

USER_AGENT = f"migrator/{__version__}"
"""Also quick: botocore puts its own together anew for each request, for a ninth of a HEAD."""

ATTEMPTS = 4
"""Tries of the library's own for each question; beyond them the engine waits and asks again."""

PAUSE_S = 0.5
"""Seconds before a part of an object that broke off is asked for again."""
CRC32C_BYTES = 4

NOT_BUILT = "NotImplemented"
"""S3's code, a 501, for what a store does not do: to ask again is of no use."""

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
        store: StoreSettings,
        region: str,
        certificates: str | None = None,
        endpoints: Mapping[str, str] | None = None,
    ) -> None:
        self._ring = ring
        self._endpoint_url = store.s3_endpoint_url
        self._endpoints: Mapping[str, str | None] = endpoints or {}
        self._region = region
        self._addressing_style = store.s3_addressing_style
        self._payer = {"RequestPayer": "requester"} if store.requester_pays else {}
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

    async def page(
        self, bucket: str, prefix: str, *, after: str = "", token: str = "", delimiter: str = ""
    ) -> ListPage:
        """A page of the objects under `prefix`: behind the key `after`, or where `token` says.

        Raises S3Refusal or SourceUnreachable.
        """
        told = {"StartAfter": after, "ContinuationToken": token, "Delimiter": delimiter}
        arguments = {name: value for name, value in told.items() if value}
        answer = await self._ask(
            bucket, "list_objects_v2", Bucket=bucket, Prefix=prefix, **arguments
        )
        with _sense():
            page = answer.get(_PAGE) or _page_of(answer)
        assert isinstance(page, ListPage)
        if page.next_token is not None and page.next_token in {"", token}:
            raise SourceUnreachable("S3 says that a listing goes on, and not where")
        return page

    async def versions(
        self, bucket: str, prefix: str, *, behind: tuple[str, str], delimiter: str
    ) -> VersionsPage:
        """A page of the versions under `prefix`, from where `behind` says: see `source.versions`.

        Raises S3Refusal, also where a store does not tell versions, or SourceUnreachable.
        """
        told = {"KeyMarker": behind[0], "VersionIdMarker": behind[1], "Delimiter": delimiter}
        arguments = {name: value for name, value in told.items() if value}
        answer = await self._ask(
            bucket, "list_object_versions", Bucket=bucket, Prefix=prefix, **arguments
        )
        with _sense():
            page = replace(
                _page_of({**answer, "Contents": answer.get("Versions", ())}),
                next_token=None,
                versions=[entry["VersionId"] for entry in answer.get("Versions", ())],
            )
        if not answer.get("IsTruncated"):
            return VersionsPage(page, None)
        ends_at = (answer.get("NextKeyMarker") or "", answer.get("NextVersionIdMarker") or "")
        if not ends_at[0] or ends_at == behind:
            raise SourceUnreachable("S3 says that a listing goes on, and not where")
        return VersionsPage(page, ends_at)

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

    async def _ask(self, bucket: str, operation: str, **arguments: str) -> dict[str, Any]:
        client = await self._client(bucket)
        try:
            with _sense():
                answer: dict[str, Any] = await getattr(client, operation)(
                    **arguments, **self._payer
                )
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
        if status >= 500 and code != NOT_BUILT:  # noqa: PLR2004 - HTTP's own number
            return SourceUnreachable(f"{code}: {message} (HTTP {status})")
        return S3Refusal(code, status, message)

    def _one_line(self, error: Exception) -> str:
        return _one_line(self._redactor.text(str(error)))

    async def _client(self, bucket: str) -> Any:
        return await self._made(self._ring.keys_for(bucket), self._endpoint_of(bucket))

    def _style(self, endpoint_url: str | None) -> str:
        # Stores of others are seldom reached by a name for each bucket; S3 is.
        is_settled = self._addressing_style != "auto" or endpoint_url is None
        return self._addressing_style if is_settled else "path"

    def _endpoint_of(self, bucket: str) -> str | None:
        return self._endpoints.get(bucket, self._endpoint_url)

    async def _made(self, keys: SourceKeys, endpoint_url: str | None) -> Any:
        known = self._clients.get((keys, endpoint_url))
        if known is None:
            session = AioSession()
            session.register_component("data_loader", _LOADER)
            parsers = _Parsers()
            parsers.set_parser_defaults(timestamp_parser=_moment)
            session.register_component("response_parser_factory", parsers)
            if _ERRORS_IN_200 is not None:
                session.unregister("before-parse.s3.*", _ERRORS_IN_200)
            session.register("before-parse.s3.*", _read_first)
            if self._payer:
                session.register("before-sign.s3.GetObject", _say_who_pays)
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
                        user_agent=USER_AGENT,
                        max_pool_connections=MAX_CONNECTIONS,
                        connect_timeout=10,
                        read_timeout=30,
                        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                        s3={"addressing_style": self._style(endpoint_url)},
                        # A URL would else be signed by version 2, which S3 has given up.
                        signature_version="s3v4",
                    ),
                )
            )
            self._clients[keys, endpoint_url] = known
        return known


_LOADER = create_loader()
"""What botocore knows of S3, read once: it takes a tenth of a second, and would for each client."""

_PAGE = "migrator.page"


class _Parser(AioRestXMLParser):  # type: ignore[misc]  # botocore has no types
    """botocore's parser, but for a page of a listing that is read already."""

    def _do_parse(self, response: Mapping[str, Any], shape: Any) -> Any:
        if _PAGE in response:
            return {_PAGE: response[_PAGE]}
        return super()._do_parse(response, shape)


class _Parsers(AioResponseParserFactory):  # type: ignore[misc]  # botocore has no types
    def create_parser(self, protocol_name: str) -> Any:
        if protocol_name == "rest-xml":
            return _Parser(**self._defaults)
        return super().create_parser(protocol_name)


def _read_first(operation_model: Any, response_dict: dict[str, Any], **how: Any) -> None:
    """Read a page of a listing, if it is of the usual form.

    In the place of botocore's handler for errors that come as a 200, which for that takes each
    answer apart by itself and costs more than all else: a page of the usual form is no error.
    """
    if operation_model.name == "ListObjectsV2" and response_dict["status_code"] == HTTPStatus.OK:
        page = read_page(response_dict["body"])
        if page is not None:
            response_dict[_PAGE] = page
            return
    if _ERRORS_IN_200 is not None:
        _ERRORS_IN_200(operation_model=operation_model, response_dict=response_dict, **how)


def _say_who_pays(request: Any, signature_version: str, **_how: Any) -> None:
    """Whoever opens a URL sends no header of ours: it says itself, and signed, who pays.

    Amazon S3 user guide, "Downloading objects from Requester Pays buckets": a signed URL has
    x-amz-request-payer=requester in it.
    """
    if signature_version.endswith("-query"):
        request.params["x-amz-request-payer"] = "requester"


_ERRORS_IN_200 = getattr(handlers, "_handle_200_error", None)


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
    """A time as botocore reads it; None where it is none: nothing is decided by it.

    What HEADs write is read by what is quick: dateutil took an eighth of a HEAD's time.
    """
    try:
        if isinstance(value, str) and value.endswith("GMT"):
            return parsedate_to_datetime(value)
        return parse_timestamp(value)  # type: ignore[no-any-return]  # botocore has no types
    except (ValueError, OverflowError, RuntimeError, TypeError, IndexError):
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


def _page_of(answer: Mapping[str, Any]) -> ListPage:
    """A page as botocore has read it."""
    entries = answer.get("Contents", ())
    token = answer.get("NextContinuationToken") or ""
    return ListPage(
        keys=[entry["Key"] for entry in entries],
        sizes=[_size_bytes(entry["Size"]) for entry in entries],
        etags=[_etag(entry) for entry in entries],
        modified_ms=[_ms(entry.get("LastModified")) for entry in entries],
        storage_classes=[entry.get("StorageClass") for entry in entries],
        folders=[each["Prefix"] for each in answer.get("CommonPrefixes", ())],
        next_token=token if answer.get("IsTruncated") else None,
    )


def _etag(answer: Mapping[str, Any]) -> str | None:
    etag = answer.get("ETag")
    return etag.strip('"') if isinstance(etag, str) else None


def _ms(moment: object) -> int | None:
    return int(moment.timestamp() * 1000) if isinstance(moment, datetime) else None
