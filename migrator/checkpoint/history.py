"""How the batch went: samples of its runs, and what the rows tell as a whole.

Everything here is for the report: nothing of it decides about a row.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from migrator.checkpoint.packing import unpack_id
from migrator.lifecycle import State

_ADD_SAMPLE = """
INSERT INTO sample (run_id, at_ms, calls, allowed_per_minute, in_flight, held_s, held_by)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""

_SAMPLES = """
SELECT run_id, at_ms, calls, allowed_per_minute, in_flight, held_s, held_by
FROM sample ORDER BY run_id, id
"""

_ENDED = """
SELECT (finished_ms - ?) / ? AS span, state, count(*) FROM object
WHERE finished_ms >= ? AND state IN ('imported', 'rejected', 'missing', 'failed')
GROUP BY span, state ORDER BY span, state
"""

_SIZES = """
SELECT CASE {cases} ELSE {last} END AS class, count(*), total(size_bytes) FROM object
WHERE size_bytes IS NOT NULL GROUP BY class
"""

_SLOWEST = """
SELECT row, bucket, key, size_bytes, finished_ms - submitted_ms AS took_ms, restarts, video_id
FROM object
WHERE state = 'imported' AND adopted = 0 AND attempts = 1 AND finished_ms > submitted_ms
ORDER BY took_ms DESC, row LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """A run at one moment.

    `calls` were made by this run so far; for `held_s` of the seconds since the sample before it
    could send nothing, because of `held_by` (of `engine.recorder.PAUSES`).
    """

    run_id: int
    at_ms: int
    calls: int
    allowed_per_minute: int
    in_flight: int
    held_s: int = 0
    held_by: str | None = None


@dataclass(frozen=True, slots=True)
class SlowCopy:
    """A copy that took long, from its POST until its end was learned."""

    row: int
    bucket: str
    key: str
    size_bytes: int | None
    took_ms: int
    restarts: int
    video_id: str


class History:
    """Reads and adds to the story of a batch, on the connection of its checkpoint."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def add_sample(self, sample: Sample) -> None:
        """Keep how a run stands."""
        values = (sample.run_id, sample.at_ms, sample.calls, sample.allowed_per_minute,
                  sample.in_flight, sample.held_s, sample.held_by)  # fmt: skip
        self._db.execute(_ADD_SAMPLE, values)

    def samples(self) -> list[Sample]:
        """All samples, run by run; about a thousand for a day's run."""
        return [Sample(*found) for found in self._db.execute(_SAMPLES)]

    def ended(self, since_ms: int, span_ms: int) -> Iterator[tuple[int, State, int]]:
        """(number of the span of `span_ms` since `since_ms`, state, rows that ended in it)."""
        for span, state, rows in self._db.execute(_ENDED, (since_ms, span_ms, since_ms)):
            yield int(span), State(state), int(rows)

    def sizes(self, limits: tuple[int, ...]) -> dict[int, tuple[int, int]]:
        """Rows and bytes by class of size; class i is below `limits[i]`, the last is beyond all."""
        cases = " ".join(f"WHEN size_bytes < {limit:d} THEN {i}" for i, limit in enumerate(limits))
        sql = _SIZES.format(cases=cases, last=len(limits))
        return {int(i): (int(rows), int(size)) for i, rows, size in self._db.execute(sql)}

    def slowest(self, count: int) -> list[SlowCopy]:
        """The copies that took longest, of those that were sent once and arrived."""
        return [
            SlowCopy(row, bucket, key, size, took_ms, restarts, unpack_id(video) or "")
            for row, bucket, key, size, took_ms, restarts, video in self._db.execute(
                _SLOWEST, (count,)
            )
        ]
