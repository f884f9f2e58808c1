"""All that can be read from, by what kind of origin it is."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import aiohttp

from migrator.sandbox.origin import Origin, SourceHead, SourceObject
from migrator.sandbox.source import Source
from migrator.sandbox.web import WebSource


@dataclass(frozen=True, slots=True)
class Sources:
    """The customer's S3, and the web."""

    s3: Source
    web: WebSource

    async def head(self, wanted: Origin) -> SourceHead:
        """What is told of a source; raises SourceError where it cannot be read."""
        if isinstance(wanted, SourceObject):
            return await self.s3.head(wanted)
        return await self.web.head(wanted)

    def reading(
        self, wanted: Origin, *, first: int, last: int, size_bytes: int
    ) -> AbstractAsyncContextManager[aiohttp.StreamReader]:
        """The bytes `first` to `last` (inclusive) of what has `size_bytes`."""
        if isinstance(wanted, SourceObject):
            return self.s3.reading(wanted, first=first, last=last, size_bytes=size_bytes)
        return self.web.reading(wanted, first=first, last=last, size_bytes=size_bytes)
