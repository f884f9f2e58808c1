"""`retry --replace`: the old video of a row goes, and that is proven, before the row is sent again.

Of each row in `replacing`: its video is read by id, and must carry the row's tag. It is abandoned
where its copy failed, else deleted, together with the free clips that the platform itself makes of
a video and nothing else. It must then be unknown to the platform by its id. After that
the row is `unresolved` and stands in the same line as every row whose answer was lost: two complete
sweeps must not show another video of it. Whatever goes wrong in between leaves the row `replacing`,
and the next run begins with it anew.
"""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

import msgspec

from migrator.checkpoint.change import Change, Transfer
from migrator.engine import decide
from migrator.engine.book import Book
from migrator.engine.flights import Flights
from migrator.engine.gateway import Gateway
from migrator.engine.resolve import Resolver
from migrator.engine.sweep import PAGE_SIZE
from migrator.lifecycle import Event, State
from migrator.log import VIDEO_REMOVED, tell
from migrator.pixop import wire
from migrator.pixop.client import Answer

AT_ONCE = 4
"""Videos that are removed at the same time."""

CHUNK = 100
"""Rows that are read from the checkpoint at once."""

LOOKS = 5
"""How often a video that was removed is looked for by its id until it counts as still there."""


@dataclass(frozen=True, slots=True)
class Replacer:
    """Removes the old videos of the rows that `retry --replace` has marked, once a run."""

    book: Book
    gateway: Gateway
    flights: Flights
    resolver: Resolver
    tagging: bool
    lane: int

    async def run(self) -> None:
        """All of them, in row order. Raises Stopping when the run ends."""
        row = 0
        while chunk := await self.book.run(
            lambda c, after=row: c.replacing_after(after, CHUNK, self.lane)  # type: ignore[misc]
        ):
            row = chunk[-1].row
            for begin in range(0, len(chunk), AT_ONCE):
                await asyncio.gather(*(self._replace(t) for t in chunk[begin : begin + AT_ONCE]))

    async def _replace(self, transfer: Transfer) -> None:
        path = f"/v1/videos/{transfer.video_id}"
        answer = (await self.gateway.read("other", "GET", path)).answer
        verdict = decide.judge_old_video(answer, transfer, tagging=self.tagging)
        if verdict is decide.OldVideo.FAILED_COPY:
            answer = (await self.gateway.read("other", "DELETE", f"{path}/in/abandon")).answer
        elif verdict is decide.OldVideo.OTHER_COPY:
            clips = await self._clips(path)
            if clips is None:
                why = f"videos that are more than clips derive from {transfer.video_id}"
                await self._leave(transfer, why)
                return
            # The platform refuses where anything else derives from it by then.
            body = msgspec.json.encode(clips)
            answer = (await self.gateway.read("other", "DELETE", path, body=body)).answer
        elif verdict is decide.OldVideo.DONE_AFTER_ALL:
            await self._look_again(transfer)
            return
        elif verdict is decide.OldVideo.NOT_OURS:
            await self._leave(transfer, f"video {transfer.video_id} does not carry this row's tag")
            return
        if not (answer.ok or answer.status == HTTPStatus.NOT_FOUND):
            await self._leave(transfer, f"video {transfer.video_id} cannot be removed", answer)
        elif await self._is_gone(path):
            await self._removed(transfer)
        else:
            await self._leave(transfer, f"video {transfer.video_id} was removed and is still there")

    async def _clips(self, path: str) -> list[str] | None:
        """The ids of all that derives from a video; None where that is more than clips."""
        params = {"pageSize": str(PAGE_SIZE)}
        answer = (await self.gateway.read("other", "GET", f"{path}/derived", params)).answer
        page = wire.decode_page(answer.body) if answer.ok else None
        if page is None or page[0] > len(page[1]) or not all(map(_is_bare_clip, page[1])):
            return None
        return [video.id for video in page[1]]

    async def _is_gone(self, path: str) -> bool:
        for look in range(1, LOOKS + 1):
            answer = (await self.gateway.read("other", "GET", path)).answer
            if decide.is_gone(answer):
                return True
            if look < LOOKS:
                await self.gateway.may_repeat(look)
        return False

    async def _removed(self, transfer: Transfer) -> None:
        change = decide.removed(transfer)
        await self.book.change(transfer.row, State.REPLACING, change)
        tell(VIDEO_REMOVED, row=transfer.row, video_id=transfer.video_id)
        gone = transfer._replace(state=State.UNRESOLVED, video_id=None)
        self.resolver.add(gone, removed=transfer.video_id)

    async def _look_again(self, transfer: Transfer) -> None:
        assert transfer.video_id is not None
        change = Change(Event.LOOK_AGAIN, {"reason": None, "finished_ms": None, "message": None})
        state = await self.book.change(transfer.row, State.REPLACING, change)
        created_ms = transfer.video_created_ms
        self.flights.add(transfer, transfer.video_id, created_ms, state, self.gateway.now_s())

    async def _leave(self, transfer: Transfer, why: str, answer: Answer | None = None) -> None:
        assert transfer.reason is not None
        error = wire.decode(answer.body, wire.ApiError) if answer is not None else None
        change = decide.failed(
            transfer.reason,
            self.book.now_ms(),
            message=f"not replaced: {why}" + (f": {error.message}" if error else ""),
            code=error.error_code if error else transfer.error_code,
            status=answer.status if answer is not None else transfer.http_status,
        )
        await self.book.change(transfer.row, State.REPLACING, change)


def _is_bare_clip(video: wire.Video) -> bool:
    """Whether a derived video is a clip that nobody has put work into."""
    flags = video.flags or wire.VideoFlags()
    return flags.is_clip is True and flags.is_processed is not True
