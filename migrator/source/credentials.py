"""The keys that are handed to the platform, and with which the source is headed and listed.

The platform takes an access key id and a secret access key and nothing else: temporary credentials
cannot be handed over, and that is said before anything is sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError

from migrator.errors import UsageError
from migrator.settings import BucketSettings, Secret

_ID, _SECRET = "PIXOP_SOURCE_ACCESS_KEY_ID", "PIXOP_SOURCE_SECRET_ACCESS_KEY"

_HINT_TEMPORARY = (
    f"make an IAM user with read access and set {_ID} and {_SECRET} to its static keys"
)


@dataclass(frozen=True, slots=True)
class SourceKeys:
    """A static pair of keys of the source."""

    access_key_id: str
    secret_access_key: Secret


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Which keys open which bucket."""

    default: SourceKeys | None
    by_bucket: Mapping[str, SourceKeys]

    def all_keys(self) -> list[SourceKeys]:
        """Every pair, the default first."""
        return [*([self.default] if self.default else []), *self.by_bucket.values()]

    def keys_for(self, bucket: str) -> SourceKeys:
        """The keys of a bucket. Raises UsageError when there are none for it."""
        keys = self.by_bucket.get(bucket, self.default)
        if keys is None:
            raise UsageError(
                f"no keys for bucket {bucket}",
                f'set {_ID} and {_SECRET}, or name its own in migrator.toml: [buckets."{bucket}"]',
            )
        return keys


async def load_keys(
    buckets: Mapping[str, BucketSettings],
    environment: Mapping[str, str],
    *,
    required: bool = True,
) -> KeyRing:
    """The key ring: PIXOP_SOURCE_… first, else static keys of the standard AWS chain.

    `required` False: there may be none at all.

    Raises UsageError for half a pair, for no keys at all, and for temporary credentials.
    """
    by_bucket = {
        bucket: _pair(environment, own.access_key_id_env, own.secret_access_key_env)
        for bucket, own in buckets.items()
        if own.access_key_id_env is not None and own.secret_access_key_env is not None
    }
    if environment.get(_ID) or environment.get(_SECRET):
        return KeyRing(_pair(environment, _ID, _SECRET), by_bucket)
    return KeyRing(await _chain(required=required and not by_bucket), by_bucket)


def _pair(environment: Mapping[str, str], id_name: str, secret_name: str) -> SourceKeys:
    key_id, secret = environment.get(id_name, "").strip(), environment.get(secret_name, "").strip()
    for name, value in ((id_name, key_id), (secret_name, secret)):
        if not value:
            raise UsageError(
                f"the environment variable {name} is empty",
                f"set both {id_name} and {secret_name}",
            )
    _refuse_temporary(key_id, id_name)
    return SourceKeys(key_id, Secret(secret))


async def _chain(*, required: bool) -> SourceKeys | None:
    try:
        credentials = await AioSession().get_credentials()
        frozen = await credentials.get_frozen_credentials() if credentials is not None else None
    except BotoCoreError as error:
        raise UsageError(
            f"the AWS credential chain failed: {error}", f"mend it, or set {_ID} and {_SECRET}"
        ) from None
    if frozen is None or not frozen.access_key:
        if not required:
            return None
        raise UsageError(
            "no keys for the source: the platform copies with keys that it is handed",
            f"set {_ID} and {_SECRET}, or static keys in the standard AWS chain",
        )
    if frozen.token:
        raise UsageError(
            "the AWS credentials are temporary (they have a session token): the platform's API has "
            "no field for it, so they cannot be handed over",
            _HINT_TEMPORARY,
        )
    _refuse_temporary(frozen.access_key, "the AWS credential chain")
    return SourceKeys(frozen.access_key, Secret(frozen.secret_key))


def _refuse_temporary(key_id: str, where: str) -> None:
    # Key ids of temporary credentials begin with ASIA (AWS IAM user guide, "IAM identifiers").
    if key_id.startswith("ASIA"):
        raise UsageError(
            f"{where} holds the key id of temporary credentials (it begins with ASIA); they do not "
            "work without their session token, which the platform's API has no field for",
            _HINT_TEMPORARY,
        )
