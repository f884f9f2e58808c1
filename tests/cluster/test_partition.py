"""How work is cut and what tasks are called: the same whoever cuts it, with nothing in between."""

from hypothesis import given
from hypothesis import strategies as st

from migrator.cluster.partition import (
    MOST_TASKS,
    HeadRows,
    ListFolders,
    Reach,
    label_of,
    named,
    pieces,
)
from migrator.settings import BucketSettings, StoreSettings
from migrator.source.pages import ListPage
from migrator.source.walk import Branch, branches

REACH = Reach(StoreSettings(), {}, "eu-north-1", "/shared/parts")


def page_of(keys):
    nothing = [None] * len(keys)
    return ListPage(keys, [1] * len(keys), nothing, nothing, nothing)


class Bucket:
    """Lists keys as S3 would, a thousand at a time."""

    def __init__(self, keys):
        self.keys = sorted(keys)

    async def page(self, bucket, prefix, *, after="", token="", delimiter=""):
        keys = [key for key in self.keys if key.startswith(prefix) and key > max(after, token)]
        if not delimiter:
            more = keys[999] if len(keys) > 1000 else None
            told = page_of(keys[:1000])
            return ListPage(told.keys, told.sizes, told.etags, told.modified_ms,
                            told.storage_classes, (), more)  # fmt: skip
        cut = {key: key.find(delimiter, len(prefix)) for key in keys}
        folders = sorted({key[: place + 1] for key, place in cut.items() if place >= 0})
        told = page_of([key for key, place in cut.items() if place < 0])
        return ListPage(told.keys, told.sizes, told.etags, told.modified_ms, told.storage_classes,
                        folders)  # fmt: skip


async def listed(keys, after):
    """The keys that the pieces of a bucket lead to, each piece listed as a task would."""
    bucket, found = Bucket(keys), []
    for piece in pieces("b", await branches(bucket, "b", "", few=64), after):
        if isinstance(piece, ListPage):
            found += piece.keys
            continue
        for prefix, begin in piece.begins:
            below = [key for key in bucket.keys if key.startswith(prefix) and key > begin]
            found += [key for key in below if key > after]
    return found


NAMES = st.lists(st.sampled_from(["a", "b", "a/", "b/", "é", "/", "z/"]), min_size=1, max_size=5)


@given(st.sets(NAMES.map("".join), max_size=40), st.one_of(st.just(""), NAMES.map("".join)))
async def test_pieces_lead_to_every_key_once_and_in_order(keys, after):
    assert await listed(keys, after) == sorted(key for key in keys if key > after)


async def test_a_listing_that_goes_on_cuts_the_same_tasks():
    keys = {f"{folder:03}/{number}" for folder in range(300) for number in range(3)}
    found = await branches(Bucket(keys), "b", "", few=64)
    whole = list(pieces("b", found, ""))
    rest = list(pieces("b", found, "150/1"))

    assert len(whole) <= MOST_TASKS
    assert rest == whole[-len(rest) :]
    assert ("150/", "") in rest[0].begins
    assert len(rest) < len(whole)


def test_a_name_says_all_that_a_part_depends_on_and_nothing_else():
    work = ListFolders("b", (("a/", ""),))
    name = named(work, REACH, "batch").name
    moved = Reach(StoreSettings(), {}, "us-east-1", "s3://elsewhere/parts", at_once=1)
    assert named(work, moved, "batch").name == name

    others = [
        named(ListFolders("b", (("a/", "a/1"),)), REACH, "batch"),
        named(ListFolders("c", (("a/", ""),)), REACH, "batch"),
        named(HeadRows(((1, "b", "a/", None),)), REACH, "batch"),
        named(work, REACH, "another"),
        named(work, Reach(StoreSettings(s3_endpoint_url="http://h"), {}, "", "/p"), "batch"),
        named(work, Reach(StoreSettings(), {"b": BucketSettings(via="https")}, "", "/p"), "batch"),
    ]
    assert len({name, *(each.name for each in others)}) == 1 + len(others)


def test_parts_of_one_thing_begin_alike_and_tell_nothing_of_it():
    label = label_of("s3://secret-project/")
    assert named(ListFolders("b", ()), REACH, label).name.startswith(label)
    assert "secret" not in label
    assert label != label_of("s3://secret-project")


def test_folders_that_stand_between_objects_are_cut_in_order():
    parts = [Branch("", page_of(["a"])), Branch("b/"), Branch("", page_of(["c"])), Branch("d/")]
    cut = list(pieces("x", parts, ""))
    assert [type(each) for each in cut] == [ListPage, ListFolders, ListPage, ListFolders]
