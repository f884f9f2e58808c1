"""The POST of a row, by the way that its bucket goes across (settings.crossing).

What a request holds may be a secret: the source's keys, or a presigned URL. It is built when it is
about to leave, and kept nowhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypedDict
from urllib.parse import parse_qsl, urlsplit

import msgspec

from migrator.checkpoint.change import Transfer
from migrator.engine.request import Wanted
from migrator.pixop import wire
from migrator.pixop.client import Answer, Reply
from migrator.redaction import Redactor
from migrator.settings import Secret, Ways
from migrator.settings.source import Via
from migrator.source.credentials import KeyRing
from migrator.source.s3 import SourceS3

_OPENS = ("X-Amz-Signature", "X-Amz-Security-Token")
"""What of a URL nobody else may have."""


@dataclass(frozen=True, slots=True)
class Post:
    """One POST: its path, its own parameters, and its body, which may hold a secret.

    `place` is what is to be asked for where the answer is 404 and may be about it: "" for none.
    """

    path: str
    params: Mapping[str, str]
    body: bytes
    place: str = ""
    url: Secret | None = None

    def masked(self, reply: Reply) -> Reply:
        """Its reply without the URL's secrets, should the platform repeat a piece of them."""
        if self.url is None or not isinstance(reply, Answer) or reply.ok:
            return reply
        query = dict(parse_qsl(urlsplit(self.url.reveal()).query))
        opens = [Secret(query[name]) for name in _OPENS if name in query]
        return replace(reply, body=Redactor(opens).body(reply.body))


class Crossing:
    """Builds the POST of every row.

    `locations` are the input locations by bucket, those that this batch has made among them.
    """

    def __init__(
        self,
        ways: Ways,
        keys: KeyRing,
        source: SourceS3,
        params: Mapping[str, str],
        locations: Mapping[str, str],
    ) -> None:
        self._ways = ways
        self._keys = keys
        self._source = source
        self._params = params
        self._locations = locations
        self._vias: dict[str, Via] = {}

    async def post(self, transfer: Transfer, wanted: Wanted, crc32c: int | None) -> Post:
        """The POST of a row. `crc32c` is what S3 says of its object, as a number.

        Raises source.answers.S3Refusal where no URL can be made, StoppedByItself where it would
        outlive the credentials that sign it.
        """
        assert transfer.bucket is not None
        assert transfer.key is not None
        match self._via(transfer.bucket):
            case "https":
                return await self._by_url(transfer, wanted, crc32c)
            case "input-location":
                location = self._locations[transfer.bucket]
                asked = wire.CreateMasterVideoFromInputLocation(
                    object_key=transfer.key, **_common(wanted)
                )
                place = f"/v1/input-locations/s3/{location}"
                return self._post(f"/v1/videos/in/s3/{location}", asked, place=place)
        pair = self._keys.keys_for(transfer.bucket)
        return self._post(
            "/v1/videos/in/s3",
            wire.CreateMasterVideoFromS3Bucket(
                object_key=transfer.key,
                s3_bucket=wire.S3Bucket(
                    bucket=transfer.bucket,
                    access_key=pair.access_key_id,
                    secret_access_key=pair.secret_access_key.reveal(),
                ),
                **_common(wanted),
            ),
        )

    def _via(self, bucket: str) -> Via:
        """How a bucket goes across, worked out once for all its rows."""
        via = self._vias.get(bucket)
        if via is None:
            via = self._vias[bucket] = self._ways.of(bucket).via
        return via

    async def _by_url(self, transfer: Transfer, wanted: Wanted, crc32c: int | None) -> Post:
        assert transfer.bucket is not None
        assert transfer.key is not None
        life_s = int(self._ways.url_life.total_seconds())
        url = await self._source.presigned(
            transfer.bucket, transfer.key, transfer.version_id, life_s
        )
        own = {}
        if crc32c is not None:
            own["crc32c"] = str(crc32c)
        if self._ways.crossing.max_concurrent_connections is not None:
            own["maxConcurrentConnections"] = str(self._ways.crossing.max_concurrent_connections)
        asked = wire.CreateMasterVideoFromHttps(url=url.reveal(), **_common(wanted))
        return self._post("/v1/videos/in/https", asked, own, url=url)

    def _post(
        self,
        path: str,
        asked: msgspec.Struct,
        own: Mapping[str, str] | None = None,
        place: str = "",
        url: Secret | None = None,
    ) -> Post:
        params = {**self._params, **(own or {})}
        return Post(path, params, msgspec.json.encode(asked), place, url)


class _Common(TypedDict):
    name: str
    file_name: str
    description: str | None
    project_id: str | None


def _common(wanted: Wanted) -> _Common:
    return {
        "name": wanted.name,
        "file_name": wanted.file_name,
        "description": wanted.description,
        "project_id": wanted.project_id,
    }


def url_ends_ms(ways: Ways, transfer: Transfer) -> int | None:
    """When the URL that a row was sent with stops to open its object; None where there is none.

    A restart uses the URL of the POST: there is no way to hand over another one.
    """
    if transfer.bucket is None or not ways.by_url(transfer.bucket):
        return None
    if transfer.submitted_ms is None:  # adopted: another batch has sent it
        return None
    return transfer.submitted_ms + int(ways.url_life.total_seconds() * 1000)


def is_expired(ways: Ways, transfer: Transfer, *, now_ms: int) -> bool:
    """Whether a restart of a row's copy can only fail."""
    ends_ms = url_ends_ms(ways, transfer)
    return ends_ms is not None and now_ms >= ends_ms
