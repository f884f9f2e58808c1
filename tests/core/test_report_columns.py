import random
import threading
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from migrator.checkpoint.packing import pack_etag, pack_id, unpack_etag, unpack_id
from migrator.report import unpacked
from migrator.report.columnar import TIME, all_bytes, first_bytes, times
from migrator.report.sideline import AHEAD, Sideline
from migrator.report.words import iso_utc

IDS = ["123e4567-e89b-12d3-a456-426614174000", "00000000-0000-0000-0000-000000000000", None]
ETAGS = ["0" * 32, "d41d8cd98f00b204e9800998ecf8427e", f"{'ab' * 16}-1", f"{'cd' * 16}-10000", None]
ODD = ["123E4567-E89B-12D3-A456-426614174000", "video-1", "", f'"{"0" * 32}"', f"{'ab' * 16}-0"]


@pytest.mark.parametrize(
    ("texts", "pack", "unpack", "column"),
    [
        (IDS, pack_id, unpack_id, unpacked.ids),
        (ETAGS, pack_etag, unpack_etag, unpacked.etags),
    ],
)
@pytest.mark.parametrize("odd", [[], ODD])
def test_a_column_of_ids_reads_as_each_of_them_does(texts, pack, unpack, column, odd):
    chance = random.Random(1)
    for size in (1, 2, 50):
        stored = [pack(chance.choice(texts + odd)) for _ in range(size)]
        found = column(stored)
        assert found.type == pa.string()
        assert found.to_pylist() == [unpack(each) for each in stored]
    assert column([None, None]).to_pylist() == [None, None]


def test_a_column_of_times_reads_as_each_of_them_does():
    chance = random.Random(1)
    latest = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp() * 1000)
    ms = [None, 0, 1, 999, 86_399_999, 86_400_000, 951_782_400_000, latest]
    ms += [chance.randrange(latest) for _ in range(200)]
    expected = [None if each is None else iso_utc(each) for each in ms]
    assert times(pa.array(ms, TIME)).to_pylist() == expected
    assert times(pa.array([None], TIME)).to_pylist() == [None]


def test_a_time_of_no_year_of_four_digits_is_told_all_the_same():
    before = int(timedelta(days=-1) / timedelta(milliseconds=1))
    (early, usual, late) = times(pa.array([before, 0, 253_402_300_800_000], TIME)).to_pylist()
    assert (early, usual) == ("1969-12-31T00:00:00.000Z", "1970-01-01T00:00:00.000Z")
    assert late.endswith("10000-01-01T00:00:00.000Z")


def test_the_bytes_of_a_part_of_a_column_are_its_own():
    column = pa.array(["ab", "", None, "éc", "d"])
    assert (bytes(first_bytes(column)), all_bytes(column)) == (b"a\xc3d", "abécd".encode())
    part = column.slice(3, 1)
    assert (bytes(first_bytes(part)), all_bytes(part)) == (b"\xc3", "éc".encode())
    assert all_bytes(pa.array([None, ""], pa.string())) == b""


def test_work_on_the_sideline_is_done_in_order_and_its_failure_is_told():
    done = []
    with Sideline() as beside:
        for number in range(20):
            beside.put(lambda number=number: done.append(number))
        beside.drain()
        assert done == list(range(20))

        def fail():
            raise OSError("no room")

        beside.put(fail)
        with pytest.raises(OSError, match="no room"):
            beside.drain()


def test_no_more_waits_on_the_sideline_than_is_allowed_and_what_waits_at_its_end_is_not_begun():
    began, go_on, done = threading.Event(), threading.Event(), []

    def work():
        began.set()
        go_on.wait()
        done.append(len(done))

    with Sideline() as beside:
        for _ in range(AHEAD):
            beside.put(work)
        began.wait()
        more = threading.Thread(target=lambda: beside.put(work))
        more.start()
        assert len(beside._work) <= AHEAD
        go_on.set()
        more.join()
        beside.drain()
    assert done == list(range(AHEAD + 1))
    with pytest.raises(RuntimeError):
        beside.put(work)
