"""The routes of input locations."""

from dataclasses import dataclass

from aiohttp import web

from migrator.sandbox import wire
from migrator.sandbox.account_routes import MAX_NAME
from migrator.sandbox.accounts import Accounts
from migrator.sandbox.answers import Places, answer, get, listed
from migrator.sandbox.errors import not_found
from migrator.sandbox.keys import KeyPair
from migrator.sandbox.locations import InputLocation, LocationChange, Locations
from migrator.sandbox.validation import Fields, Findings, Query, path_uuid, read_object


@dataclass(frozen=True, slots=True)
class LocationRoutes:
    """Input locations of all teams of the user."""

    accounts: Accounts
    locations: Locations

    def routes(self, v1: str) -> list[web.RouteDef]:
        """All routes, under `v1`."""
        path = f"{v1}/input-locations/s3"
        return [
            web.post(path, self.make),
            get(path, self.all),
            get(f"{path}/{{id}}", self.one),
            web.patch(f"{path}/{{id}}", self.change),
            web.delete(f"{path}/{{id}}", self.delete),
        ]

    async def make(self, request: web.Request) -> web.Response:
        """A new input location of the selected team. Its keys are tried when it is used."""
        body = await read_object(request)
        findings = Findings()
        team_id = Query(request, findings).uuid("selectTeamId")
        fields = Fields(body, findings)
        name = fields.required("name", low=1, high=MAX_NAME)
        bucket = fields.bucket("bucket")
        keys = KeyPair(fields.secret("accessKey"), fields.secret("secretAccessKey"))
        findings.check()
        team = Places(self.accounts, absent_status=400).team(team_id)
        location = await self.locations.make(team, name, bucket, keys)
        return answer(201, wire.location_shape(location))

    async def all(self, request: web.Request) -> web.Response:
        """A page of the input locations of all teams of the user, or of one."""
        findings = Findings()
        query = Query(request, findings)
        team_id = query.uuid("teamId")
        locations = [one for one in self.locations.all() if team_id in {None, one.team_id}]
        return listed(query, findings, locations, wire.location_shape)

    async def one(self, request: web.Request) -> web.Response:
        """One input location."""
        return self._shown(self.locations.get(path_uuid(request, "id")))

    async def change(self, request: web.Request) -> web.Response:
        """Change what is given of an input location."""
        location_id = path_uuid(request, "id")
        body = await read_object(request)
        findings = Findings()
        fields = Fields(body, findings)
        wanted = LocationChange(
            name=fields.optional("name", low=1, high=MAX_NAME),
            bucket=fields.optional_bucket("bucket"),
            access_key=fields.optional_secret("accessKey"),
            secret_access_key=fields.optional_secret("secretAccessKey"),
        )
        findings.check()
        return self._shown(await self.locations.change(location_id, wanted))

    async def delete(self, request: web.Request) -> web.Response:
        """Delete an input location."""
        if not await self.locations.delete(path_uuid(request, "id")):
            raise not_found("Input location")
        return web.Response(status=204)

    def _shown(self, location: InputLocation | None) -> web.Response:
        if location is None:
            raise not_found("Input location")
        return answer(200, wire.location_shape(location))
