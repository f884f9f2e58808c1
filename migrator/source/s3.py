"""The customer's S3: what is asked of it, and its refusals in one vocabulary.

Foreign exceptions end here: a refusal of S3 becomes `S3Refusal` with S3's own code, a network that
does not answer becomes `SourceUnreachable`.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import Any, Self

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    ParamValidationError,
    SSLError,
)

from migrator.certificates import HINT_UNTRUSTED, why_untrusted
from migrator.errors import RunFailed, UsageError
from migrator.redaction import Redactor
from migrator.settings import Secret, StoreSettings
from migrator.source.access import Access, CredentialsEnded
from migrator.source.answers import (
    CURRENT,
    NOT_BUILT,
    REFUSED_KEYS,
    Asked,
    ObjectFacts,
    S3Refusal,
    SourceUnreachable,
    facts_of_head,
    facts_of_headers,
    making_sense,
    named,
    page_of,
)
from migrator.source.clients import ATTEMPTS, PAGE, configured, s3_session
from migrator.source.credentials import KeyRing
from migrator.source.heads import Ways
from migrator.source.pages import ListPage
from migrator.source.reading import read_bounded
from migrator.source.versions import VersionsPage

PAUSE_S = 0.5
"""Seconds before a part of an object that broke off is asked for again."""

MAX_CODE, MAX_MESSAGE = 100, 1000
"""Characters of S3's own words that are kept."""


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
        self._clients: dict[tuple[Access, str | None], Any] = {}
        self._seen: dict[Access, str] = {}
        self._regions_known: set[str] = set()
        self._ways = Ways()

    async def __aenter__(self) -> Self:
        try:
            for access in self._ring.accesses():
                await self._made(access, self._endpoint_url)
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
        await self._client(bucket)  # so that credentials are refreshed, and masked
        headers = await self._ways.head(bucket, key, asked)
        if headers is not None:
            with making_sense():
                return facts_of_headers(headers)
        arguments = named(bucket, key, asked)
        if asked.checksum:
            arguments["ChecksumMode"] = "ENABLED"
        answer = await self._ask(bucket, "head_object", **arguments)
        with making_sense():
            facts = facts_of_head(answer)
        self._ways.learn(bucket, key, asked, answer)
        return facts

    async def read_code(self, bucket: str, key: str, asked: Asked = CURRENT) -> None:
        """GET the first byte, only to learn from the body of the refusal what S3 objects to.

        Returns when S3 does not object. Raises S3Refusal with a code, or SourceUnreachable.
        """
        meant = named(bucket, key, asked)
        answer = await self._ask(bucket, "get_object", **meant, Range="bytes=0-0")
        answer["Body"].close()

    async def presigned(self, bucket: str, key: str, version_id: str | None, life_s: int) -> Secret:
        """A URL by which anybody may GET the object, or one version of it, for so many seconds.

        Signed here; of a bucket of AWS its region is asked for first, once. Raises S3Refusal for a
        name that no bucket has, SourceUnreachable where S3 does not answer, CredentialsEnded where
        the URL would open nothing before it has lived so long.
        """
        access = self._ring.access_for(bucket)
        client = await self._client(bucket)
        lasts_s = access.lasts_s() if access.is_temporary else None
        if access.is_temporary and (lasts_s is None or lasts_s < life_s):
            raise CredentialsEnded(access.name, "a URL of --url-life would outlive them")
        await self._learn_region(bucket)
        meant = named(bucket, key, Asked(version_id))
        try:
            url = await client.generate_presigned_url("get_object", meant, ExpiresIn=life_s)
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
        with making_sense():
            page = answer.get(PAGE) or page_of(answer)
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
        with making_sense():
            page = replace(
                page_of({**answer, "Contents": answer.get("Versions", ())}),
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
                content = await read_bounded(answer["Body"], length)
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
            with making_sense():
                answer: dict[str, Any] = await getattr(client, operation)(
                    **arguments, **self._payer
                )
        except ClientError as error:
            raise self._refusal(error, self._ring.access_for(bucket)) from None
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

    def _refusal(self, error: ClientError, access: Access) -> Exception:
        response: Mapping[str, Any] = error.response
        told: Mapping[str, Any] = response.get("Error", {})
        status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        code = self._redactor.text(str(told.get("Code", status)))[:MAX_CODE]
        message = self._redactor.text(str(told.get("Message", "")))[:MAX_MESSAGE]
        if status >= 500 and code != NOT_BUILT:  # noqa: PLR2004 - HTTP's own number
            return SourceUnreachable(f"{code}: {message} (HTTP {status})")
        if access.apart and code in REFUSED_KEYS:
            return CredentialsEnded(access.name, code)
        return S3Refusal(code, status, message)

    def _one_line(self, error: Exception) -> str:
        return _one_line(self._redactor.text(str(error)))

    async def _client(self, bucket: str) -> Any:
        access = self._ring.access_for(bucket)
        if access.is_temporary:
            await self._hide(access)
        return await self._made(access, self._endpoint_of(bucket))

    async def _hide(self, access: Access) -> None:
        """Have the secrets of credentials masked, also of those that took the place of others."""
        now = await access.frozen()
        if self._seen.get(access) != now.token:
            self._seen[access] = now.token
            secrets = [pair.secret_access_key for pair in self._ring.all_keys()]
            self._redactor = Redactor([*secrets, Secret(now.secret_key), Secret(now.token)])

    def _style(self, endpoint_url: str | None) -> str:
        # Stores of others are seldom reached by a name for each bucket; S3 is.
        is_settled = self._addressing_style != "auto" or endpoint_url is None
        return self._addressing_style if is_settled else "path"

    def _endpoint_of(self, bucket: str) -> str | None:
        return self._endpoints.get(bucket, self._endpoint_url)

    async def _made(self, access: Access, endpoint_url: str | None) -> Any:
        known = self._clients.get((access, endpoint_url))
        if known is None:
            keys = access.keys
            session = s3_session(says_who_pays=bool(self._payer))
            if keys is None:  # what refreshes itself cannot be told otherwise
                session._credentials = access.credentials  # noqa: SLF001
            known = await self._stack.enter_async_context(
                session.create_client(
                    "s3",
                    region_name=self._region,
                    endpoint_url=endpoint_url,
                    aws_access_key_id=keys and keys.access_key_id,
                    aws_secret_access_key=keys and keys.secret_access_key.reveal(),
                    verify=self._certificates,
                    config=configured(
                        s3={"addressing_style": self._style(endpoint_url)},
                        # A URL would else be signed by version 2, which S3 has given up.
                        signature_version="s3v4",
                    ),
                )
            )
            self._clients[access, endpoint_url] = known
        return known


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
