"""Write all report files of a batch from its checkpoint."""

import gc
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from migrator.atomic import AtomicFile
from migrator.checkpoint.store import Checkpoint
from migrator.errors import RunFailed, Unbalanced
from migrator.model import OUTCOME_OF
from migrator.report import tables
from migrator.report.chunk import Chunk
from migrator.report.conditions import META, conditions, pinned
from migrator.report.files import publish_bytes
from migrator.report.page import Story, page
from migrator.report.problems import Problems, needs_a_person
from migrator.report.reconcile import disagreements, totals
from migrator.report.retry import RetryTable
from migrator.report.sizes import LIMITS, size_classes
from migrator.report.summary import Summary, summarise, to_json
from migrator.report.timeline import timeline
from migrator.settings import DEFAULT, BatchSettings, ReportScope

SLOWEST = 10
"""Copies that the page names as the slowest."""


def write_reports(
    checkpoint: Checkpoint, directory: Path, scope: ReportScope | None = None
) -> Summary:
    """Write the tables, the page and last `summary.json`, which holds the digests of the others.

    The tables hold the rows of `scope`, or of the batch's own. Nobody may write to the checkpoint
    meanwhile. The same checkpoint gives the same bytes, and memory does not grow with the rows.
    Raises Unbalanced when the numbers disagree, after all files are written, and RunFailed when
    they cannot be written; the earlier report then stays.
    """
    try:
        summary, wrong = _write(checkpoint, directory, scope)
    except OSError as error:
        raise RunFailed(
            f"the report cannot be written: {error}",
            "make room or mend the directory, then write it again: migrator report DIR",
        ) from error
    if wrong:
        raise Unbalanced(
            "the report does not balance: " + "; ".join(wrong),
            "please report this with summary.json and the checkpoint; nothing was lost",
        )
    return summary


def _write(
    checkpoint: Checkpoint, directory: Path, scope: ReportScope | None
) -> tuple[Summary, tuple[str, ...]]:
    kept = checkpoint.meta("settings")
    settings = BatchSettings.from_json(kept) if kept else None
    scope = scope or (settings or BatchSettings()).report.report_scope
    sources = checkpoint.sources()
    batch = checkpoint.meta("batch") or ""
    found = totals(checkpoint.tallies())
    with_clips = settings is not None and settings.platform.with_clips
    clips = checkpoint.clips_between if with_clips else None
    problems = Problems(
        sources,
        {r: n for r, n in found.reasons.items() if needs_a_person(OUTCOME_OF[r], r)},
    )
    with ExitStack() as stack:
        stack.enter_context(_no_collector())
        parquet, csv_file, retry_file = (
            stack.enter_context(AtomicFile(directory / name))
            for name in ("objects.parquet", "objects.csv", "retry.csv")
        )
        # What the page and the summary count beside, another thread counts meanwhile.
        reader = stack.enter_context(checkpoint.reader())
        beside = stack.enter_context(ThreadPoolExecutor(1))
        adopted_and_duplicates = beside.submit(reader.adopted_and_duplicates)
        story = beside.submit(_story, reader, settings)
        objects = stack.enter_context(
            tables.ObjectTables(parquet.stream, csv_file.stream, sources, batch, scope, clips)
        )
        retry = RetryTable(retry_file.stream, sources)
        for chunk in _chunks(checkpoint):
            objects.append(chunk)
            noted = chunk.noted()
            retry.append(*noted)
            problems.append(*noted)
        objects.finish()
        digests = {file.path.name: file.publish() for file in (parquet, csv_file, retry_file)}
        adopted, duplicates = adopted_and_duplicates.result()

    rows = sum(s.row_count if s.complete else checkpoint.rows_of_source(s.id) for s in sources)
    written = {
        "objects.parquet": int(pq.read_metadata(directory / "objects.parquet").num_rows),
        "objects.csv": objects.csv_rows,
    }
    wrong = disagreements(rows, found, written, objects.outcomes, scope)
    summary = summarise(
        batch=batch,
        sources=sources,
        rows=rows,
        found=found,
        runs=checkpoint.runs(),
        adopted=adopted,
        duplicates=duplicates,
        report_scope=scope,
        report_files=digests,
        calls_by_key=_calls_by_key(checkpoint, settings),
    )
    if with_clips:
        summary = msgspec.structs.replace(summary, clips=checkpoint.clip_states())
    pieces = page(summary, problems, story.result(), wrong)
    digest = _publish(directory / "report.html", pieces)
    summary = msgspec.structs.replace(summary, report_files={**digests, "report.html": digest})
    publish_bytes(directory / "summary.json", to_json(summary))
    return summary, wrong


@contextmanager
def _no_collector() -> Iterator[None]:
    """No search for cycles in the block: rows make none, and each chunk would have them sought."""
    was_at_work = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_at_work:
            gc.enable()


def _chunks(checkpoint: Checkpoint) -> Iterator[Chunk]:
    last = 0
    while records := checkpoint.reported_after(last, tables.CHUNK_ROWS):
        yield Chunk(records)
        last = records[-1][0]


def _publish(path: Path, pieces: Iterable[bytes]) -> str:
    with AtomicFile(path) as file:
        file.stream.writelines(pieces)
        return file.publish()


def _calls_by_key(checkpoint: Checkpoint, settings: BatchSettings | None) -> dict[str, int]:
    names = [DEFAULT, *sorted((settings or BatchSettings()).api_keys)]
    return {names[lane]: calls for lane, calls in checkpoint.key_calls().items()}


def _story(checkpoint: Checkpoint, settings: BatchSettings | None) -> Story:
    history, runs = checkpoint.history, checkpoint.runs()
    return Story(
        runs=runs,
        timeline=timeline(runs, history.samples(), history.ended),
        sizes=size_classes(history.sizes(LIMITS)),
        slowest=history.slowest(SLOWEST),
        pinned=pinned({name: checkpoint.meta(name) for name in META}),
        conditions=() if settings is None else conditions(settings),
    )
