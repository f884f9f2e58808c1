"""The routes of the account: who calls, the teams, and their projects."""

from dataclasses import dataclass

from aiohttp import web

from migrator.sandbox import wire
from migrator.sandbox.accounts import Accounts, Deleted
from migrator.sandbox.answers import Places, answer, get, listed
from migrator.sandbox.errors import ApiError, not_found
from migrator.sandbox.shapes import AccountShape
from migrator.sandbox.validation import Fields, Findings, Query, path_uuid, read_object

MAX_NAME = 47
"""Characters of the name of a project or an input location."""


@dataclass(frozen=True, slots=True)
class AccountRoutes:
    """The user's account, teams and projects."""

    accounts: Accounts

    def routes(self, v1: str) -> list[web.RouteDef]:
        """All routes, under `v1`."""
        # "default" is no id: other methods than GET are not allowed on it, and not a wrong UUID.
        project = f"{v1}/projects/{{id:(?!default$)[^/]+}}"
        return [
            get(f"{v1}/account", self.account),
            get(f"{v1}/teams", self.teams),
            get(f"{v1}/teams/{{id}}", self.team),
            get(f"{v1}/projects", self.projects),
            web.post(f"{v1}/projects", self.make_project),
            get(f"{v1}/projects/default", self.default_project),
            get(project, self.project),
            web.patch(project, self.rename_project),
            web.delete(project, self.delete_project),
        ]

    async def account(self, _request: web.Request) -> web.Response:
        """The user and default team of the key."""
        shape = AccountShape(
            user=wire.user_shape(self.accounts.user),
            default_team=wire.team_shape(self.accounts.default_team),
        )
        return answer(200, shape)

    async def teams(self, request: web.Request) -> web.Response:
        """A page of the user's teams."""
        findings = Findings()
        return listed(Query(request, findings), findings, self.accounts.teams, wire.team_shape)

    async def team(self, request: web.Request) -> web.Response:
        """One team."""
        team = Places(self.accounts).team(path_uuid(request, "id"))
        return answer(200, wire.team_shape(team))

    async def projects(self, request: web.Request) -> web.Response:
        """A page of the projects of all teams of the user, or of one."""
        findings = Findings()
        query = Query(request, findings)
        team_id = query.uuid("teamId")
        projects = [one for one in self.accounts.projects if team_id in {None, one.team_id}]
        return listed(query, findings, projects, wire.project_shape)

    async def project(self, request: web.Request) -> web.Response:
        """One project."""
        project = self.accounts.project(path_uuid(request, "id"))
        if project is None:
            raise not_found("Project")
        return answer(200, wire.project_shape(project))

    async def default_project(self, request: web.Request) -> web.Response:
        """The default project of the selected team."""
        findings = Findings()
        team_id = Query(request, findings).uuid("selectTeamId")
        findings.check()
        places = Places(self.accounts)
        return answer(200, wire.project_shape(places.project(places.team(team_id), None)))

    async def make_project(self, request: web.Request) -> web.Response:
        """A new project of the selected team."""
        body = await read_object(request)
        findings = Findings()
        team_id = Query(request, findings).uuid("selectTeamId")
        name = Fields(body, findings).required("name", low=1, high=MAX_NAME)
        findings.check()
        team = Places(self.accounts, absent_status=400).team(team_id)
        return answer(201, wire.project_shape(await self.accounts.make_project(team, name)))

    async def rename_project(self, request: web.Request) -> web.Response:
        """Give a project another name, where one is given."""
        project_id = path_uuid(request, "id")
        body = await read_object(request)
        findings = Findings()
        name = Fields(body, findings).optional("name", low=1, high=MAX_NAME)
        findings.check()
        if name is None:
            project = self.accounts.project(project_id)
        else:
            project = await self.accounts.rename_project(project_id, name)
        if project is None:
            raise not_found("Project")
        return answer(200, wire.project_shape(project))

    async def delete_project(self, request: web.Request) -> web.Response:
        """Delete a project; 409 where it has videos."""
        came_of_it = await self.accounts.delete_project(path_uuid(request, "id"))
        if came_of_it is Deleted.HAS_VIDEOS:
            code = "PROJECT_WITH_VIDEOS_CANNOT_BE_DELETED"
            raise ApiError(409, code, "Project with videos cannot be deleted")
        if came_of_it is Deleted.ABSENT:
            raise not_found("Project")
        return web.Response(status=204)
