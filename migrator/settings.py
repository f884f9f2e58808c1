"""Every setting, declared once: flags, environment, help and the checkpoint derive from here.

Each group is a frozen dataclass whose fields cyclopts turns into flags (`requests_per_minute`
becomes `--requests-per-minute`) and whose docstrings become the help. Secrets are never settings:
they are read by `read_secret` from the environment, or from a file that a setting names.
"""

import ipaddress
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from cyclopts import Group, Parameter, Token, convert, validators

from migrator.errors import UsageError

WHAT_IF = Group("What if", sort_key=0)
INPUT = Group("Rows in", sort_key=1)
PLATFORM = Group("Platform", sort_key=2)
SOURCE = Group("Source", sort_key=3)
PACE = Group("Pace", sort_key=4)
CARE = Group("Care", sort_key=5)
STOPPING = Group("Stopping by itself", sort_key=6)
OUTPUT = Group("Output", sort_key=7)

_AT_LEAST_1 = validators.Number(gte=1)
_AT_LEAST_0 = validators.Number(gte=0)
_ABOVE_0 = validators.Number(gt=0)
_SHARE = validators.Number(gte=0, lt=100)
_UP_TO_A_DAY = validators.Number(gte=0, lte=24 * 3600)


def _whole(_type: object, tokens: Sequence[Token]) -> int:
    """A whole number; cyclopts itself would round 1.5."""
    text = tokens[0].value
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise ValueError(f"not a whole number: {text!r}")
    return int(text)


def _rate(kind: object, tokens: Sequence[Token]) -> Literal["auto"] | int:
    return "auto" if tokens[0].value == "auto" else _whole(kind, tokens)


def _positive_rate(_type: object, value: object) -> None:
    if isinstance(value, int) and value < 1:
        raise ValueError("Must be 'auto' or a whole number of at least 1.")


def _span(kind: type[timedelta], tokens: Sequence[Token]) -> timedelta:
    """A span of time that a timedelta can hold; cyclopts itself would overflow."""
    text = tokens[0].value
    if not re.fullmatch(r"([0-9]{1,6}(\.[0-9]{1,6})?[smhdwMy]){1,2}", text):
        raise ValueError(f"not a span of time like 90m, 6h or 1d: {text[:40]!r}")
    return convert(kind, [Token(value=text)])  # type: ignore[no-any-return]


@Parameter(name="*", group=INPUT)
@dataclass(frozen=True, kw_only=True)
class InputSettings:
    """Where the rows come from, and what makes two of them the same object."""

    manifest: Path | None = None
    """A manifest with the columns bucket and key; also known: version_id, name, description,
    project_id, file_name. All other columns come back in the report."""
    manifest_format: Literal["auto", "csv", "parquet"] = "auto"
    """Format of the manifest; auto looks at the file itself."""
    prefix: Annotated[tuple[str, ...], Parameter(negative=(), consume_multiple=False)] = ()
    """List s3://bucket/prefix and import every object there. Repeatable; added to a manifest."""
    skip_imported: Annotated[tuple[Path, ...], Parameter(negative=(), consume_multiple=False)] = ()
    """Leave out what the batch in this --out directory has imported: for objects that came since.
    Repeatable."""
    namespace: str = ""
    """Part of every object's identity: a second import of the same objects that is truly wanted
    uses another one."""


