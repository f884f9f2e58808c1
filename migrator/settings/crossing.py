"""How the platform gets at the objects: with keys, through an input location, by presigned URLs."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter, validators

from migrator.errors import UsageError
from migrator.settings.addresses import is_this_machine
from migrator.settings.fields import CROSSING, above_zero, span, whole
from migrator.settings.platform import UUID_PATTERN, PlatformSettings
from migrator.settings.source import BucketSettings, SourceSettings, Via

LONGEST_URL_LIFE = timedelta(days=7)
"""Longest life of a URL that is presigned by signature version 4 (Amazon S3 user guide, "Download
and upload objects with presigned URLs")."""

MAX_LOCATION_NAME = 47
"""Characters of the name of an input location (platform document, `InputLocationName`)."""


@Parameter(name="*", group=CROSSING)
@dataclass(frozen=True, kw_only=True)
class CrossingSettings:
    """How the platform gets at the objects. `[buckets."NAME"]` may choose another way for one."""

    via: Via = "s3"
    """Hand the keys over with each request (s3); have the platform use those of an input location;
    or hand over a presigned URL of each object (https), which works for every S3-compatible store
    that the platform can reach, and can name a version."""
    input_location: str | None = None
    """Id of the input location to use (a UUID): one that is there."""
    create_input_location: str | None = None
    """Make an input location of this name, one for each bucket, before anything is sent; the next
    runs of the batch use the same."""
    remove_input_location: Annotated[bool, Parameter(negative=())] = False
    """Remove what --create-input-location has made, once every row is settled."""
    url_life: Annotated[timedelta | None, Parameter(converter=span, validator=above_zero)] = None
    """How long a presigned URL opens its object, 7d at most and without it (with --assume-role ten
    minutes less than --role-session): a copy, and its restarts, must have ended by then."""
    max_concurrent_connections: Annotated[
        int | None, Parameter(converter=whole, validator=validators.Number(gte=1, lte=20))
    ] = None
    """Connections to the source that each copy from a URL may use at once; 10 without it."""


@dataclass(frozen=True, slots=True)
class Way:
    """How the objects of one bucket cross.

    `location` is an input location that is there, `made` the name of one that is to be made.
    """

    via: Via
    location: str | None = None
    made: str | None = None

    @property
    def hands_keys_over(self) -> bool:
        """Whether the platform gets keys of the bucket."""
        return self.via == "s3" or self.made is not None

    def __str__(self) -> str:
        if self.location is not None:
            return f"{self.via} {self.location}"
        return f"{self.via} made as {self.made}" if self.made is not None else self.via


@dataclass(frozen=True)
class Ways:
    """The way of every bucket."""

    crossing: CrossingSettings
    buckets: Mapping[str, BucketSettings]
    longest_life: timedelta = LONGEST_URL_LIFE

    def of(self, bucket: str) -> Way:
        """The way of one bucket."""
        return self._way(self.buckets.get(bucket, BucketSettings()))

    def by_url(self, bucket: str) -> bool:
        """Whether the platform gets a URL for each object: only a URL can name a version."""
        return self.of(bucket).via == "https"

    @property
    def use_urls(self) -> bool:
        """Whether some bucket goes across by URLs."""
        return any(way.via == "https" for _, way in self.all())

    @property
    def url_life(self) -> timedelta:
        """How long a presigned URL lives."""
        return self.crossing.url_life or self.longest_life

    def all(self) -> Iterator[tuple[str | None, Way]]:
        """Every way that some bucket may go; None stands for those without a word of their own."""
        yield None, self._way(BucketSettings())
        for bucket in self.buckets:
            yield bucket, self.of(bucket)

    def __str__(self) -> str:
        """As the checkpoint pins it, and as a person reads it."""
        usual = self._way(BucketSettings())
        own = [f"{name} by {way}" for name, way in self.all() if name is not None and way != usual]
        return ", ".join([str(usual), *sorted(own)])

    def _way(self, bucket: BucketSettings) -> Way:
        via = bucket.via or self.crossing.via
        if via != "input-location":
            return Way(via)
        location = bucket.input_location or self.crossing.input_location
        return Way(via, location, None if location else self.crossing.create_input_location)


def check_ways(ways: Ways, platform: PlatformSettings, source: SourceSettings) -> None:
    """Raises UsageError where the settings of the ways across make no sense together."""
    crossing = ways.crossing
    used = {way.via for _, way in ways.all()}
    for flag, given, needs in (
        ("--input-location", crossing.input_location, "input-location"),
        ("--create-input-location", crossing.create_input_location, "input-location"),
        ("--url-life", crossing.url_life, "https"),
        ("--max-concurrent-connections", crossing.max_concurrent_connections, "https"),
    ):
        if given is not None and needs not in used:
            raise UsageError(f"{flag} has no use without --via {needs}", f"add --via {needs}")
    if crossing.input_location is not None and crossing.create_input_location is not None:
        raise UsageError(
            "--input-location and --create-input-location: one is there, the other is to be made",
            "give one of both",
        )
    if crossing.remove_input_location and crossing.create_input_location is None:
        raise UsageError(
            "--remove-input-location removes what --create-input-location has made",
            "add --create-input-location NAME, or leave it out",
        )
    name = crossing.create_input_location
    if name is not None and not (
        0 < len(name) <= MAX_LOCATION_NAME and not re.search("[\0-\x1f\x7f\ud800-\udfff]", name)
    ):
        raise UsageError(
            f"--create-input-location {name!r}: not a name of 1 to {MAX_LOCATION_NAME} characters",
            "choose another name",
        )
    if crossing.url_life is not None and crossing.url_life > LONGEST_URL_LIFE:
        raise UsageError(
            "--url-life: longer than the 7d that a presigned URL can live", "give 7d or less"
        )
    if crossing.url_life is not None and crossing.url_life > ways.longest_life:
        raise UsageError(
            "--url-life: a URL ends with the role's credentials, and must end 10 minutes before "
            f"--role-session ({source.role_session})",
            "give a shorter life, or a longer session if the role allows it (12h at most)",
        )
    for bucket, way in ways.all():
        _check_way(bucket, way, ways.buckets.get(bucket or ""), platform, source)


def _check_way(
    bucket: str | None,
    way: Way,
    own: BucketSettings | None,
    platform: PlatformSettings,
    source: SourceSettings,
) -> None:
    about = "" if bucket is None else f"bucket {bucket}: "
    flag = "--input-location" if bucket is None else f"[buckets.{bucket!r}] input_location"
    if way.via == "input-location" and way.location is None and way.made is None:
        raise UsageError(
            f"{about}--via input-location, and which?",
            "give --input-location ID of one that is there, or --create-input-location NAME",
        )
    if way.location is not None and not UUID_PATTERN.fullmatch(way.location):
        raise UsageError(f"{flag} {way.location!r}: not a UUID", "copy the id from the platform")
    if own is not None and own.input_location is not None and way.via != "input-location":
        raise UsageError(
            f"{about}input_location has no use without via = 'input-location'", "add it there"
        )
    endpoint = (own.s3_endpoint_url if own is not None else None) or source.s3_endpoint_url
    if way.via == "https" and endpoint is not None and not _can_be_reached(endpoint, platform):
        raise UsageError(
            f"{about}--via https: the platform fetches from https, port 443 and a public host "
            f"alone, and {endpoint} is not that",
            "give the store's public address as --s3-endpoint-url, or choose another way",
        )


def _can_be_reached(endpoint: str, platform: PlatformSettings) -> bool:
    """Whether the platform may fetch from an endpoint, as far as its URL tells.

    A platform on this very machine is a rehearsal: it may fetch from here (its own
    `--allow-local-urls`).
    """
    if is_this_machine(urlsplit(platform.api_url).hostname or ""):
        return True
    parts = urlsplit(endpoint)
    if parts.scheme != "https" or parts.port not in {None, 443} or not parts.hostname:
        return False
    try:
        return ip_address(parts.hostname).is_global
    except ValueError:
        return parts.hostname != "localhost"
