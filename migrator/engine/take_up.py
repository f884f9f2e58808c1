"""What an earlier run left open, and the copies that were adopted: each into its key's lane."""

from collections.abc import Sequence

from migrator.checkpoint.change import Change, Transfer
from migrator.engine.book import Book
from migrator.engine.lanes import Lane
from migrator.lifecycle import WITH_VIDEO, Event, State

EXPECTED, EXPECTED_S = 100, 3600
"""Of the last run's videos so many, and no older ones (seconds), a list must show."""


async def take_up(book: Book, lanes: Sequence[Lane]) -> None:
    """Look for what may have a video, and look after what has one."""
    for transfer in await book.run(lambda c: c.in_state(State.SUBMITTING)):
        # Nobody knows whether the request left: look, never send again.
        change = Change(Event.OUTCOME_UNKNOWN, {"message": "the program ended before the answer"})
        await book.change(transfer.row, State.SUBMITTING, change)
    unresolved = await book.run(lambda c: c.in_state(State.UNRESOLVED))
    for lane in lanes:
        await _look_for(book, lane, [each for each in unresolved if each.lane == lane.key.lane])
    for state in sorted(WITH_VIDEO):
        for transfer in await book.run(lambda c, s=state: c.in_state(s)):  # type: ignore[misc]
            follow(book, lanes[transfer.lane], transfer, state)


async def _look_for(book: Book, lane: Lane, unresolved: Sequence[Transfer]) -> None:
    """What the last run was told of not long ago, a list must show before it proves an absence."""
    if not unresolved:
        return
    gateway = lane.gateway
    since_s = max(
        min(transfer.intent_date_s or 0 for transfer in unresolved),
        (gateway.date_s or 0) - EXPECTED_S,
    )
    lane_no = lane.key.lane
    latest = await book.run(lambda c: c.latest_videos(since_s, EXPECTED, lane_no))
    for video_id, date_s in latest:
        lane.resolver.lag.told(video_id, date_s * 1000, gateway.now_s())
    for transfer in unresolved:
        lane.resolver.add(transfer)


def follow(book: Book, lane: Lane, transfer: Transfer, state: State) -> None:
    """Look after a copy that this run has not begun."""
    assert transfer.video_id is not None
    now_s = lane.gateway.now_s()
    created_ms = transfer.video_created_ms
    if created_ms is None and transfer.intent_date_s is not None:
        created_ms = transfer.intent_date_s * 1000
    flight = lane.flights.add(transfer, transfer.video_id, created_ms, state, 0.0)
    flight.moved_s = now_s
    due_ms = (transfer.not_before_ms or 0) - book.now_ms()
    flight.restart_at_s = now_s + max(0.0, min(due_ms / 1000, 60.0))
