"""The keys that are handed to the platform, and what the source is headed and listed with.

The platform takes an access key id and a secret access key and nothing else: temporary credentials
cannot be handed over, and that is said before anything is sent. They may look at the source, and
sign URLs that live no longer than they do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiobotocore.credentials import AioCredentials
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, ClientError

from migrator.errors import UsageError
from migrator.settings import BucketSettings, Secret, StoreSettings
from migrator.source.access import Access, SourceKeys
from migrator.source.roles import SLACK_S, Role, assume

__all__ = ["Access", "KeyRing", "SourceKeys", "load_keys"]

_ID, _SECRET = "PIXOP_SOURCE_ACCESS_KEY_ID", "PIXOP_SOURCE_SECRET_ACCESS_KEY"

_HINT_TEMPORARY = (
    f"make an IAM user with read access and set {_ID} and {_SECRET} to its static keys, or choose "
    "--via https: no keys are handed over then"
)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Which keys open which bucket for the platform, and who looks at it from here.

    `looks` are by bucket, None for all others; where there is none, the keys of the bucket look.
    """

    default: SourceKeys | None
    by_bucket: Mapping[str, SourceKeys]
    looks: Mapping[str | None, Access] = field(default_factory=dict)

    def all_keys(self) -> list[SourceKeys]:
        """Every pair that may be handed over, the default first."""
        return [*([self.default] if self.default else []), *self.by_bucket.values()]

    def keys_for(self, bucket: str) -> SourceKeys:
        """The keys of a bucket for the platform. Raises UsageError when there are none for it."""
        keys = self.by_bucket.get(bucket, self.default)
        if keys is not None:
            return keys
        access = self.looks.get(bucket, self.looks.get(None))
        if access is not None and access.is_temporary:
            raise _cannot_be_handed_over(access)
        raise UsageError(
            f"no keys for bucket {bucket}",
            f'set {_ID} and {_SECRET}, or name its own in migrator.toml: [buckets."{bucket}"]',
        )

    def accesses(self) -> list[Access]:
        """Whoever looks at any bucket."""
        return [*dict.fromkeys([*map(_of_keys, self.all_keys()), *self.looks.values()])]

    def access_for(self, bucket: str) -> Access:
        """Who looks at a bucket. Raises UsageError when nobody can."""
        access = self.looks.get(bucket)
        if access is None and bucket not in self.by_bucket:
            access = self.looks.get(None)
        return access or _of_keys(self.keys_for(bucket))

    async def refuse_short_lives(self, life_s: float) -> None:
        """Raises UsageError where URLs that are to live so long would outlive who signs them."""
        for access in self.accesses():
            if not access.is_temporary:
                continue
            await access.frozen()
            lasts_s = access.lasts_s()
            if lasts_s is None:
                raise UsageError(
                    f"{access.name}: temporary credentials, and nobody tells when they end; a "
                    "presigned URL ends with them",
                    "set AWS_CREDENTIAL_EXPIRATION as well (`aws configure export-credentials "
                    "--format env` prints it), or use --aws-profile",
                )
            if lasts_s < life_s:
                raise UsageError(
                    f"{access.name}: temporary credentials that end in {lasts_s / 60:,.0f} "
                    f"minutes; a URL of --url-life ({life_s / 60:,.0f} minutes) ends with them",
                    "give a --url-life that is shorter, or sign with static keys",
                )


def _of_keys(keys: SourceKeys) -> Access:
    return Access(f"the key {keys.access_key_id}", keys)


async def load_keys(
    buckets: Mapping[str, BucketSettings],
    environment: Mapping[str, str],
    *,
    store: StoreSettings | None = None,
    required: bool = True,
    to_hand_over: bool = True,
    region: str = "us-east-1",
    certificates: str | None = None,
    least_s: float = 0.0,
) -> KeyRing:
    """The key ring: PIXOP_SOURCE_… first, else static keys of the profile or the AWS chain.

    `required` False: there may be none at all. `to_hand_over` False: the platform gets none, so
    that temporary ones will do. What can be refreshed lasts `least_s` more whenever it is used.

    Raises UsageError for half a pair, for no keys at all, for temporary credentials that would
    have to be handed over, and for a profile or a role that cannot be used.
    """
    store = store or StoreSettings()
    loader = _Loader(store, environment, region, certificates, least_s)
    handed: dict[str, SourceKeys] = {}
    looks: dict[str | None, Access] = {}
    for bucket, own in buckets.items():
        pair = _own_pair(own, environment)
        if pair is not None:
            handed[bucket] = pair
        if pair is None and own.aws_profile is None and own.assume_role is None:
            continue
        found = await loader.found(own, pair)
        if found.handed is not None:
            handed[bucket] = found.handed
        if found.looks is not None:
            looks[bucket] = found.looks
    usual = await loader.found(BucketSettings(), loader.given)
    if usual.looks is not None:
        looks[None] = usual.looks
    nothing = not (handed or looks or usual.handed)
    if required and nothing:
        raise UsageError(
            "no keys for the source: the platform copies with keys that it is handed",
            f"set {_ID} and {_SECRET}, or static keys in the standard AWS chain",
        )
    if to_hand_over and not (handed or usual.handed) and usual.looks is not None:
        raise _cannot_be_handed_over(usual.looks)
    return KeyRing(usual.handed, handed, looks)


@dataclass(frozen=True, slots=True)
class _Found:
    """What a bucket's keys are, and who looks at it."""

    handed: SourceKeys | None = None
    looks: Access | None = None


