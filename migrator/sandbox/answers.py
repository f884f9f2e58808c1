"""What the routes of all rooms have in common: answers, pages, and finding what is named."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Struct

from migrator.sandbox import wire
from migrator.sandbox.accounts import Accounts, Project, Team
from migrator.sandbox.errors import ApiError, not_found
from migrator.sandbox.validation import Findings, Query
from migrator.sandbox.videos import Video


class Dated(Protocol):
    """What a short list can be of."""

    @property
    def created_at(self) -> int:
        """When it was made, in milliseconds."""

    @property
    def updated_at(self) -> int:
        """When it was last changed, in milliseconds."""


Listed = TypeVar("Listed", bound=Dated)


def get(path: str, handler: Handler) -> web.RouteDef:
    """A route for GET alone: the API knows no HEAD."""
    return web.get(path, handler, allow_head=False)


def answer(status: int, shape: Struct) -> web.Response:
    """An answer in JSON."""
    return web.Response(status=status, body=wire.encoded(shape), content_type="application/json")


def status_answer(status: int, video: Video, available: wire.Availability) -> web.Response:
    """How the copy of a video stands; 204 where none was ever started."""
    shape = wire.in_status(video, available)
    return web.Response(status=204) if shape is None else answer(status, shape)


def page_wanted(query: Query) -> tuple[int, int]:
    """The number of a page, from 0, and its size; both within the API's bounds."""
    return (
        query.integer("pageNumber", 0, low=0),
        query.integer("pageSize", 10, low=1, high=100),
    )


def listed(
    query: Query,
    findings: Findings,
    things: Sequence[Listed],
    shape: Callable[[Listed], Struct],
) -> web.Response:
    """A page of a list short enough to be sorted whole, oldest first as it comes."""
    number, size = page_wanted(query)
    by_change = query.choice("sortBy", ("createdAt", "updatedAt")) == "updatedAt"
    descending = query.choice("sortDirection", ("ASC", "DESC")) == "DESC"
    findings.check()
    ordered = sorted(things, key=lambda one: one.updated_at if by_change else one.created_at)
    if descending:
        ordered.reverse()
    items = [shape(one) for one in ordered[number * size : (number + 1) * size]]
    return answer(200, wire.page(items, number=number, size=size, total=len(things)))


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are made: the team and project that a request means.

    `absent_status` is what is answered where there is no such place: the API documents 404 for
    some operations, and for others nothing but 400.
    """

    accounts: Accounts
    absent_status: int = 404

    def team(self, team_id: str | None) -> Team:
        """The team of that id, else the key's default."""
        accounts = self.accounts
        team = accounts.default_team if team_id is None else accounts.team(team_id)
        if team is None:
            raise ApiError(self.absent_status, "TEAM_NOT_FOUND", "Team not found")
        return team

    def project(self, team: Team, project_id: str | None) -> Project:
        """The project of that id, which must be the team's; else the team's default."""
        if project_id is None:
            project = self.accounts.default_project(team)
        else:
            project = self.accounts.project(project_id)
        if project is None or project.team_id != team.team_id:
            raise self.no_project()
        return project

    def no_project(self) -> ApiError:
        """There is no such project."""
        return not_found("Project", self.absent_status)
