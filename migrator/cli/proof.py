"""What a rehearsal came to: all that was found, held against how its catalogue was built."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from migrator.errors import ExitCode
from migrator.sandbox.catalogue import Catalogue, Kind


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


class Listed(msgspec.Struct, rename="camel"):
    """A video in the platform's list."""

    id: str
    upload: Upload

    @property
    def status(self) -> str:
        """How its copy stands."""
        return self.upload.upload_state.upload_status


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


@dataclass(frozen=True)
class Findings:
    """All that is known once the last run has ended. `digests` are those of the copies, by id."""

    exit_code: int
    summary: Summary
    rows: Sequence[ReportRow]
    creates: Sequence[Created]
    videos: Sequence[Listed]
    digests: Mapping[str, str]


def counts(findings: Findings, kinds: Sequence[Kind]) -> dict[Kind, int]:
    """How many rows the summary counts for the reason of each kind."""
    return {kind: findings.summary.reasons.get(kind.reason, 0) for kind in kinds}


def differences(catalogue: Catalogue, findings: Findings) -> list[str]:
    """All that is not as the catalogue was built to give; empty when the rehearsal succeeded."""
    found = [*_miscounts(catalogue, findings)]
    found += _misjudged_rows(catalogue, findings)
    found += _wrong_videos(catalogue, findings)
    return found


def _miscounts(catalogue: Catalogue, findings: Findings) -> Iterator[str]:
    summary, outcomes, reasons = findings.summary, Counter[str](), Counter[str]()
    for kind, rows in catalogue.expected().items():
        outcomes[kind.outcome] += rows
        reasons[kind.reason] += rows
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
    expected_code = ExitCode.WITH_PROBLEMS
    if findings.exit_code != expected_code:
        yield f"the run ended with {findings.exit_code}, {int(expected_code)} expected"


def _misjudged_rows(catalogue: Catalogue, findings: Findings) -> Iterator[str]:
    rows = {row.row: row for row in findings.rows}
    if len(rows) != len(findings.rows) or rows.keys() != set(range(1, len(catalogue.rows) + 1)):
        yield f"the report's rows are not 1 to {len(catalogue.rows):,}, each once"
    for number, expected in enumerate(catalogue.rows, start=1):
        got, kind = rows.get(number), expected.kind
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
    status = {video.id: video.status for video in findings.videos}
    if len(findings.videos) != len(good) or status.keys() != ids.keys():
        yield f"the platform holds {len(findings.videos):,} videos, {len(good):,} expected"
    reported = {row.row: row.video_id for row in findings.rows}
    for number, row in enumerate(catalogue.rows, start=1):
        if row.sha256:
            video_id = reported.get(number) or ""
            where = f"row {number:,} ({row.bucket}/{row.key})"
            if ids.get(video_id) != (row.bucket, row.key):
                yield f"{where}: the report names a video that is not its own"
            elif status.get(video_id) != "DONE":
                yield f"{where}: its copy is {status.get(video_id)}, not DONE"
            elif findings.digests.get(video_id) != row.sha256:
                yield f"{where}: its copy is not the same bytes"
