"""Memory at the peak of a whole run, and how it grows with the rows."""

from itertools import product

from tests.benchmarks import manifests
from tests.benchmarks.batch import run_batch
from tests.benchmarks.children import measured
from tests.benchmarks.stub_process import platform
from tests.benchmarks.table import Line, against


def measure(scale, directory):
    """The highest resident memory of a run and of its reports, each size in a process of its own,
    without quota; the larger ones against the first."""
    few, *more = scale.memory_rows
    peaks = {rows: _peaks(scale, directory, rows) for rows in scale.memory_rows}
    lines = []
    for rows, (what, name, limit) in product(
        more,
        (
            ("run", "peak_mb", "<= 40 MB more"),
            ("run and reports", "peak_with_reports_mb", "<= 40 MB more, 250 MB in all"),
        ),
    ):
        first, last = peaks[few][name], peaks[rows][name]
        lines.append(
            Line(
                part="Memory", what=f"peak of {what}, {rows:,} rows", figure=last, unit="MB",
                **against(f"{few:,} rows", last, first), limit=limit,
                note=f"{what}, {rows:,} rows: {last - first:+.0f} MB",
            )
        )  # fmt: skip
    return lines


def _peaks(scale, directory, rows):
    path = manifests.write_csv(directory / f"{rows}.csv", manifests.rows(rows, scale.seed))
    with platform(seed=scale.seed) as stub:
        return measured(
            run_batch,
            directory=directory / f"batch-{rows}",
            manifest=path,
            api_url=stub.api_url,
            pace={},
            reports=True,
        )
