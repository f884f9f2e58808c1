"""The routes of videos that are there: looking at them, their copies, changing, deleting."""

import asyncio
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from aiohttp import web

from migrator.sandbox import wire
from migrator.sandbox.answers import answer, get, page_wanted, status_answer
from migrator.sandbox.copies import Copies
from migrator.sandbox.copying import Copier
from migrator.sandbox.errors import ApiError, not_found
from migrator.sandbox.gate import STRUCK
from migrator.sandbox.ingesting import Ingester
from migrator.sandbox.records import DerivedConflictError, Records, derived_from
from migrator.sandbox.shapes import VideoShape
from migrator.sandbox.storage import Storage
from migrator.sandbox.validation import (
    Fields,
    Findings,
    Query,
    path_uuid,
    read_object,
    read_uuids,
)
from migrator.sandbox.videos import Video, VideoFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRoutes:
    """Videos, and how they were copied in."""

    records: Records
    copies: Copies
    copier: Copier
    ingester: Ingester
    storage: Storage

    def routes(self, v1: str) -> list[web.RouteDef]:
        """All routes, under `v1`."""
        video = f"{v1}/videos/{{videoId}}"
        return [
            get(f"{v1}/videos", self.all),
            get(video, self.one),
            web.patch(video, self.change),
            web.delete(video, self.delete),
            get(f"{video}/derived", self.derived),
            get(f"{video}/in/status", self.in_status),
            web.post(f"{video}/in/restart", self.restart),
            web.delete(f"{video}/in/abandon", self.abandon),
        ]

    async def all(self, request: web.Request) -> web.Response:
        """A page of the videos of all teams of the user, or of those the filters leave."""
        findings = Findings()
        query = Query(request, findings)
        wanted = VideoFilter(
            team_id=query.uuid("teamId"),
            project_id=query.uuid("projectId"),
            master_video_id=query.uuid("masterVideoId"),
            clip_id=query.uuid("clipId"),
            clip_mode=query.choice("clipMode", ("INCLUDE", "EXCLUDE", "ONLY")),
        )
        return await self._page(request, query, findings, wanted)

    async def derived(self, request: web.Request) -> web.Response:
        """A page of what derives from a video."""
        findings = Findings()
        video = await self._named(request)
        return await self._page(request, Query(request, findings), findings, derived_from(video))

    async def _page(
        self, request: web.Request, query: Query, findings: Findings, wanted: VideoFilter
    ) -> web.Response:
        number, size = page_wanted(query)
        wanted = dataclasses.replace(
            wanted,
            sort_by=query.choice("sortBy", ("createdAt", "updatedAt")),
            descending=query.choice("sortDirection", ("ASC", "DESC")) == "DESC",
        )
        findings.check()
        struck = request[STRUCK]
        offset = max(0, number * size + struck.shift_rows) if number else 0
        total, videos = await self.records.page(wanted, limit=size, offset=offset, struck=struck)
        items = await self._shapes(videos)
        return answer(200, wire.page(items, number=number, size=size, total=total))

    async def one(self, request: web.Request) -> web.Response:
        """One video."""
        [shape] = await self._shapes([await self._named(request)])
        return answer(200, shape)

    async def change(self, request: web.Request) -> web.Response:
        """Give a video another name or description."""
        video_id = path_uuid(request, "videoId")
        body = await read_object(request)
        findings = Findings()
        fields = Fields(body, findings)
        name = fields.optional("name", low=1, high=255)
        description = fields.optional("description", low=0, high=511)
        findings.check()
        video = await self.records.change(video_id, name=name, description=description)
        if video is None:
            raise not_found("Video")
        [shape] = await self._shapes([video])
        return answer(200, shape)

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a video and all that derives from it, if that is what is expected."""
        video_id = path_uuid(request, "videoId")
        expected = await read_uuids(request)
        try:
            deleted = await self.records.delete(video_id, expected=expected)
        except DerivedConflictError as error:
            code = "CONFLICTING_DERIVED_VIDEO_IDS"
            raise ApiError(409, code, "Derived videos that were not named") from error
        if deleted is None:
            raise not_found("Video")
        await self._remove(deleted)
        ids = [video.video_id for video in deleted]
        return web.Response(body=msgspec.json.encode(ids), content_type="application/json")

    async def in_status(self, request: web.Request) -> web.Response:
        """How the copy of a video stands; 204 where none was ever started."""
        return status_answer(200, await self._named(request), self.storage.available)

    async def restart(self, request: web.Request) -> web.Response:
        """Go on with a copy that FAILED, from the parts it has."""
        findings = Findings()
        skip_checksum = Query(request, findings).boolean("skipChecksumValidation")
        findings.check()
        video = await self._named(request)
        if video.error_code == "CHECKSUM_MISMATCH" and not skip_checksum:
            code = "VIDEO_IN_RESTART_CHECKSUM_MISMATCH"
            raise ApiError(409, code, "Restart with skipChecksumValidation=true")
        if not await self.copies.restart(video.video_number, skip_checksum=skip_checksum):
            raise _not_failed()
        answered = status_answer(202, await self._named(request), self.storage.available)
        self.copier.enqueue(video.video_number)
        return answered

    async def abandon(self, request: web.Request) -> web.Response:
        """Delete a video whose copy FAILED."""
        video_id = path_uuid(request, "videoId")
        deleted: Sequence[Video] | None = await self.records.delete(video_id, only_failed=True)
        if deleted is None:
            raise not_found("Video")
        if not deleted:
            raise _not_failed()
        await self._remove(deleted)
        return web.Response(status=204)

    async def _shapes(self, videos: Sequence[Video]) -> list[VideoShape]:
        masters = await self.records.masters(videos)
        return [
            wire.video_shape(
                video, masters.get(video.master_video_id or ""), self.storage.available
            )
            for video in videos
        ]

    async def _remove(self, deleted: Sequence[Video]) -> None:
        """End the work on videos that have been deleted, and remove their files."""
        await self.copier.forget(deleted)
        await self.ingester.forget(deleted)
        await asyncio.to_thread(self.storage.remove, [video.video_id for video in deleted])

    async def _named(self, request: web.Request) -> Video:
        video = await self.records.video(path_uuid(request, "videoId"))
        if video is None:
            raise not_found("Video")
        return video


def _not_failed() -> ApiError:
    return ApiError(409, "VIDEO_IN_OPERATION_NOT_FAILED", "Video-in operation not failed")
