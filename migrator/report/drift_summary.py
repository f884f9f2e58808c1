"""What `migrator verify --json` prints, and its page says in words."""

import msgspec

SCHEMA = "migrator.verify/1"


class ComparedRows(msgspec.Struct, frozen=True):
    """Rows of the batch: all, those that name a video, those without an outcome, those headed."""

    all: int
    with_video: int
    open: int
    headed: int


class ListedVideos(msgspec.Struct, frozen=True):
    """Videos of the teams, and of those that no row names: how many are none of this batch's."""

    listed: int
    other_batches: int
    before_this_batch: int
    other_projects: int


class VerifyCalls(msgspec.Struct, frozen=True):
    """What was asked of the platform; `calls` are all."""

    calls: int
    list: int
    other: int
    throttled: int
    retries: int
    announced_per_minute: int | None


class DriftSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What `migrator verify --json` prints. `drift` has those kinds that were found.

    `team_ids` are those of all API keys, the default one's, `team_id`, first. `source` says whether
    the objects were headed; `files` has the SHA-256 of each file.
    """

    schema: str = SCHEMA
    batch: str
    verified_at: str
    api_url: str
    team_id: str
    team_ids: tuple[str, ...]
    source: bool
    findings: int
    drift: dict[str, int]
    rows: ComparedRows
    videos: ListedVideos
    api: VerifyCalls
    files: dict[str, str]
