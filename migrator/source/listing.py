"""Listing a prefix as rows in: the same values as a manifest gives, with what S3 told of each."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from migrator.errors import RunFailed, UsageError
from migrator.manifest.filters import STANDARD, Facts, Filter
from migrator.model import MAX_KEY_BYTES, InvalidRow, ManifestRow
from migrator.source.s3 import ObjectFacts, S3Refusal, SourceS3, SourceUnreachable

HEADER = ("bucket", "key")
"""The columns of a listing, as a manifest would have them."""


@dataclass(frozen=True, slots=True)
class Listed:
    """Some of a listing: the rows, how many objects filters left out, and its last key."""

    rows: list[ManifestRow | InvalidRow]
    filtered: int
    last_key: str


async def listed_rows(
    source: SourceS3,
    bucket: str,
    prefix: str,
    wanted: Filter,
    *,
    first_row: int,
    start_after: str = "",
) -> AsyncIterator[Listed]:
    """Rows of every object under the prefix that is `wanted`, a page of up to 1,000 at a time.

    They come in key order and are numbered from `first_row`; `start_after` is the last key of an
    interrupted listing.
    Raises UsageError when S3 refuses the listing, RunFailed when it cannot be reached.
    """
    row = first_row
    try:
        async for page in source.list(bucket, prefix, start_after):
            kept = page if wanted.lets_all_through else _wanted(page, wanted)
            rows = [
                _row(row + position, bucket, key, facts)
                for position, (key, facts) in enumerate(kept)
            ]
            row += len(rows)
            if page:
                yield Listed(rows, len(page) - len(rows), page[-1][0])
    except S3Refusal as refusal:
        raise UsageError(
            f"--prefix s3://{bucket}/{prefix}: S3 refuses to list it ({refusal.code})",
            "check the bucket's name and that the keys may list it (s3:ListBucket)",
        ) from None
    except SourceUnreachable as error:
        raise RunFailed(
            f"--prefix s3://{bucket}/{prefix}: S3 does not answer ({error})",
            "check --s3-endpoint-url and the network, then run it again: it goes on",
        ) from None


def _wanted(page: list[tuple[str, ObjectFacts]], wanted: Filter) -> list[tuple[str, ObjectFacts]]:
    return [
        (key, facts)
        for key, facts in page
        if wanted.against(
            key,
            Facts(facts.size_bytes, facts.last_modified_ms, facts.storage_class or STANDARD),
        )
        is None
    ]


def _row(row: int, bucket: str, key: str, facts: ObjectFacts) -> ManifestRow | InvalidRow:
    size_bytes = len(key.encode())
    if not 0 < size_bytes <= MAX_KEY_BYTES:
        problem = f"{size_bytes:,} bytes; a key has 1 to {MAX_KEY_BYTES:,}"
        return InvalidRow(row, "key", problem, (bucket, key), bucket, key)
    if facts.archived is None:  # only a HEAD can tell: leave it to preflight
        return ManifestRow(row, bucket, key)
    return ManifestRow(
        row,
        bucket,
        key,
        size_bytes=facts.size_bytes,
        etag=facts.etag,
        last_modified_ms=facts.last_modified_ms,
        storage_class=facts.storage_class,
    )
