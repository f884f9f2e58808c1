"""The routes of the platform, each as the API documents it."""

from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Struct

from migrator.sandbox import wire
from migrator.sandbox.accounts import Accounts, Project, Team
from migrator.sandbox.copying import MAX_SIZE_BYTES, Copier
from migrator.sandbox.errors import ApiError, not_found
from migrator.sandbox.gate import BASE_PATH, REQUEST_ID
from migrator.sandbox.keys import KeyPair
from migrator.sandbox.records import Records
from migrator.sandbox.source import Source, SourceError, SourceHead, SourceObject
from migrator.sandbox.validation import (
    Fields,
    Findings,
    Query,
    derived_file_name,
    path_uuid,
    read_object,
)
from migrator.sandbox.videos import NewVideo, Video, VideoFilter

_NOT_FOUND = frozenset({"BUCKET_NOT_FOUND", "KEY_NOT_FOUND"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What the routes stand on. With `head` False the source is not looked at first."""

    records: Records
    copier: Copier
    source: Source
    head: bool

    @property
    def accounts(self) -> Accounts:
        """Who may call, and for whom."""
        return self.records.accounts

    def routes(self) -> list[web.RouteDef]:
        """All routes, under the base path."""
        v1 = f"{BASE_PATH}/v1"
        video = f"{v1}/videos/{{videoId}}"
        return [
            web.post(f"{v1}/videos/in/s3", self.create_from_s3),
            _get(f"{v1}/videos", self.videos),
            _get(video, self.video),
            _get(f"{video}/in/status", self.in_status),
            web.post(f"{video}/in/restart", self.restart),
            _get(f"{v1}/account", self.account),
            _get(f"{v1}/teams", self.teams),
            _get(f"{v1}/teams/{{id}}", self.team),
            _get(f"{v1}/projects", self.projects),
            _get(f"{v1}/projects/default", self.default_project),
            _get(f"{v1}/projects/{{id}}", self.project),
        ]

    # ---------------------------------------------------------------- videos

    async def create_from_s3(self, request: web.Request) -> web.Response:
        """Make a master video and copy it from a bucket, with the keys in the request."""
        body = await read_object(request)
        findings = Findings()
        query = Query(request, findings)
        team_id = query.uuid("selectTeamId")
        full_ingestion = query.boolean("fullIngestion")
        fields = Fields(body, findings)
        name = fields.required("name", low=1, high=255)
        description = fields.optional("description", low=0, high=511)
        project_id = fields.uuid("projectId")
        key = fields.object_key("objectKey")
        file_name = fields.file_name("fileName")
        bucket_fields = fields.within("s3Bucket")
        wanted = SourceObject(
            bucket=bucket_fields.bucket("bucket"),
            key=key,
            keys=KeyPair(
                bucket_fields.secret("accessKey"), bucket_fields.secret("secretAccessKey")
            ),
        )
        findings.check()
        team = self._selected_team(team_id)
        project = self._project_of(team, project_id)
        head = await self._looked_at(wanted) if self.head else None
        file_name = file_name or derived_file_name(key)
        content_type = head.content_type if head else ""
        video = await self.records.create(
            NewVideo(
                user_id=self.accounts.user.user_id,
                team_id=team.team_id,
                project_id=project.project_id,
                name=name,
                description=description,
                file_name=file_name,
                content_type=content_type or wire.guessed_content_type(file_name),
                full_ingestion=full_ingestion,
                source=wanted,
                head=head,
                request_id=str(request[REQUEST_ID]),
            )
        )
        self.copier.enqueue(video.video_number)
        return _status_answer(202, video)

    async def _looked_at(self, wanted: SourceObject) -> SourceHead:
        try:
            head = await self.source.head(wanted)
        except SourceError as error:
            status = 404 if error.code in _NOT_FOUND else 400
            raise ApiError(status, error.code, error.message) from error
        if head.size_bytes > MAX_SIZE_BYTES:
            # The API has no code of its own for this; its description names the limit.
            raise ApiError(400, "VALIDATION_ERROR", "The video size exceeds 500 GB")
        return head

    async def videos(self, request: web.Request) -> web.Response:
        """A page of the videos of all teams of the user, or of those the filters leave."""
        findings = Findings()
        query = Query(request, findings)
        number, size = _page_wanted(query)
        wanted = VideoFilter(
            team_id=query.uuid("teamId"),
            project_id=query.uuid("projectId"),
            master_video_id=query.uuid("masterVideoId"),
            clip_id=query.uuid("clipId"),
            clip_mode=query.choice("clipMode", ("INCLUDE", "EXCLUDE", "ONLY")),
            sort_by=query.choice("sortBy", ("createdAt", "updatedAt")),
            descending=query.choice("sortDirection", ("ASC", "DESC")) == "DESC",
        )
        findings.check()
        total, videos = await self.records.page(wanted, limit=size, offset=number * size)
        items = [wire.video_shape(video) for video in videos]
        return _answer(200, wire.page(items, number=number, size=size, total=total))

    async def video(self, request: web.Request) -> web.Response:
        """One video."""
        return _answer(200, wire.video_shape(await self._named(request)))

    async def in_status(self, request: web.Request) -> web.Response:
        """How the copy of a video stands; 204 where none was ever started."""
        return _status_answer(200, await self._named(request))

    async def restart(self, request: web.Request) -> web.Response:
        """Go on with a copy that FAILED, from the parts it has."""
        findings = Findings()
        skip_checksum = Query(request, findings).boolean("skipChecksumValidation")
        video_id = path_uuid(request, "videoId")
        findings.check()
        video = await self._named(request)
        if video.error_code == "CHECKSUM_MISMATCH" and not skip_checksum:
            code = "VIDEO_IN_RESTART_CHECKSUM_MISMATCH"
            raise ApiError(409, code, "Set skipChecksumValidation to restart after a mismatch")
        restarted = await self.records.restart(video_id)
        if restarted is None:
            raise ApiError(409, "VIDEO_IN_OPERATION_NOT_FAILED", "Video-in operation not failed")
        self.copier.enqueue(restarted.video_number)
        return _status_answer(202, restarted)

    async def _named(self, request: web.Request) -> Video:
        video = await self.records.video(path_uuid(request, "videoId"))
        if video is None:
            raise not_found("Video")
        return video

    # ---------------------------------------------------------------- accounts

    async def account(self, _request: web.Request) -> web.Response:
        """The user and default team of the key."""
        shape = wire.AccountShape(
            user=wire.user_shape(self.accounts.user),
            default_team=wire.team_shape(self.accounts.default_team),
        )
        return _answer(200, shape)

    async def teams(self, request: web.Request) -> web.Response:
        """A page of the user's teams."""
        shapes = [wire.team_shape(team) for team in self.accounts.teams]
        return _listed(request, Findings(), shapes)

    async def team(self, request: web.Request) -> web.Response:
        """One team."""
        team = self.accounts.team(path_uuid(request, "id"))
        if team is None:
            raise _no_team()
        return _answer(200, wire.team_shape(team))

    async def projects(self, request: web.Request) -> web.Response:
        """A page of the projects of all teams of the user, or of one."""
        findings = Findings()
        team_id = Query(request, findings).uuid("teamId")
        shapes = [
            wire.project_shape(project)
            for project in self.accounts.projects
            if team_id in {None, project.team_id}
        ]
        return _listed(request, findings, shapes)

    async def project(self, request: web.Request) -> web.Response:
        """One project."""
        project = self.accounts.project(path_uuid(request, "id"))
        if project is None:
            raise not_found("Project")
        return _answer(200, wire.project_shape(project))

    async def default_project(self, request: web.Request) -> web.Response:
        """The default project of the selected team."""
        findings = Findings()
        team_id = Query(request, findings).uuid("selectTeamId")
        findings.check()
        project = self._project_of(self._selected_team(team_id), None)
        return _answer(200, wire.project_shape(project))

    def _selected_team(self, team_id: str | None) -> Team:
        team = self.accounts.default_team if team_id is None else self.accounts.team(team_id)
        if team is None:
            raise _no_team()
        return team

    def _project_of(self, team: Team, project_id: str | None) -> Project:
        if project_id is None:
            project = self.accounts.default_project(team)
        else:
            project = self.accounts.project(project_id)
        if project is None or project.team_id != team.team_id:
            raise not_found("Project")
        return project


def _get(path: str, handler: Handler) -> web.RouteDef:
    return web.get(path, handler, allow_head=False)


def _no_team() -> ApiError:
    return ApiError(404, "TEAM_NOT_FOUND", "Team not found")


def _page_wanted(query: Query) -> tuple[int, int]:
    """The number of a page, from 0, and its size; both within the API's bounds."""
    return (
        query.integer("pageNumber", 0, low=0),
        query.integer("pageSize", 10, low=1, high=100),
    )


def _listed(
    request: web.Request,
    findings: Findings,
    shapes: list[wire.TeamShape] | list[wire.ProjectShape],
) -> web.Response:
    """A page of a list short enough to be sorted whole, oldest first as it comes."""
    query = Query(request, findings)
    number, size = _page_wanted(query)
    query.choice("sortBy", ("createdAt", "updatedAt"))  # nothing here is ever updated
    if query.choice("sortDirection", ("ASC", "DESC")) == "DESC":
        shapes.reverse()
    findings.check()
    items = shapes[number * size : (number + 1) * size]
    return _answer(200, wire.page(items, number=number, size=size, total=len(shapes)))


def _status_answer(status: int, video: Video) -> web.Response:
    shape = wire.in_status(video)
    return web.Response(status=204) if shape is None else _answer(status, shape)


def _answer(status: int, shape: Struct) -> web.Response:
    return web.Response(status=status, body=wire.encoded(shape), content_type="application/json")
