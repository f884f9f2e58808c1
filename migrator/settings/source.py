"""How the customer's S3 is reached."""

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

from migrator.settings.fields import SOURCE

Via = Literal["s3", "input-location", "https"]
"""The ways across: see settings.crossing."""


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

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that hold secrets of this bucket."""
        named = (self.access_key_id_env, self.secret_access_key_env)
        return tuple(name for name in named if name is not None)
