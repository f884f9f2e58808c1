"""Walking a prefix: every object once and in order, whatever its folders look like."""

import asyncio
import random
from dataclasses import replace
from functools import partial

import pytest
from fakes.listing import page_of

from migrator.source import chains
from migrator.source.answers import ObjectFacts, SourceUnreachable
from migrator.source.chains import Chain, Chains
from migrator.source.walk import Walks, walk

FACTS = ObjectFacts(5, "e", 1)


class Bucket:
    """ListObjectsV2 over these keys, in pages of `most`; `fails_at` is a question that is lost."""

    def __init__(self, keys, most=3, fails_at=None):
        self.keys = sorted(keys, key=str.encode)
        self.most = most
        self.asked = []
        self.fails_at = fails_at

    async def page(self, bucket, prefix, *, after="", token="", delimiter=""):
        self.asked.append((prefix, after, token, delimiter))
        if len(self.asked) == self.fails_at:
            raise SourceUnreachable("timed out")
        begin = (token or after).encode()
        names = []
        for key in self.keys:
            if not key.startswith(prefix) or key.encode() <= begin:
                continue
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            name = key if cut < 0 else key[: cut + 1]
            if name not in names[-1:]:
                names.append(name)
            if len(names) > self.most:
                break
        shown = names[: self.most]
        folders = [name for name in shown if delimiter and delimiter in name[len(prefix) :]]
        last = (shown or [""])[-1]
        return page_of(
            [(name, FACTS) for name in shown if name not in folders],
            folders=folders,
            next_token=last + "\U0010ffff" * (last in folders) if len(names) > len(shown) else None,
        )


async def keys_of(bucket, prefix="", after=""):
    return [key async for page in walk(bucket, "b", prefix, after) for key in page.keys]


SHAPES = {
    "nothing": [],
    "one object": ["a"],
    "one folder": [f"f/{n}" for n in range(10)],
    "folders in folders": [f"top/{a}/{b}/{c}" for a in "xyz" for b in "12" for c in "αβ"],
    "objects between folders": ["a", "b/1", "b/2", "c", "d/1", "e", "f/g/h", "z"],
    "a folder's placeholder": ["p/", "p/a", "p.txt", "p0", "p!"],
    "more folders than a page has": [f"{n:02d}/{k}" for n in range(7) for k in "ab"],
    "empty names": ["/a", "//b", "a//b", "a///", "/"],
}


@pytest.mark.parametrize("most", [1, 2, 3, 1000])
@pytest.mark.parametrize("shape", SHAPES)
async def test_every_object_comes_once_and_in_order_wherever_it_begins(shape, most):
    keys = sorted(SHAPES[shape], key=str.encode)
    assert await keys_of(Bucket(keys, most)) == keys
    for place, key in enumerate(keys):
        assert await keys_of(Bucket(keys, most), after=key) == keys[place + 1 :]


async def test_buckets_drawn_at_random_are_walked_whole_under_any_prefix():
    for seed in range(300):
        chance = random.Random(seed)
        letters = chance.choice(["ab/", "a/", "a/!0ü"])
        drawn = ("".join(chance.choices(letters, k=chance.randint(1, 6))) for _ in range(40))
        keys = sorted(set(drawn), key=str.encode)
        bucket = Bucket(keys, chance.randint(1, 9))
        prefix = chance.choice(["", "a", "a/", "b"])
        wanted = [key for key in keys if key.startswith(prefix)]
        after = chance.choice(["", *wanted])
        behind = [key for key in wanted if key.encode() > after.encode()]
        assert await keys_of(bucket, prefix, after) == behind, seed


async def test_a_flat_prefix_costs_no_question_more_than_a_plain_listing():
    bucket = Bucket([f"f/{n:03d}" for n in range(100)], most=10)
    assert len(await keys_of(bucket, "f/")) == 100
    assert len(bucket.asked) == 10


LONG = {
    "numbers": [f"f/{n:08d}.mov" for n in range(4000)],
    "hexadecimal": [f"f/{n * 2_654_435_761 % 2**32:08x}" for n in range(4000)],
    "words": [f"{a}{b}{c}" for a in "Pqßé" for b in "aeiouäöü" for c in map(str, range(125))],
    "one beginning": [f"f/{'x' * 50}{n:05d}" for n in range(4000)],
}


class Gate(Bucket):
    """Takes its time, so that what is asked at once is seen."""

    async def page(self, bucket, prefix, **more):
        self.open = getattr(self, "open", 0) + 1
        self.most_open = max(self.open, getattr(self, "most_open", 0))
        for _ in range(20):
            await asyncio.sleep(0)
        self.open -= 1
        return await super().page(bucket, prefix, **more)


@pytest.mark.parametrize("shape", LONG)
async def test_a_long_flat_prefix_is_read_by_several_at_once_for_a_quarter_more(shape):
    keys = sorted(LONG[shape], key=str.encode)
    bucket = Gate(keys, most=10)
    assert await keys_of(bucket) == keys
    assert len(bucket.asked) <= 1.25 * len(keys) / 10 + 2
    assert bucket.most_open >= 8


