"""Who may call, and for whom: one user, two teams, their projects.

Two teams and a project beside the default ones, so that a rehearsal can name the wrong one.
There are few of them: they are kept in memory, and changed there once the change is on disk.
"""

import sqlite3
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Self

from migrator.sandbox.database import Database
from migrator.sandbox.moments import Clock

DEFAULT_PROJECT = "Default Project"
"""The API's own rule: a team's default project is its oldest of this name."""


@dataclass(frozen=True, slots=True)
class User:
    """The one user of the sandbox, to whom the API key belongs."""

    user_id: str
    created_at: int
    email: str
    name: str


@dataclass(frozen=True, slots=True)
class Team:
    """A team the user is in."""

    team_id: str
    created_at: int
    name: str

    @property
    def updated_at(self) -> int:
        """Teams are never changed."""
        return self.created_at


@dataclass(frozen=True, slots=True)
class Project:
    """A project of a team."""

    project_id: str
    created_at: int
    updated_at: int
    team_id: str
    name: str


class Deleted(Enum):
    """What came of deleting a project."""

    GONE = auto()
    ABSENT = auto()
    HAS_VIDEOS = auto()


class Accounts:
    """The user, teams and projects, oldest first; the first team is the key's default."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        user: User,
        teams: Sequence[Team],
        projects: Sequence[Project],
    ) -> None:
        self.user = user
        self.teams = tuple(teams)
        self.default_team = self.teams[0]
        self._database = database
        self._clock = clock
        self._teams = {team.team_id: team for team in self.teams}
        self._projects = {project.project_id: project for project in projects}

    @classmethod
    async def load(cls, database: Database, clock: Clock) -> Self:
        """The accounts as they were left."""

        def read(connection: sqlite3.Connection) -> tuple[User, list[Team], list[Project]]:
            user = "SELECT user_id, created_at, email, name FROM users"
            teams = (
                "SELECT team_id, created_at, name FROM teams ORDER BY is_default DESC, created_at"
            )
            projects = (
                "SELECT project_id, created_at, updated_at, team_id, name FROM projects"
                " ORDER BY created_at, rowid"
            )
            return (
                User(*connection.execute(user).fetchone()),
                [Team(*row) for row in connection.execute(teams)],
                [Project(*row) for row in connection.execute(projects)],
            )

        return cls(database, clock, *await database.read(read))

    @property
    def projects(self) -> Sequence[Project]:
        """All projects of the user's teams."""
        return tuple(self._projects.values())

    def team(self, team_id: str) -> Team | None:
        """The team of that id, if the user is in it."""
        return self._teams.get(team_id)

    def project(self, project_id: str) -> Project | None:
        """The project of that id, if it is of a team the user is in."""
        return self._projects.get(project_id)

    def default_project(self, team: Team) -> Project | None:
        """The default project of a team, or None where it has none."""
        for project in self._projects.values():
            if project.team_id == team.team_id and project.name == DEFAULT_PROJECT:
                return project
        return None

    async def make_project(self, team: Team, name: str) -> Project:
        """A new project of a team."""

        def write(connection: sqlite3.Connection) -> Project:
            now = self._clock.now_ms()
            return _insert(connection, Project(str(uuid.uuid4()), now, now, team.team_id, name))

        project = await self._database.ask(write)
        self._projects[project.project_id] = project
        return project

    async def rename_project(self, project_id: str, name: str) -> Project | None:
        """Give a project another name. None where there is no such project."""

        def write(connection: sqlite3.Connection) -> Project | None:
            row = connection.execute(
                "UPDATE projects SET name = ?, updated_at = ? WHERE project_id = ?"
                " RETURNING project_id, created_at, updated_at, team_id, name",
                (name, self._clock.now_ms(), project_id),
            ).fetchone()
            return None if row is None else Project(*row)

        project = await self._database.ask(write)
        if project is not None:
            self._projects[project_id] = project
        return project

    async def delete_project(self, project_id: str) -> Deleted:
        """Delete a project that has no videos."""

        def write(connection: sqlite3.Connection) -> Deleted:
            # Here, where all writes are one after another: no video can come in between.
            having = "SELECT EXISTS (SELECT 1 FROM videos WHERE project_id = ?)"
            if connection.execute(having, (project_id,)).fetchone()[0]:
                return Deleted.HAS_VIDEOS
            gone = connection.execute("DELETE FROM projects WHERE project_id = ?", (project_id,))
            return Deleted.GONE if gone.rowcount else Deleted.ABSENT

        came_of_it = await self._database.ask(write)
        if came_of_it is not Deleted.HAS_VIDEOS:
            self._projects.pop(project_id, None)
        return came_of_it


def _insert(connection: sqlite3.Connection, project: Project) -> Project:
    connection.execute(
        "INSERT INTO projects VALUES (?, ?, ?, ?, ?)",
        (
            *(project.project_id, project.created_at, project.updated_at),
            *(project.team_id, project.name),
        ),
    )
    return project


def seed(connection: sqlite3.Connection, clock: Clock) -> None:
    """Make the user, teams and projects of a new sandbox; nothing where they are there."""
    if connection.execute("SELECT count(*) FROM users").fetchone()[0]:
        return
    now_ms = clock.now_ms()
    connection.execute(
        "INSERT INTO users VALUES (?, ?, ?, ?)",
        (str(uuid.uuid4()), now_ms, "rehearsal@example.com", "Rehearsal"),
    )
    # A millisecond between them: the default team is the eldest.
    for age, name in enumerate(("Sandbox Team", "Other Team")):
        team_id = str(uuid.uuid4())
        connection.execute(
            "INSERT INTO teams VALUES (?, ?, ?, ?)", (team_id, now_ms + age, name, age == 0)
        )
        names = (DEFAULT_PROJECT, "Catalogue") if age == 0 else (DEFAULT_PROJECT,)
        for later, project in enumerate(names):
            then = now_ms + age + later
            _insert(connection, Project(str(uuid.uuid4()), then, then, team_id, project))
