"""The first sweep of a fresh batch, and taking over what is on the platform already.

A lost checkpoint or a mistyped --out must import nothing twice: before the first POST the whole
list of the team is read once, and every video that carries a tag of one of our objects becomes
that row's video, whichever batch made it.
"""

from itertools import groupby

from migrator.checkpoint.store import Checkpoint, PlatformVideo
from migrator.engine import decide
from migrator.engine.book import Book
from migrator.engine.observe import is_master
from migrator.engine.resolve import looks
from migrator.engine.sweep import ListReader, Page, sweep
from migrator.engine.tag import read_tag
from migrator.errors import StoppedByItself
from migrator.lifecycle import State
from migrator.model import LearnedBy
from migrator.pixop import wire

PASSES = 5
"""How often the first sweep reads the list again before the run gives up."""

CHUNK = 10_000
"""Rows that are matched against the list in one transaction."""


async def first_sweep(book: Book, reader: ListReader, *, tagging: bool) -> None:
    """Read the team's whole list into the checkpoint. Raises Stopping or StoppedByItself."""
    await book.run(Checkpoint.forget_platform_videos)

    async def keep(_page: Page, videos: tuple[wire.Video, ...]) -> int:
        known = [_known(video, tagging=tagging) for video in videos]
        return await book.run(lambda checkpoint: checkpoint.add_platform_videos(known))

    async def forget() -> None:
        await book.run(Checkpoint.forget_platform_videos)

    swept = await sweep(reader, None, keep, forget, PASSES)
    if not swept.complete:
        raise StoppedByItself(
            f"the team's list kept changing while it was read {PASSES} times, so it is not certain "
            "what the platform holds already",
            "wait until nobody deletes videos of this team, then resume",
        )
    await book.run(lambda checkpoint: checkpoint.set_meta("swept", "1"))


async def adopt(book: Book, rules: decide.CopyRules) -> int:
    """Take over every listed video that carries the tag of a pending row; answers how many.

    What the first sweep saw as done is settled with it and is not followed any more.
    """
    last_row = await book.run(Checkpoint.last_row)
    adopted = 0
    for first in range(1, last_row + 1, CHUNK):
        adopted += await book.run(
            lambda c, first=first: _adopt_rows(c, first, first + CHUNK - 1, rules, book.now_ms())  # type: ignore[misc]
        )
    book.tallies.load(await book.run(Checkpoint.tallies))
    return adopted


def _adopt_rows(
    checkpoint: Checkpoint, first: int, last: int, rules: decide.CopyRules, now_ms: int
) -> int:
    adopted = 0
    carriers = checkpoint.carriers_between(first, last)
    for row, group in groupby(carriers, key=lambda carrier: carrier.row):
        known = {carrier.video_id: carrier for carrier in group}
        sights = [decide.Seen(c.video_id, c.created_ms, c.upload_status) for c in known.values()]
        change = decide.found(sights, adopted=True)
        state = checkpoint.apply(row, State.PENDING, change)
        carrier = known[change.facts["video_id"]]
        sight = decide.Sight(carrier.upload_status, None, carrier.size_bytes, None)
        if carrier.upload_status == decide.DONE and not rules.until_ingested:
            ended = decide.judge_copy(
                state, 0, carrier.source_bytes, sight, rules, LearnedBy.SWEEP, now_ms
            )
            if ended is not None:
                checkpoint.apply(row, state, ended)
        adopted += 1
    return adopted


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
