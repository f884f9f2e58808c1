"""Taking over what is on the platform already: before the first POST, and of every later run.

A lost checkpoint or a mistyped --out must import nothing twice: a fresh batch reads the whole list
of the team once, and every video that carries a tag of one of its objects becomes that row's video,
whichever batch made it. A later run reads back to where the last one ended: what another batch has
made of our objects meanwhile stops it, and what this batch made and the checkpoint does not know
(it was restored from a copy) is taken over. Where an absence was presumed, a run looks
once more at its end: the presumption may have been wrong.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

from migrator.checkpoint.change import Change
from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.values import PlatformVideo
from migrator.engine import decide
from migrator.engine.book import Book
from migrator.engine.observe import Observer, is_master
from migrator.engine.sweep import HORIZON_SLACK_MS, ListReader, Page, sweep
from migrator.engine.swept import looks
from migrator.engine.tag import read_tag
from migrator.errors import StoppedByItself
from migrator.lifecycle import State
from migrator.log import LIST_RESTLESS, VIDEOS_RETURNED, tell
from migrator.model import LearnedBy
from migrator.pixop import wire

PASSES = 5
"""How often the list is read again before it is called incomplete."""

CHUNK = 10_000
"""Rows that are matched against the list in one transaction."""


async def first_sweep(book: Book, readers: Sequence[ListReader], *, tagging: bool) -> None:
    """Read the whole list of each team into the checkpoint. Raises Stopping or StoppedByItself."""
    await book.run(Checkpoint.forget_platform_videos)
    for number, reader in enumerate(readers):
        await _sweep_team(book, reader, readers[:number], tagging=tagging)


async def _sweep_team(
    book: Book, reader: ListReader, before: Sequence[ListReader], *, tagging: bool
) -> None:
    """Read one team's list behind those of the teams `before` it."""
    others = await book.run(lambda checkpoint: checkpoint.add_platform_videos([]))

    async def keep(_page: Page, videos: tuple[wire.Video, ...]) -> int:
        known = [_known(video, tagging=tagging) for video in videos]
        return await book.run(lambda checkpoint: checkpoint.add_platform_videos(known)) - others

    async def forget() -> None:
        nonlocal others
        await first_sweep(book, before, tagging=tagging)  # theirs went with it
        others = await book.run(lambda checkpoint: checkpoint.add_platform_videos([]))

    swept = await sweep(reader, None, keep, forget, PASSES)
    if not swept.complete:
        raise _never_at_rest()


async def catch_up(
    book: Book, reader: ListReader, observer: Observer, since_s: int, rules: decide.CopyRules
) -> None:
    """Look at what was made since the last run's last answer, before anything is sent.

    `since_s` is the platform's clock then (epoch seconds). A video of another batch of one of our
    objects stops the run; those of this batch become their rows'. Raises Stopping, or
    StoppedByItself when the list never comes to rest.
    """
    if not await _look_back(reader, observer, since_s):
        raise _never_at_rest()
    returned = list(observer.returned.items())
    for begin in range(0, len(returned), CHUNK):
        carriers = dict(returned[begin : begin + CHUNK])
        await book.run(lambda c, carriers=carriers: _take_back(c, carriers, rules, book.now_ms()))  # type: ignore[misc]
    if returned:
        tell(VIDEOS_RETURNED, videos=len(returned))
        observer.returned.clear()
        book.tallies.load(await book.run(Checkpoint.tallies))


async def look_back(book: Book, lists: Sequence[tuple[ListReader, Observer]]) -> None:
    """Look once more, in the list of each team, for videos of rows that were presumed to have none.

    What is found is noted with its row. Raises Stopping.
    """
    presumed = await book.run(Checkpoint.presumed_absent)
    complete = [await _look_back(reader, observer, presumed.since_s) for reader, observer in lists]
    if all(complete):
        await book.run(lambda checkpoint: checkpoint.set_meta("looked_back", presumed.mark))
    else:
        tell(LIST_RESTLESS, rows=presumed.rows)


