"""How the customer's S3 is reached."""

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

from migrator.settings.addresses import is_plain_url, unusable_url
from migrator.settings.fields import SOURCE


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
    """List and head buckets whose requesters pay: your account is charged for the requests."""


def check_store(store: StoreSettings) -> None:
    """Raises UsageError for an endpoint that is none."""
    endpoint = store.s3_endpoint_url
    if endpoint is not None and not is_plain_url(endpoint):
        hint = "give it like https://s3.example.com, or leave it out for AWS"
        raise unusable_url("--s3-endpoint-url", endpoint, hint)


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
class BucketKeyNames:
    """The names of the environment variables that hold a bucket's own keys."""

    access_key_id_env: str
    secret_access_key_env: str
