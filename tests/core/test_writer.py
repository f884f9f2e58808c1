"""Group commit: durable means durable for everyone in the group."""

import asyncio

import pytest

from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.writer import Writer
from migrator.errors import RunFailed


@pytest.fixture
def checkpoint(tmp_path):
    made = Checkpoint.create(tmp_path, {})
    yield made
    made.close()


async def test_many_changes_share_few_commits_and_each_gets_its_own_answer(checkpoint):
    commits = []
    writer = Writer(checkpoint, lambda _c: commits.append(1))
    answers = await asyncio.gather(
        *(writer.run(lambda c, n=n: (c.set_meta(str(n), "x"), n)[1]) for n in range(500))
    )
    await writer.close()
    assert answers == list(range(500))
    assert len(commits) < 500
    assert all(checkpoint.meta(str(n)) == "x" for n in range(500))


async def test_what_is_awaited_is_seen_by_another_connection(tmp_path, checkpoint):
    writer = Writer(checkpoint, lambda _c: None)
    await writer.run(lambda c: c.set_meta("a", "1"))
    other = Checkpoint.open(tmp_path)
    assert other.meta("a") == "1"
    other.close()
    await writer.close()


async def test_when_one_of_a_group_fails_nobody_of_it_believes_to_be_durable(checkpoint):
    writer = Writer(checkpoint, lambda _c: None)
    started = asyncio.Event()
    loop = asyncio.get_running_loop()
    gate = asyncio.Event()

    def hold(_checkpoint):
        loop.call_soon_threadsafe(started.set)
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()

    first = asyncio.ensure_future(writer.run(hold))
    await started.wait()
    good = asyncio.ensure_future(writer.run(lambda c: c.set_meta("good", "1")))
    bad = asyncio.ensure_future(writer.run(lambda _c: 1 / 0))
    await asyncio.sleep(0)  # both have joined the queue
    gate.set()
    await first
    results = await asyncio.gather(good, bad, return_exceptions=True)
    assert [type(result) for result in results] == [ZeroDivisionError, ZeroDivisionError]
    assert checkpoint.meta("good") is None
    await writer.run(lambda c: c.set_meta("later", "1"))
    await writer.close()
    assert checkpoint.meta("later") == "1"


async def test_a_disk_that_takes_no_more_is_told_as_such_and_nothing_is_half_written(checkpoint):
    writer = Writer(checkpoint, lambda _c: None)
    pages = checkpoint._db.execute("PRAGMA page_count").fetchone()[0]
    checkpoint._db.execute(f"PRAGMA max_page_count = {pages}")  # SQLITE_FULL, like a full disk
    with pytest.raises(RunFailed, match="cannot be written"):
        await writer.run(lambda c: [c.set_meta(str(n), "x" * 4000) for n in range(100)])
    assert checkpoint.meta("0") is None
    checkpoint._db.execute("PRAGMA max_page_count = 100000")
    await writer.run(lambda c: c.set_meta("0", "room again"))
    await writer.close()
    assert checkpoint.meta("0") == "room again"


async def test_a_change_that_must_not_be_is_not_told_as_a_full_disk(checkpoint):
    writer = Writer(checkpoint, lambda _c: None)
    with pytest.raises(RunFailed, match="must not be"):
        await writer.run(lambda c: c.set_meta("name", None))
    await writer.close()
