"""Before the first POST: the platform, the team and every project answer what they should.

A wrong base URL or a wrong project also says 404, and must not turn a catalogue into "missing".
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

from migrator.certificates import HINT_UNTRUSTED
from migrator.checkpoint.store import Checkpoint
from migrator.engine.book import Book
from migrator.engine.breaker import is_outage
from migrator.engine.gateway import Gateway
from migrator.engine.inputs import SENT_SINCE, Inputs
from migrator.engine.load import Loading
from migrator.engine.ports import Ports
from migrator.engine.stop import Stop, Stopping
from migrator.errors import CheckpointError, RunFailed, UsageError
from migrator.pixop import wire
from migrator.pixop.client import Answer, NotSent, Reply
from migrator.settings import UUID_PATTERN, BatchSettings

T = TypeVar("T")

TRIES_AT_S = (0.0, 2.0, 6.0)
"""When, after the start, the platform is tried; ten seconds in all, with the last answer."""

PATIENCE_S = 10.0
"""Seconds after which a platform that has not answered is called unreachable."""


@dataclass(frozen=True, slots=True)
class Place:
    """Whose key it is, which team the videos are made for, and the calls that asking cost."""

    user_id: str
    team_id: str
    calls: int


async def take_place(
    book: Book,
    settings: BatchSettings,
    gateway: Gateway,
    stop: Stop,
    *,
    keep: bool = True,
    key: str | None = None,
) -> Place:
    """The first question to the platform: whose key it is. From its answer on the batch is theirs.

    `key` names one of migrator.toml; None: the default one. With `keep` the settings of this start
    are what `resume` goes on with. Raises what `check_platform` raises, and CheckpointError where
    the batch is somebody else's.
    """
    team_id = settings.platform.team_id if key is None else settings.api_keys[key].team_id
    place = await check_platform(gateway, stop, team_id)
    kept = settings if keep else None
    await book.run(lambda checkpoint: _pin(checkpoint, place, kept, key))
    return place


def loading_of(
    book: Book,
    settings: BatchSettings,
    inputs: Inputs,
    ports: Ports,
    serving: Sequence[tuple[int, str, str]],
) -> Loading:
    """What reads the rows; `serving` are (lane, bucket, key prefix) of what further keys serve."""
    return Loading(
        book, inputs, ports.source, settings.inputs.namespace, serving, settings.ways.by_url,
        ports.crew,
    )  # fmt: skip


async def may_send_meanwhile(
    book: Book, inputs: Inputs, settings: BatchSettings, ports: Ports
) -> bool:
    """Whether rows are sent while prefixes are listed still.

    Not where all were listed before. Not where all rows must be known before the first may go: for
    an order of their own, for input locations of their buckets, and for a cluster that looks at
    them in advance. Raises UsageError for a cluster that comes to a batch of which rows were sent
    so already.
    """
    sources = await book.run(Checkpoint.sources)
    if sources and all(source.complete for source in sources):
        return False
    begun = await book.run(lambda checkpoint: checkpoint.meta(SENT_SINCE)) is not None
    if begun and ports.crew is not None:
        raise UsageError(
            "a cluster cannot join a batch that sends rows while it lists others",
            "leave out --cluster: what is listed goes on where it stopped",
        )
    ways = (settings.ways.of(bucket) for bucket in inputs.buckets_of_prefixes)
    by_location = any(way.location is not None or way.made is not None for way in ways)
    can = inputs.order_by == "manifest" and ports.crew is None and not by_location
    return begun or (bool(inputs.prefixes) and can)


async def read_rows(
    book: Book,
    settings: BatchSettings,
    loading: Loading | None,
    ports: Ports,
    gateways: Iterable[Gateway],
    *,
    meanwhile: bool = False,
) -> None:
    """Read the rows that are not in the checkpoint yet, and check what all of them need.

    With `meanwhile` those of prefixes are left for later. `loading` None: all of them are there.
    Raises UsageError for an input that is unusable, a bucket without keys or a project that the
    platform does not know.
    """
    to_come: list[str] = []
    if loading is not None and meanwhile:
        await loading.prepare()
        to_come = loading.inputs.buckets_of_prefixes
    elif loading is not None:
        await loading.everything()
    pending = await book.run(Checkpoint.pending_buckets)
    for bucket in sorted({*to_come, *(b for buckets in pending.values() for b in buckets)}):
        if settings.hands_keys_over(bucket):
            ports.keys.keys_for(bucket)
        if settings.looks_at(bucket):
            ports.keys.access_for(bucket)
    await check_projects(gateways, await book.run(lambda c: projects_of(c, settings)))


def projects_of(checkpoint: Checkpoint, settings: BatchSettings) -> list[str]:
    """Every project that videos are made in, but for the team's default one."""
    project_ids = set(checkpoint.projects())
    if settings.platform.project_id is not None:
        project_ids.add(settings.platform.project_id)
    project_ids |= {key.project_id for key in settings.api_keys.values() if key.project_id}
    return sorted(project_ids)


