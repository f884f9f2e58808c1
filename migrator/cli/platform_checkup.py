"""`doctor`'s look at the platform: the account, the team and the projects of each API key."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from migrator.cli import health, webhook_checkup
from migrator.cli.health import Check
from migrator.engine.lanes import Key, keys_of
from migrator.engine.ports import Ports
from migrator.pixop import wire
from migrator.pixop.client import Answer, Api, Lost, Reply
from migrator.settings import BatchSettings

PATIENCE_S = 20.0
"""Seconds that one question may take."""


async def check_platform(
    settings: BatchSettings, projects: Iterable[str], ports: Ports
) -> list[Check]:
    """All that a run needs of the platform with each API key; `projects` are of rows."""
    checks: list[Check] = []
    keys, teams = keys_of(settings, ports), set[str]()
    for key in keys:
        found, team_id = await _of_key(key)
        if team_id is not None and team_id not in teams:
            teams.add(team_id)
            found += await _of_team(settings, key.api, team_id)
        if key.lane:
            found = [replace(check, name=f"{check.name} ({key.name})") for check in found]
        checks += found
    if teams:
        checks += [await _project(keys, project_id) for project_id in sorted(projects)]
    return checks


async def _of_key(key: Key) -> tuple[list[Check], str | None]:
    """The account, its quota and clock, the team and the project; the team's id if it is known."""
    reply = await _call(key.api, "/v1/account")
    here_s = time.time()
    checks = [health.judge_account(reply)]
    if not isinstance(reply, Answer) or checks[0].status == "fail":
        return checks, None
    checks += [health.judge_quota(reply.quota), health.judge_clock(reply.date_s, here_s)]
    account = wire.decode(reply.body, wire.Account)
    if account is None:
        return checks, None
    team_id = key.team_id or account.default_team.id
    path = f"/v1/teams/{team_id}"
    checks.append(health.judge_place("team", path, await _call(key.api, path)))
    if key.project_id is not None:
        checks.append(await _project([key], key.project_id))
    else:
        path, params = "/v1/projects/default", {"selectTeamId": team_id}
        checks.append(health.judge_place("project", path, await _call(key.api, path, params)))
    return checks, team_id


async def _of_team(settings: BatchSettings, api: Api, team_id: str) -> list[Check]:
    """Room for a webhook, and the input locations that are to be used."""
    checks = []
    if settings.webhooks.webhook_listen is not None:
        params = {"teamId": team_id, "pageSize": "100"}
        checks.append(webhook_checkup.judge_room(await _call(api, "/v1/webhooks", params)))
    for location_id in sorted({way.location or "" for _, way in settings.ways.all()} - {""}):
        path = f"/v1/input-locations/s3/{location_id}"
        checks.append(health.judge_place("input location", path, await _call(api, path)))
    return checks


async def _project(keys: Sequence[Key], project_id: str) -> Check:
    """A project that rows name: one of the keys must know it."""
    path = f"/v1/projects/{project_id}"
    looks = [health.judge_place("project", path, await _call(key.api, path)) for key in keys]
    return next((look for look in looks if look.status == "ok"), looks[0])


async def _call(api: Api, path: str, params: Mapping[str, str] | None = None) -> Reply:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await api.call("GET", path, params)
    except TimeoutError:
        return Lost(f"no answer within {PATIENCE_S:.0f} seconds")
