"""The report of a large batch, some of which went wrong: written, and opened in a browser."""

import asyncio
import statistics
import time
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from migrator.checkpoint.store import Checkpoint
from migrator.report import write_reports
from migrator.report.tables import CHUNK_ROWS
from tests.benchmarks.children import Stopwatch, measured, peak_memory_mb
from tests.benchmarks.table import Line, against
from tests.browser import opened
from tests.pictures.batches import make

LONGEST_S, LARGEST_MB, MOST_MB = 2.0, 15.0, 250.0
"""Opening the page, its size, and the memory of writing all files."""

OPENINGS, ROUNDS = 3, 3


def measure(scale, directory):
    """Seconds, memory and bytes of the report, each in a process of its own; opening the page."""
    rows = scale.report_rows
    batch = directory / "batch"
    measured(make_batch, directory=batch, rows=rows)
    written, theirs = [], []
    for _ in range(ROUNDS):  # in turns, so that both meet the same machine
        written.append(measured(write, directory=batch))
        theirs.append(measured(write_from_memory, directory=batch)["wall_s"])
    ours_s, peer_s = (
        statistics.median(each["wall_s"] for each in written),
        statistics.median(theirs),
    )
    peak_mb = max(each["peak_mb"] for each in written)
    size_mb = (batch / "report.html").stat().st_size / 1e6
    opening_s = asyncio.run(_opening_s((batch / "report.html").as_uri()))
    part = f"Report of {rows:,} rows"
    return [
        Line(part=part, what="all files written", figure=ours_s, unit="s",
             **against("pyarrow, both tables", ours_s, peer_s), limit="<= 3",
             note="the same tables, held in memory, in the same row groups and compression; ours "
             "come from the checkpoint, with the page, retry.csv, digests and syncs"),
        Line(part=part, what="memory at the peak", figure=peak_mb, unit="MB",
             **against("limit", peak_mb, MOST_MB), limit="<= 1"),
        Line(part=part, what="the page", figure=size_mb, unit="MB",
             **against("limit", size_mb, LARGEST_MB), limit="<= 1"),
        Line(part=part, what="opened in Chromium, rows shown", figure=opening_s, unit="s",
             **against("limit", opening_s, LONGEST_S), limit="<= 1",
             note="from asking for the page until its first problem rows are there"),
    ]  # fmt: skip


def make_batch(directory, rows):
    make(Path(directory), rows).close()


def write(directory):
    checkpoint = Checkpoint.open(Path(directory))
    try:
        watch = Stopwatch()
        write_reports(checkpoint, Path(directory))
        return {**watch.read(), "peak_mb": peak_memory_mb()}
    finally:
        checkpoint.close()


def write_from_memory(directory):
    """pyarrow with the tables of this report: what it reads of them is not measured."""
    directory = Path(directory)
    table = pq.read_table(directory / "objects.parquet")
    place = table.schema.get_field_index("DuplicateVideoIds")
    flat = pc.binary_join(table.column(place), " ")  # CSV has no lists
    shown = table.set_column(place, "DuplicateVideoIds", flat)
    by_row = pq.SortingColumn(table.schema.get_field_index("Row"))
    watch = Stopwatch()
    pq.write_table(
        table, directory / "peer.parquet", row_group_size=CHUNK_ROWS, compression="zstd",
        sorting_columns=[by_row],
    )  # fmt: skip
    pyarrow.csv.write_csv(shown, directory / "peer.csv")
    return watch.read()


async def _opening_s(url):
    """The median of a few openings in a browser that runs already."""
    async with opened("about:blank") as tab:
        took_s = []
        for _ in range(OPENINGS):
            await tab.page.goto("about:blank")
            began_s = time.perf_counter()
            await tab.page.goto(url)
            await tab.page.wait_for_selector("#rows tr")
            took_s.append(time.perf_counter() - began_s)
        tab.requests.clear()  # the page is not the one that the tab was opened on
        return statistics.median(took_s)
