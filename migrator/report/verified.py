"""What `migrator verify` writes: two tables, a page, and the summary that speaks of them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from migrator.atomic import AtomicFile
from migrator.engine.comparison import Verified
from migrator.engine.decide.drift import Drift, Stray
from migrator.errors import RunFailed
from migrator.report.drift import DriftTables
from migrator.report.drift_page import drift_page
from migrator.report.drift_summary import ComparedRows, DriftSummary, ListedVideos, VerifyCalls
from migrator.report.files import publish_bytes
from migrator.report.words import iso_utc


class DriftReport:
    """`tables` takes findings as they come; `publish` gives all files their names."""

    def __init__(self, directory: Path, batch: str, parquet: AtomicFile, csv: AtomicFile) -> None:
        self.tables = DriftTables(parquet.stream, csv.stream, batch)
        self._directory = directory
        self._batch = batch
        self._files = (parquet, csv)

    def publish(
        self, verified: Verified, *, api_url: str, source: bool, now_ms: int
    ) -> DriftSummary:
        """Put the files in the place of earlier ones."""
        self.tables.close()
        digests = {file.path.name: file.publish() for file in self._files}
        summary = self._summary(verified, api_url, digests, now_ms, source=source)
        text = drift_page(summary, self.tables.examples)
        digest = publish_bytes(self._directory / "verify.html", text.encode())
        return msgspec.structs.replace(summary, files={**digests, "verify.html": digest})

    def _summary(
        self,
        verified: Verified,
        api_url: str,
        digests: dict[str, str],
        now_ms: int,
        *,
        source: bool,
    ) -> DriftSummary:
        counts, calls = self.tables.counts, verified.calls
        return DriftSummary(
            batch=self._batch,
            verified_at=iso_utc(now_ms),
            api_url=api_url,
            team_id=verified.team_ids[0],
            team_ids=verified.team_ids,
            source=source,
            findings=counts.total(),
            drift={drift.value: counts[drift] for drift in Drift if counts[drift]},
            rows=ComparedRows(verified.rows, verified.named, verified.open, verified.headed),
            videos=ListedVideos(
                verified.listed,
                verified.strays[Stray.OTHER_BATCHES],
                verified.strays[Stray.BEFORE],
                verified.strays[Stray.ELSEWHERE],
            ),
            api=VerifyCalls(
                calls["list"] + calls["other"],
                calls["list"],
                calls["other"],
                calls["throttled"],
                calls["retries"],
                verified.announced_per_minute,
            ),
            files=digests,
        )


@contextmanager
def drift_report(directory: Path, batch: str) -> Iterator[DriftReport]:
    """The files of a verification of the batch in `directory`; unpublished, they leave no trace.

    Raises RunFailed where they cannot be written.
    """
    try:
        with ExitStack() as stack:
            parquet, csv = (
                stack.enter_context(AtomicFile(directory / name))
                for name in ("verify.parquet", "verify.csv")
            )
            report = DriftReport(directory, batch, parquet, csv)
            stack.callback(report.tables.abandon)
            yield report
    except OSError as error:
        raise RunFailed(
            f"what was found cannot be written: {error}",
            "make room or mend the directory, then verify again",
        ) from error
