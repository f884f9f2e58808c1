"""After a migration: the platform's list and the live source beside the report.

Three steps, none of which writes anything to the platform: the whole list of each team is read into
an inventory on disk; every row is held against it, and its object headed; what no row has named is
judged last. What drift is, `decide.drift` says. The platform is paced as in a run.
"""

from collections.abc import Sequence

from migrator.checkpoint.change import Transfer
from migrator.checkpoint.inventory import Inventory
from migrator.checkpoint.store import Checkpoint
from migrator.engine.adopt import PASSES
from migrator.engine.awake import AwakeClock
from migrator.engine.book import Book
from migrator.engine.comparison import AskedWith, Comparison, Found, Progress, Verified, listed
from migrator.engine.decide.drift import is_verified_at_source
from migrator.engine.gateway import Gateway
from migrator.engine.gateways import Gateways
from migrator.engine.lanes import Key, gateway_of, keys_of, teams_of
from migrator.engine.ports import Ports
from migrator.engine.preflights import Preflights
from migrator.engine.request import Requests
from migrator.engine.scouting import ROWS, Scouted
from migrator.engine.start import Place, check_platform, projects_of
from migrator.engine.stop import Stop, background, found_out
from migrator.engine.sweep import ListReader, Page, sweep
from migrator.errors import CheckpointError, StoppedByItself, UsageError
from migrator.pixop import wire
from migrator.settings import BatchSettings
from migrator.source.preflight import Preflight


async def verify(
    checkpoint: Checkpoint,
    inventory: Inventory,
    settings: BatchSettings,
    ports: Ports,
    stop: Stop,
    found: Found,
    progress: Progress,
    *,
    source: bool,
) -> Verified | None:
    """Compare; None when `stop` was requested, which then says why, if nobody asked for it.

    With `source` the objects are headed. Nobody may write to the checkpoint meanwhile. Raises what
    a run would raise before its first POST, and RunFailed where the inventory finds no room.
    """
    keys, clock = keys_of(settings, ports), AwakeClock(ports.clock)
    gateways = Gateways([gateway_of(key, settings, ports, stop, clock) for key in keys])
    journal = ports.journal(checkpoint, lambda _checkpoint: None)
    book = Book(journal, ports.wall_ms)
    try:
        jobs = (job for each in gateways for job in (each.pacer.run(), each.watch()))
        async with background(stop, *jobs):
            comparing = _compare(
                book, inventory, settings, ports, stop, keys, gateways, found, progress,
                source=source,
            )  # fmt: skip
            return await found_out(stop, comparing)
    finally:
        await book.close()


async def _compare(
    book: Book,
    inventory: Inventory,
    settings: BatchSettings,
    ports: Ports,
    stop: Stop,
    keys: Sequence[Key],
    gateways: Gateways,
    found: Found,
    progress: Progress,
    *,
    source: bool,
) -> Verified:
    tagging = settings.platform.tag_in != "none"
    batch = await book.run(lambda c: c.meta("batch") or "")
    places = [await _place(book, key, gateways.of(key.lane), stop) for key in keys]
    if source:
        for bucket in await book.run(Checkpoint.buckets_of_videos):
            ports.keys.access_for(bucket)
    teams = teams_of(places)
    verified = Verified(tuple(teams))
    progress.phase = "listing"
    for number, (team_id, lanes) in enumerate(teams.items()):
        inventory.begin(number)
        reader = ListReader(gateways.of(lanes[0]), team_id)
        await read_list(reader, inventory, progress, tagging=tagging)
        verified.listed += inventory.count

    progress.phase, progress.done = "comparing", 0
    progress.total = await book.run(Checkpoint.last_row)
    outage_s = settings.care.max_outage.total_seconds()
    preflights = Preflights(
        book,
        stop,
        Preflight(ports.source, settings.ways.by_url),
        outage_s,
        gateways.now_s,
        ports.chance,
    )
    progress.waiting_for = lambda: preflights.waiting_for_source
    sources = await book.run(Checkpoint.sources)
    asked = [
        AskedWith(
            gateways.of(key.lane),
            Requests(sources, batch, key.project_id, settings.inputs.naming, tagged=tagging),
            list(teams).index(place.team_id),
        )
        for key, place in zip(keys, places, strict=True)
    ]
    scouted = None
    if source and ports.crew is not None:
        crew = ports.crew
        progress.cluster = lambda: crew.progress
        scouted = Scouted(crew, book, preflights, _rows_after, is_verified_at_source)
    comparison = Comparison(
        book, inventory, asked, preflights if source else None, verified, scouted
    )
    try:
        await comparison.rows(found, progress)
    finally:
        if scouted is not None:
            await scouted.close()

    progress.phase = "looking for orphans"
    named = await book.run(lambda checkpoint: projects_of(checkpoint, settings))
    projects = {project.lower() for project in named}
    for team in sorted({asked[lane].team for lane in comparison.use_default_project}):
        team_id, lanes = list(teams.items())[team]
        projects |= await _default_project(gateways.of(lanes[0]), team_id)
    await comparison.strays(batch, projects, found)
    verified.announced_per_minute = gateways.announced
    counts = gateways.counts
    verified.calls = {
        "list": counts.list,
        "other": counts.other,
        "throttled": counts.throttled,
        "retries": counts.retries,
    }
    return verified


async def _place(book: Book, key: Key, gateway: Gateway, stop: Stop) -> Place:
    """The team that the batch uses with a key. Raises CheckpointError where the key has none."""
    name = "team_id" if not key.lane else f"team_id of key {key.name}"
    team_id = await book.run(lambda checkpoint: checkpoint.meta(name))
    try:
        return await check_platform(gateway, stop, team_id)
    except UsageError:
        raise CheckpointError(
            f"this batch is of team {team_id}, and the API key in {key.variable} does not see that "
            "one",
            "use a key of that team: nothing was changed",
        ) from None


def _rows_after(checkpoint: Checkpoint, after: int) -> Sequence[Transfer]:
    return checkpoint.transfers_after(after, ROWS)


async def read_list(
    reader: ListReader, inventory: Inventory, progress: Progress, *, tagging: bool
) -> None:
    """Read the team's whole list into the inventory, until it is complete by `sweep`'s rule.

    Raises Stopping, or StoppedByItself when the list never comes to rest.
    """

    async def keep(page: Page, videos: tuple[wire.Video, ...]) -> int:
        distinct = inventory.add([listed(video, tagging=tagging) for video in videos])
        progress.done, progress.total = distinct, page.total
        return distinct

    async def forget() -> None:
        inventory.forget()

    if not (await sweep(reader, None, keep, forget, PASSES)).complete:
        raise StoppedByItself(
            "the pages of the team's list did not add up, however often they were read, so "
            "what it does not show may be there all the same",
            "wait until nobody deletes videos of this team, then verify again",
        )


async def _default_project(gateway: Gateway, team_id: str) -> set[str]:
    """The team's default project, where rows name none; nothing where it has none."""
    reading = await gateway.read(
        "other",
        "GET",
        "/v1/projects/default",
        {"selectTeamId": team_id},
        sensible=lambda a: not a.ok or wire.decode(a.body, wire.Identified) is not None,
    )
    project = wire.decode(reading.answer.body, wire.Identified) if reading.answer.ok else None
    return {project.id.lower()} if project is not None else set()
