"""One lane a key: its quota, its list, its copies, its rows.

Lanes share the checkpoint, the source, the stop and the guard, and nothing that waits: where one
key's quota is spent, or the platform fails it, rows of the others go on. Which lane a row is in was
settled when it was read, and never changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from migrator.checkpoint.values import Source
from migrator.engine import decide
from migrator.engine.awake import AwakeClock
from migrator.engine.book import Book
from migrator.engine.breaker import BucketBreakers
from migrator.engine.crossing import Crossing, url_ends_ms
from migrator.engine.feed import Feed
from migrator.engine.flights import Flights
from migrator.engine.follow import Follower
from migrator.engine.gateway import Gateway
from migrator.engine.guard import Guard
from migrator.engine.observe import Observer
from migrator.engine.pacing import Pacer
from migrator.engine.ports import Ports
from migrator.engine.preflights import Preflights
from migrator.engine.quotas import Quotas
from migrator.engine.replace import Replacer
from migrator.engine.request import Requests
from migrator.engine.resolve import Resolver
from migrator.engine.start import Place
from migrator.engine.stop import Stop
from migrator.engine.submit import Submitter
from migrator.engine.sweep import ListReader
from migrator.pixop.client import Api
from migrator.settings import DEFAULT, BatchSettings


@dataclass(frozen=True, slots=True)
class Key:
    """An API key of a batch: its lane, its name, the variable it is read from, what it serves.

    `serves` are (bucket, key prefix); the default key, lane 0, serves all other rows.
    """

    lane: int
    name: str
    variable: str
    api: Api
    team_id: str | None
    project_id: str | None
    serves: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Lane:
    """The parts of one key, joined: `reader` reads the list by creation, `latest` by change."""

    key: Key
    place: Place
    gateway: Gateway
    flights: Flights
    reader: ListReader
    latest: ListReader
    observer: Observer
    feed: Feed
    resolver: Resolver
    submitter: Submitter
    follower: Follower
    replacer: Replacer


@dataclass(frozen=True, slots=True)
class Shared:
    """What all lanes of a run have in common. `preflights` None: the source is not looked at.

    `located` are the input locations by team and bucket.
    """

    book: Book
    batch: str
    settings: BatchSettings
    sources: list[Source]
    ports: Ports
    stop: Stop
    guard: Guard
    preflights: Preflights | None
    hinted: bool
    located: Mapping[str, Mapping[str, str]]


def keys_of(settings: BatchSettings, ports: Ports) -> list[Key]:
    """The default key, and then those of migrator.toml in the order of their names."""
    platform = settings.platform
    default = Key(
        0, DEFAULT, "PIXOP_API_KEY", ports.api, platform.team_id, platform.project_id
    )  # fmt: skip
    return [
        default,
        *(
            Key(
                lane, name, key.api_key_env, ports.further_apis[name], key.team_id, key.project_id,
                key.serves,
            )
            for lane, (name, key) in enumerate(sorted(settings.api_keys.items()), 1)
        ),
    ]  # fmt: skip


def serving(keys: Sequence[Key]) -> list[tuple[int, str, str]]:
    """(lane, bucket, key prefix) of all that a key serves, but for the default one."""
    return [(key.lane, bucket, prefix) for key in keys for bucket, prefix in key.serves]


def gateway_of(
    key: Key, settings: BatchSettings, ports: Ports, stop: Stop, clock: AwakeClock
) -> Gateway:
    """The paced way to the platform with one key; all of them go by one clock of awake time."""
    quotas = Quotas(settings.pace.requests_per_minute, settings.pace.reserve_percent)
    pacer = Pacer(quotas, ports.chance, ports.clock, ports.window)
    outage_s = settings.care.max_outage.total_seconds()
    return Gateway(
        key.api, pacer, stop, ports.chance, outage_s, clock, ports.meter, variable=key.variable
    )


def rules(settings: BatchSettings) -> decide.CopyRules:
    """What copies are judged by."""
    until_ingested = settings.platform.until == "ingested"
    ways = settings.ways
    return decide.CopyRules(
        settings.care.restarts,
        until_ingested=until_ingested,
        url_ends_ms=partial(url_ends_ms, ways) if ways.use_urls else None,
    )


def join(key: Key, place: Place, gateway: Gateway, shared: Shared) -> Lane:
    """Join the parts of one key."""
    book, settings, ports, stop = shared.book, shared.settings, shared.ports, shared.stop
    care, tagging = settings.care, settings.platform.tag_in != "none"
    naming = settings.inputs.naming
    requests = Requests(
        shared.sources, shared.batch, key.project_id, naming,
        tagged=tagging, versioned=settings.inputs.all_versions,
    )  # fmt: skip
    pace = settings.pace
    flights = Flights(pace.max_in_flight, stop, ports.meter, pace.max_in_flight_bytes)
    observer = Observer(book, flights, stop, shared.batch, rules(settings))
    reader = ListReader(gateway, place.team_id)
    feed = Feed(
        book, stop, shared.preflights, care.attempts, shared.guard, gateway, gateway.now_s,
        ports.chance, key.lane, by_place=settings.inputs.order_by != "manifest",
    )  # fmt: skip
    resolver = Resolver(
        book, gateway, reader, observer, flights, feed, requests,
        batch=shared.batch, tagging=tagging, settle_s=care.settle_seconds,
    )  # fmt: skip
    params = {"selectTeamId": place.team_id}
    if settings.platform.full_ingestion:
        params["fullIngestion"] = "true"
    located = shared.located[place.team_id]
    crossing = Crossing(settings.ways, ports.keys, ports.source, params, located)
    submitter = Submitter(
        book, feed, flights, gateway, requests, resolver, crossing, stop, place.team_id,
        BucketBreakers(), observer,
    )  # fmt: skip
    latest = ListReader(gateway, place.team_id, "updatedAt")
    follower = Follower(
        flights, gateway, reader, latest, observer, care.stuck_after.total_seconds(),
        settle_s=care.settle_seconds, hinted=shared.hinted,
    )  # fmt: skip
    replacer = Replacer(book, gateway, flights, resolver, tagging, key.lane)
    return Lane(
        key, place, gateway, flights, reader, latest, observer, feed, resolver, submitter, follower,
        replacer,
    )  # fmt: skip


def teams_of(places: Sequence[Place]) -> dict[str, list[int]]:
    """The teams that videos are made in, the default key's first, and the lanes of each."""
    teams: dict[str, list[int]] = {}
    for lane, place in enumerate(places):
        teams.setdefault(place.team_id, []).append(lane)
    return teams


def one_a_team(lanes: Sequence[Lane]) -> list[Lane]:
    """The first lane of each team: a team's list is read once, whoever else works in it."""
    return list({lane.place.team_id: lane for lane in reversed(lanes)}.values())[::-1]
