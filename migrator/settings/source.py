"""How the customer's S3 is reached."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

from migrator.settings.addresses import is_plain_url, unusable_url
from migrator.settings.fields import SOURCE

Via = Literal["s3", "input-location", "https"]
"""The ways across: see settings.crossing."""


@Parameter(name="*", group=SOURCE)
@dataclass(frozen=True, kw_only=True)
class StoreSettings:
    """How the customer's S3 is spoken to."""

    s3_endpoint_url: Annotated[str | None, Parameter(env_var="AWS_ENDPOINT_URL_S3")] = None
    """Endpoint of an S3-compatible store; without it AWS."""
    s3_addressing_style: Literal["auto", "path", "virtual"] = "auto"
    """Where a bucket's name stands: in the path of a URL, or (virtual) before its host. auto is
    path with --s3-endpoint-url, and what AWS takes without."""
    requester_pays: Annotated[bool, Parameter(negative=())] = False
    """List and head buckets whose requesters pay: your account is charged for the requests, and by
    presigned URLs for the copies too."""


def check_store(store: StoreSettings) -> None:
    """Raises UsageError for an endpoint that is none."""
    if store.s3_endpoint_url is not None:
        check_endpoint("--s3-endpoint-url", store.s3_endpoint_url)


def check_endpoint(flag: str, endpoint: str) -> None:
    """Raises UsageError for an endpoint that is none."""
    if not is_plain_url(endpoint):
        hint = "give it like https://s3.example.com, or leave it out for AWS"
        raise unusable_url(flag, endpoint, hint)


@Parameter(name="*", group=SOURCE)
@dataclass(frozen=True, kw_only=True)
class SourceSettings(StoreSettings):
    """The customer's S3.

    Keys that are handed to the platform: PIXOP_SOURCE_ACCESS_KEY_ID and
    PIXOP_SOURCE_SECRET_ACCESS_KEY, else the static keys of the standard AWS chain.
    """

    preflight: Annotated[bool, Parameter(negative="--no-preflight")] = True
    """HEAD every object, with the keys that will be handed over, before it costs a call."""


@dataclass(frozen=True, kw_only=True)
class BucketSettings:
    """What holds for one bucket alone: a `[buckets."NAME"]` table of migrator.toml.

    `access_key_id_env` and `secret_access_key_env` are names of environment variables, both or
    none. What is None is as for all others.
    """

    access_key_id_env: str | None = None
    secret_access_key_env: str | None = None
    via: Via | None = None
    input_location: str | None = None
    s3_endpoint_url: str | None = None

    def __post_init__(self) -> None:
        """Half a pair of keys is none."""
        pair = {
            "access_key_id_env": self.access_key_id_env,
            "secret_access_key_env": self.secret_access_key_env,
        }
        absent = [name for name, variable in pair.items() if variable is None]
        if len(absent) == 1:
            raise ValueError(f"there is no `{absent[0]}` beside the other")

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that hold secrets of this bucket."""
        named = (self.access_key_id_env, self.secret_access_key_env)
        return tuple(name for name in named if name is not None)


def own_endpoints(buckets: Mapping[str, BucketSettings]) -> dict[str, str]:
    """The endpoints of the buckets that lie in a store of their own."""
    found = ((bucket, own.s3_endpoint_url) for bucket, own in buckets.items())
    return {bucket: endpoint for bucket, endpoint in found if endpoint is not None}
