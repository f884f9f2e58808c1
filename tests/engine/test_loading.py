"""Rows into the checkpoint: duplicates are found however often loading was interrupted."""

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from migrator.checkpoint import identities
from migrator.checkpoint.store import Checkpoint
from migrator.engine import load as loading
from migrator.engine.load import OneAhead
from migrator.manifest.csv_file import CsvManifest
from migrator.manifest.inventory import InventoryManifest
from migrator.model import ManifestRow

KEYS = [f"k{number % 70:03d}" for number in range(100)]  # each of the first thirty stands twice


def ends(directory):
    checkpoint = Checkpoint.open(directory)
    found = [(t.row, t.key, t.state.value, t.message) for t in checkpoint.transfers_after(0, 1000)]
    indexed = identities.is_there(checkpoint._db)
    checkpoint.close()
    return found, indexed


def expected():
    return [
        (row, key, "imported", None)
        if row <= 70
        else (row, key, "skipped", f"the same object as row {row - 70}")
        for row, key in enumerate(KEYS, start=1)
    ]


async def test_a_further_row_of_an_object_is_skipped_and_names_the_first(bench):
    bench.manifest(*KEYS)
    await bench.run()
    assert ends(bench.directory) == (expected(), True)


class Killed(Exception):
    pass


@pytest.mark.parametrize("commits", range(1, 9))
async def test_loading_that_ends_anywhere_goes_on_to_the_same(bench, monkeypatch, commits):
    monkeypatch.setattr(loading, "BATCH", 1)
    bench.manifest(*KEYS)
    monkeypatch.setitem(CsvManifest.__init__.__kwdefaults__, "block_bytes", 128)
    add, left = Checkpoint.add_records, commits

    def add_some(self, *values):
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        add(self, *values)

    monkeypatch.setattr(Checkpoint, "add_records", add_some)
    with pytest.raises(Killed):
        await bench.run()
    found, indexed = ends(bench.directory)
    assert 0 < len(found) < len(KEYS)
    assert not indexed
    assert bench.platform.creates.total() == 0
    monkeypatch.setattr(Checkpoint, "add_records", add)
    await bench.run()
    assert ends(bench.directory) == (expected(), True)


SAMPLES = Path(__file__).parents[2] / "manifests"


async def test_an_inventory_goes_on_with_the_part_that_it_was_in(bench, monkeypatch):
    monkeypatch.setattr(loading, "BATCH", 1)
    [manifest] = SAMPLES.glob("sample-inventory/*/csv/*/manifest.json")
    inputs = replace(bench.settings.inputs, manifest=str(manifest))
    bench.settings = replace(bench.settings, inputs=inputs)
    opened, find = [], InventoryManifest._find

    def noted(self, file):
        opened.append(file.key.rpartition("/")[2])
        return find(self, file)

    monkeypatch.setattr(InventoryManifest, "_find", noted)
    add, left = Checkpoint.add_records, 1

    def add_some(self, *values):
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        add(self, *values)

    monkeypatch.setattr(Checkpoint, "add_records", add_some)
    with pytest.raises(Killed):
        await bench.run()
    assert opened == ["part-0.csv.gz", "part-1.csv.gz"]
    monkeypatch.setattr(Checkpoint, "add_records", add)
    opened.clear()
    await bench.run()
    assert opened == ["part-1.csv.gz"]
    assert [row for row, *_ in ends(bench.directory)[0]] == list(range(1, 9))


async def test_what_ends_while_duplicates_are_looked_for_is_done_anew(bench, monkeypatch):
    def fails(_db, _now_ms):
        raise Killed

    bench.manifest(*KEYS)
    settle = identities.settle
    monkeypatch.setattr(identities, "settle", fails)
    with pytest.raises(Killed):
        await bench.run()
    assert not ends(bench.directory)[1]
    monkeypatch.setattr(identities, "settle", settle)
    await bench.run()
    assert ends(bench.directory) == (expected(), True)


async def test_a_row_that_is_there_already_is_no_duplicate_but_an_error(bench):
    bench.manifest("a")
    await bench.run()
    checkpoint = Checkpoint.open(bench.directory)
    checkpoint._db.execute("DROP INDEX object_identity")
    rows = [ManifestRow(1, "bucket", "b")]
    with pytest.raises(Exception, match="taken already"):
        checkpoint.add_rows(1, rows, "", 1)
    checkpoint.close()


def test_the_indexes_that_are_put_aside_are_made_again_as_the_schema_has_them(tmp_path):
    checkpoint = Checkpoint.create(tmp_path, {"batch": "b"})

    def indexes():
        found = checkpoint._db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index'")
        return {name: " ".join((sql or "").split()) for name, sql in found}

    before = indexes()
    checkpoint.begin_rows()
    assert set(before) - set(indexes()) == {"object_identity", "object_open"}
    checkpoint.settle_rows(1)
    assert indexes() == before
    checkpoint.close()


async def test_a_lane_keeps_the_order_and_raises_what_its_work_raises():
    done = []

    async def work(number):
        done.append(number)
        if number == 3:
            raise sqlite3.OperationalError("full")

    async with OneAhead() as lane:
        for number in range(3):
            await lane.put(lambda n=number: work(n))
    assert done == [0, 1, 2]
    with pytest.raises(sqlite3.OperationalError):
        async with OneAhead() as lane:
            await lane.put(lambda: work(3))


@pytest.mark.parametrize("ends", ["an error", "a stop"])
async def test_what_was_put_before_the_end_is_done_whatever_ends_it(ends):
    """Not called back while its transaction runs: what that reads would be shut under it."""
    goes_on, done = asyncio.Event(), []

    async def work(number):
        await goes_on.wait()
        done.append(number)

    async def put():
        async with OneAhead() as lane:
            await lane.put(lambda: work(1))
            if ends == "an error":
                raise Killed
            await lane.put(lambda: work(2))

    async def let_others_go_on():
        for _ in range(9):
            await asyncio.sleep(0)

    task = asyncio.ensure_future(put())
    await let_others_go_on()
    if ends == "a stop":
        task.cancel()
        await let_others_go_on()
    goes_on.set()
    with pytest.raises((Killed, asyncio.CancelledError)):
        await task
    assert done == [1]
