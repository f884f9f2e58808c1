"""Who may call, and for whom: one user, two teams, their projects.

Two teams and a project beside the default ones, so that a rehearsal can name the wrong one.
"""

import sqlite3
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from migrator.sandbox.moments import now_ms

DEFAULT_PROJECT = "Default Project"
"""The API's own rule: a team's default project is its oldest of this name."""


@dataclass(frozen=True, slots=True)
class User:
    """The one user of the sandbox, to whom the API key belongs."""

    user_id: str
    created_at_ms: int
    email: str
    name: str


@dataclass(frozen=True, slots=True)
class Team:
    """A team the user is in."""

    team_id: str
    created_at_ms: int
    name: str


@dataclass(frozen=True, slots=True)
class Project:
    """A project of a team."""

    project_id: str
    created_at_ms: int
    team_id: str
    name: str


class Accounts:
    """The user, teams and projects, oldest first; the first team is the key's default."""

    def __init__(self, user: User, teams: Sequence[Team], projects: Sequence[Project]) -> None:
        self.user = user
        self.teams = tuple(teams)
        self.projects = tuple(projects)
        self.default_team = self.teams[0]
        self._teams = {team.team_id: team for team in self.teams}
        self._projects = {project.project_id: project for project in self.projects}

    def team(self, team_id: str) -> Team | None:
        """The team of that id, if the user is in it."""
        return self._teams.get(team_id)

    def project(self, project_id: str) -> Project | None:
        """The project of that id, if it is of a team the user is in."""
        return self._projects.get(project_id)

    def default_project(self, team: Team) -> Project | None:
        """The default project of a team, or None where it has none."""
        for project in self.projects:
            if project.team_id == team.team_id and project.name == DEFAULT_PROJECT:
                return project
        return None


def seed(connection: sqlite3.Connection) -> None:
    """Make the user, teams and projects of a new sandbox."""
    now = now_ms()
    connection.execute(
        "INSERT INTO users VALUES (?, ?, ?, ?)",
        (str(uuid.uuid4()), now, "rehearsal@example.com", "Rehearsal"),
    )
    # A millisecond between them: the default team is the eldest.
    for age, name in enumerate(("Sandbox Team", "Other Team")):
        team_id = str(uuid.uuid4())
        connection.execute(
            "INSERT INTO teams VALUES (?, ?, ?, ?)", (team_id, now + age, name, age == 0)
        )
        names = (DEFAULT_PROJECT, "Catalogue") if age == 0 else (DEFAULT_PROJECT,)
        for later, project in enumerate(names):
            connection.execute(
                "INSERT INTO projects VALUES (?, ?, ?, ?)",
                (str(uuid.uuid4()), now + age + later, team_id, project),
            )


def load(connection: sqlite3.Connection) -> Accounts:
    """The accounts as they were made."""
    user = connection.execute("SELECT user_id, created_at, email, name FROM users").fetchone()
    teams = connection.execute(
        "SELECT team_id, created_at, name FROM teams ORDER BY is_default DESC, created_at"
    )
    projects = connection.execute(
        "SELECT project_id, created_at, team_id, name FROM projects ORDER BY created_at, rowid"
    )
    return Accounts(User(*user), [Team(*row) for row in teams], [Project(*row) for row in projects])