async def check_platform(gateway: Gateway, stop: Stop, team_id: str | None) -> Place:
    """The account and the team. Raises RunFailed when the platform does not answer as itself.

    A refused key is a stop (`StoppedByItself`), told by `stop`; Stopping is raised then.
    """
    reply = await _first_answer(gateway, stop)
    if isinstance(reply, Answer) and reply.status == HTTPStatus.UNAUTHORIZED:
        gateway.key_refused(reply)
        raise Stopping
    if isinstance(reply, NotSent) and reply.untrusted:
        raise RunFailed(f"the platform cannot be used: {reply.detail}", HINT_UNTRUSTED)
    account = wire.decode(reply.body, wire.Account) if isinstance(reply, Answer) else None
    if not isinstance(reply, Answer) or not reply.ok or account is None or not _has_ids(account):
        raise RunFailed(
            f"the platform cannot be used: GET /v1/account: {told(reply)}",
            "check --api-url (it ends in /api) and the network; nothing was sent",
        )
    if team_id is None or team_id == account.default_team.id:
        return Place(account.user.id, account.default_team.id, 1)
    await _expect(gateway, f"/v1/teams/{team_id}", f"--team-id {team_id}")
    return Place(account.user.id, team_id, 2)


def _has_ids(account: wire.Account) -> bool:
    """Whether what becomes part of paths and parameters has the form of an id."""
    ids = (account.user.id, account.default_team.id)
    return all(UUID_PATTERN.fullmatch(each) for each in ids)


async def check_projects(gateways: Iterable[Gateway], project_ids: Iterable[str]) -> None:
    """Every project that is used. Raises UsageError for one that no key's platform knows."""
    gateways = list(gateways)
    for project_id in project_ids:
        for number, gateway in enumerate(gateways, 1):
            try:
                await _expect(gateway, f"/v1/projects/{project_id}", f"project {project_id}")
                break
            except UsageError:
                if number == len(gateways):
                    raise


async def _first_answer(gateway: Gateway, stop: Stop) -> Reply:
    """Three tries in ten seconds; the last reply."""
    began_s = gateway.now_s()
    reply: Reply | None = None
    for at_s in TRIES_AT_S:
        while (left_s := began_s + at_s - gateway.now_s()) > 0:
            await asyncio.sleep(min(left_s, 0.25))
            if stop.requested:
                raise Stopping
        await gateway.permit()
        # A 429 may have held the permit back: the platform is there, so the answer may take time.
        throttled = isinstance(reply, Answer)
        left_s = PATIENCE_S if throttled else began_s + PATIENCE_S - gateway.now_s()
        try:
            async with asyncio.timeout(max(0.1, left_s)):
                gateway.count("other")
                reply = await gateway.exchange("other", "GET", "/v1/account")
        except TimeoutError:
            break
        if isinstance(reply, NotSent) and reply.untrusted:
            return reply
        if (
            isinstance(reply, Answer)
            and not is_outage(reply)
            and reply.status != HTTPStatus.TOO_MANY_REQUESTS
        ):
            return reply
    if reply is None:
        raise RunFailed(
            f"the platform did not answer within {PATIENCE_S:.0f} seconds",
            "check --api-url and the network; nothing was sent",
        )
    return reply


async def _expect(gateway: Gateway, path: str, what: str) -> None:
    reading = await gateway.read("other", "GET", path)
    identified = wire.decode(reading.answer.body, wire.Identified)
    if not reading.answer.ok or identified is None:
        raise UsageError(
            f"{what}: the platform does not know it (GET {path}: {told(reading.answer)})",
            "copy the id from the platform; nothing was sent",
        )


def told(reply: Reply) -> str:
    """What the platform answered, in words."""
    if not isinstance(reply, Answer):
        return reply.detail
    error = wire.decode(reply.body, wire.ApiError)
    if error is not None and error.error_code:
        return f"HTTP {reply.status} {error.error_code}: {(error.message or '')[:200]}"
    if reply.ok:
        return f"HTTP {reply.status}, but not the platform's JSON"
    return f"HTTP {reply.status}"


def _pin(
    checkpoint: Checkpoint, place: Place, settings: BatchSettings | None, key: str | None = None
) -> None:
    """The batch belongs to one user and one team of the platform, from its first run on.

    The settings of this start are what `resume` goes on with, once they have passed all checks.
    """
    of = "" if key is None else f" of key {key}"
    pinned: Mapping[str, str] = {f"user_id{of}": place.user_id, f"team_id{of}": place.team_id}
    for name, value in pinned.items():
        known = checkpoint.meta(name)
        if known is None:
            checkpoint.set_meta(name, value)
        elif known != value:
            raise CheckpointError(
                f"this batch was begun for {name.replace('_', ' ')} {known}, and the API key now "
                f"gives {value}",
                "use the key and --team-id of the first run, or another --out directory",
            )
    if settings is not None and key is None:
        checkpoint.set_meta("settings", settings.to_json())
