import asyncio
import sqlite3

import pytest

from migrator.sandbox.writing import GroupWriter, open_database


@pytest.fixture
async def writer(tmp_path):
    writer = GroupWriter(tmp_path / "some.db")
    await writer.ask(lambda connection: connection.execute("CREATE TABLE t (n INTEGER UNIQUE)"))
    yield writer
    await writer.close()


def insert(number):
    return lambda connection: connection.execute("INSERT INTO t VALUES (?)", (number,)).lastrowid


async def test_writes_asked_for_together_are_committed_together(writer, tmp_path):
    commits = []
    writer._connection.set_trace_callback(
        lambda statement: commits.append(statement) if statement == "COMMIT" else None
    )
    await asyncio.gather(*(writer.ask(insert(number)) for number in range(300)))
    assert len(commits) < 100


async def test_an_answered_write_is_on_disk(writer, tmp_path):
    await writer.ask(insert(1))
    other = open_database(tmp_path / "some.db")
    assert other.execute("SELECT n FROM t").fetchone()[0] == 1
    other.close()


async def test_a_bad_write_fails_alone(writer):
    asked = [writer.ask(insert(number)) for number in (1, 2, 1, 3)]
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(results[2], sqlite3.IntegrityError)
    assert await writer.ask(lambda c: c.execute("SELECT count(*) FROM t").fetchone()[0]) == 3


async def test_a_write_whose_asker_has_gone_is_done_all_the_same(writer):
    writer.ask(insert(1)).cancel()
    assert await writer.ask(lambda c: c.execute("SELECT count(*) FROM t").fetchone()[0]) == 1


async def test_closing_finishes_what_was_asked_for(tmp_path):
    writer = GroupWriter(tmp_path / "other.db")
    writer.ask(lambda connection: connection.execute("CREATE TABLE t (n INTEGER)"))
    for number in range(2000):
        writer.ask(insert(number))
    await writer.close()
    other = open_database(tmp_path / "other.db")
    assert other.execute("SELECT count(*) FROM t").fetchone()[0] == 2000
    other.close()