@Parameter(name="*", group=PLATFORM)
@dataclass(frozen=True, kw_only=True)
class PlatformSettings:
    """The platform's API. The key comes from PIXOP_API_KEY, or from --api-key-file."""

    api_url: Annotated[str, Parameter(env_var="PIXOP_API_URL")] = "https://api.pixop.com/api"
    """Base URL of the API."""
    api_key_file: Path | None = None
    """File that holds the API key; without it the environment variable PIXOP_API_KEY is read."""
    team_id: str | None = None
    """Team that the videos are made for (a UUID). Without it: the key's default team."""
    project_id: str | None = None
    """Project for rows that name none (a UUID). Without it: the team's default project."""
    full_ingestion: Annotated[bool, Parameter(negative=())] = False
    """Ask for thumbnails, full frames, web video and quality assessment too."""
    until: Literal["copied", "ingested"] = "copied"
    """When a row counts as imported: its copy is done, or its ingestion too."""
    tag_in: Literal["description", "none"] = "description"
    """Where each video carries the tag that proves which object it is. With none, an answer that
    gets lost cannot always be settled, and the row fails as ambiguous."""
    insecure_http: Annotated[bool, Parameter(negative=())] = False
    """Allow plain http to a host that is not this machine: the key then travels in the clear."""


@Parameter(name="*", group=SOURCE)
@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """The customer's S3.

    Keys that are handed to the platform: PIXOP_SOURCE_ACCESS_KEY_ID and
    PIXOP_SOURCE_SECRET_ACCESS_KEY, else the static keys of the standard AWS chain.
    """

    s3_endpoint_url: Annotated[str | None, Parameter(env_var="AWS_ENDPOINT_URL_S3")] = None
    """Endpoint of an S3-compatible store; without it AWS."""
    preflight: Annotated[bool, Parameter(negative="--no-preflight")] = True
    """HEAD every object, with the keys that will be handed over, before it costs a call."""


@Parameter(name="*", group=PACE)
@dataclass(frozen=True, kw_only=True)
class PaceSettings:
    """How fast the platform is asked."""

    requests_per_minute: Annotated[
        Literal["auto"] | int, Parameter(converter=_rate, validator=_positive_rate)
    ] = "auto"
    """Calls a minute; auto is what the platform announces, and a number is capped by it.
    600 where nothing is announced."""
    reserve_percent: Annotated[float, Parameter(validator=validators.Number(gte=0, lt=100))] = 5.0
    """Share of the announced quota that is left to other programs with the same key."""
    max_concurrency: Annotated[int, Parameter(converter=_whole, validator=_AT_LEAST_1)] = 32
    """Requests to the platform that may wait for an answer at once."""
    max_in_flight: Annotated[int, Parameter(converter=_whole, validator=_AT_LEAST_1)] = 5000
    """Copies that may run on the platform at once."""


@Parameter(name="*", group=CARE)
@dataclass(frozen=True, kw_only=True)
class CareSettings:
    """What happens when things go wrong."""

    assume_empty: Annotated[bool, Parameter(negative=())] = False
    """Do not read the team's list first. Only for a team that certainly holds no object of this
    catalogue: a lost checkpoint would import everything twice."""
    settle_seconds: Annotated[float, Parameter(validator=_UP_TO_A_DAY)] = 30.0
    """Seconds after a lost answer before the list is trusted to show what became of it."""
    restarts: Annotated[int, Parameter(converter=_whole, validator=_AT_LEAST_0)] = 2
    """How often a copy that failed is restarted before it counts as failed."""
    attempts: Annotated[int, Parameter(converter=_whole, validator=_AT_LEAST_1)] = 5
    """How often a row is sent, each time proven absent before, until it is given up."""
    stuck_after: Annotated[timedelta, Parameter(converter=_span)] = timedelta(hours=6)
    """A copy without any progress for this long is reported as stuck (90m, 6h, 1d)."""
    max_outage: Annotated[timedelta, Parameter(converter=_span)] = timedelta(hours=1)
    """Stop, resumable, when the platform has not answered for this long."""


def _above_zero(_type: object, value: object) -> None:
    if isinstance(value, timedelta) and value <= timedelta():
        raise ValueError("Must be longer than nothing.")


