"""How large a checkpoint is."""

from tests.benchmarks import manifests
from tests.benchmarks.children import measured
from tests.benchmarks.lines.resume import make
from tests.benchmarks.table import Line, against

MOST_BYTES = 250
"""Of a row, beyond its key."""


def measure(scale, directory):
    """Bytes of the file for each row beyond its key, once nearly all rows are imported: with size,
    ETag and time of each object, as preflight tells them. The manifest's own columns come on top,
    as they are."""
    rows = scale.size_rows
    keys = sum(len(key.encode()) for _, key, *_ in manifests.rows(rows, scale.seed))
    lines = []
    for what, columns in (("bucket and key alone", 0), ("three more columns", 3)):
        batch = directory / f"batch-{columns}"
        measured(
            make, directory=batch, rows=rows, seed=scale.seed, api_url="http://127.0.0.1:1/api",
            columns=columns,
        )  # fmt: skip
        each = ((batch / "checkpoint.db").stat().st_size - keys) / rows
        lines.append(
            Line(
                part="Checkpoint", what=f"bytes a row beyond its key, {rows:,} rows, {what}",
                figure=each, unit="bytes", **against("limit", each, MOST_BYTES),
                limit="" if columns else "<= 1",
            )
        )  # fmt: skip
    return lines
