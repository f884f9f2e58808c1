"""The keys a sandbox makes for itself, and the file that hands them to its user.

They are made once and kept, so that the settings of a rehearsal stay valid over restarts.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import msgspec

from migrator.sandbox.errors import SandboxError

REGION = "us-east-1"
"""What requests are signed for. A local S3 has no regions, but the signature needs a name."""

MASKED_ENTIRELY_UNDER = 8
"""Characters; three of so few would give too much away."""

OWNER_FILE = 0o600
OWNER_DIRECTORY = 0o700

_ID_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class KeyPair(msgspec.Struct, frozen=True):
    """An access key of the local S3."""

    access_key: str
    secret_access_key: str

    def __repr__(self) -> str:
        return f"KeyPair({masked(self.access_key)})"


class Keys(msgspec.Struct, frozen=True):
    """All keys of one sandbox: two of the platform, of the user, and the pair to hand over.

    Both of the platform are its one user's, each with a quota of its own. The last two are
    different pairs for the same buckets, so that a client which hands over the wrong one is found
    out.
    """

    api_key: str
    own: KeyPair
    handed_over: KeyPair
    further_api_key: str = ""  # of a sandbox that is older than it, none

    def __repr__(self) -> str:
        return f"Keys({masked(self.api_key)})"


def masked(secret: str) -> str:
    """Twenty characters of which only the last three are the secret's, as the API does."""
    shown = secret[-3:] if len(secret) >= MASKED_ENTIRELY_UNDER else "***"
    return "*" * 17 + shown


def private_directory(path: Path) -> Path:
    """Make `path` where it is absent, for its owner only."""
    path.mkdir(mode=OWNER_DIRECTORY, parents=True, exist_ok=True)
    return path


def write_private(path: Path, content: bytes) -> None:
    """Write a file that is there complete or not at all, readable by its owner only."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)  # one left over by a kill may have other permissions
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_FILE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def load_or_make(path: Path) -> Keys:
    """The keys kept at `path`; made and kept there the first time.

    Raises SandboxError where the file is there but is not ours.
    """
    try:
        keys = msgspec.json.decode(path.read_bytes(), type=Keys)
        if keys.further_api_key:
            return keys
        keys = msgspec.structs.replace(keys, further_api_key=secrets.token_urlsafe(32))
        write_private(path, msgspec.json.encode(keys))
        return keys  # noqa: TRY300 - what may fail is all of it
    except FileNotFoundError:
        pass
    except msgspec.MsgspecError as error:
        raise SandboxError(f"{path} is damaged ({error}); remove it for new keys") from error
    keys = Keys(
        api_key=secrets.token_urlsafe(32),
        own=_pair(),
        handed_over=_pair(),
        further_api_key=secrets.token_urlsafe(32),
    )
    write_private(path, msgspec.json.encode(keys))
    return keys


def _pair() -> KeyPair:
    suffix = "".join(secrets.choice(_ID_ALPHABET) for _ in range(16))
    return KeyPair(access_key=f"AKIA{suffix}", secret_access_key=secrets.token_urlsafe(30))


def environment(keys: Keys, *, api_url: str, s3_url: str) -> Mapping[str, str]:
    """What a client needs to call the sandbox, by the names of environment variables."""
    return {
        "PIXOP_API_URL": api_url,
        "PIXOP_API_KEY": keys.api_key,
        "PIXOP_API_KEY_2": keys.further_api_key,
        "AWS_ENDPOINT_URL_S3": s3_url,
        "AWS_ACCESS_KEY_ID": keys.own.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.own.secret_access_key,
        "AWS_REGION": REGION,
        "PIXOP_SOURCE_ACCESS_KEY_ID": keys.handed_over.access_key,
        "PIXOP_SOURCE_SECRET_ACCESS_KEY": keys.handed_over.secret_access_key,
    }


def write_environment(path: Path, variables: Mapping[str, str]) -> None:
    """Write `KEY=VALUE` lines. No value needs quoting: we made them all."""
    lines = (f"{name}={value}\n" for name, value in variables.items())
    write_private(path, "".join(lines).encode())


@contextmanager
def sole_use(path: Path, directory: Path) -> Iterator[None]:
    """Hold the lock at `path`; SandboxError where another sandbox has it.

    The kernel lets go of it when the process ends, however it ends.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, OWNER_FILE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            _refuse(directory, error)
        yield
    finally:
        os.close(descriptor)


def _refuse(directory: Path, error: OSError) -> NoReturn:
    message = f"another sandbox is using {directory}; stop it, or give --dir another directory"
    raise SandboxError(message) from error