@pytest.mark.parametrize("free", [False, True])
async def test_what_is_split_is_whole_and_in_order_wherever_it_begins(monkeypatch, free):
    if free:  # as many looks as there can be
        monkeypatch.setattr(chains, "PAGES_ALONE", 0)
        monkeypatch.setattr(chains, "PAGES_A_LOOK", 0)
    for seed in range(200):
        chance = random.Random(seed)
        letters = chance.choice(["01", "0123456789", "a\ud7ff\ue000\U0010ffff", "ab/é"])
        drawn = ("".join(chance.choices(letters, k=chance.randint(1, 9))) for _ in range(150))
        keys = sorted(set(drawn), key=str.encode)
        bucket = Bucket(keys, chance.randint(1, 9))
        prefix = chance.choice(["", letters[0]])
        wanted = [key for key in keys if key.startswith(prefix)]
        after = chance.choice(["", *wanted])
        behind = [key for key in wanted if key.encode() > after.encode()]
        assert await keys_of(bucket, prefix, after) == behind, seed


async def chained(bucket):
    chain = Chains(partial(bucket.page, "b"), [Chain("")])
    return [key async for page in chain.pages() for key in page.keys]


class Stubborn(Bucket):
    """Begins at the first key whatever place it is told, but for its own tokens."""

    async def page(self, bucket, prefix, *, after="", token="", delimiter=""):
        return await super().page(bucket, prefix, token=token, delimiter=delimiter)


async def test_a_store_that_does_not_begin_behind_a_key_is_read_as_a_whole(monkeypatch):
    monkeypatch.setattr(chains, "PAGES_ALONE", 0)
    monkeypatch.setattr(chains, "PAGES_A_LOOK", 0)
    keys = sorted(LONG["numbers"][:500])
    assert await chained(Stubborn(keys, most=10)) == keys


async def test_a_store_with_an_order_of_its_own_is_read_as_a_whole_or_not_at_all(monkeypatch):
    class Backwards(Bucket):
        async def page(self, *place, **more):
            page = await super().page(*place, **more)
            return page.where(range(len(page.keys))[::-1]) if not page.next_token else replace(
                page.where(range(len(page.keys))[::-1]), next_token=page.next_token
            )  # fmt: skip

    keys = sorted(LONG["numbers"][:500])
    assert sorted(await chained(Backwards(keys, most=10))) == keys


def test_a_place_lies_behind_the_page_and_under_its_prefix():
    assert chains.place_beyond("f/00010000", "f/00010999", 2) == "f/0002"
    assert chains.place_beyond("f/a", "f/c", 2) == "f/d"
    assert chains.place_beyond("f/1a", "f/1c", 2) == "f/2"
    assert chains.place_beyond("\ud7ff\ud7ff", "\ud7ff\ud7ffa", 0) == "\ue000"
    assert chains.place_beyond("a", "\U0010ffff", 0) is None
    assert chains.place_beyond("f/x", "f/x", 3) is None


async def test_folders_are_asked_at_once():
    bucket = Bucket([f"{n:02d}/{k}" for n in range(20) for k in "abc"], most=1000)
    pages = walk(bucket, "b", "")
    await anext(pages)
    assert {prefix for prefix, *_ in bucket.asked} == {"", *(f"{n:02d}/" for n in range(20))}
    await pages.aclose()


async def test_no_more_is_fetched_than_is_bounded_and_nothing_goes_on_after_an_early_end():
    keys = [f"{n:02d}/{k:03d}" for n in range(99) for k in range(50)]
    bucket = Bucket(keys, most=100)
    pages = walk(bucket, "b", "")
    await anext(pages)
    assert len(bucket.asked) < 2 + (chains.PAGES_AHEAD + 2) * chains.AT_ONCE
    await pages.aclose()
    asked = len(bucket.asked)
    for _ in range(10):
        await asyncio.sleep(0)
    assert asked == len(bucket.asked)


@pytest.mark.parametrize("fails_at", range(1, 8))
async def test_a_question_that_is_lost_ends_the_walk_after_what_was_whole_before(fails_at):
    keys = [f"{n}/{k}" for n in range(3) for k in "ab"]
    bucket = Bucket(keys, most=5, fails_at=fails_at)
    found, error = [], None
    try:
        async for page in walk(bucket, "b", ""):
            found += page.keys
    except SourceUnreachable as raised:
        error = raised
    assert found == keys[: len(found)]
    assert (error is None) == (found == keys) == (len(bucket.asked) < fails_at)


async def test_a_question_that_is_lost_leaves_none_of_the_others_behind():
    class Slow(Bucket):
        async def page(self, bucket, prefix, **more):
            if prefix and len(self.asked) != 2:  # the last folder's question is lost at once
                self.asked.append(prefix)
                await asyncio.Event().wait()
            return await super().page(bucket, prefix, **more)

    bucket = Slow([f"{n}/k" for n in range(2)], fails_at=3)
    with pytest.raises(SourceUnreachable):
        await keys_of(bucket)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_walks_come_one_after_the_other_and_the_next_ones_have_begun():
    bucket = Bucket([f"{n}-{k}" for n in range(6) for k in "ab"], most=1000)
    async with Walks(bucket, [("b", f"{n}-", "") for n in range(6)]) as walks:
        first = [page.keys async for page in walks.next()]
        assert first == [["0-a", "0-b"]]
        rest = [key for _ in range(5) async for page in walks.next() for key in page.keys]
    assert rest == bucket.keys[2:]


async def test_walks_that_nobody_reads_to_their_end_leave_no_task_behind():
    bucket = Bucket([f"{n:03d}" for n in range(100)], most=2)
    async with Walks(bucket, [("b", "", "") for _ in range(6)]) as walks:
        async for _ in walks.next():
            break


async def test_looks_that_are_in_vain_become_rare():
    keys = ["a" * length for length in range(1, 1001)]  # behind each page but its own kind
    bucket = Bucket(keys, most=5)
    assert await chained(bucket) == keys
    assert len(bucket.asked) <= 200 + 8