class _Loader:
    """Finds credentials: each profile is asked once, and each role assumed once."""

    def __init__(
        self,
        store: StoreSettings,
        environment: Mapping[str, str],
        region: str,
        certificates: str | None,
        least_s: float,
    ) -> None:
        self._store = store
        self._region = region
        self._certificates = certificates
        self._least_s = least_s
        self._profiles: dict[str | None, Any] = {}
        self._roles: dict[tuple[Role, int], Access] = {}
        self.given: SourceKeys | None = None
        if environment.get(_ID) or environment.get(_SECRET):
            self.given = _pair(environment, _ID, _SECRET)

    async def found(self, own: BucketSettings, pair: SourceKeys | None) -> _Found:
        """The keys and the looks of a bucket, of which `pair` is said outright."""
        profile = own.aws_profile or self._store.aws_profile
        arn = own.assume_role or self._store.assume_role
        if pair is None and own.aws_profile is None:
            pair = self.given
        of_profile = _Found()
        if pair is None or own.aws_profile or (self._store.aws_profile and pair is self.given):
            of_profile = await self._of_profile(profile)
        handed = pair or of_profile.handed or self.given
        looks = of_profile.looks
        if arn:
            looks = await self._of_role(own, arn, profile, pair)
        elif looks is not None and looks.keys is not None and looks.keys is handed:
            looks = None  # the keys that are handed over look, as they do without a word
        return _Found(handed, looks)

    async def _of_profile(self, profile: str | None) -> _Found:
        """The credentials of a profile, or of the AWS chain."""
        name = "the AWS credential chain" if profile is None else f"--aws-profile {profile}"
        credentials = await self._credentials(profile, name)
        if credentials is None:
            return _Found()
        frozen = await _frozen(credentials, name)
        if frozen.token or frozen.access_key.startswith("ASIA"):
            if not frozen.token:
                raise _half_temporary(name)
            return _Found(None, Access(name, None, credentials, apart=True))
        keys = SourceKeys(frozen.access_key, Secret(frozen.secret_key))
        return _Found(keys, Access(name, keys, apart=True))

    async def _credentials(self, profile: str | None, name: str) -> Any:
        if profile not in self._profiles:
            try:
                found = await AioSession(profile=profile).get_credentials()
            except BotoCoreError as error:
                raise _unusable(name, error) from None
            if found is None and profile is not None:
                raise UsageError(
                    f"--aws-profile {profile}: it has no credentials",
                    "check the AWS config and credentials files",
                )
            if found is not None and self._least_s and hasattr(found, "refresh_needed"):
                # A URL must not outlive what signs it.
                found._mandatory_refresh_timeout = self._least_s + SLACK_S  # noqa: SLF001
                found._advisory_refresh_timeout = self._least_s + 2 * SLACK_S  # noqa: SLF001
            self._profiles[profile] = found
        return self._profiles[profile]

    async def _of_role(
        self, own: BucketSettings, arn: str, profile: str | None, pair: SourceKeys | None
    ) -> Access:
        """A role, assumed by the profile or the chain, else by the keys that are handed over."""
        external_id = own.role_external_id or self._store.role_external_id
        role = Role(arn, external_id, self._store.role_session)
        base = await self._credentials(profile, "the AWS credential chain")
        if base is None and pair is not None:
            base = AioCredentials(pair.access_key_id, pair.secret_access_key.reveal())
        if base is None:
            raise UsageError(
                f"--assume-role {arn}: there are no credentials to assume it with",
                "give --aws-profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            )
        known = self._roles.get((role, id(base)))
        if known is None:
            assumed = await assume(role, base, self._region, self._certificates, self._least_s)
            known = self._roles[role, id(base)] = Access(str(role), None, assumed, apart=True)
        return known


def _own_pair(own: BucketSettings, environment: Mapping[str, str]) -> SourceKeys | None:
    if own.access_key_id_env is None or own.secret_access_key_env is None:
        return None
    return _pair(environment, own.access_key_id_env, own.secret_access_key_env)


def _pair(environment: Mapping[str, str], id_name: str, secret_name: str) -> SourceKeys:
    key_id, secret = environment.get(id_name, "").strip(), environment.get(secret_name, "").strip()
    for name, value in ((id_name, key_id), (secret_name, secret)):
        if not value:
            raise UsageError(
                f"the environment variable {name} is empty",
                f"set both {id_name} and {secret_name}",
            )
    if key_id.startswith("ASIA"):
        raise _half_temporary(id_name)
    return SourceKeys(key_id, Secret(secret))


async def _frozen(credentials: Any, name: str) -> Any:
    try:
        return await credentials.get_frozen_credentials()
    except (BotoCoreError, ClientError, RuntimeError, OSError) as error:
        raise _unusable(name, error) from None


def _unusable(name: str, error: Exception) -> UsageError:
    return UsageError(
        f"{name} failed: {' '.join(str(error).split())[:300]}",
        f"mend it (log in again?), or set {_ID} and {_SECRET}",
    )


def _cannot_be_handed_over(access: Access) -> UsageError:
    return UsageError(
        f"{access.name}: the credentials are temporary (they have a session token): the "
        "platform's API has no field for it, so they cannot be handed over",
        _HINT_TEMPORARY,
    )


def _half_temporary(where: str) -> UsageError:
    # Key ids of temporary credentials begin with ASIA (AWS IAM user guide, "IAM identifiers").
    return UsageError(
        f"{where} holds the key id of temporary credentials (it begins with ASIA); they do not "
        "work without their session token, which the platform's API has no field for",
        _HINT_TEMPORARY,
    )
