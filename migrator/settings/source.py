"""How the customer's S3 is reached."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from migrator.settings.fields import SOURCE


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


@dataclass(frozen=True, kw_only=True)
class BucketKeyNames:
    """The names of the environment variables that hold a bucket's own keys."""

    access_key_id_env: str
    secret_access_key_env: str
