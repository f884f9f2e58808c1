"""After a migration: the platform's list and the live source beside the report.

Three steps, none of which writes anything to the platform: the team's whole list is read into an
inventory on disk; every row is held against it, and its object headed; what no row has named is
judged last. What drift is, `decide.drift` says. The platform is paced as in a run.
"""

from collections.abc import Sequence

from migrator.checkpoint.change import Transfer
from migrator.checkpoint.inventory import Inventory
from migrator.checkpoint.store import Checkpoint
from migrator.engine.adopt import PASSES
from migrator.engine.awake import AwakeClock
from migrator.engine.book import Book
from migrator.engine.comparison import Comparison, Found, Progress, Verified, listed
from migrator.engine.decide.drift import is_verified_at_source
from migrator.engine.gateway import Gateway
from migrator.engine.pacing import Pacer
from migrator.engine.ports import Ports
from migrator.engine.preflights import Preflights
from migrator.engine.quotas import Quotas
from migrator.engine.request import Requests
from migrator.engine.scouting import ROWS, Scouted
from migrator.engine.start import check_platform, projects_of
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
    pace, outage_s = settings.pace, settings.care.max_outage.total_seconds()
    pacer = Pacer(
        Quotas(pace.requests_per_minute, pace.reserve_percent),
        ports.chance,
        ports.clock,
        ports.window,
    )
    clock = AwakeClock(ports.clock)
    gateway = Gateway(ports.api, pacer, stop, ports.chance, outage_s, clock, ports.meter)
    journal = ports.journal(checkpoint, lambda _checkpoint: None)
    book = Book(journal, ports.wall_ms)
    try:
        async with background(stop, pacer.run(), gateway.watch()):
            comparing = _compare(
                book, inventory, settings, ports, stop, gateway, found, progress, source=source
            )
            return await found_out(stop, comparing)
    finally:
        await book.close()


async def _compare(
    book: Book,
    inventory: Inventory,
    settings: BatchSettings,
    ports: Ports,
    stop: Stop,
    gateway: Gateway,
    found: Found,
    progress: Progress,
    *,
    source: bool,
) -> Verified:
    tagging = settings.platform.tag_in != "none"
    batch, team_id = await book.run(lambda c: (c.meta("batch") or "", c.meta("team_id")))
    try:
        place = await check_platform(gateway, stop, team_id)
    except UsageError:
        raise CheckpointError(
            f"this batch is of team {team_id}, and the API key does not see that one",
            "use a key of that team: nothing was changed",
        ) from None
    if source:
        for bucket in await book.run(Checkpoint.buckets_of_videos):
            ports.keys.access_for(bucket)
    verified = Verified(place.team_id)
    progress.phase = "listing"
    reader = ListReader(gateway, place.team_id)
    await read_list(reader, inventory, progress, tagging=tagging)
    verified.listed = inventory.count

    progress.phase, progress.done = "comparing", 0
    progress.total = await book.run(Checkpoint.last_row)
    outage_s = settings.care.max_outage.total_seconds()
    preflights = Preflights(
        book,
        stop,
        Preflight(ports.source, settings.ways.by_url),
        outage_s,
        gateway.now_s,
        ports.chance,
    )
    progress.waiting_for = lambda: preflights.waiting_for_source
    sources = await book.run(Checkpoint.sources)
    requests = Requests(
        sources, batch, settings.platform.project_id, settings.inputs.naming, tagged=tagging
    )
    scouted = None
    if source and ports.crew is not None:
        crew = ports.crew
        progress.cluster = lambda: crew.progress
        scouted = Scouted(crew, book, preflights, _rows_after, is_verified_at_source)
    comparison = Comparison(
        book, inventory, gateway, requests, preflights if source else None, verified, scouted
    )
    try:
        await comparison.rows(found, progress)
    finally:
        if scouted is not None:
            await scouted.close()

    progress.phase = "looking for orphans"
    named = await book.run(lambda checkpoint: projects_of(checkpoint, settings))
    projects = {project.lower() for project in named}
    if comparison.uses_default_project:
        projects |= await _default_project(gateway, place.team_id)
    await comparison.strays(batch, projects, found)
    verified.announced_per_minute = gateway.pacer.quotas.announced
    counts = gateway.counts
    verified.calls = {
        "list": counts.list,
        "other": counts.other,
        "throttled": counts.throttled,
        "retries": counts.retries,
    }
    return verified


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
