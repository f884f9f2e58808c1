"""Manifests in S3: its objects as files, for what reads them outside of any event loop."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack
from http import HTTPStatus
from threading import Thread
from typing import Any, Self, TypeVar

from migrator.certificates import source_certificates
from migrator.cli.loop import region_of
from migrator.cli.session import source_of
from migrator.errors import MigratorError, RunFailed, UsageError
from migrator.manifest import RemoteFacts
from migrator.settings import BatchSettings
from migrator.source.answers import ObjectFacts, S3Refusal, SourceUnreachable
from migrator.source.credentials import load_keys
from migrator.source.s3 import SourceS3
from migrator.text import plain

T = TypeVar("T")


class S3Files:
    """`manifest.Objects` over the source's own keys. A context manager; opens nothing unasked.

    It has a thread and an event loop of its own, so that a reader may block in any other thread.
    """

    def __init__(self, settings: BatchSettings, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._environment = environment
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stack = AsyncExitStack()
        self._source: SourceS3 | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._loop is None:
            return
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = None

    def look(self, bucket: str, key: str) -> RemoteFacts | None:
        """See `Objects`."""
        name = f"s3://{bucket}/{key}"

        async def ask(source: SourceS3) -> ObjectFacts | None:
            try:
                return await source.head(bucket, key)
            except S3Refusal as bare:
                if bare.status == HTTPStatus.NOT_FOUND:
                    return None
                await source.read_code(bucket, key)  # a HEAD's refusal has no words
                raise

        facts = self._ask(name, ask)
        if facts is None:
            return None
        return RemoteFacts(facts.size_bytes, facts.etag, facts.last_modified_ms, facts.version_id)

    def read(self, bucket: str, key: str, begin: int, length: int, facts: RemoteFacts) -> bytes:
        """See `Objects`."""
        name = f"s3://{bucket}/{key}"
        return self._ask(name, lambda source: source.read(bucket, key, begin, length, facts.etag))

    def keys(self, bucket: str, prefix: str) -> Iterator[str]:
        """See `Objects`."""
        name = f"s3://{bucket}/{prefix}"
        token: str | None = ""
        while token is not None:
            page = self._ask(name, lambda source, at=token: source.page(bucket, prefix, token=at))  # type: ignore[misc]
            yield from page.keys
            token = page.next_token

    def _ask(self, name: str, question: Callable[[SourceS3], Coroutine[Any, Any, T]]) -> T:
        async def answer() -> T:
            return await question(await self._connected())

        try:
            return self._wait(answer())
        except S3Refusal as refusal:
            raise _refused(plain(name), refusal) from None
        except SourceUnreachable as error:
            raise RunFailed(
                f"{plain(name)}: S3 does not answer ({error})",
                "check --s3-endpoint-url and the network, then run it again: it goes on",
            ) from None

    def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = Thread(target=self._loop.run_forever, daemon=True)
            self._thread.start()
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _connected(self) -> SourceS3:
        if self._source is None:
            keys = await load_keys(
                self._settings.buckets,
                self._environment,
                store=self._settings.source,
                to_hand_over=False,
                region=region_of(self._environment),
                certificates=source_certificates(self._environment),
            )
            source = source_of(self._settings, keys, self._environment)
            self._source = await self._stack.enter_async_context(source)
        return self._source

    async def _shut(self) -> None:
        """Ends what an interrupt has left behind, then the connections."""
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._stack.aclose()


def _refused(name: str, refusal: S3Refusal) -> MigratorError:
    if refusal.status == HTTPStatus.PRECONDITION_FAILED:
        return UsageError(
            f"{name} was changed while it was read",
            "Begin again once nobody writes it any more: nothing was sent.",
        )
    return UsageError(
        f"{name}: S3 refuses to let it be read ({refusal.code})",
        "check bucket and key, and that the keys of the source may read it (s3:GetObject, and "
        "s3:ListBucket for a pattern or a prefix)",
    )