@Parameter(name="*", group=STOPPING)
@dataclass(frozen=True, kw_only=True)
class StoppingSettings:
    """When the run stops by itself (exit 4), resumable, with nothing cancelled."""

    tolerated_failure_percentage: Annotated[float | None, Parameter(validator=_SHARE)] = None
    """Stop once more than this share of the rows tried is rejected, missing or failed: of at least
    100 of them, or a quarter of a smaller catalogue. Invalid rows count as a share of all rows,
    before anything is sent. A stop is remembered: resume counts anew from there."""
    tolerated_failure_count: Annotated[
        int | None, Parameter(converter=_whole, validator=_AT_LEAST_0)
    ] = None
    """Stop once more rows than this are rejected, missing or failed, invalid rows among them."""
    canary: Annotated[int | None, Parameter(converter=_whole, validator=_AT_LEAST_1)] = None
    """Send this many rows first: all of them must be imported before the rest goes. What preflight
    refuses is no part of it."""
    max_duration: Annotated[timedelta | None, Parameter(converter=_span, validator=_above_zero)] = (
        None
    )
    """Stop each run after this long (90m, 8h); copies go on, and resume has as long again."""


@Parameter(name="*", group=OUTPUT)
@dataclass(frozen=True, kw_only=True)
class FinishSettings:
    """What happens once a run has ended. Not kept in the checkpoint."""

    on_finish: str | None = None
    """Run this command once a run has ended and its report is written: split into words, without a
    shell, summary.json on its stdin, no key of this migration in its environment. Its failure is
    said, and changes nothing."""


@Parameter(name="*", group=OUTPUT)
@dataclass(frozen=True, kw_only=True)
class DisplaySettings:
    """What is told while running. Not kept in the checkpoint."""

    quiet: Annotated[bool, Parameter(alias="-q", negative=())] = False
    """Show no progress, only the result and what went wrong."""
    verbose: Annotated[int, Parameter(name=["--verbose", "-v"], count=True, negative=())] = 0
    """Log what happens to stderr; twice for every call."""
    log_format: Literal["text", "json"] = "text"
    """Lines for people, or an object of JSON a line. On stderr JSON takes the display's place."""
    log_file: Path | None = None
    """Append the log to this file instead; it then holds what -v shows at least. Rotate it with
    logrotate's copytruncate."""
    metrics_addr: str | None = None
    """Serve metrics for Prometheus at http://HOST:PORT/metrics while it runs; without HOST on this
    machine alone."""


ReportScope = Literal["AllTasks", "FailedTasksOnly"]
"""The words of an S3 Batch completion report."""


@Parameter(name="*", group=OUTPUT)
@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """What the report holds."""

    report_scope: ReportScope = "AllTasks"
    """Rows in objects.csv and objects.parquet: all, or those that neither succeeded nor were
    skipped. All of them are counted either way."""


@Parameter(name="*", group=WHAT_IF)
@dataclass(frozen=True, kw_only=True)
class PlanSettings:
    """What `plan` is asked beyond the settings of a batch. Not kept in the checkpoint."""

    copy_mb_per_s: Annotated[float | None, Parameter(validator=_ABOVE_0)] = None
    """Speed of one copy in MB (10^6 bytes) a second, if you know it: hours then count copies."""
    total_mb_per_s: Annotated[float | None, Parameter(validator=_ABOVE_0)] = None
    """Speed of all copies together in MB a second, if you know it."""
    recheck: Annotated[bool, Parameter(negative=())] = False
    """Head again what an earlier plan found refused or missing: something was mended meanwhile."""


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """All that a batch is run with and that `resume` uses again; no secret is among it."""

    inputs: InputSettings = InputSettings()
    platform: PlatformSettings = PlatformSettings()
    source: SourceSettings = SourceSettings()
    pace: PaceSettings = PaceSettings()
    care: CareSettings = CareSettings()
    report: ReportSettings = ReportSettings()
    stopping: StoppingSettings = StoppingSettings()
    bucket_keys: Mapping[str, "BucketKeyNames"] = field(default_factory=dict)

    def to_json(self) -> str:
        """The settings as the checkpoint keeps them."""
        return msgspec.json.encode(self, enc_hook=str).decode()

    @classmethod
    def from_json(cls, text: str) -> "BatchSettings":
        """Read what `to_json` wrote. Raises ValueError for anything else."""
        return msgspec.json.decode(text, type=cls, dec_hook=lambda kind, value: kind(value))


