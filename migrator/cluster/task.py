"""What a worker does for one task: the same code of `source` as on one machine.

A task is `work`, by its name, the version of the program, and an errand in packed JSON. The keys
are read here from the worker's own environment, by the names of variables; no task, no answer and
no part holds one.
"""

import asyncio
import os
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import BinaryIO

import msgspec

from migrator import __version__
from migrator.certificates import source_certificates
from migrator.cluster.heads import write_heads
from migrator.cluster.partition import Errand, HeadRows, ListFolders, Reach
from migrator.cluster.parts import WritableS3, blank_part, parts_at
from migrator.errors import ExitCode, MigratorError
from migrator.settings import own_endpoints
from migrator.source.answers import S3Refusal, SourceUnreachable
from migrator.source.credentials import load_keys
from migrator.source.parquet import ListingWriter
from migrator.source.preflight import Preflight, Told
from migrator.source.walk import Walks

SILENT_SHARE = 10
"""Where more than one of so many rows get no answer the source is out of order: there is no part.
The few others are left out of the part, and are asked about by the process that migrates."""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a task ended: `made` rows in its part, or why there is none.

    `refused` is S3's (code, status, message), `unreachable` says how S3 does not answer, `unusable`
    is an error of the program, its hint and its exit code, `program` another version of it.
    """

    made: int | None = None
    refused: tuple[str, int, str] | None = None
    unreachable: str | None = None
    unusable: tuple[str, str, int] | None = None
    program: str | None = None


def work(program: str, errand: bytes) -> bytes:
    """Do an errand, leave its part, and say how it ended."""
    if program != __version__:
        return msgspec.json.encode(Answer(program=__version__))
    told = msgspec.json.decode(zlib.decompress(errand), type=Errand)
    return msgspec.json.encode(asyncio.run(_done(told)))


async def _done(errand: Errand) -> Answer:
    try:
        async with source_at(errand.reach) as s3:
            where = errand.reach.parts
            with blank_part(where, errand.name) as (file, path):
                if isinstance(errand.work, ListFolders):
                    made = await _list(errand.work, s3, file)
                else:
                    made = await _head(errand.work, s3, file, errand.reach.at_once)
                try:
                    await parts_at(where, s3).keep(errand.name, file, path)
                except S3Refusal as refusal:
                    return Answer(unusable=_no_parts(where, refusal))
            return Answer(made=made)
    except S3Refusal as refusal:
        return Answer(refused=(refusal.code, refusal.status, refusal.message))
    except SourceUnreachable as error:
        return Answer(unreachable=str(error))
    except MigratorError as error:
        return Answer(unusable=(error.message, error.hint, error.exit_code))


@asynccontextmanager
async def source_at(reach: Reach) -> AsyncIterator[WritableS3]:
    """S3 by the secrets of this process' own environment. Raises UsageError where it has none."""
    certificates, endpoints = source_certificates(os.environ), own_endpoints(reach.buckets)
    keys = await load_keys(
        reach.buckets,
        os.environ,
        store=reach.store,
        to_hand_over=False,
        region=reach.region,
        certificates=certificates,
    )
    async with WritableS3(keys, reach.store, reach.region, certificates, endpoints) as s3:
        yield s3


async def _list(folders: ListFolders, s3: WritableS3, file: BinaryIO) -> int:
    begins = [(folders.bucket, prefix, after) for prefix, after in folders.begins]
    count = 0
    with closing(ListingWriter(file)) as writer:
        async with Walks(s3, begins) as walks:
            for _ in begins:
                async for page in walks.next():
                    writer.add(folders.bucket, page)
                    count += len(page.keys)
    return count


async def _head(heads: HeadRows, s3: WritableS3, file: BinaryIO, at_once: int) -> int:
    """Look at the object of each row; what gets no answer is left out."""
    preflight = Preflight(s3, frozenset(heads.by_url).__contains__)
    told, silent, waiting = dict[int, Told](), list[SourceUnreachable](), iter(heads.rows)

    async def look() -> None:
        for row, bucket, key, version_id in waiting:
            shared = preflight.refused_bucket(bucket)
            if shared is not None:
                told[row] = None, shared
                continue
            try:
                told[row] = await preflight.look(bucket, key, version_id)
            except SourceUnreachable as error:
                silent.append(error)
            if len(silent) * SILENT_SHARE > len(heads.rows):
                return

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(look())
    if len(silent) * SILENT_SHARE > len(heads.rows):
        raise silent[0]
    write_heads(file, told)
    return len(told)


def _no_parts(where: str, refusal: S3Refusal) -> tuple[str, str, int]:
    return (
        f"--cluster-parts {where}: S3 refuses to keep a part there ({refusal.code})",
        "the keys of that bucket must be able to put, get, list and delete objects",
        ExitCode.USAGE,
    )
