"""`summary.json`: the whole batch in one small file, for machines (design section 7)."""

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from migrator.checkpoint.values import Run, Source
from migrator.report.reconcile import Totals
from migrator.report.words import iso_utc
from migrator.settings import ReportScope

SCHEMA = "migrator.summary/1"


class ManifestSummary(msgspec.Struct, frozen=True):
    """Where the rows came from; `sha256` is empty until every source was read to its end."""

    source: str
    rows: int
    sha256: str


class ApiOperations(msgspec.Struct, frozen=True):
    """Calls of the platform's API by operation."""

    submit: int = 0
    list: int = 0
    status: int = 0
    restart: int = 0
    other: int = 0


class ApiUse(msgspec.Struct, frozen=True):
    """What the batch asked of the platform, over all runs; the operations sum to `calls`.

    `by_key` are the calls with each of several API keys, by their names in migrator.toml.
    """

    calls: int
    by_operation: ApiOperations
    throttled: int
    retries: int
    announced_per_minute: int | None
    by_key: dict[str, int] = {}


class RunSummary(msgspec.Struct, frozen=True):
    """One start of the program; `ended_at` is null where it was killed."""

    started_at: str
    ended_at: str | None
    exit_code: int | None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """`summary.json`. Times are ISO 8601 in UTC; `complete` means that no row is left open.

    `bytes` holds the known sizes by outcome, `clips` the free clips by state where they are wanted;
    `report_files` the SHA-256 of the other files.
    """

    schema: str = SCHEMA
    batch: str
    complete: bool
    started_at: str | None
    finished_at: str | None
    manifest: ManifestSummary
    outcomes: dict[str, int]
    reasons: dict[str, int]
    bytes: dict[str, int]
    api: ApiUse
    adopted: int
    duplicates: int
    clips: dict[str, int] = {}
    listing_filtered: int = 0
    report_scope: ReportScope = "AllTasks"
    report_files: dict[str, str]
    runs: tuple[RunSummary, ...]


def summarise(
    *,
    batch: str,
    sources: Sequence[Source],
    rows: int,
    found: Totals,
    runs: Sequence[Run],
    adopted: int,
    duplicates: int,
    report_scope: ReportScope,
    report_files: dict[str, str],
    calls_by_key: Mapping[str, int],
) -> Summary:
    """Put the facts of a checkpoint together."""
    read_whole = bool(sources) and all(source.complete for source in sources)
    unfinished = sum(n for outcome, n in found.outcomes.items() if outcome == "unfinished")
    complete = read_whole and not unfinished
    last_end = runs[-1].ended_ms if runs else None
    return Summary(
        batch=batch,
        complete=complete,
        started_at=iso_utc(runs[0].started_ms) if runs else None,
        finished_at=iso_utc(last_end) if complete and last_end is not None else None,
        manifest=ManifestSummary(
            source=" + ".join(source.location for source in sources),
            rows=rows,
            sha256=_fingerprint([source.sha256 for source in sources]),
        ),
        outcomes={str(outcome): n for outcome, n in found.outcomes.items()},
        reasons={str(reason): n for reason, n in found.reasons.items()},
        bytes={str(outcome): size for outcome, size in found.size_bytes.items()},
        api=_api_use(runs, calls_by_key),
        adopted=adopted,
        duplicates=duplicates,
        listing_filtered=sum(source.filtered for source in sources),
        report_scope=report_scope,
        report_files=report_files,
        runs=tuple(
            RunSummary(
                started_at=iso_utc(run.started_ms),
                ended_at=None if run.ended_ms is None else iso_utc(run.ended_ms),
                exit_code=run.exit_code,
            )
            for run in runs
        ),
    )


def to_json(summary: Summary) -> bytes:
    """The file's content: indented, keys in the order of the design, a line feed at the end."""
    return msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n"


def _fingerprint(digests: Sequence[str]) -> str:
    if not all(digests):
        return ""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest() if digests else ""


def _api_use(runs: Sequence[Run], by_key: Mapping[str, int]) -> ApiUse:
    calls = [run.calls for run in runs]
    operations = {
        name: sum(getattr(call, name) for call in calls) for name in ApiOperations.__struct_fields__
    }
    announced = [call.announced_per_minute for call in calls]
    return ApiUse(
        calls=sum(operations.values()),
        by_operation=ApiOperations(**operations),
        throttled=sum(call.throttled for call in calls),
        retries=sum(call.retries for call in calls),
        announced_per_minute=next((n for n in reversed(announced) if n is not None), None),
        by_key=dict(by_key),
    )
