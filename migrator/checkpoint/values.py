"""What the checkpoint tells: frozen values, one for each kind of question."""

from dataclasses import dataclass

from migrator.lifecycle import State
from migrator.model import DecidedBy, Reason


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows come from: a manifest file or the listing of a prefix.

    `sha256` is the file's digest, or, once complete, that of the frozen listing; `row_count` is
    known once `complete`. `filtered` objects of a listing are left out, and are no rows.
    """

    id: int
    kind: str
    location: str
    header: tuple[str, ...]
    sha256: str
    row_count: int
    complete: bool
    filtered: int = 0

    @property
    def file(self) -> str:
        """Its name, as messages about its rows have it."""
        return self.location.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Tally:
    """How many rows stand in one state with one reason, and their known bytes."""

    state: State
    reason: Reason | None
    rows: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What preflight has against a row that is pending still: it would not be sent, and why."""

    reason: Reason
    decided_by: DecidedBy
    error_code: str | None = None
    http_status: int | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of the platform's API that one run made, by operation.

    `throttled` counts answers 429, `retries` calls that repeated one of the run that had failed;
    `announced_per_minute` is the quota that the platform last announced, `platform_date_s` its
    clock (epoch seconds) at its last answer.
    """

    submit: int = 0
    list: int = 0
    status: int = 0
    restart: int = 0
    other: int = 0
    throttled: int = 0
    retries: int = 0
    announced_per_minute: int | None = None
    platform_date_s: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One start of the program on this batch; `ended_ms` is None when it was killed."""

    started_ms: int
    ended_ms: int | None
    exit_code: int | None
    calls: Calls


@dataclass(frozen=True, slots=True)
class PlatformVideo:
    """A master video that the first sweep saw: what its tag says and what it looks like."""

    video_id: str
    object_id: bytes | None
    batch: str | None
    file_name: str | None
    size_bytes: int | None
    created_ms: int | None
    upload_status: str | None


@dataclass(frozen=True, slots=True)
class Carrier:
    """A video on the platform that carries the tag of row `row`.

    `size_bytes` is the copy's, `source_bytes` the object's, as far as they are known.
    """

    row: int
    video_id: str
    created_ms: int | None
    upload_status: str | None
    size_bytes: int | None
    source_bytes: int | None


@dataclass(frozen=True, slots=True)
class PresumedAbsent:
    """How many rows were once presumed to have no video, their POSTs, and since when.

    `since_s` is the platform's clock (epoch seconds) at the first intent of any of them; None where
    it told none.
    """

    rows: int
    posts: int
    since_s: int | None

    @property
    def mark(self) -> str:
        """Another one whenever an absence was presumed since: rows may leave by `retry`."""
        return f"{self.rows} rows, {self.posts} posts"
