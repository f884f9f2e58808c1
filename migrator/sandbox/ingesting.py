"""Having media work done: which job for which video, and what is made of what comes out.

Videos wait in order, a few are worked on at once. Whatever is under way at a stop is done again
from its beginning at the next start; what it left in storage is replaced.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec

from migrator.sandbox.ingestions import Ingestions, Work
from migrator.sandbox.media.findings import Rendered, VideoMetadata, VideoScanning
from migrator.sandbox.media.jobs import Inspect, MakeClip, Render
from migrator.sandbox.media.workers import MediaError, Workers
from migrator.sandbox.parts import on_disk
from migrator.sandbox.storage import Storage
from migrator.sandbox.videos import Video

PROGRESS_EVERY_S = 0.5
"""How often progress is written at most: each time costs a commit."""

INSPECTING_SHARE = 0.1
"""Of a full ingestion, the part that reading the metadata is counted as."""

CLIP_FILE = "clip.mp4"

log = logging.getLogger(__name__)


class Ingester:
    """Ingests copied videos, and makes and ingests clips, in the order they are enqueued."""

    def __init__(self, ingestions: Ingestions, storage: Storage, workers: Workers) -> None:
        self._ingestions = ingestions
        self._storage = storage
        self._workers = workers
        self._queue: asyncio.Queue[int] = asyncio.Queue()
        self._under_way: dict[int, asyncio.Task[int | None]] = {}

    def enqueue(self, number: int) -> None:
        """Have the video of that number worked on, soon, if there is work that waits for it."""
        self._queue.put_nowait(number)

    async def run(self) -> None:
        """Work until cancelled. What is then under way stays IN_PROGRESS."""
        for number in await self._ingestions.waiting():
            self.enqueue(number)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers.count):
                group.create_task(self._work())

    async def forget(self, videos: Sequence[Video]) -> None:
        """End the work on videos that have been deleted; nothing is written of them any more."""
        for video in videos:
            task = self._under_way.get(video.video_number)
            if task is not None:
                task.cancel()
                await asyncio.wait((task,))

    async def _work(self) -> None:
        while True:
            number = await self._queue.get()
            task = self._under_way[number] = asyncio.create_task(self._next(number))
            try:
                await asyncio.wait((task,))
            except asyncio.CancelledError:
                task.cancel()
                await asyncio.wait((task,))
                raise
            finally:
                del self._under_way[number]
            if task.cancelled():
                continue
            if (error := task.exception()) is not None:
                # The record itself could not be written; the others may still be.
                log.error("video %d: its ingestion could not be noted", number, exc_info=error)
            elif (following := task.result()) is not None:
                self.enqueue(following)

    async def _next(self, number: int) -> int | None:
        """Do the work that waits for a video; the number of the one that work now waits for."""
        work = await self._ingestions.begin(number)
        if work is None:
            return None
        progress = _Progress(self._ingestions, work)
        try:
            await on_disk(self._storage.begin, work.video_id)
            if work.stage == "processing":
                await self._make_clip(work, progress)
                return number
            return await self._ingest(work, progress)
        except MediaError as error:
            reason = str(error)
        except OSError as error:
            reason = error.strerror or "I/O error"
        except Exception:
            log.exception("video %d: the %s failed", number, work.stage)
            reason = "unexpected error"
        finally:
            await on_disk(self._storage.tidy, work.video_id)
        await self._ingestions.failed(work, reason)
        return None

    async def _make_clip(self, work: Work, progress: "_Progress") -> None:
        made = self._storage.scratch_of(work.video_id) / CLIP_FILE
        source = self._storage.video(work.source_id)
        await self._workers.do(MakeClip(str(source), str(made)), progress)
        size_bytes = await on_disk(self._storage.publish_video, work.video_id, made)
        await self._ingestions.clip_made(work, size_bytes)

    async def _ingest(self, work: Work, progress: "_Progress") -> int | None:
        source = str(self._storage.video(work.source_id))
        progress.spans(0, INSPECTING_SHARE if work.is_full else 1)
        found = await self._workers.do(Inspect(source), progress)
        if not work.is_full:
            return await self._ingestions.ingested(work, found)
        await self._ingestions.inspected(work, found)
        metadata = msgspec.json.decode(found, type=VideoMetadata)
        progress.spans(INSPECTING_SHARE, 1)
        job = Render(
            source,
            str(self._storage.scratch_of(work.video_id)),
            (metadata.duration_in_millis or 0) / 1000,
            metadata.total_frames or 0,
        )
        rendered = msgspec.json.decode(await self._workers.do(job, progress), type=Rendered)
        await on_disk(self._storage.publish, work.video_id)
        return await self._ingestions.ingested(
            work,
            msgspec.json.encode(_scanned(metadata, rendered)),
            msgspec.json.encode(rendered.quality),
        )


@asynccontextmanager
async def running(ingester: Ingester) -> AsyncIterator[None]:
    """Ingests for as long as the context lasts."""
    task = asyncio.create_task(ingester.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class _Progress:
    """Writes down how far a piece of work is, now and then, and how long it may yet take."""

    def __init__(self, ingestions: Ingestions, work: Work) -> None:
        self._ingestions = ingestions
        self._work = work
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()
        self._written_s = float("-inf")
        self._writing: asyncio.Task[None] | None = None
        self.spans(0, 1)

    def spans(self, first: float, last: float) -> None:
        """From now on, shares are of the part from `first` to `last` of the whole."""
        self._first, self._last = first, last

    def __call__(self, share: float) -> None:
        """So much of the part is done, from 0 to 1."""
        now_s = self._loop.time()
        whole = self._first + (self._last - self._first) * min(1.0, max(0.0, share))
        if now_s - self._written_s < PROGRESS_EVERY_S or not whole:
            return
        self._written_s = now_s
        eta_s = round((now_s - self._began_s) * (1 - whole) / whole)
        # 100 is said only with DONE. The task is held here: a loop forgets what nobody holds.
        self._writing = asyncio.ensure_future(
            self._ingestions.progressed(self._work, min(99, int(whole * 100)), eta_s)
        )


def _scanned(metadata: VideoMetadata, rendered: Rendered) -> VideoMetadata:
    """The metadata with what the deep scan saw."""
    if rendered.scanning is None:
        return metadata
    said = metadata.scanning or VideoScanning()
    seen = msgspec.structs.replace(said, heuristics=rendered.scanning)
    return msgspec.structs.replace(metadata, scanning=seen)
