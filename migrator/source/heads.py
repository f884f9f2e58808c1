"""HEADs the quick way: what botocore works out for one object of a bucket holds for the next.

For each request botocore checks parameters, resolves the endpoint by rules and calls some twenty
handlers; that is most of what a HEAD costs, and for the objects of one bucket it comes out the same
but for the key. So an answer of 200 shows the way that it went: where to, after all redirects, with
which headers, and signed for which region. The next HEAD of that bucket is made of this, and signed
and sent by the same signer and the same session.

Whatever is answered but a 200 is no answer here: botocore asks again in full, with its retries and
redirects, and shows the way anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Self

from aiobotocore.session import AioSession
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.utils import percent_encode

from migrator.source.answers import Asked

WAY = "migrator.way"
"""Where an answer to a HEAD holds the way that it went."""

_SIGNED = "s3v4"
"""The kind of signature that depends on no more than is kept here."""

_OF_ONE_REQUEST = ("amz-sdk-", "authorization", "x-amz-content-sha256", "x-amz-date",
                   "x-amz-security-token")  # fmt: skip
"""How headers begin that count tries or belong to a signature: they are made anew, or left out."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a HEAD is asked: `url` is that of an object, and of its bucket `without` the key."""

    url: str
    headers: Mapping[str, str]
    region: str
    service: str
    config: Any
    signer: Any
    session: Any = None

    def without(self, key: str) -> Self | None:
        """The way to any object of the bucket; None where the URL does not end in this key."""
        ending = _encoded(key)
        return replace(self, url=self.url[: -len(ending)]) if self.url.endswith(ending) else None

    async def head(self, key: str) -> Mapping[str, str] | None:
        """The headers of a 200; None is no answer."""
        request = AWSRequest("HEAD", self.url + _encoded(key), self.headers)
        request.context = {"client_config": self.config}
        try:
            signature = await self.signer.get_auth_instance(self.service, self.region, _SIGNED)
            signature.add_auth(request)
            answer = await self.session.send(request.prepare())
        except (BotoCoreError, HTTPClientError, ClientError, OSError, RuntimeError):
            return None
        return answer.headers if answer.status_code == HTTPStatus.OK else None


class Ways:
    """The ways to buckets, as far as they are known."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, Asked], Way | None] = {}

    async def head(self, bucket: str, key: str, asked: Asked) -> Mapping[str, str] | None:
        """The headers of a 200; None where no way is known, and where it gave no answer."""
        way = self._known.get((bucket, asked))
        return None if way is None else await way.head(key)

    def learn(self, bucket: str, key: str, asked: Asked, answer: dict[str, Any]) -> None:
        """Take the way out of botocore's answer; what asks for a version is of one object."""
        way = answer.pop(WAY, None)
        if way is not None and asked.version_id is None:
            self._known[bucket, asked] = way.without(key)


def show_ways(session: AioSession) -> None:
    """Have each answer to a HEAD hold its `Way` under `WAY`, where there is one."""
    session.register("before-sign.s3.HeadObject", _note)
    session.register("needs-retry.s3.HeadObject", _show)


def _note(
    request: AWSRequest,
    signing_name: str,
    region_name: str,
    signature_version: str,
    request_signer: Any,
    **_how: Any,
) -> None:
    """Keep with a request how it will be signed, which no later event tells."""
    request.context.pop(WAY, None)
    if signature_version != _SIGNED:
        return
    kept = {
        name: value
        for name, value in request.headers.items()
        if not name.lower().startswith(_OF_ONE_REQUEST)
    }
    own = request.context.get("signing", {})
    request.context[WAY] = Way(
        request.url,
        kept,
        own.get("region") or region_name,
        own.get("signing_name") or signing_name,
        request.context.get("client_config"),
        request_signer,
    )


def _show(request_dict: Mapping[str, Any], response: Any, endpoint: Any, **_how: Any) -> None:
    """Put the way into the answer; where that is a refusal nobody looks at it."""
    way = request_dict["context"].get(WAY)
    if response is not None and way is not None:
        _, answer = response
        answer[WAY] = replace(way, session=endpoint.http_session)


def _encoded(key: str) -> str:
    """A key in a URL, as botocore's serializer writes it."""
    return percent_encode(key, safe="/~")  # type: ignore[no-any-return]  # botocore has no types
