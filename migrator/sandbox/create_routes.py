"""The three ways to make a master video: S3 with keys, an input location, a URL."""

from dataclasses import dataclass

from aiohttp import web

from migrator.sandbox import wire
from migrator.sandbox.accounts import Accounts, Project, Team
from migrator.sandbox.answers import Places, status_answer
from migrator.sandbox.copying import MAX_SIZE_BYTES, Copier
from migrator.sandbox.errors import ApiError, InvalidField, not_found
from migrator.sandbox.gate import OPERATION, REQUEST_ID, STRUCK
from migrator.sandbox.keys import KeyPair
from migrator.sandbox.locations import Locations
from migrator.sandbox.origin import Origin, SourceError, SourceHead, SourceObject, SourceUrl
from migrator.sandbox.records import Records
from migrator.sandbox.sources import Sources
from migrator.sandbox.storage import Storage
from migrator.sandbox.validation import (
    Fields,
    Findings,
    Query,
    derived_file_name,
    normalized_file_name,
    path_uuid,
    read_object,
)
from migrator.sandbox.videos import S3_CONNECTIONS, NewVideo

CRC32C_MAX = 2**32 - 1
CONNECTIONS_DEFAULT = 10
CONNECTIONS_MAX = 20

_NOT_FOUND = frozenset({"BUCKET_NOT_FOUND", "KEY_NOT_FOUND"})


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What all three ways ask for."""

    name: str
    description: str | None
    file_name: str | None
    project_id: str | None
    team_id: str | None
    full_ingestion: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What differs between the three ways."""

    origin: Origin
    file_name: str
    location_id: str | None = None
    expected_crc32c: int | None = None
    connections: int = S3_CONNECTIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRoutes:
    """Making videos. With `head` False a source is not looked at before its copy begins."""

    records: Records
    accounts: Accounts
    locations: Locations
    copier: Copier
    sources: Sources
    storage: Storage
    head: bool

    def routes(self, v1: str) -> list[web.RouteDef]:
        """All routes, under `v1`."""
        return [
            web.post(f"{v1}/videos/in/s3", self.from_s3),
            web.post(f"{v1}/videos/in/s3/{{inputLocationId}}", self.from_location),
            web.post(f"{v1}/videos/in/https", self.from_https),
        ]

    async def from_s3(self, request: web.Request) -> web.Response:
        """Copy from a bucket, with the keys in the request."""
        fields, query, findings = await _read(request)
        wanted = _wanted(fields, query)
        key = fields.object_key("objectKey")
        bucket = fields.within("s3Bucket")
        origin = SourceObject(
            bucket=bucket.bucket("bucket"),
            key=key,
            keys=KeyPair(bucket.secret("accessKey"), bucket.secret("secretAccessKey")),
        )
        findings.check()
        team, project = self._place(wanted, Places(self.accounts))
        source = _Source(origin=origin, file_name=derived_file_name(key))
        return await self._made(request, wanted, team, project, source)

    async def from_location(self, request: web.Request) -> web.Response:
        """Copy from the bucket of an input location, which must be the selected team's."""
        location_id = path_uuid(request, "inputLocationId")
        fields, query, findings = await _read(request)
        wanted = _wanted(fields, query)
        key = fields.object_key("objectKey")
        findings.check()
        team, project = self._place(wanted, Places(self.accounts))
        location = self.locations.get(location_id)
        if location is None or location.team_id != team.team_id:
            raise not_found("Input location")
        keys = self.locations.keys(location)
        if keys is None:
            raise ApiError(400, "INVALID_CREDENTIALS", "The keys can no longer be opened")
        source = _Source(
            origin=SourceObject(bucket=location.bucket, key=key, keys=keys),
            file_name=derived_file_name(key),
            location_id=location_id,
        )
        return await self._made(request, wanted, team, project, source)

    async def from_https(self, request: web.Request) -> web.Response:
        """Copy from a URL. The API documents no 404 here: what is absent is a 400."""
        fields, query, findings = await _read(request)
        wanted = _wanted(fields, query)
        origin = SourceUrl(fields.url("url"))
        expected = query.number("crc32c", low=0, high=CRC32C_MAX)
        connections = query.integer(
            "maxConcurrentConnections", CONNECTIONS_DEFAULT, low=1, high=CONNECTIONS_MAX
        )
        findings.check()
        team, project = self._place(wanted, Places(self.accounts, absent_status=400))
        try:
            self.sources.web.check(origin.url)
        except SourceError as error:
            raise _refused(error) from error
        source = _Source(
            origin=origin,
            file_name=normalized_file_name(wanted.name),
            expected_crc32c=expected,
            connections=connections,
        )
        return await self._made(request, wanted, team, project, source)

    def _place(self, wanted: _Wanted, places: Places) -> tuple[Team, Project]:
        team = places.team(wanted.team_id)
        return team, places.project(team, wanted.project_id)

    async def _made(
        self, request: web.Request, wanted: _Wanted, team: Team, project: Project, source: _Source
    ) -> web.Response:
        head = await self._looked_at(source.origin) if self.head else None
        file_name = wanted.file_name or source.file_name
        struck = request[STRUCK]
        new = NewVideo(
            user_id=self.accounts.user.user_id,
            team_id=team.team_id,
            project_id=project.project_id,
            name=wanted.name,
            description=wanted.description,
            file_name=file_name,
            content_type=(head.content_type if head else "")
            or wire.guessed_content_type(file_name),
            full_ingestion=wanted.full_ingestion,
            origin=source.origin,
            head=head,
            request_id=str(request[REQUEST_ID]),
            operation=request[OPERATION],
            location_id=source.location_id,
            expected_crc32c=source.expected_crc32c,
            connections=source.connections,
            struck=struck,
        )
        video = await self.records.create(new)
        if video is None:
            absent_status = 400 if isinstance(source.origin, SourceUrl) else 404
            raise Places(self.accounts, absent_status).no_project()
        if self.copier.moves_bytes or struck.copy is not None:
            self.copier.enqueue(video.video_number)
        return status_answer(202, video, self.storage.available)

    async def _looked_at(self, origin: Origin) -> SourceHead:
        try:
            head = await self.sources.head(origin)
        except SourceError as error:
            raise _refused(error) from error
        if head.size_bytes > MAX_SIZE_BYTES:
            # The API has no code of its own for this; its description names the limit.
            raise ApiError(400, "VALIDATION_ERROR", "The video size exceeds 500 GB")
        return head


async def _read(request: web.Request) -> tuple[Fields, Query, Findings]:
    body = await read_object(request)
    findings = Findings()
    return Fields(body, findings), Query(request, findings), findings


def _wanted(fields: Fields, query: Query) -> _Wanted:
    return _Wanted(
        name=fields.required("name", low=1, high=255),
        description=fields.optional("description", low=0, high=511),
        file_name=fields.file_name("fileName"),
        project_id=fields.uuid("projectId"),
        team_id=query.uuid("selectTeamId"),
        full_ingestion=query.boolean("fullIngestion"),
    )


def _refused(error: SourceError) -> ApiError:
    status = 404 if error.code in _NOT_FOUND else 400
    # Not shown: the URL may be a presigned one.
    named = [InvalidField("url", error.message)] if error.code == "INVALID_HTTPS_URL" else ()
    return ApiError(status, error.code, error.message, invalid=named)
