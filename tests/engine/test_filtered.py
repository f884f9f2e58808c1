"""Filters in a run: by the manifest at once, by the HEAD where the manifest does not tell."""

from dataclasses import replace

import pytest
from fakes.listing import page_of

from migrator.checkpoint.store import Checkpoint
from migrator.errors import UsageError
from migrator.model import Outcome
from migrator.report import write_reports
from migrator.settings import FilterSettings, SourceSettings, check_settings
from migrator.source.answers import ObjectFacts


def filtering(bench, **filters):
    inputs = replace(bench.settings.inputs, filters=FilterSettings(**filters))
    bench.settings = replace(bench.settings, inputs=inputs)


def with_preflight(bench):
    bench.settings = replace(bench.settings, source=SourceSettings())


def reasons(rows):
    return {key: str(row.reason) for key, row in rows.items()}


class Shelf:
    """A source that holds these objects; it counts the HEADs."""

    def __init__(self, **sizes):
        self.sizes = sizes
        self.heads = []

    async def head(self, bucket, key, _asked):
        self.heads.append(key)
        return ObjectFacts(self.sizes[key], "etag", 86_400_000)

    async def page(self, bucket, prefix, *, after="", token="", delimiter=""):
        facts = [(key, ObjectFacts(size, "etag", 86_400_000)) for key, size in self.sizes.items()]
        return page_of(sorted(one for one in facts if one[0] > after))


async def test_what_the_manifest_tells_leaves_rows_out_before_anything_is_asked(bench):
    lines = ["bucket,a,5", "bucket,b,99", "bucket,c,", "bucket,a,70"]
    bench.manifest(header="bucket,key,size", lines=lines)
    filtering(bench, min_size=10)
    with_preflight(bench)
    source = Shelf(a=100, b=100, c=4)
    await bench.run(source)
    checkpoint = Checkpoint.open(bench.directory)
    found = [(t.key, str(t.reason), t.decided_by) for t in checkpoint.transfers_after(0, 9)]
    summary = write_reports(checkpoint, bench.directory)
    checkpoint.close()
    assert found == [
        ("a", "filtered", "manifest"),
        ("b", "copied", "platform"),
        ("c", "filtered", "preflight"),
        ("a", "copied", "platform"),
    ]
    assert sorted(source.heads) == ["a", "b", "c"]
    assert summary.reasons == {"copied": 2, "filtered": 2}
    assert summary.listing_filtered == 0
    assert summary.outcomes[Outcome.SKIPPED] == 2


async def test_a_row_that_is_left_out_needs_no_project(bench):
    lines = ["bucket,a,", "bucket,b,99999999-9999-4999-8999-999999999999"]
    bench.manifest(header="bucket,key,project_id", lines=lines)
    filtering(bench, include=("- b",))
    assert reasons(await bench.run()) == {"a": "copied", "b": "filtered"}


async def test_of_a_listing_what_is_left_out_is_only_counted(bench):
    inputs = replace(bench.settings.inputs, prefix=("s3://bucket/",))
    bench.settings = replace(bench.settings, inputs=inputs)
    filtering(bench, max_size=100, include=("- d",))
    rows = await bench.run(Shelf(a=100, b=101, c=100, d=1))
    assert reasons(rows) == {"a": "copied", "c": "copied"}
    checkpoint = Checkpoint.open(bench.directory)
    summary = write_reports(checkpoint, bench.directory)
    checkpoint.close()
    assert (summary.listing_filtered, summary.manifest.rows) == (2, 2)


async def test_a_prefix_of_which_nothing_is_wanted_is_an_empty_batch_and_no_error(bench):
    inputs = replace(bench.settings.inputs, prefix=("s3://bucket/",))
    bench.settings = replace(bench.settings, inputs=inputs)
    filtering(bench, suffix=(".mov",))
    assert await bench.run(Shelf(a=5)) == {}
    checkpoint = Checkpoint.open(bench.directory)
    summary = write_reports(checkpoint, bench.directory)
    checkpoint.close()
    assert summary.complete
    assert summary.listing_filtered == 1


async def test_the_filters_of_a_batch_stay_once_it_has_begun(bench):
    bench.manifest("a", "b")
    filtering(bench, include=("- b",))
    await bench.run()
    bench.refuses_now(lambda: filtering(bench), "other filters")


def test_a_manifest_without_preflight_cannot_be_filtered_by_what_only_a_head_tells(bench):
    bench.manifest("a")
    filtering(bench, min_size=1)
    with pytest.raises(UsageError, match="--no-preflight does not go with"):
        check_settings(bench.settings)
    filtering(bench, suffix=(".mov",))
    check_settings(bench.settings)
