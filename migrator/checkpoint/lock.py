"""One process a batch: an advisory lock on `DIR/lock`, released by the kernel however we die."""

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from migrator.errors import CheckpointError


@contextmanager
def batch_lock(directory: Path) -> Iterator[None]:
    """Hold the batch for as long as the block runs.

    The file says who holds it, for the message that a second start gives; the lock itself is the
    kernel's (`flock`), so a file left behind by a killed process locks nothing. Raises
    CheckpointError when another process holds it.
    """
    path = directory / "lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be opened ({error.strerror})", "it must be a file that we may write"
        ) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CheckpointError(
                f"{directory}: another migrator works on this batch ({_holder(descriptor)})",
                "wait for it, watch it with `migrator status`, or stop it first",
            ) from None
        holder = {"pid": os.getpid(), "host": socket.gethostname()}
        told = json.dumps(holder).encode() + b"\n"
        with contextlib.suppress(OSError):  # a full disk: the lock holds all the same
            os.pwrite(descriptor, told, 0)
            os.ftruncate(descriptor, len(told))
        yield
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    try:
        # The first line: behind it may be the end of a longer one, for a moment.
        holder = json.loads(os.pread(descriptor, 4096, 0).split(b"\n")[0])
        return f"process {int(holder['pid'])} on {str(holder['host'])[:64]}"
    except (ValueError, KeyError, TypeError):
        return "it has not said which process it is"
