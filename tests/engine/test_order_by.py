"""`--order-by`: rows go by the sizes that their sources tell, and in no other order for what comes
of them."""

from dataclasses import replace

import pytest
from fakes.listing import page_of

from migrator.checkpoint import order
from migrator.checkpoint.store import Checkpoint
from migrator.engine import feed
from migrator.model import ManifestRow
from migrator.settings import SourceSettings, StoppingSettings
from migrator.source.answers import ObjectFacts

SIZES = {"a": "30", "b": "", "c": "5", "d": "many", "e": "700", "f": "5"}

ASCENDING = ["c", "f", "a", "e", "b", "d"]
"""Equal sizes, and rows of which no size is told, in the order of rows."""

DESCENDING = ["e", "a", "c", "f", "b", "d"]


def ordering(bench, order_by, **pace):
    """One request at a time, so that the order on the wire is the order of rows."""
    inputs = replace(bench.settings.inputs, order_by=order_by)
    pace = replace(bench.settings.pace, max_concurrency=1, **pace)
    bench.settings = replace(bench.settings, inputs=inputs, pace=pace)


def sized(bench, sizes):
    lines = [f"bucket,{key},{size}" for key, size in sizes.items()]
    bench.manifest(header="bucket,key,size", lines=lines)


def sent(bench):
    return [body["objectKey"] for body in bench.platform.bodies]


@pytest.mark.parametrize(
    ("order_by", "expected"),
    [("manifest", list(SIZES)), ("size-asc", ASCENDING), ("size-desc", DESCENDING)],
)
@pytest.mark.parametrize("chunk", [1, 2, 500])
async def test_rows_go_by_the_size_that_the_manifest_tells(
    bench, monkeypatch, order_by, expected, chunk
):
    monkeypatch.setattr(feed, "CHUNK", chunk)
    sized(bench, SIZES)
    ordering(bench, order_by)
    await bench.run()
    assert sent(bench) == expected


class Shelf:
    """A source that lists and heads these objects."""

    def __init__(self, sizes):
        self.sizes = sizes

    async def head(self, _bucket, key, *_asked):
        return ObjectFacts(self.sizes[key], "etag", 1)

    async def page(self, _bucket, _prefix, *, after="", **_rest):
        facts = [(key, ObjectFacts(size, "etag", 1)) for key, size in self.sizes.items()]
        return page_of(sorted(one for one in facts if one[0] > after))


async def test_rows_of_a_manifest_and_of_listings_go_by_one_order(bench):
    bench.manifest(header="bucket,key,size", lines=["other,m,20", "other,n,4"])
    ordering(bench, "size-asc")
    inputs = replace(bench.settings.inputs, prefix=("s3://bucket/",))
    bench.settings = replace(bench.settings, inputs=inputs)
    await bench.run(Shelf({"x": 10, "y": 3, "z": 30}))
    assert sent(bench) == ["y", "n", "x", "m", "z"]


async def test_what_a_head_tells_moves_no_row(bench):
    sized(bench, SIZES)
    ordering(bench, "size-asc")
    bench.settings = replace(bench.settings, source=SourceSettings())
    bench.platform.submits = {"c": ["429"]}
    true = Shelf({key: 1000 - number for number, key in enumerate(SIZES)})
    rows = await bench.run(true)
    assert [key for key in sent(bench) if key != "c"] == [key for key in ASCENDING if key != "c"]
    assert {key: row.size_bytes for key, row in rows.items()} == true.sizes


async def test_a_run_that_ended_early_goes_on_in_the_same_order(bench):
    sized(bench, SIZES)
    ordering(bench, "size-desc")
    posts = 0

    def end(_platform, operation):
        nonlocal posts
        posts += operation == "submit"
        if posts == 2:
            bench.stop.interrupt()

    bench.platform.on_call = end
    await bench.run()
    assert sent(bench) == DESCENDING[:2]
    bench.platform.on_call = None
    await bench.run()
    assert sent(bench) == DESCENDING


async def test_the_canary_is_the_first_of_that_order(bench):
    sized(bench, SIZES)
    ordering(bench, "size-asc")
    bench.settings = replace(bench.settings, stopping=StoppingSettings(canary=2))
    bench.platform.copies = {"f": 9}
    await bench.run()
    assert sent(bench) == ["c", "f"]


async def test_a_batch_keeps_its_order_once_it_has_begun(bench):
    sized(bench, SIZES)
    ordering(bench, "size-asc")
    await bench.run()
    bench.refuses_now(lambda: ordering(bench, "size-desc"), "begun with --order-by size-asc")


def indexes(checkpoint):
    found = checkpoint._db.execute("SELECT name FROM sqlite_master WHERE type = 'index'")
    return {name for (name,) in found}


@pytest.mark.parametrize("order_by", ["manifest", "size-asc"])
async def test_the_order_of_the_manifest_costs_no_index_and_no_place(bench, order_by):
    sized(bench, SIZES)
    ordering(bench, order_by)
    await bench.run()
    checkpoint = Checkpoint.open(bench.directory)
    placed = checkpoint._db.execute("SELECT count(place) FROM object").fetchone()[0]
    assert placed == (0 if order_by == "manifest" else len(SIZES))
    assert ("object_pending_by_place" in indexes(checkpoint)) == (order_by != "manifest")
    checkpoint.begin_rows()
    checkpoint.close()


def test_rows_that_are_read_anew_leave_no_index_of_another_order(tmp_path):
    checkpoint = Checkpoint.create(tmp_path, {"batch": "b"})
    before = indexes(checkpoint)
    for order_by in ("size-asc", "size-desc", "manifest"):
        checkpoint.forget_sources()
        checkpoint.begin_rows()
        checkpoint.add_source(1, "manifest", "m", ["bucket", "key"], "")
        checkpoint.add_rows(1, [ManifestRow(1, "bucket", "k")], "", 1)
        checkpoint.settle_rows(1, order_by)
        assert indexes(checkpoint) - before == (
            set() if order_by == "manifest" else {"object_pending_by_place"}
        )
    checkpoint.close()


async def test_what_a_plan_has_against_rows_counts_for_the_rows_of_a_chunk_alone(bench):
    sized(bench, {"a": "3", "b": "1", "c": "2"})
    await bench.run()
    checkpoint = Checkpoint.open(bench.directory)
    try:
        for row in (1, 2, 3):
            checkpoint._db.execute(
                "INSERT INTO foreseen VALUES (?, 'archived', 'preflight', NULL, NULL, NULL)", (row,)
            )
        assert set(checkpoint.foreseen_of([3, 1])) == {1, 3}
        assert checkpoint.foreseen_of([]) == {}
    finally:
        checkpoint.close()


def test_no_size_that_can_be_told_comes_behind_the_rows_without_one():
    largest = 10**18 - 1
    assert order.place("size-asc", largest) < order.place("size-asc", None)
    assert order.place("size-desc", 0) < order.place("size-desc", None)
    assert order.place("manifest", 5) is None
