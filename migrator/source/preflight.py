"""Preflight: what a HEAD of the source says about a row before it costs a call of the platform.

`judge` and `judge_refusal` are pure. `Preflight` asks S3 and remembers about each bucket what holds
for all of its objects: that it does not exist, or that it refuses the keys.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus

from migrator.lifecycle import Event
from migrator.model import CERTAINLY_TOO_LARGE_BYTES, DecidedBy, Reason
from migrator.source.answers import REFUSED_KEYS, Asked, ObjectFacts, S3Refusal
from migrator.source.s3 import SourceS3

EVENT_OF = {
    Reason.FOLDER_MARKER: Event.SKIP,
    Reason.FILTERED: Event.SKIP,
    Reason.BUCKET_NOT_FOUND: Event.MISS,
    Reason.OBJECT_NOT_FOUND: Event.MISS,
}
"""The event of a refusal where it is not `REJECT`."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an object will not be sent: the reason and S3's own words, if it said any."""

    reason: Reason
    decided_by: DecidedBy = DecidedBy.PREFLIGHT
    code: str | None = None
    status: int | None = None
    message: str | None = None

    @property
    def event(self) -> Event:
        """What this does to a pending transfer."""
        return EVENT_OF.get(self.reason, Event.REJECT)


def judge(facts: ObjectFacts, key: str, version_id: str | None) -> Refusal | None:
    """What the facts of an object say: None when nothing is against sending it.

    `version_id` is the one that the manifest asks for: a precondition, since the API cannot name a
    version. "null" is what S3 calls the version of an object that has none.
    """
    current = facts.version_id or "null"
    if version_id is not None and version_id != current:
        return Refusal(
            Reason.VERSION_NOT_CURRENT,
            message=f"the manifest asks for version {version_id}, the current one is {current}",
        )
    if facts.size_bytes == 0:
        empty = Reason.FOLDER_MARKER if key.endswith("/") else Reason.EMPTY_OBJECT
        return Refusal(empty, message="the object has no bytes")
    if facts.size_bytes > CERTAINLY_TOO_LARGE_BYTES:
        return Refusal(
            Reason.TOO_LARGE,
            message=f"{facts.size_bytes} bytes; the platform takes up to 500 GB",
        )
    if facts.archived:
        return Refusal(
            Reason.ARCHIVED,
            message=f"storage class {facts.storage_class}: must be restored before it can be read",
        )
    return None


def judge_refusal(refusal: S3Refusal) -> Refusal | None:
    """What a refusal by S3 means for the row; None when it says nothing certain about it."""
    if refusal.code in REFUSED_KEYS:
        reason = Reason.BAD_CREDENTIALS
    elif refusal.code == "NoSuchBucket":
        reason = Reason.BUCKET_NOT_FOUND
    elif refusal.code in {"NoSuchKey", "404", "NoSuchVersion", "MethodNotAllowed", "405"}:
        # A version that is a delete marker is not to be had by that method (S3 API, HeadObject).
        reason = Reason.OBJECT_NOT_FOUND
    elif refusal.code in {"AccessDenied", "403", "AllAccessDisabled"}:
        reason = Reason.ACCESS_DENIED
    elif refusal.code == "KeyTooLongError":
        reason = Reason.OBJECT_NOT_FOUND
    elif refusal.code == "InvalidBucketName":
        reason = Reason.BUCKET_NOT_FOUND
    elif refusal.code == "InvalidObjectState":
        reason = Reason.ARCHIVED
    else:
        return None
    return Refusal(
        reason, code=refusal.code, status=refusal.status, message=refusal.message or None
    )


Told = tuple[ObjectFacts | None, Refusal | None]
"""What is known of an object, and what is against sending it."""

_OF_ALL = frozenset({Reason.BAD_CREDENTIALS, Reason.BUCKET_NOT_FOUND})
"""Reasons that all objects of a bucket share."""


class Preflight:
    """Asks S3 about objects, and about each bucket only once what all of its objects share."""

    def __init__(
        self, source: SourceS3, by_url: Callable[[str], bool] = lambda _bucket: False
    ) -> None:
        """`by_url`: of which buckets the platform gets URLs, and so the version that is meant."""
        self.by_url = by_url
        self._source = source
        self._refused: dict[str, Refusal] = {}
        self._first: dict[str, asyncio.Lock] = {}
        self._opened: set[str] = set()

    def refused_bucket(self, bucket: str) -> Refusal | None:
        """The refusal that all rows of this bucket share, if one is known by now."""
        return self._refused.get(bucket)

    def learn(self, bucket: str, told: Told) -> Told:
        """What another process was told of an object, as this one would have been told in its turn.

        Where a bucket refuses all, this first object says why, and the others are not asked about.
        """
        shared = self._refused.get(bucket)
        if shared is not None:
            return None, shared
        facts, refusal = told
        if refusal is not None and refusal.reason in _OF_ALL:
            refusal = replace(refusal, decided_by=DecidedBy.PREFLIGHT)
            self._refuse(bucket, refusal)
        return facts, refusal

    async def look(self, bucket: str, key: str, version_id: str | None) -> Told:
        """HEAD an object and judge it. Raises source.answers.SourceUnreachable."""
        if bucket in self._opened:
            return await self._look(bucket, key, version_id)
        # The first object of a bucket goes alone: where the keys are refused, or where there is no
        # bucket, that costs one question and not one for each of the waiting rows.
        async with self._first.setdefault(bucket, asyncio.Lock()):
            shared = self._refused.get(bucket)
            if shared is not None:
                return None, shared
            if bucket not in self._opened:
                answer = await self._look(bucket, key, version_id)
                if bucket not in self._refused:
                    self._opened.add(bucket)
                return answer
        # Those that have waited for the first one go at once.
        return await self._look(bucket, key, version_id)

    async def _look(self, bucket: str, key: str, version_id: str | None) -> Told:
        if self.by_url(bucket):
            asked, wanted = Asked(version_id, checksum=True), None
        else:
            asked, wanted = Asked(), version_id
        try:
            facts = await self._source.head(bucket, key, asked)
        except S3Refusal as bare:
            return None, await self._explain(bucket, key, asked, bare)
        return facts, judge(facts, key, wanted)

    async def _explain(
        self, bucket: str, key: str, asked: Asked, bare: S3Refusal
    ) -> Refusal | None:
        try:
            await self._source.read_code(bucket, key, asked)
        except S3Refusal as told:
            refusal = judge_refusal(told)
        else:
            refusal = judge_refusal(bare) if bare.status == HTTPStatus.NOT_FOUND else None
        if refusal is not None and refusal.reason in _OF_ALL:
            self._refuse(bucket, refusal)
        return refusal

    def _refuse(self, bucket: str, refusal: Refusal) -> None:
        shared = replace(refusal, decided_by=DecidedBy.BREAKER)
        self._refused.setdefault(bucket, shared)
