"""What S3 answers: facts of objects, pages of listings, and its refusals in one vocabulary."""

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.utils import parse_timestamp

from migrator.source.pages import ListPage

CRC32C_BYTES = 4

NOT_BUILT = "NotImplemented"
"""S3's code, a 501, for what a store does not do: to ask again is of no use."""

REFUSED_KEYS = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken",
                          "ExpiredToken", "TokenRefreshRequired"})  # fmt: skip
"""S3's codes that refuse the keys themselves, whatever the object (S3 API reference, "Error
responses")."""


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What S3 tells about an object.

    `etag` is without its quotes, `last_modified_ms` epoch milliseconds; `version_id` and
    `storage_class` are None where it has none. `archived` is True when the object must be restored
    before it can be read, None when only a HEAD can tell. `crc32c` is the checksum of the whole
    object, where S3 knows it and was asked.
    """

    size_bytes: int
    etag: str | None
    last_modified_ms: int | None
    version_id: str | None = None
    storage_class: str | None = None
    archived: bool | None = False
    crc32c: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What of an object is meant: one version of it, else the current one; its checksum too."""

    version_id: str | None = None
    checksum: bool = False


CURRENT = Asked()


class S3Refusal(Exception):
    """S3 answered, and the answer is no.

    `code` is S3's error code, or HTTP's number as text where S3 sent no body; `status` is HTTP's.
    """

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.status = status
        self.message = message


class SourceUnreachable(Exception):
    """S3 did not answer, or answered with a fault of its own, after the library's own retries."""


@contextmanager
def making_sense() -> Iterator[None]:
    """An answer without what every answer has, or with something else there: SourceUnreachable."""
    try:
        yield
    except (KeyError, TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise SourceUnreachable(f"S3's answer makes no sense ({type(error).__name__})") from None


def _size_bytes(value: Any) -> int:
    size_bytes = int(value)
    if not 0 <= size_bytes < 2**63:
        raise ValueError("no size")
    return size_bytes


def facts_of_head(answer: Mapping[str, Any]) -> ObjectFacts:
    """What a HEAD tells."""
    storage_class = answer.get("StorageClass")
    restored = 'ongoing-request="false"' in answer.get("Restore", "")
    archived = storage_class in {"GLACIER", "DEEP_ARCHIVE"} or "ArchiveStatus" in answer
    return ObjectFacts(
        size_bytes=_size_bytes(answer["ContentLength"]),
        etag=_etag(answer),
        last_modified_ms=_ms(answer.get("LastModified")),
        version_id=answer.get("VersionId"),
        storage_class=storage_class,
        archived=archived and not restored,
        crc32c=_crc32c(answer),
    )


_HEADERS = {
    "ContentLength": "content-length",
    "ETag": "etag",
    "VersionId": "x-amz-version-id",
    "StorageClass": "x-amz-storage-class",
    "Restore": "x-amz-restore",
    "ArchiveStatus": "x-amz-archive-status",
    "ChecksumCRC32C": "x-amz-checksum-crc32c",
    "ChecksumType": "x-amz-checksum-type",
}


def facts_of_headers(headers: Mapping[str, str]) -> ObjectFacts:
    """What a HEAD tells, before botocore has read its headers."""
    told: dict[str, Any] = {
        name: headers[header] for name, header in _HEADERS.items() if header in headers
    }
    return facts_of_head({**told, "LastModified": moment(headers.get("last-modified"))})


def moment(value: Any) -> datetime | None:
    """A time as botocore reads it; None where it is none: nothing is decided by it.

    What HEADs write is read by what is quick: dateutil took an eighth of a HEAD's time.
    """
    try:
        if isinstance(value, str) and value.endswith("GMT"):
            return parsedate_to_datetime(value)
        return parse_timestamp(value)  # type: ignore[no-any-return]  # botocore has no types
    except (ValueError, OverflowError, RuntimeError, TypeError, IndexError):
        return None


def _crc32c(answer: Mapping[str, Any]) -> int | None:
    """The CRC-32C of the whole object; None where S3 has another kind of checksum, or of its parts.

    S3 writes it in base64, as four bytes, the first the highest (S3 user guide, "Checking object
    integrity"); the platform takes the number.
    """
    if answer.get("ChecksumType") == "COMPOSITE":
        return None
    try:
        raw = base64.b64decode(answer.get("ChecksumCRC32C") or "", validate=True)
    except ValueError:  # with "-N" behind it: of N parts
        return None
    return int.from_bytes(raw, "big") if len(raw) == CRC32C_BYTES else None


def named(bucket: str, key: str, asked: Asked) -> dict[str, str]:
    """An object, and a version of it where one is asked for, as S3's operations name it."""
    meant = {"Bucket": bucket, "Key": key}
    if asked.version_id is not None:
        meant["VersionId"] = asked.version_id
    return meant


def page_of(answer: Mapping[str, Any]) -> ListPage:
    """A page as botocore has read it."""
    entries = answer.get("Contents", ())
    token = answer.get("NextContinuationToken") or ""
    return ListPage(
        keys=[entry["Key"] for entry in entries],
        sizes=[_size_bytes(entry["Size"]) for entry in entries],
        etags=[_etag(entry) for entry in entries],
        modified_ms=[_ms(entry.get("LastModified")) for entry in entries],
        storage_classes=[entry.get("StorageClass") for entry in entries],
        folders=[each["Prefix"] for each in answer.get("CommonPrefixes", ())],
        next_token=token if answer.get("IsTruncated") else None,
    )


def _etag(answer: Mapping[str, Any]) -> str | None:
    etag = answer.get("ETag")
    return etag.strip('"') if isinstance(etag, str) else None


def _ms(moment: object) -> int | None:
    return int(moment.timestamp() * 1000) if isinstance(moment, datetime) else None
