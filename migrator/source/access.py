"""What the source is asked with: static keys, or credentials that end and refresh themselves."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

from migrator.errors import StoppedByItself
from migrator.settings import Secret
from migrator.source.answers import SourceUnreachable

UNREACHABLE = (HTTPClientError, NoConnection, OSError, aiohttp.ClientError)
"""What is raised when nobody answers."""


def refused_for(error: ClientError) -> tuple[str, bool]:
    """The code of AWS's refusal, and whether it is a matter of the moment."""
    response = error.response
    code = str(response.get("Error", {}).get("Code", ""))[:100]
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code, status >= 500 or "Throttl" in code  # noqa: PLR2004 - HTTP's own number


class CredentialsEnded(StoppedByItself):
    """What the source is looked at with is refused, which says nothing about any object."""

    def __init__(self, who: str, why: str) -> None:
        super().__init__(
            f"{who}: the source cannot be looked at any more ({why})",
            "renew them (log in again, or mend the role), then resume: nothing is lost",
        )


@dataclass(frozen=True, slots=True)
class SourceKeys:
    """A static pair of keys of the source."""

    access_key_id: str
    secret_access_key: Secret


@dataclass(frozen=True, slots=True)
class Access:
    """Who asks the source: one of static `keys` and botocore's `credentials`.

    `credentials` may be temporary. `apart`: it is not what the platform is handed, so that a
    refusal of it says nothing about that. `name` is what people call it.
    """

    name: str
    keys: SourceKeys | None = None
    credentials: Any = None
    apart: bool = False

    @property
    def is_temporary(self) -> bool:
        """Whether it ends some time."""
        return self.credentials is not None

    async def frozen(self) -> Any:
        """Botocore's credentials as they are now, refreshed where they end soon.

        Raises CredentialsEnded where new ones are refused, SourceUnreachable where nobody answers.
        """
        try:
            return await self.credentials.get_frozen_credentials()
        except ClientError as error:
            code, passing = refused_for(error)
            if passing:
                raise SourceUnreachable(f"{self.name}: {code}") from None
            raise CredentialsEnded(self.name, code) from None
        except UNREACHABLE as error:
            raise SourceUnreachable(f"{self.name}: {type(error).__name__}") from None
        except (BotoCoreError, RuntimeError) as error:
            raise CredentialsEnded(self.name, " ".join(str(error).split())[:200]) from None

    def lasts_s(self) -> float | None:
        """Seconds until they end; None where nobody tells.

        Of credentials that are refreshed, so long as they are after `frozen`.
        """
        ends_at = getattr(self.credentials, "_expiry_time", None)
        if not isinstance(ends_at, datetime):
            return None
        return (ends_at - datetime.now(UTC)).total_seconds()
