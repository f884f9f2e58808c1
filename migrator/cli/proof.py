"""What a rehearsal came to: all that was found, held against how its catalogue was built."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from migrator.errors import ExitCode
from migrator.sandbox.catalogue import IN_FULL, Catalogue, CatalogueRow, Kind


class Created(msgspec.Struct, rename="camel"):
    """A line of the sandbox's log of creates."""

    video_id: str
    bucket: str
    object_key: str


class UploadState(msgspec.Struct, rename="camel"):
    """How far a copy is."""

    upload_status: str


class Upload(msgspec.Struct, rename="camel"):
    """The copy of a video."""

    upload_state: UploadState


class IngestionState(msgspec.Struct, rename="camel"):
    """How far the ingestion is, and which artefacts it has made."""

    ingestion_status: str
    web_video_available: bool = False
    thumbnails_available: bool = False
    full_frames_available: bool = False


class Ingestion(msgspec.Struct, rename="camel"):
    """The ingestion of a video."""

    ingestion_state: IngestionState


class ProcessingState(msgspec.Struct, rename="camel"):
    """How far the making of a clip is."""

    processing_status: str


class Processing(msgspec.Struct, rename="camel"):
    """The making of a clip."""

    processing_state: ProcessingState


class Flags(msgspec.Struct, rename="camel"):
    """What a video is."""

    is_clip: bool


class Master(msgspec.Struct):
    """What a clip was made of."""

    id: str


class Listed(msgspec.Struct, rename="camel"):
    """A video in the platform's list; a clip has no copy, and is ingested once it is made."""

    id: str
    flags: Flags
    upload: Upload | None = None
    ingestion: Ingestion | None = None
    master_video: Master | None = None
    processing: Processing | None = None

    @property
    def copied(self) -> str | None:
        """How its copy stands."""
        return self.upload.upload_state.upload_status if self.upload else None

    @property
    def ingested(self) -> str | None:
        """How its ingestion stands."""
        return self.ingestion.ingestion_state.ingestion_status if self.ingestion else None

    @property
    def at_rest(self) -> bool:
        """Whether nothing more will be done with it by itself."""
        made = self.processing.processing_state.processing_status if self.processing else None
        return self.ingested in {"DONE", "FAILED"} or "FAILED" in {self.copied, made}

    @property
    def in_full(self) -> bool:
        """Whether it has all artefacts of a full ingestion."""
        state = self.ingestion.ingestion_state if self.ingestion else None
        return state is not None and (
            state.web_video_available and state.thumbnails_available and state.full_frames_available
        )


class ApiUse(msgspec.Struct):
    """The calls of all runs."""

    calls: int
    throttled: int


class Summary(msgspec.Struct):
    """What of `summary.json` is looked at."""

    complete: bool
    outcomes: dict[str, int]
    reasons: dict[str, int]
    adopted: int
    duplicates: int
    api: ApiUse


@dataclass(frozen=True)
class ReportRow:
    """What of a line of `objects.parquet` is looked at."""

    row: int
    outcome: str
    reason: str | None
    video_id: str | None
    clip_id: str | None = None
    clip_state: str | None = None


@dataclass(frozen=True)
class Batch:
    """How a run ended, and what its report says."""

    exit_code: int
    summary: Summary
    rows: Sequence[ReportRow]


@dataclass(frozen=True)
class Findings:
    """All that is known once the last run has ended and the platform is at rest.

    `batch` and `films` are of the catalogue's two manifests. `digests` are those of the copies, by
    video id.
    """

    batch: Batch
    films: Batch
    creates: Sequence[Created]
    videos: Sequence[Listed]
    digests: Mapping[str, str]


def counts(findings: Findings, kinds: Sequence[Kind]) -> dict[Kind, int]:
    """How many rows the summaries count for the reason of each kind."""
    return {
        kind: (findings.films if kind is IN_FULL else findings.batch).summary.reasons.get(
            kind.reason, 0
        )
        for kind in kinds
    }


def differences(catalogue: Catalogue, findings: Findings) -> list[str]:
    """All that is not as the catalogue was built to give; empty when the rehearsal succeeded."""
    found: list[str] = []
    for rows, batch in ((catalogue.rows, findings.batch), (catalogue.films, findings.films)):
        found += _miscounts(rows, batch)
        found += _misjudged_rows(rows, batch)
    found += _wrong_videos(catalogue, findings)
    found += _wrong_clips(catalogue, findings)
    return found


