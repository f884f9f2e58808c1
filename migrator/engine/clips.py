"""`--with-clips`: the free clip of every imported video, its id and its state.

The team's list of clips alone shows a hundred to a call, each with the master it is made of. It is
read back to the oldest video whose clip is not settled, once the rows are, and again until all
clips have ended or nothing has changed for long. What the list does not show is asked for by id,
though not for a whole catalogue whose team makes no clips.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from migrator.checkpoint.clips import Clip, WaitingClips
from migrator.checkpoint.store import Checkpoint
from migrator.engine.book import Book
from migrator.engine.decide import clips as decide
from migrator.engine.gateway import Gateway
from migrator.engine.lanes import Lane
from migrator.engine.stop import Stop, Stopping
from migrator.engine.sweep import HORIZON_SLACK_MS, PAGE_SIZE, ListReader
from migrator.pixop import wire

INTERVAL_S = (2.0, 30.0)
"""Shortest and longest pause between two readings; each is half as long again as the one before."""

PATIENCE_S = (60.0, 300.0)
"""How long nothing may change until what is left is left: before any clip of ours was seen, and
after."""

ASKED_BY_ID = 100
"""So many videos without a clip are asked for by id, and a hundredth of them all."""


@dataclass(slots=True)
class ClipNoter:
    """Learns of the clips of a batch. `seen` counts clips that the list has shown, by team."""

    book: Book
    stop: Stop
    lanes: Sequence[Lane]
    gateways: Sequence[Gateway]

    async def run(self) -> None:
        """Until all is known, or nothing changes any more. Raises Stopping."""
        readers = [ListReader(lane.gateway, lane.place.team_id, clips=True) for lane in self.lanes]
        clock, rest = self.lanes[0].gateway.now_s, self.lanes[0].gateway.rest
        pause_s, longest_s = INTERVAL_S
        before, quiet_since_s = None, clock()
        while (waiting := await self.book.run(Checkpoint.clips_waiting)).rows:
            for reader in readers:
                await self._read(reader, waiting)
            state = await self.book.run(Checkpoint.clip_states)
            if state != before:
                before, quiet_since_s = state, clock()
            if clock() - quiet_since_s >= PATIENCE_S[bool(state)]:
                break
            if (await self.book.run(Checkpoint.clips_waiting)).rows:
                await rest(pause_s, 0, 1.0)
                pause_s = min(pause_s * 1.5, longest_s)
            if self.stop.requested:
                raise Stopping
        if waiting.rows:
            await self._ask(waiting)

    async def _read(self, reader: ListReader, waiting: WaitingClips) -> None:
        """Read the list of clips back to the oldest video that waits for one."""
        horizon_ms = None if waiting.made_ms is None else waiting.made_ms - HORIZON_SLACK_MS
        async for page in reader.pages():
            found = _clips_on(page.videos)
            await self.book.run(lambda c, found=found: c.add_clips(found))  # type: ignore[misc]
            if horizon_ms is not None and page.first_before(horizon_ms) is not None:
                return

    async def _ask(self, waiting: WaitingClips) -> None:
        """Ask by id for what no list has shown, and note of the rest that there is none."""
        states = await self.book.run(Checkpoint.clip_states)
        most = ASKED_BY_ID + (sum(states.values()) + waiting.unknown) // 100
        for video_id, lane in await self.book.run(lambda c: c.without_clip(most)):
            path, params = f"/v1/videos/{video_id}/derived", {"pageSize": str(PAGE_SIZE)}
            answer = (await self.gateways[lane].read("other", "GET", path, params)).answer
            page = wire.decode_page(answer.body) if answer.ok else None
            videos = () if page is None else page[1]
            found = _clips_on(videos, video_id)
            await self.book.run(lambda c, found=found: c.add_clips(found))  # type: ignore[misc]
        await self.book.run(lambda c: c.note_no_clips(decide.NONE))


def _clips_on(videos: Sequence[wire.Video], master: str | None = None) -> list[Clip]:
    """The free clips among these, of whichever master, or of this one."""
    return [
        Clip(of, video.id, decide.clip_state(video), wire.time_ms(video.created_at))
        for video in videos
        if decide.is_free_clip(video) and (of := master or decide.master_of(video)) is not None
    ]
