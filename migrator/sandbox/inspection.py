"""What a rehearsal is judged by, every create, window and byte, and the plan of its faults.

No part of the platform: no key is asked for, and no quota is spent.
"""

import re
from collections.abc import Sequence

import msgspec
from aiohttp import web
from msgspec import Struct

from migrator.sandbox.copying import Copier
from migrator.sandbox.faults import Faults, RuleCount
from migrator.sandbox.loopback import INSPECTION_PATH
from migrator.sandbox.moments import iso
from migrator.sandbox.plan import Plan, PlanError, plan_of
from migrator.sandbox.quota import WINDOW_S, Quota
from migrator.sandbox.records import Records
from migrator.sandbox.videos import Create
from migrator.sandbox.webhooks.shapes import key_shape
from migrator.sandbox.webhooks.signing import GRACE_S, SigningKeys
from migrator.sandbox.wire import encoded

ROWS_AT_A_TIME = 1000


class CreateShape(Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """A record that was made, and the request that made it, with its secrets masked.

    A copy from S3 has `bucket`, `objectKey` and `accessKey`, with an input location also
    `inputLocationId`; one from a URL has `url`, `crc32c` and `maxConcurrentConnections`.
    """

    video_id: str
    created_at: str
    request_id: str
    operation: str
    team_id: str
    project_id: str
    name: str
    description: str | None
    file_name: str
    full_ingestion: bool
    bucket: str | None = None
    object_key: str | None = None
    access_key: str | None = None
    input_location_id: str | None = None
    url: str | None = None
    crc32c: int | None = None
    max_concurrent_connections: int | None = None


class WindowShape(Struct, frozen=True, rename="camel", kw_only=True):
    """One quota window: all requests that came, and how many of them were answered 429."""

    started_at: str
    requests: int
    throttled: int


class KeyShape(Struct, frozen=True, rename="camel", kw_only=True):
    """The windows of one key, which is masked."""

    key: str
    windows: list[WindowShape]


class WindowsShape(Struct, frozen=True, rename="camel", kw_only=True):
    """All that was counted since the process began."""

    limit: int
    window_seconds: int
    keys: list[KeyShape]
    operations: dict[str, int]


class PlanShape(Struct, frozen=True, rename="camel", kw_only=True):
    """The plan of faults in force, and how each of its rules has fared."""

    plan: Plan
    counts: Sequence[RuleCount]


class CopiesShape(Struct, frozen=True, rename="camel", kw_only=True):
    """What was fetched from sources since the process began."""

    bytes_fetched: int
    parts_fetched: int


class Inspection:
    """The routes under `/_sandbox`."""

    def __init__(
        self, records: Records, quota: Quota, copier: Copier, faults: Faults, keys: SigningKeys
    ) -> None:
        self._records = records
        self._quota = quota
        self._copier = copier
        self._faults = faults
        self._keys = keys

    def routes(self) -> list[web.RouteDef]:
        """All routes."""
        return [
            web.get(f"{INSPECTION_PATH}/creates", self.creates),
            web.get(f"{INSPECTION_PATH}/windows", self.windows),
            web.get(f"{INSPECTION_PATH}/copies", self.copies),
            web.get(f"{INSPECTION_PATH}/faults", self.faults),
            web.put(f"{INSPECTION_PATH}/faults", self.replace_faults),
            web.post(f"{INSPECTION_PATH}/webhooks/public-keys", self.rotate_key),
        ]

    async def creates(self, request: web.Request) -> web.StreamResponse:
        """Every record ever made, in order; sent as it is read, as there may be a million."""
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        await answer.write(b'{"creates":[')
        after, separator = 0, b""
        while rows := await self._records.creates(after=after, limit=ROWS_AT_A_TIME):
            await answer.write(separator + b",\n".join(encoded(_create(row)) for row in rows))
            after, separator = rows[-1].create_number, b",\n"
        await answer.write(b"]}\n")
        await answer.write_eof()
        return answer

    async def windows(self, _request: web.Request) -> web.Response:
        """The quota windows of each key, and the requests by operation."""
        shape = WindowsShape(
            limit=self._quota.requests_per_minute,
            window_seconds=int(WINDOW_S),
            keys=[
                KeyShape(
                    key=key,
                    windows=[
                        WindowShape(
                            started_at=iso(window.started_at_ms),
                            requests=window.requests,
                            throttled=window.throttled,
                        )
                        for window in windows
                    ],
                )
                for key, windows in self._quota.windows.items()
            ],
            operations=dict(self._quota.operations),
        )
        return web.Response(body=encoded(shape), content_type="application/json")

    async def copies(self, _request: web.Request) -> web.Response:
        """How much was fetched from sources."""
        fetched = self._copier.fetched
        shape = CopiesShape(bytes_fetched=fetched.bytes, parts_fetched=fetched.parts)
        return web.Response(body=encoded(shape), content_type="application/json")

    async def faults(self, _request: web.Request) -> web.Response:
        """The plan of faults in force."""
        shape = PlanShape(plan=self._faults.plan, counts=self._faults.counts)
        return web.Response(body=encoded(shape), content_type="application/json")

    async def replace_faults(self, request: web.Request) -> web.Response:
        """Put another plan in force, with all counts anew; 400 where it cannot be meant."""
        try:
            given = msgspec.json.decode(await request.read())
            plan = plan_of(given, self._faults.operations)
        except (msgspec.DecodeError, UnicodeDecodeError, PlanError) as error:
            body = msgspec.json.encode({"error": str(error)})
            return web.Response(status=400, body=body, content_type="application/json")
        self._faults.replace(plan)
        return await self.faults(request)

    async def rotate_key(self, request: web.Request) -> web.Response:
        """Sign with a new key from now on; the one before is valid for `validSeconds` more."""
        text = request.query.get("validSeconds", str(GRACE_S))
        if re.fullmatch("[0-9]{1,9}", text) is None:
            body = msgspec.json.encode({"error": "validSeconds: a whole number of seconds"})
            return web.Response(status=400, body=body, content_type="application/json")
        await self._keys.rotate(grace_s=int(text))
        shapes = [key_shape(key) for key in await self._keys.published()]
        body = msgspec.json.encode({"keys": shapes})
        return web.Response(body=body, content_type="application/json")


def _create(row: Create) -> CreateShape:
    return CreateShape(
        video_id=row.video_id,
        created_at=iso(row.created_at),
        request_id=row.request_id,
        operation=row.operation,
        team_id=row.team_id,
        project_id=row.project_id,
        name=row.name,
        description=row.description,
        file_name=row.file_name,
        full_ingestion=bool(row.full_ingestion),
        bucket=row.bucket,
        object_key=row.object_key,
        access_key=row.masked_access_key,
        input_location_id=row.location_id,
        url=row.masked_url,
        crc32c=row.expected_crc32c,
        max_concurrent_connections=row.connections,
    )
