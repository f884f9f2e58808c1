"""Listing every version of every object, key by key.

Amazon S3 API reference, `ListObjectVersions`: a page may end between two versions of a key, and is
taken up again by a key and a version. A walk (`walk.py`) takes a listing up again by a key alone,
so that a page here holds all versions of each of its keys: those of the last one are asked for
again with the next page. Delete markers are no versions of an object, and are left out.
"""

from dataclasses import dataclass
from typing import Protocol

from migrator.source.pages import ListPage, joined


@dataclass(frozen=True, slots=True)
class VersionsPage:
    """Versions as one answer tells them, newest first within a key.

    `ends_at` is the key and the version behind which S3 goes on, or before which: servers differ.
    None on the last page.
    """

    page: ListPage
    ends_at: tuple[str, str] | None


class Teller(Protocol):
    """What is asked for versions: `source.s3.SourceS3`."""

    async def versions(
        self, bucket: str, prefix: str, *, behind: tuple[str, str], delimiter: str
    ) -> VersionsPage:
        """One page of versions, from where `behind` says: a key, and a version of it or ""."""
        ...


class AllVersions:
    """Lists versions in the place of objects; a `walk.Lister`."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller

    async def page(
        self, bucket: str, prefix: str, *, after: str = "", token: str = "", delimiter: str = ""
    ) -> ListPage:
        """All versions of some keys behind the key `after`, or the key `token`.

        Where one key has more versions than S3 tells at once it is read on until the next one. What
        servers tell of the key itself behind which they were to begin is left out.
        """
        begin = token or after
        behind, parts = (begin, ""), list[ListPage]()
        folders: list[str] = []
        while True:
            told = await self._teller.versions(bucket, prefix, behind=behind, delimiter=delimiter)
            parts.append(told.page.between(begin, None))
            folders += told.page.folders
            if told.ends_at is None:
                return joined(parts, folders)
            last_key = told.ends_at[0]
            whole = [
                part.where([at for at, key in enumerate(part.keys) if key != last_key])
                for part in parts
            ]
            keys = [part.keys[-1] for part in whole if part.keys]
            if keys or folders:
                return joined(whole, folders, keys[-1] if keys else last_key)
            behind = told.ends_at