@dataclass(frozen=True, kw_only=True)
class BucketKeyNames:
    """The names of the environment variables that hold a bucket's own keys."""

    access_key_id_env: str
    secret_access_key_env: str


class Secret:
    """A text that no print, log, report or traceback shows; `reveal` is the only way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret itself: for the wire, and for nothing else."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"


def read_api_key(settings: PlatformSettings, environment: Mapping[str, str]) -> Secret:
    """The API key from the named file or from PIXOP_API_KEY.

    Raises UsageError when there is none, or when it cannot be a header's value; the message never
    holds the key.
    """
    if settings.api_key_file is not None:
        where = str(settings.api_key_file)
        try:
            text = settings.api_key_file.read_bytes()[:4096].decode("ascii")
        except (OSError, ValueError) as error:
            kind = error.strerror if isinstance(error, OSError) else "not ASCII text"
            raise UsageError(
                f"--api-key-file {where}: cannot be read ({kind})",
                "give a file that holds the key alone",
            ) from None
    else:
        where = "PIXOP_API_KEY"
        text = environment.get(where, "")
    text = text.strip()
    if not text:
        raise UsageError(
            f"no API key: {where} is empty",
            "set the environment variable PIXOP_API_KEY, or name a file with --api-key-file",
        )
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        raise UsageError(
            f"the API key in {where} holds characters that no key has (spaces, control characters)",
            "copy the key again from the platform's web application",
        )
    return Secret(text)


def check_api_url(settings: PlatformSettings) -> None:
    """Raises UsageError unless the base URL is https, or http to this very machine."""
    hint = "give the base URL, like https://api.pixop.com/api"
    if not _is_plain_url(settings.api_url):
        raise _unusable("--api-url", settings.api_url, hint)
    parts = urlsplit(settings.api_url)
    assert parts.hostname is not None
    if (
        parts.scheme == "http"
        and not is_this_machine(parts.hostname)
        and not settings.insecure_http
    ):
        raise UsageError(
            f"--api-url {settings.api_url}: plain http would send the API key in the clear",
            "use https, or say --insecure-http if that is truly wanted",
        )


def _is_plain_url(text: str) -> bool:
    """Whether `text` is scheme, host, port and path alone: no user, query or fragment."""
    try:
        parts = urlsplit(text)
        port_is_sane = parts.port is None or parts.port > 0
    except ValueError:
        return False
    odd = re.search("[@?#\\s\0-\x1f\ud800-\udfff]", text)
    # Without it [::1].example.com is ::1 for one library, and for another who knows what.
    one_host = re.fullmatch(r"(\[[^\[\]]+\]|[^\[\]:]+)(:[0-9]*)?", parts.netloc)
    is_http = parts.scheme in {"http", "https"} and bool(parts.hostname)
    return is_http and port_is_sane and odd is None and one_host is not None


def _unusable(flag: str, url: str, hint: str) -> UsageError:
    """Why a URL is refused; it is not repeated where what is wrong with it may be a password."""
    if re.search(r"[@?#]", url):
        return UsageError(f"{flag}: holds a user, a password, a query or a fragment", hint)
    return UsageError(f"{flag} {url!r}: not an http(s) URL of a host, with or without a port", hint)


def is_this_machine(host: str) -> bool:
    """Whether a host is loopback, by its literal address or as `localhost` itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


