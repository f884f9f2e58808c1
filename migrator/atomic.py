"""Files that are there whole or not at all."""

import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self


class AtomicFile:
    """A file written under a temporary name in its own directory, mode 0600.

    `publish` makes it durable and gives it its name; leaving the block without that removes it, so
    that an interrupted report leaves the earlier one in place.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._temporary = path.with_name(f".{path.name}.tmp")
        self._temporary.unlink(missing_ok=True)  # what a killed report left behind
        descriptor = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self.stream: BinaryIO = os.fdopen(descriptor, "wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stream.close()  # what is left in its buffer may find no room
        finally:
            self._temporary.unlink(missing_ok=True)

    def publish(self) -> str:
        """Sync, rename, sync the directory; answers the SHA-256 of what is on disk."""
        self.stream.flush()
        os.fsync(self.stream.fileno())
        self.stream.close()
        with self._temporary.open("rb") as written:
            digest = hashlib.file_digest(written, "sha256").hexdigest()
        self._temporary.replace(self.path)
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        return digest
