"""How the customer's S3 is reached."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal

from cyclopts import Parameter

from migrator.errors import UsageError
from migrator.settings.addresses import is_plain_url, unusable_url
from migrator.settings.fields import SOURCE, span

Via = Literal["s3", "input-location", "https"]
"""The ways across: see settings.crossing."""


SHORTEST_SESSION, LONGEST_SESSION = timedelta(minutes=15), timedelta(hours=12)
"""How long the credentials of a role may last (AWS STS API reference, "AssumeRole")."""

URL_BEFORE_SESSION = timedelta(minutes=10)
"""So much shorter than a role's session a URL's life is: new credentials are asked for when what
is left of the old ones is no life any more."""


def _a_session(_type: object, value: object) -> None:
    """Refuses a session that no role has."""
    if isinstance(value, timedelta) and not SHORTEST_SESSION <= value <= LONGEST_SESSION:
        raise ValueError("Must be from 15m to 12h.")


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
    aws_profile: str | None = None
    """Profile of the AWS config files that looks at the source. Its static keys are handed over
    where PIXOP_SOURCE_… says nothing."""
    assume_role: str | None = None
    """ARN of a role that is assumed to list and head objects, and to sign URLs. Nothing of it is
    handed over."""
    role_external_id: str | None = None
    """External id that the role asks for."""
    role_session: Annotated[timedelta, Parameter(converter=span, validator=_a_session)] = timedelta(
        hours=1
    )
    """How long the role's credentials last before new ones are asked for (15m to 12h)."""


def check_store(store: StoreSettings) -> None:
    """Raises UsageError for an endpoint that is none, or a role that cannot be one."""
    if store.s3_endpoint_url is not None:
        check_endpoint("--s3-endpoint-url", store.s3_endpoint_url)
    if store.assume_role is None and store.role_session != timedelta(hours=1):
        raise UsageError("--role-session has no use without --assume-role", "add --assume-role ARN")
    check_role("--", store.aws_profile, store.assume_role, store.role_external_id)


def check_role(where: str, profile: str | None, role: str | None, external_id: str | None) -> None:
    """Raises UsageError for names that none of them can have; `where` begins their own."""
    if profile is not None and not re.fullmatch(r"[^\[\]\x00-\x1f]{1,128}", profile):
        raise UsageError(f"{where}aws-profile {profile!r}: not a profile's name", _HINT_PROFILE)
    if role is not None and not re.fullmatch(r"arn:[\x21-\x7e]{16,2044}", role):
        raise UsageError(f"{where}assume-role {role!r}: not the ARN of a role", _HINT_ROLE)
    if external_id is not None and not re.fullmatch(r"[A-Za-z0-9_+=,.@:/-]{2,1224}", external_id):
        raise UsageError(
            f"{where}role-external-id {external_id[:40]!r}: not an external id",
            "copy it from the role's trust policy (2 to 1224 letters, digits and _+=,.@:/-)",
        )


_HINT_PROFILE = "give the name as it stands in the AWS config file: [profile NAME]"

_HINT_ROLE = "give it like arn:aws:iam::123456789012:role/NAME"


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
    PIXOP_SOURCE_SECRET_ACCESS_KEY, else the static keys of the profile or the standard AWS chain.
    """

    preflight: Annotated[bool, Parameter(negative="--no-preflight")] = True
    """HEAD every object, with the keys that will be handed over (or by --aws-profile or
    --assume-role), before it costs a call."""


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
    aws_profile: str | None = None
    assume_role: str | None = None
    role_external_id: str | None = None

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
