"""Listing a prefix as rows in: the same values as a manifest gives, with what S3 told of each."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat

from migrator.errors import RunFailed, UsageError
from migrator.filters import STANDARD, Facts, Filter
from migrator.model import MAX_KEY_BYTES, InvalidRow, ManifestRow
from migrator.source.answers import NOT_BUILT, S3Refusal, SourceUnreachable
from migrator.source.pages import ListPage

COLUMNS = ("bucket", "key", "size", "etag", "last_modified", "storage_class")
"""The columns of a manifest that is made of a listing."""

HEADER = ("bucket", "key")
"""The columns of a listing, as a manifest would have them."""

HEADER_OF_VERSIONS = (*HEADER, "version_id")
"""The same of a listing of all versions."""


@dataclass(frozen=True, slots=True)
class Listed:
    """Some of a listing: the rows, how many objects filters left out, and its last key."""

    rows: list[ManifestRow | InvalidRow]
    filtered: int
    last_key: str


async def listed_rows(
    pages: AsyncIterator[ListPage], bucket: str, prefix: str, wanted: Filter, *, first_row: int
) -> AsyncGenerator[Listed, None]:
    """Rows of the objects that are `wanted`, numbered from `first_row`; `pages` are of the prefix.

    Raises UsageError when S3 refuses the listing, RunFailed when it cannot be reached.
    """
    row = first_row
    with refusals(bucket, prefix):
        async for page in pages:
            kept = page_of_wanted(page, wanted)
            rows = _rows(row, bucket, kept)
            row += len(rows)
            yield Listed(rows, len(page.keys) - len(rows), page.keys[-1])


@contextmanager
def refusals(bucket: str, prefix: str) -> Iterator[None]:
    """What S3 has against listing a prefix, as errors of the program: UsageError, RunFailed."""
    try:
        yield
    except S3Refusal as refusal:
        raise UsageError(
            f"--prefix s3://{bucket}/{prefix}: S3 refuses to list it ({refusal.code})",
            "this store lists no versions: leave out --all-versions"
            if refusal.code == NOT_BUILT
            else "check the bucket's name and that the keys may list it (s3:ListBucket, with "
            "--all-versions s3:ListBucketVersions)",
        ) from None
    except SourceUnreachable as error:
        raise RunFailed(
            f"--prefix s3://{bucket}/{prefix}: S3 does not answer ({error})",
            "check --s3-endpoint-url and the network, then run it again: it goes on",
        ) from None


def page_of_wanted(page: ListPage, wanted: Filter) -> ListPage:
    """The objects of a page that the filters let through."""
    if wanted.lets_all_through:
        return page
    told = zip(page.keys, page.sizes, page.modified_ms, page.storage_classes, strict=True)
    return page.where(
        [
            place
            for place, (key, size_bytes, changed_ms, storage_class) in enumerate(told)
            if not wanted.against(key, Facts(size_bytes, changed_ms, storage_class or STANDARD))
        ]
    )


def _rows(first: int, bucket: str, page: ListPage) -> list[ManifestRow | InvalidRow]:
    return [
        _row(first + position, bucket, *told)
        for position, told in enumerate(
            zip(page.keys, page.sizes, page.etags, page.modified_ms, page.storage_classes,
                page.versions or repeat(None, len(page.keys)), strict=True)
        )
    ]  # fmt: skip


ASKS_FOR_HEAD = frozenset({"GLACIER", "DEEP_ARCHIVE", "INTELLIGENT_TIERING"})
"""A listing does not say whether an archived object has been restored, nor in which tier
INTELLIGENT_TIERING keeps it."""


def _row(
    row: int,
    bucket: str,
    key: str,
    size_bytes: int,
    etag: str | None,
    last_modified_ms: int | None,
    storage_class: str | None,
    version_id: str | None,
) -> ManifestRow | InvalidRow:
    if not 0 < len(key) <= SURELY_SHORT:
        key_bytes = len(key.encode())
        if not 0 < key_bytes <= MAX_KEY_BYTES:
            problem = f"{key_bytes:,} bytes; a key has 1 to {MAX_KEY_BYTES:,}"
            named = (bucket, key) if version_id is None else (bucket, key, version_id)
            return InvalidRow(row, "key", problem, named, bucket, key)
    if storage_class in ASKS_FOR_HEAD:  # only a HEAD can tell: leave it to preflight
        return ManifestRow(row, bucket, key, version_id)
    return ManifestRow(
        row, bucket, key, version_id, (), size_bytes, etag, last_modified_ms, storage_class
    )


SURELY_SHORT = MAX_KEY_BYTES // 4
"""So many characters have no more bytes than a key may have."""
