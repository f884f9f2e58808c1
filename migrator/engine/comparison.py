"""Rows beside the platform's list and the source, chunk by chunk; then what no row has named.

What of it is drift, `decide.drift` says.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from migrator.checkpoint.change import Transfer
from migrator.checkpoint.inventory import Inventory, ListedVideo
from migrator.engine.book import Book
from migrator.engine.breaker import is_own_404
from migrator.engine.decide.changes import cut
from migrator.engine.decide.copies import Sight
from migrator.engine.decide.drift import (
    Finding,
    Shown,
    Stray,
    is_verified_at_source,
    judge_row,
    judge_source,
    judge_stray,
)
from migrator.engine.feed import PREFLIGHTS
from migrator.engine.gateway import Gateway
from migrator.engine.observe import is_master
from migrator.engine.preflights import Look, Preflights
from migrator.engine.request import Requests
from migrator.engine.scouting import Scouted
from migrator.engine.swept import looks
from migrator.engine.tag import read_tag
from migrator.lifecycle import FINAL, State
from migrator.log import DRIFT_FOUND, tell
from migrator.model import Reason
from migrator.pixop import wire
from migrator.pixop.client import Answer

CHUNK = 500
"""Rows that are compared at a time, and strays; SQLite may take 999 values in one question."""

ASKED_BY_ID = 50
"""Videos missing in the list that are asked for by id, so that a few deletions are proven at a
call each, and many cost no more."""


@dataclass(slots=True)
class Progress:
    """How far it is: `done` of `total` videos listed, or rows compared."""

    phase: str = "starting"
    done: int = 0
    total: int = 0
    waiting_for: Callable[[], str] = lambda: ""
    cluster: Callable[[], str] = lambda: ""


@dataclass(slots=True)
class Verified:
    """What was compared.

    `listed` counts the videos of the teams, `rows` those of the batch, `named` the settled rows
    that name a video, `open` those that have no outcome yet. `headed` objects were asked for.
    `strays` counts the videos that no row names and that are no drift, by why.
    """

    team_ids: tuple[str, ...]
    announced_per_minute: int | None = None
    listed: int = 0
    rows: int = 0
    named: int = 0
    open: int = 0
    headed: int = 0
    strays: Counter[Stray] = field(default_factory=Counter)
    calls: Mapping[str, int] = field(default_factory=dict)


Found = Callable[[Sequence[Finding]], None]
"""Takes findings as they come: those of rows in row order, and then orphans."""


def listed(video: wire.Video, *, tagging: bool) -> ListedVideo:
    """A video of the list, as far as it is compared."""
    master = is_master(video)
    # What is no master carries nobody's tag: a clip may repeat the words of its video.
    tag = read_tag(video.description) if tagging and master else None
    file_name, size_bytes = looks(video)
    sight = Sight.of(video)
    created_ms = wire.time_ms(video.created_at)
    error = ": ".join(filter(None, (sight.error_code, sight.error_message)))
    return ListedVideo(
        video_id=video.id,
        object_id=tag.object_id if tag else None,
        batch=tag.batch if tag else None,
        is_master=master,
        project_id=video.project_id.lower() if video.project_id else None,
        name=cut(video.name),
        file_name=cut(file_name),
        size_bytes=size_bytes,
        created_ms=created_ms if created_ms is not None and created_ms >= 0 else None,
        upload_status=cut(sight.upload_status),
        ingestion_status=cut(sight.ingestion_status),
        error=cut(error or None),
    )


@dataclass(frozen=True, slots=True)
class AskedWith:
    """How rows of one API key are compared: by its calls, by what it asked for, in a team's list.

    `team` is the number of the list in the inventory.
    """

    gateway: Gateway
    requests: Requests
    team: int


class Comparison:
    """Rows, chunk by chunk, beside the inventory and the source; then what no row has named.

    `asked` has the keys by their lanes; `use_default_project` are the lanes whose rows do.
    """

    def __init__(
        self,
        book: Book,
        inventory: Inventory,
        asked: Sequence[AskedWith],
        preflights: Preflights | None,
        verified: Verified,
        scouted: Scouted | None = None,
    ) -> None:
        self.use_default_project: set[int] = set()
        self._book = book
        self._inventory = inventory
        self._asked = asked
        self._preflights = preflights
        self._verified = verified
        self._scouted = scouted
        self._asked_by_id = 0

    async def rows(self, found: Found, progress: Progress) -> None:
        """Compare every row. Raises Stopping."""
        cursor = 0
        while rows := await self._book.run(lambda c, after=cursor: c.transfers_after(after, CHUNK)):  # type: ignore[misc]
            cursor = rows[-1].row
            self._count(rows)
            looks_of = await self._heads([row for row in rows if is_verified_at_source(row)])
            shown_of = await self._shown(rows)
            judged = (self._judged(r, shown_of[r.row], looks_of.get(r.row)) for r in rows)
            _hand_over([finding for findings in judged for finding in findings], found)
            progress.done += len(rows)

    async def strays(self, batch: str, projects: set[str], found: Found) -> None:
        """Judge the masters that no row and no finding has named."""
        cursor = ""
        while videos := self._inventory.unexplained(cursor, CHUNK):
            cursor = videos[-1].video_id
            ids = [video.video_id for video in videos]
            before = await self._book.run(
                lambda c, ids=ids: {each for each in ids if c.knows_platform_video(each)}  # type: ignore[misc]
            )
            orphans = []
            for video in videos:
                there_before = video.video_id in before
                judged = judge_stray(video, batch, projects, was_there_before=there_before)
                if isinstance(judged, Stray):
                    self._verified.strays[judged] += 1
                else:
                    orphans.append(judged)
            _hand_over(orphans, found)

    def _count(self, rows: Sequence[Transfer]) -> None:
        self._verified.rows += len(rows)
        self._verified.named += sum(is_verified_at_source(row) for row in rows)
        self._verified.open += sum(row.state not in FINAL for row in rows)

    def _judged(self, row: Transfer, shown: Shown, look: Look | None) -> list[Finding]:
        live_bytes = look.facts.size_bytes if look is not None and look.facts else None
        source_bytes = row.size_bytes if row.size_bytes is not None else live_bytes
        findings = judge_row(row, shown, source_bytes)
        if look is not None:
            at_source = judge_source(row, look.facts, look.refusal)
            findings += [at_source] if at_source is not None else []
        return findings

    async def _heads(self, rows: Sequence[Transfer]) -> dict[int, Look]:
        """HEAD the objects of these rows, so many at once; a silent source is waited for."""
        if self._preflights is None:
            return {}
        preflights, answers = self._preflights, dict[int, Look]()
        if self._scouted is not None:
            answers |= await self._scouted.looks(rows)
        waiting = iter([row for row in rows if row.row not in answers])

        async def work() -> None:
            for row in waiting:
                answers[row.row] = await preflights.ask(row)

        tasks = [asyncio.ensure_future(work()) for _ in range(min(PREFLIGHTS, len(rows)))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._verified.headed += len(answers)
        return answers

    async def _shown(self, rows: Sequence[Transfer]) -> dict[int, Shown]:
        """What the list shows of each row; what it shows is explained by it."""
        inventory = self._inventory
        own_of = inventory.videos([row.video_id for row in rows if row.video_id is not None])
        carriers_of = inventory.carriers([r.object_id for r in rows if r.object_id is not None])
        inventory.explain(own_of)
        inventory.explain(video.video_id for each in carriers_of.values() for video in each)
        shown = {}
        for row in rows:
            own, by_id = own_of.get(row.video_id or ""), False
            tells = own is not None and own.upload_status is not None
            if not tells and is_verified_at_source(row):
                told, by_id = await self._by_id(row)
                own = told or own
            carriers = carriers_of.get(row.object_id or b"", [])
            others = [video for video in carriers if video.video_id != row.video_id]
            alike = await self._alike(row, own)
            shown[row.row] = Shown(own, others, alike, by_id)
        return shown

    async def _by_id(self, row: Transfer) -> tuple[ListedVideo | None, bool]:
        """A video of which the list did not tell, as it is told by its id; whether it is unknown.

        The rule of a complete list has one blind spot (`sweep`), and a video may have changed team.
        """
        if row.reason is Reason.DELETED or self._asked_by_id == ASKED_BY_ID:
            return None, False
        self._asked_by_id += 1

        def is_that_one(answer: Answer) -> bool:
            shown = wire.decode(answer.body, wire.Video)
            return shown is not None and shown.id == row.video_id

        reading = await self._asked[row.lane].gateway.read(
            "other",
            "GET",
            f"/v1/videos/{row.video_id}",
            sensible=lambda answer: not answer.ok or is_that_one(answer),
        )
        if reading.answer.ok:
            video = wire.decode(reading.answer.body, wire.Video)
            assert video is not None  # `sensible` has seen to it
            return listed(video, tagging=True), True
        return None, reading.answer.status == HTTPStatus.NOT_FOUND and is_own_404(reading.answer)

    async def _alike(self, row: Transfer, own: ListedVideo | None) -> list[ListedVideo]:
        """Untagged masters that look like the video of a row and are no other row's."""
        if row.video_id is None and row.reason is not Reason.AMBIGUOUS:
            return []
        if row.state not in {State.IMPORTED, State.FAILED}:
            return []
        asked = self._asked[row.lane]
        wanted = asked.requests.wanted(row)
        if wanted.project_id is None:
            self.use_default_project.add(row.lane)
        name = own.file_name if own is not None and own.file_name else wanted.file_name
        size_bytes = own.size_bytes if own is not None and own.size_bytes else row.size_bytes
        alike = self._inventory.alike(name, size_bytes, asked.team) if size_bytes else []
        if not alike:
            return []
        ids = [video.video_id for video in alike]
        owned = await self._book.run(
            lambda c: {each for each in ids if c.row_of_video(each) is not None}
        )
        nobodys = [video for video in alike if video.video_id not in owned]
        self._inventory.explain(video.video_id for video in nobodys)
        return nobodys


def _hand_over(findings: Sequence[Finding], found: Found) -> None:
    for finding in findings:
        row, video = finding.row, finding.video
        tell(
            DRIFT_FOUND,
            drift=finding.drift,
            row=row.row if row else None,
            bucket=row.bucket if row else None,
            key=row.key if row else None,
            video_id=finding.video_id or (video.video_id if video else None),
            expected=finding.expected,
            found=finding.found,
        )
    if findings:
        found(findings)
