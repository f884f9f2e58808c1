"""All settings of a batch, as the checkpoint keeps them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated

import msgspec
from cyclopts import Parameter

from migrator.errors import UsageError
from migrator.settings.api_keys import ApiKeySettings, check_api_keys
from migrator.settings.cluster import ClusterSettings, check_cluster
from migrator.settings.crossing import CrossingSettings, Ways, check_ways
from migrator.settings.filters import check_filters
from migrator.settings.inputs import InputSettings, parse_prefix
from migrator.settings.output import ReportSettings
from migrator.settings.platform import (
    UUID_PATTERN,
    PlatformSettings,
    check_api_url,
    check_clips,
)
from migrator.settings.running import CareSettings, PaceSettings, StoppingSettings
from migrator.settings.source import (
    URL_BEFORE_SESSION,
    BucketSettings,
    SourceSettings,
    check_endpoint,
    check_role,
    check_store,
)
from migrator.settings.versions import check_versions
from migrator.settings.webhooks import WebhookSettings, check_webhooks


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """All that a batch is run with and that `resume` uses again; no secret is among it."""

    inputs: InputSettings = field(default_factory=InputSettings)
    platform: PlatformSettings = field(default_factory=PlatformSettings)
    source: SourceSettings = field(default_factory=SourceSettings)
    crossing: CrossingSettings = field(default_factory=CrossingSettings)
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    pace: PaceSettings = field(default_factory=PaceSettings)
    care: CareSettings = field(default_factory=CareSettings)
    report: ReportSettings = field(default_factory=ReportSettings)
    stopping: StoppingSettings = field(default_factory=StoppingSettings)
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)
    buckets: Annotated[Mapping[str, BucketSettings], Parameter(parse=False)] = field(
        default_factory=dict
    )
    api_keys: Annotated[Mapping[str, ApiKeySettings], Parameter(parse=False)] = field(
        default_factory=dict
    )

    @property
    def ways(self) -> Ways:
        """How the objects of each bucket cross."""
        ways = Ways(self.crossing, self.buckets)
        role = self.source.assume_role
        signs = (self.buckets[name].assume_role or role if name else role
                 for name, way in ways.all() if way.via == "https")  # fmt: skip
        if any(signs):
            return replace(ways, longest_life=self.source.role_session - URL_BEFORE_SESSION)
        return ways

    def hands_keys_over(self, bucket: str) -> bool:
        """Whether the platform gets keys of a bucket; an input location that is there has them."""
        return self.ways.of(bucket).hands_keys_over

    def looks_at(self, bucket: str) -> bool:
        """Whether somebody here has to be let in to a bucket."""
        return self.source.preflight or self.ways.by_url(bucket)

    @property
    def may_hand_keys_over(self) -> bool:
        """Whether there may be a bucket that the platform gets keys of."""
        return any(way.hands_keys_over for _, way in self.ways.all())

    @property
    def may_need_keys(self) -> bool:
        """Whether there may be a bucket that keys are needed for."""
        return bool(self.inputs.prefix) or any(
            self.source.preflight or way.location is None for _, way in self.ways.all()
        )

    def to_json(self) -> str:
        """The settings as the checkpoint keeps them."""
        return msgspec.json.encode(self, enc_hook=str).decode()

    @classmethod
    def from_json(cls, text: str) -> "BatchSettings":
        """Read what `to_json` wrote, now or formerly. Raises ValueError for anything else."""
        told = msgspec.json.decode(text)
        if isinstance(told, dict) and "bucket_keys" in told:  # when tables held keys alone
            text = msgspec.json.encode({**told, "buckets": told["bucket_keys"]}).decode()
        return msgspec.json.decode(text, type=cls, dec_hook=lambda kind, value: kind(value))


def check_settings(settings: BatchSettings) -> None:
    """Raises UsageError for a setting that can be judged without the network."""
    for flag, text in (
        ("--manifest", settings.inputs.manifest or ""),
        ("--namespace", settings.inputs.namespace),
        *(("--prefix", prefix) for prefix in settings.inputs.prefix),
        *(("--map", each) for each in settings.inputs.naming.map),
        ("--name-template", settings.inputs.naming.name_template or ""),
        ("--description-template", settings.inputs.naming.description_template or ""),
        ("--file-name-template", settings.inputs.naming.file_name_template or ""),
    ):
        if re.search("[\ud800-\udfff\0]", text):
            raise UsageError(f"{flag} {text!r}: not UTF-8", "give it another name, in UTF-8")
    check_api_url(settings.platform)
    check_clips(settings.platform)
    check_webhooks(settings.webhooks, settings.platform.api_url)
    check_api_keys(settings.api_keys)
    for flag, value in (
        ("--team-id", settings.platform.team_id),
        ("--project-id", settings.platform.project_id),
    ):
        if value is not None and not UUID_PATTERN.fullmatch(value):
            raise UsageError(f"{flag} {value!r}: not a UUID", "copy the id from the platform")
    check_store(settings.source)
    check_cluster(
        settings.cluster,
        lists_versions=settings.inputs.all_versions and bool(settings.inputs.prefix),
    )
    for bucket, own in settings.buckets.items():
        where = f"[buckets.{bucket!r}] "
        if own.s3_endpoint_url is not None:
            check_endpoint(f"{where}s3_endpoint_url", own.s3_endpoint_url)
        check_role(where, own.aws_profile, own.assume_role, own.role_external_id)
    check_ways(settings.ways, settings.platform, settings.source)
    for prefix in settings.inputs.prefix:
        parse_prefix(prefix)
    manifest = settings.inputs.manifest
    if manifest is not None and manifest.startswith("s3:"):
        parse_prefix(manifest, "--manifest")
    check_versions(settings.inputs, settings.platform, settings.ways)
    check_filters(settings.inputs.filters)
    _check_naming(settings.inputs)
    if settings.inputs.manifest is not None and not settings.source.preflight:
        _check_unseen(settings)


def _check_unseen(settings: BatchSettings) -> None:
    """What asks for facts that only a HEAD tells of a manifest's objects."""
    if settings.inputs.filters.asks_the_source:
        raise UsageError(
            "--no-preflight does not go with a manifest and filters by size, time or storage "
            "class: what a manifest does not tell for certain, only a HEAD does",
            "leave out --no-preflight, or filter by the key alone",
        )
    if settings.pace.max_in_flight_bytes is not None:
        raise UsageError(
            "--max-in-flight-bytes does not go with a manifest and --no-preflight: what a manifest "
            "says of sizes is not relied on, so that each object would go alone",
            "leave out --no-preflight, or bound the copies by --max-in-flight",
        )


def _check_naming(inputs: InputSettings) -> None:
    inputs.naming.templates()
    renames = inputs.naming.renames
    if renames and inputs.manifest is None:
        raise UsageError(
            "--map: there is no manifest whose columns it could name", "give --manifest, or drop it"
        )
    if renames and inputs.manifest_format.startswith("s3-"):
        raise UsageError(
            f"--map does not go with --manifest-format {inputs.manifest_format}: its columns have "
            "no names of their own",
            "leave --map out; the report names its columns",
        )