async def _look_back(reader: ListReader, observer: Observer, since_s: int | None) -> bool:
    """Show the list back to `since_s` (None: to its end) to the observer; True when complete."""
    seen: set[str] = set()

    async def keep(page: Page, videos: tuple[wire.Video, ...]) -> int:
        await observer.page(page, LearnedBy.SWEEP)
        seen.update(video.id for video in videos)
        return len(seen)

    async def forget() -> None:
        seen.clear()
        observer.returned.clear()  # what was deleted meanwhile is among it

    while True:
        behind_ms = observer.created_behind_ms
        horizon_ms = None if since_s is None else since_s * 1000 - HORIZON_SLACK_MS - behind_ms
        swept = await sweep(reader, horizon_ms, keep, forget, PASSES)
        # Where createdAt proves to lie far behind, the window was too short: read on.
        if not swept.complete or observer.created_behind_ms <= max(behind_ms, HORIZON_SLACK_MS):
            return swept.complete


async def adopt(book: Book, rules: decide.CopyRules) -> int:
    """Take over every listed video that carries the tag of a pending row; answers how many.

    What the first sweep saw as done is settled with it and is not followed any more.
    """
    last_row = await book.run(Checkpoint.last_row)
    adopted = 0
    for first in range(1, last_row + 1, CHUNK):
        rows = await book.run(
            lambda c, first=first: adopt_rows(c, first, first + CHUNK - 1, rules, book.now_ms())  # type: ignore[misc]
        )
        adopted += len(rows)
    book.tallies.load(await book.run(Checkpoint.tallies))
    return adopted


def adopt_rows(
    checkpoint: Checkpoint,
    first: int,
    last: int,
    rules: decide.CopyRules,
    now_ms: int,
    *,
    look_again: bool = False,
) -> list[int]:
    """Take over the videos of the pending rows `first` to `last`; answers the rows that have one.

    What was seen as done is settled with it, or with `look_again` followed as a copy. Part of the
    transaction that it is called in.
    """
    adopted = []
    carriers = checkpoint.carriers_between(first, last)
    for row, group in groupby(carriers, key=lambda carrier: carrier.row):
        known = list(group)
        sights = [
            decide.Seen(c.video_id, c.created_ms, c.upload_status, c.size_bytes) for c in known
        ]
        change = decide.found(sights, adopted=True)
        if look_again:
            checkpoint.apply(row, State.PENDING, change)
        else:
            _take_over(checkpoint, row, known[0].source_bytes, change, sights, rules, now_ms)
        adopted.append(row)
    return adopted


def _take_back(
    checkpoint: Checkpoint,
    returned: dict[bytes, Sequence[decide.Seen]],
    rules: decide.CopyRules,
    now_ms: int,
) -> None:
    """Videos that this batch made, of rows that are pending in a checkpoint of an earlier time."""
    for object_id, sights in returned.items():
        (transfer,) = checkpoint.transfers_of_objects([object_id])
        change = decide.found(sights, adopted=False)
        size_bytes = transfer.size_bytes
        _take_over(checkpoint, transfer.row, size_bytes, change, sights, rules, now_ms)


def _take_over(
    checkpoint: Checkpoint,
    row: int,
    source_bytes: int | None,
    change: Change,
    sights: Iterable[decide.Seen],
    rules: decide.CopyRules,
    now_ms: int,
) -> None:
    """Give a pending row its video, and settle it where its copy is seen to be done."""
    state = checkpoint.apply(row, State.PENDING, change)
    (chosen,) = (seen for seen in sights if seen.video_id == change.facts["video_id"])
    if chosen.upload_status != decide.DONE or rules.until_ingested:
        return
    sight = decide.Sight(chosen.upload_status, None, chosen.size_bytes, None)
    ended = decide.judge_copy(state, 0, source_bytes, sight, rules, LearnedBy.SWEEP, now_ms)
    if ended is not None:
        checkpoint.apply(row, state, ended)


def _never_at_rest() -> StoppedByItself:
    return StoppedByItself(
        "the pages of the team's list did not add up, however often they were read, so it is "
        "not certain what the platform holds already",
        "resume once nobody deletes videos of this team: nothing was sent. Where it stays so, the "
        "totalElements or the pages of GET /v1/videos are wrong: tell the platform",
    )


def _known(video: wire.Video, *, tagging: bool) -> PlatformVideo:
    # What is no master carries nobody's tag; it is kept for the count of what was seen.
    tag = read_tag(video.description) if tagging and is_master(video) else None
    name, size_bytes = looks(video) if is_master(video) else (None, None)
    sight = decide.Sight.of(video)
    return PlatformVideo(
        video_id=video.id,
        object_id=tag.object_id if tag else None,
        batch=tag.batch if tag else None,
        file_name=name,
        size_bytes=size_bytes,
        created_ms=wire.time_ms(video.created_at),
        upload_status=sight.upload_status,
    )
