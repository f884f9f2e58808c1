"""The picture of a run: everything on it, at any size, whoever wrote what it shows."""

import io
import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from migrator.cli.picture import picture, shortened
from migrator.cli.words import duration, size
from migrator.engine.snapshot import Problem
from tests.pictures.snapshots import MOMENTS, snapshot

ESCAPE = re.compile("\x1b\\[[0-9;]*m")


def painted(moment, columns=79, lines=23, **how):
    how = {"force_terminal": True, "color_system": "truecolor", **how}
    console = Console(file=io.StringIO(), width=columns, **how)
    console.print(picture(moment, console, lines))
    return console.file.getvalue()


def words(moment, columns=79, lines=23):
    return ESCAPE.sub("", painted(moment, columns, lines))


@settings(deadline=None)
@given(
    st.integers(1, 250), st.integers(1, 60), st.sampled_from(sorted(MOMENTS)),
    st.text(max_size=300) | st.sampled_from(["映画" * 200, "\x1b[2J", "[red]x[/red]"]),
)  # fmt: skip
def test_it_fits_whatever_the_size_of_the_terminal_and_whatever_others_say(
    columns, lines, name, said
):
    problem = Problem(row=1, outcome=said, reason=said, place=said, message=said)
    moment = msgspec.structs.replace(MOMENTS[name], waiting_for=said, problems=(problem,) * 5)
    shown = words(moment, columns, lines).splitlines()
    assert len(shown) <= lines
    assert max(map(cell_len, shown)) <= columns
    assert all(each.isprintable() for each in shown)


@pytest.mark.parametrize("columns", [79, 139])
def test_everything_an_operator_asks_for_is_on_it(columns):
    shown = words(snapshot(waiting_for="the quota: next window in 12 s"), columns, 23)
    for asked in (
        "migrating", "611,204/1,000,000 rows", "61%",
        "592,310 imported (41.8 TB)", "12,004 rejected", "5,811 missing", "187 failed",
        "892 skipped",
        "1,139 calls/min now", "1,141 average", "1,140 allowed of 1,200 announced",
        "598,112 submit", "9,120 list", "151 status", "22 restart", "7 other", "0 throttled",
        "3,774 of 5,000 in flight", "268.4 GB",
        "8 h 52 min so far", "all sent in about 5 h 40 min", "all ended in about 5 h 43 min",
        "2 answers", "for the quota: next window in 12 s",
        "failed/copy_failed row 611,188", "rejected/empty_object row 611,202",
    ):  # fmt: skip
        assert asked in shown, asked


def test_what_waits_is_shown_in_full_where_it_is_long():
    why = "the source does not answer (bucket archive-2009: a reason that goes on for a while)"
    assert why in " ".join(words(snapshot(waiting_for=why)).split())


def test_in_a_low_terminal_the_problems_give_way_and_what_is_waited_for_stays():
    moment = snapshot(waiting_for="the quota")
    assert "rejected/empty_object" not in words(moment, lines=10)
    assert "for the quota" in words(moment, lines=10)
    assert "611,204/1,000,000" in words(moment, lines=1)


def test_an_outcome_is_told_by_its_word_and_not_by_colour_alone():
    coloured = painted(snapshot())
    assert re.search("\x1b\\[[0-9;]*31m187 failed", coloured)
    assert "187 failed" in painted(snapshot(), color_system=None)


def test_a_hundred_percent_is_said_of_what_is_done():
    assert " 99%" in words(snapshot(done=999_999))
    assert "100%" in words(snapshot(done=1_000_000))


def test_others_words_are_no_markup():
    assert "[red]x[/red]" in words(snapshot(waiting_for="[red]x[/red]"))


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])), st.integers(0, 90))
def test_a_place_is_cut_in_its_middle_to_the_cells_there_are(text, cells):
    short = shortened(text, cells)
    assert short == text or cell_len(short) <= max(1, cells)


def test_the_end_of_a_key_is_kept_since_it_tells_most():
    key = "s3://broadcast-masters/1987/autumn/evening-news-1987-10-16.mxf"
    short = shortened(key, 30)
    assert short.startswith("s3://")
    assert short.endswith("1987-10-16.mxf")
    assert cell_len(short) == 30


@pytest.mark.parametrize(
    ("size_bytes", "told"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (268_400_000_000, "268.4 GB"),
     (10**22, "10,000.0 EB")],
)  # fmt: skip
def test_sizes_are_told_in_powers_of_a_thousand(size_bytes, told):
    assert size(size_bytes) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.4, "0 s"), (61, "1 min 01 s"), (3_660, "1 h 01 min"), (200_000, "2 d 07 h")],
)
def test_durations_are_told_in_two_units(seconds, told):
    assert duration(seconds) == told
