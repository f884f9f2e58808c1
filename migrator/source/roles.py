"""A role that is assumed to look at the source; its credentials are renewed before they end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from aiobotocore.credentials import AioRefreshableCredentials
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, ClientError

from migrator.errors import RunFailed, UsageError
from migrator.source.access import UNREACHABLE, refused_for
from migrator.source.clients import configured

SESSION_NAME = "migrator"
"""What CloudTrail calls the session."""

EARLY_S = 600.0
"""So long before they end new credentials are asked for, at the longest; it is botocore's own."""

SLACK_S = 60.0
"""What lies between a look at how long credentials last and a URL that is signed with them."""


@dataclass(frozen=True, slots=True)
class Role:
    """A role, and how it is assumed: `session` is how long its credentials last."""

    arn: str
    external_id: str | None
    session: timedelta

    def __str__(self) -> str:
        return f"role {self.arn}"


async def assume(
    role: Role, base: Any, region: str, certificates: str | None, least_s: float
) -> AioRefreshableCredentials:
    """Credentials of the role, assumed by `base`, that always last `least_s` more.

    Raises UsageError where it cannot be assumed, RunFailed where nobody answers.
    """

    async def ask() -> Mapping[str, Any]:
        session = AioSession()
        session._credentials = base  # noqa: SLF001 - it offers no other way for what refreshes
        about = {} if role.external_id is None else {"ExternalId": role.external_id}
        async with session.create_client(
            "sts", region_name=region, verify=certificates, config=configured()
        ) as sts:
            answer = await sts.assume_role(
                RoleArn=role.arn,
                RoleSessionName=SESSION_NAME,
                DurationSeconds=int(role.session.total_seconds()),
                **about,
            )
        told = answer["Credentials"]
        return {
            "access_key": told["AccessKeyId"],
            "secret_key": told["SecretAccessKey"],
            "token": told["SessionToken"],
            "expiry_time": told["Expiration"].isoformat(),
        }

    try:
        first = await ask()
    except ClientError as error:
        code, passing = refused_for(error)
        if passing:
            raise _no_answer(role, code) from None
        raise UsageError(
            f"--assume-role {role.arn}: it cannot be assumed ({code})",
            "check the role, whom it trusts, --role-external-id and --role-session",
        ) from None
    except (*UNREACHABLE, BotoCoreError, KeyError, AttributeError) as error:
        raise _no_answer(role, type(error).__name__) from None
    share_s = role.session.total_seconds() / 6
    mandatory_s = max(min(EARLY_S, share_s), least_s + SLACK_S)
    return AioRefreshableCredentials.create_from_metadata(
        metadata=first,
        refresh_using=ask,
        method="assume-role",
        mandatory_timeout=mandatory_s,
        advisory_timeout=mandatory_s + min(EARLY_S / 2, share_s),
    )


def _no_answer(role: Role, why: str) -> RunFailed:
    return RunFailed(
        f"--assume-role {role.arn}: STS does not answer ({why})",
        "check AWS_REGION, AWS_ENDPOINT_URL_STS and the network",
    )
