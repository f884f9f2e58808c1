"""Rows in: from a file to rows, and from a file to the checkpoint."""

import statistics
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.writer import Writer
from migrator.engine.book import Book
from migrator.engine.inputs import open_inputs
from migrator.engine.load import Loading
from migrator.engine.tag import new_batch_id
from migrator.manifest import open_manifest
from migrator.settings import InputSettings
from tests.benchmarks import manifests
from tests.benchmarks.children import measured
from tests.benchmarks.loop import run
from tests.benchmarks.table import Line, against

DUPLICATES_PERCENT = 1

PEER = "pyarrow reading the file alone"

READERS = {
    ".csv": lambda path: pyarrow.csv.read_csv(
        path,
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(manifests.HEADER, pa.string())
        ),
    ),
    ".parquet": pq.read_table,
}


def measure(scale, directory):
    """Rows a second as batches of rows, and into a checkpoint with duplicates found, against
    pyarrow (as it is by default, with its threads) reading the same file into columns of text."""
    made = manifests.rows(scale.manifest_rows, scale.seed, DUPLICATES_PERCENT)
    lines = []
    for path in (
        manifests.write_csv(directory / "manifest.csv", made),
        manifests.write_parquet(directory / "manifest.parquet", made),
    ):
        repeats = scale.manifest_repeats
        peer, rows, loaded = (
            scale.manifest_rows / statistics.median(measured(work, path=path, repeats=repeats))
            for work in (read_alone, into_rows, into_checkpoint)
        )
        kind = path.suffix[1:].upper() if path.suffix == ".csv" else "Parquet"
        lines += [
            Line(
                part="Manifest", what=f"{kind} to rows", figure=rows, unit="rows/s",
                **against(PEER, rows, peer),
            ),
            Line(
                part="Manifest", what=f"{kind} to checkpoint", figure=loaded, unit="rows/s",
                **against(PEER, loaded, peer), limit=">= 80,000 rows/s",
                note=f"fingerprint, durable commits and {DUPLICATES_PERCENT} % duplicates included",
            ),
        ]  # fmt: skip
    return lines


def read_alone(path, repeats):
    """Seconds of each reading by pyarrow."""
    return [_seconds(lambda: READERS[Path(path).suffix](path)) for _ in range(repeats)]


def into_rows(path, repeats):
    """Seconds of each reading through the manifest room's batches."""

    def read():
        for _ in open_manifest(Path(path)).batches():
            pass

    return [_seconds(read) for _ in range(repeats)]


def into_checkpoint(path, repeats):
    """Seconds of each load into a new checkpoint."""
    taken = []
    for repeat in range(repeats):
        directory = Path(path).with_suffix(f".{Path(path).suffix[1:]}-{repeat}")
        directory.mkdir()
        checkpoint = Checkpoint.create(directory, {"batch": new_batch_id()})
        taken.append(_seconds(lambda checkpoint=checkpoint: run(_load(checkpoint, Path(path)))))
        rows = sum(tally.rows for tally in checkpoint.tallies())
        skipped = sum(t.rows for t in checkpoint.tallies() if t.reason == "duplicate_row")
        checkpoint.close()
        if not 0 < skipped < rows:
            raise RuntimeError(f"{skipped} duplicates found in {rows} rows")
    return taken


async def _load(checkpoint, path):
    writer = Writer(checkpoint, lambda _checkpoint: None)
    inputs = open_inputs(InputSettings(manifest=str(path)))
    await Loading(Book(writer), inputs, None, "").everything()
    await writer.close()


def _seconds(work):
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s