UUID_PATTERN = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""The form of every id of the platform (its document: `UUID`, RFC 4122)."""


def check_settings(settings: BatchSettings) -> None:
    """Raises UsageError for a setting that can be judged without the network."""
    for flag, text in (
        ("--manifest", str(settings.inputs.manifest or "")),
        ("--namespace", settings.inputs.namespace),
        *(("--prefix", prefix) for prefix in settings.inputs.prefix),
    ):
        if re.search("[\ud800-\udfff\0]", text):
            raise UsageError(f"{flag} {text!r}: not UTF-8", "give it another name, in UTF-8")
    check_api_url(settings.platform)
    for flag, value in (
        ("--team-id", settings.platform.team_id),
        ("--project-id", settings.platform.project_id),
    ):
        if value is not None and not UUID_PATTERN.fullmatch(value):
            raise UsageError(f"{flag} {value!r}: not a UUID", "copy the id from the platform")
    endpoint = settings.source.s3_endpoint_url
    if endpoint is not None and not _is_plain_url(endpoint):
        hint = "give it like https://s3.example.com, or leave it out for AWS"
        raise _unusable("--s3-endpoint-url", endpoint, hint)
    for prefix in settings.inputs.prefix:
        parse_prefix(prefix)


def parse_prefix(text: str) -> tuple[str, str]:
    """(bucket, key prefix) of `s3://bucket/prefix`; raises UsageError for anything else."""
    match = re.fullmatch(r"s3://([^/]{3,63})(?:/(.*))?", text, re.DOTALL)
    if match is None:
        raise UsageError(
            f"--prefix {text!r}: not of the form s3://bucket/prefix",
            "give a bucket, and a prefix if only part of it is wanted: s3://my-bucket/masters/",
        )
    return match[1], match[2] or ""


MAX_CONFIG_BYTES = 2**20
"""A migrator.toml has some hundred bytes a bucket."""


def read_bucket_keys(path: Path | None) -> dict[str, BucketKeyNames]:
    """The `[buckets."NAME"]` tables of migrator.toml: the names of variables, never keys.

    `path` None reads ./migrator.toml where there is one. Raises UsageError with file and setting.
    """
    named = path is not None
    path = path or Path("migrator.toml")
    if not named and not path.exists():
        return {}
    try:
        with path.open("rb") as file:
            # Cut short where it is no such file at all: that is no TOML either, or unknown.
            data: dict[str, Any] = tomllib.loads(file.read(MAX_CONFIG_BYTES).decode())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})", "check --config") from None
    except (ValueError, RecursionError) as error:
        # A decoding error would quote what it could not decode.
        why = "not UTF-8" if isinstance(error, UnicodeError) else str(error)
        raise UsageError(f"{path}: not valid TOML: {why}", "mend the line it names") from None
    unknown = sorted(set(data) - {"buckets"})
    if unknown:
        raise UsageError(
            f"{path}: unknown setting {unknown[0]!r}", 'known here: [buckets."NAME"] tables'
        )
    try:
        buckets = msgspec.convert(data.get("buckets", {}), dict[str, BucketKeyNames])
    except msgspec.ValidationError as error:
        raise UsageError(
            f"{path}: [buckets]: {error}",
            'write [buckets."NAME"] with access_key_id_env and secret_access_key_env, each the '
            "name of an environment variable",
        ) from None
    for bucket, names in buckets.items():
        _check_names(path, bucket, names)
    return buckets


def _check_names(path: Path, bucket: str, names: BucketKeyNames) -> None:
    """Refuse what is no name of a variable without repeating it: it may be the key itself."""
    for setting in ("access_key_id_env", "secret_access_key_env"):
        name = getattr(names, setting)
        if not _VARIABLE.fullmatch(name) or _LIKE_A_KEY.fullmatch(name):
            raise UsageError(
                f"{path}: [buckets.{bucket!r}] {setting}: not the name of an environment variable",
                "keep keys out of this file: put each into a variable, and name that here",
            )


_VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")

_LIKE_A_KEY = re.compile("A[A-Z]IA[A-Z0-9]{12,}|[A-Za-z0-9]{40}")
"""Key ids and secret access keys of AWS as far as they could be names."""