def _miscounts(rows: Sequence[CatalogueRow], batch: Batch) -> Iterator[str]:
    summary = batch.summary
    outcomes = Counter(row.kind.outcome for row in rows)
    reasons = Counter(row.kind.reason for row in rows)
    for word, expected, got in (
        *((name, reasons[name], summary.reasons.get(name, 0)) for name in
          sorted(reasons.keys() | summary.reasons.keys())),
        *((name, outcomes[name], summary.outcomes.get(name, 0)) for name in
          sorted(outcomes.keys() | summary.outcomes.keys())),
        ("duplicates", 0, summary.duplicates),
        ("throttled", 0, summary.api.throttled),
    ):  # fmt: skip
        if expected != got:
            yield f"{word}: {got:,} in the summary, {expected:,} expected"
    if not summary.complete:
        yield "the summary says that the batch is not complete"
    well = outcomes.keys() <= {"imported", "skipped"}
    expected_code = ExitCode.OK if well else ExitCode.WITH_PROBLEMS
    if batch.exit_code != expected_code:
        yield f"the run ended with {batch.exit_code}, {int(expected_code)} expected"


def _misjudged_rows(rows: Sequence[CatalogueRow], batch: Batch) -> Iterator[str]:
    reported = {row.row: row for row in batch.rows}
    if len(reported) != len(batch.rows) or reported.keys() != set(range(1, len(rows) + 1)):
        yield f"the report's rows are not 1 to {len(rows):,}, each once"
    for number, expected in enumerate(rows, start=1):
        got, kind = reported.get(number), expected.kind
        if got is not None and (got.outcome, got.reason) != (kind.outcome, kind.reason):
            yield (
                f"row {number:,} ({kind.what}): {got.outcome}/{got.reason}, "
                f"{kind.outcome}/{kind.reason} expected"
            )


def _wrong_videos(catalogue: Catalogue, findings: Findings) -> Iterator[str]:
    good = {(row.bucket, row.key): row for row in catalogue.good()}
    made = Counter((create.bucket, create.object_key) for create in findings.creates)
    for (bucket, key), times in made.items():
        if times > 1:
            yield f"made {times:,} times on the platform: {bucket}/{key}"
        if (bucket, key) not in good:
            yield f"made on the platform, and should not be: {bucket}/{key}"
    ids = {create.video_id: (create.bucket, create.object_key) for create in findings.creates}
    masters = {video.id: video for video in findings.videos if not video.flags.is_clip}
    if len(masters) != len(good) or masters.keys() != ids.keys():
        yield f"the platform holds {len(masters):,} videos, {len(good):,} expected"
    for rows, batch in ((catalogue.rows, findings.batch), (catalogue.films, findings.films)):
        reported = {row.row: row.video_id for row in batch.rows}
        for number, row in enumerate(rows, start=1):
            video_id = reported.get(number) or ""
            if row.sha256 and (wrong := _wrong_video(row, video_id, ids, masters, findings)):
                yield f"row {number:,} ({row.bucket}/{row.key}): {wrong}"


def _wrong_video(
    row: CatalogueRow,
    video_id: str,
    ids: Mapping[str, tuple[str, str]],
    masters: Mapping[str, Listed],
    findings: Findings,
) -> str | None:
    if ids.get(video_id) != (row.bucket, row.key):
        return "the report names a video that is not its own"
    video = masters.get(video_id)
    if video is None or video.copied != "DONE":
        return f"its copy is {video and video.copied}, not DONE"
    if findings.digests.get(video_id) != row.sha256:
        return "its copy is not the same bytes"
    if video.ingested != "DONE":
        return f"its ingestion is {video.ingested}, not DONE"
    if video.in_full != (row.kind is IN_FULL):
        return (
            "it is ingested in full, and should not be"
            if video.in_full
            else "it is not ingested in full"
        )
    return None


def _wrong_clips(catalogue: Catalogue, findings: Findings) -> Iterator[str]:
    clips = [video for video in findings.videos if video.flags.is_clip]
    of_masters = Counter(clip.master_video.id if clip.master_video else "" for clip in clips)
    masters = {video.id for video in findings.videos if not video.flags.is_clip}
    if len(clips) != len(catalogue.good()) or of_masters.keys() != masters:
        yield f"the platform holds {len(clips):,} clips, not one of each video"
    reported = {row.video_id for batch in (findings.batch, findings.films) for row in batch.rows}
    for clip in clips:
        if clip.ingested != "DONE":
            yield f"clip {clip.id}: its ingestion is {clip.ingested}, not DONE"
        if clip.id in reported:
            yield f"clip {clip.id}: the report has it as the video of a row"
    clip_of = {clip.master_video.id: clip.id for clip in clips if clip.master_video}
    for row in findings.films.rows:
        if (row.clip_id, row.clip_state) != (clip_of.get(row.video_id or ""), "DONE"):
            yield f"film {row.row}: the report has clip {row.clip_id} ({row.clip_state})"
