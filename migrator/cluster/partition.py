"""What is cut into tasks, and what each is called: pure.

A task and its part have one name, a hash of all that the part depends on. So whoever cuts the same
work finds the parts that are there, and a task that is run twice makes the same part again.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from migrator.settings import BucketSettings, StoreSettings
from migrator.source.pages import ListPage
from migrator.source.walk import Branch

MOST_TASKS = 128
"""Folders of a prefix are put together so that there are no more tasks than so many, or that a
task has one of them."""

FORMAT = 1
"""Of parts; another one has other names."""


class ListFolders(msgspec.Struct, frozen=True, tag="list"):
    """List these (prefix, key behind which it begins) of a bucket, in order."""

    bucket: str
    begins: tuple[tuple[str, str], ...]


class HeadRows(msgspec.Struct, frozen=True, tag="head"):
    """HEAD these (row, bucket, key, version_id); of `by_url` buckets the version that is named."""

    rows: tuple[tuple[int, str, str, str | None], ...]
    by_url: tuple[str, ...] = ()


Work = ListFolders | HeadRows


class Reach(msgspec.Struct, frozen=True):
    """How the source and the parts are reached, for whoever has the secrets in its environment.

    `parts` is a directory or s3://bucket/prefix; `at_once` the questions that a task has open.
    """

    store: StoreSettings
    buckets: Mapping[str, BucketSettings]
    region: str
    parts: str
    at_once: int = 48


class Errand(msgspec.Struct, frozen=True):
    """A task as it goes to a worker: what to do, with what, and the name of the part to leave."""

    name: str
    work: Work
    reach: Reach


def label_of(what_for: str) -> str:
    """How the names of all parts begin that are made for one thing, such as a batch."""
    return hashlib.sha256(what_for.encode()).hexdigest()[:12]


def named(work: Work, reach: Reach, label: str) -> Errand:
    """The errand of some work, for what `label` says."""
    told = (FORMAT, reach.store, reach.buckets, work)
    digest = hashlib.sha256(msgspec.json.encode(told, order="deterministic")).hexdigest()
    return Errand(f"{label}-{work.__struct_config__.tag}-{digest[:32]}.parquet", work, reach)


def pieces(bucket: str, branches: Sequence[Branch], after: str) -> Iterator[ListPage | ListFolders]:
    """The branches of a prefix in order: objects that are known already, and work for tasks.

    What lies before the key `after` as a whole is left out. Which folders are put together does not
    depend on `after`, so that a listing that goes on finds its parts.
    """
    folders = sum(branch.known is None for branch in branches)
    a_task = 1 + (folders - 1) // MOST_TASKS
    for group in _groups(branches, a_task):
        if isinstance(group, ListPage):
            left = group.between(after, None)
            if left.keys:
                yield left
        elif not _is_before(group[-1].prefix, after):
            yield ListFolders(bucket, tuple((each.prefix, each.after) for each in group))


def _groups(branches: Iterable[Branch], a_task: int) -> Iterator[ListPage | list[Branch]]:
    group: list[Branch] = []
    for branch in branches:
        if group and (branch.known is not None or len(group) == a_task):
            yield group
            group = []
        if branch.known is not None:
            yield branch.known
        else:
            group.append(branch)
    if group:
        yield group


def _is_before(prefix: str, after: str) -> bool:
    """Whether every key with this prefix comes before `after`."""
    return after > prefix and not after.startswith(prefix)
