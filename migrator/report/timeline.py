"""The migration over time, as shapes: pure arithmetic from samples and counts to a drawing.

Time without a run is left out: the stretches of the runs stand beside each other with a narrow gap
between them. A drawing is 1000 wide and 100 high, whatever it shows.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from migrator.checkpoint.history import Sample
from migrator.checkpoint.values import Run
from migrator.lifecycle import State

WIDTH, HEIGHT = 1000.0, 100.0

SPANS_MS = tuple(
    1000 * s
    for s in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200)
)
"""Widths of a column of the charts; beyond the last one, whole days."""

COLUMNS = 180
"""About as many columns has a whole chart."""

LONGEST_PAUSES = 8
"""Pauses that are told in words."""

_MINUTE_MS = 60_000
_GAP_SHARE = 0.015
_ALL_GAPS_SHARE = 0.25
_HELD_SHARE = 0.5
"""An interval between two samples counts as a pause where half of it was one."""

Ended = Callable[[int, int], Iterable[tuple[int, State, int]]]
"""Rows by span and state (checkpoint.history.History.ended)."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """One run on the time axis: from `start_ms` to `end_ms`, drawn from `x` on."""

    number: int
    start_ms: int
    end_ms: int
    x: float
    width: float

    def at(self, ms: int) -> float:
        """Where a time of this run stands on the axis."""
        share = (ms - self.start_ms) / max(1, self.end_ms - self.start_ms)
        return self.x + self.width * min(1.0, max(0.0, share))


@dataclass(frozen=True, slots=True)
class Pause:
    """A time in which a run could send nothing. `held_by` is the name that the sample has."""

    run: int
    held_by: str
    start_ms: int
    end_ms: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Areas and lines as SVG paths by name, and what the height of the drawing stands for."""

    top: int
    paths: dict[str, str]


@dataclass(frozen=True, slots=True)
class Timeline:
    """All that is drawn. `span_ms` is the width of a column, `active_ms` the time of all runs."""

    stretches: tuple[Stretch, ...]
    span_ms: int
    active_ms: int
    calls: Chart
    rows: Chart
    pauses: tuple[Pause, ...]

    @property
    def longest_pauses(self) -> tuple[Pause, ...]:
        """The pauses to tell of, in the order in which they came."""
        longest = sorted(self.pauses, key=lambda p: p.start_ms - p.end_ms)[:LONGEST_PAUSES]
        return tuple(sorted(longest, key=lambda p: p.start_ms))


def timeline(runs: Sequence[Run], samples: Sequence[Sample], ended: Ended) -> Timeline | None:
    """Draw the batch; None where no run has lasted."""
    by_run: list[list[Sample]] = [[] for _ in runs]
    for sample in samples:
        if 0 < sample.run_id <= len(runs):
            by_run[sample.run_id - 1].append(sample)
    stretches, span_ms = _stretches(runs, by_run)
    if not stretches:
        return None
    columns = [
        _Column(stretch, n, span_ms) for stretch in stretches for n in _count(stretch, span_ms)
    ]
    calls = [_calls(column, by_run[column.stretch.number - 1]) for column in columns]
    quota = [_quota(column, by_run[column.stretch.number - 1]) for column in columns]
    imported, problems = _ended(columns, stretches, span_ms, ended)
    stacked = [one + other for one, other in zip(imported, problems, strict=True)]
    calls_top, rows_top = _top([*calls, *quota]), _top(stacked)
    return Timeline(
        stretches=stretches,
        span_ms=span_ms,
        active_ms=sum(stretch.end_ms - stretch.start_ms for stretch in stretches),
        calls=Chart(
            calls_top,
            {
                "calls": _area(columns, calls, calls_top),
                "quota": _line(columns, quota, calls_top),
            },
        ),
        rows=Chart(
            rows_top,
            {
                "problems": _area(columns, stacked, rows_top),
                "imported": _area(columns, imported, rows_top),
            },
        ),
        pauses=tuple(pause for stretch in stretches for pause in _pauses(stretch, by_run)),
    )


@dataclass(frozen=True, slots=True)
class _Column:
    """Column `number` of a stretch, `span_ms` wide but for the last one."""

    stretch: Stretch
    number: int
    span_ms: int

    @property
    def start_ms(self) -> int:
        return self.stretch.start_ms + self.number * self.span_ms

    @property
    def end_ms(self) -> int:
        return min(self.start_ms + self.span_ms, self.stretch.end_ms)

    @property
    def minutes(self) -> float:
        """For rates: a last column that is all but empty would make a rate out of nothing."""
        return max(self.end_ms - self.start_ms, self.span_ms // 4) / _MINUTE_MS

    @property
    def edges(self) -> tuple[float, float]:
        return self.stretch.at(self.start_ms), self.stretch.at(self.end_ms)


def _count(stretch: Stretch, span_ms: int) -> range:
    return range(max(1, -(-(stretch.end_ms - stretch.start_ms) // span_ms)))


def _stretches(
    runs: Sequence[Run], by_run: Sequence[Sequence[Sample]]
) -> tuple[tuple[Stretch, ...], int]:
    """The runs on the axis, and the width of a column."""
    extents = []
    after_ms = 0
    for number, (run, samples) in enumerate(zip(runs, by_run, strict=True), 1):
        # The clock may have been set back meanwhile: a later run never stands before an earlier.
        start_ms = max(run.started_ms, after_ms)
        known = [run.ended_ms or 0, *(sample.at_ms for sample in samples)]
        after_ms = max(start_ms, *known)
        extents.append((number, start_ms, after_ms))
    active_ms = sum(end_ms - start_ms for _, start_ms, end_ms in extents)
    if not active_ms:
        return (), 0
    wanted = active_ms / COLUMNS
    span_ms = next((span for span in SPANS_MS if span >= wanted), 0)
    if not span_ms:
        day_ms = 2 * SPANS_MS[-1]
        span_ms = int(-(-wanted // day_ms)) * day_ms
    lengths = [max(span_ms / 2, end_ms - start_ms) for _, start_ms, end_ms in extents]
    total, gaps = sum(lengths), max(1, len(lengths) - 1)
    gap = min(_GAP_SHARE, _ALL_GAPS_SHARE / gaps) * total
    scale = WIDTH / (total + gap * (len(lengths) - 1))
    stretches, x = [], 0.0
    for (number, start_ms, end_ms), length in zip(extents, lengths, strict=True):
        stretches.append(Stretch(number, start_ms, end_ms, x, length * scale))
        x += (length + gap) * scale
    return tuple(stretches), span_ms


def _calls(column: _Column, samples: Sequence[Sample]) -> float:
    """Calls a minute in a column: those between two samples count evenly over their time."""
    calls = 0.0
    for before, after in pairwise(samples):
        begin, end = max(before.at_ms, column.start_ms), min(after.at_ms, column.end_ms)
        if begin < end:
            calls += (after.calls - before.calls) * (end - begin) / (after.at_ms - before.at_ms)
    return calls / column.minutes


def _quota(column: _Column, samples: Sequence[Sample]) -> float:
    """What the quota allowed at the end of a column; 0 where nothing tells."""
    return next(
        (float(s.allowed_per_minute) for s in reversed(samples) if s.at_ms <= column.end_ms), 0.0
    )


def _ended(
    columns: Sequence[_Column], stretches: Sequence[Stretch], span_ms: int, ended: Ended
) -> tuple[list[float], list[float]]:
    """Rows a minute in each column, imported and with problems."""
    places: dict[tuple[int, int], int] = {}
    for place, column in enumerate(columns):
        places[column.stretch.number, column.number] = place
    counts = {True: [0.0] * len(columns), False: [0.0] * len(columns)}
    origin_ms = stretches[0].start_ms
    for span, state, rows in ended(origin_ms, span_ms):
        middle_ms = origin_ms + span * span_ms + span_ms // 2
        stretch = next((s for s in reversed(stretches) if s.start_ms <= middle_ms), stretches[0])
        number = (min(middle_ms, stretch.end_ms - 1) - stretch.start_ms) // span_ms
        place = places[stretch.number, max(0, number)]
        counts[state is State.IMPORTED][place] += rows / columns[place].minutes
    return counts[True], counts[False]


def _pauses(stretch: Stretch, by_run: Sequence[Sequence[Sample]]) -> list[Pause]:
    found: list[tuple[str, int, int]] = []
    samples = by_run[stretch.number - 1]
    for before, after in pairwise(samples):
        lasted_ms = after.at_ms - before.at_ms
        if after.held_by is None or after.held_s * 1000 < _HELD_SHARE * lasted_ms:
            continue
        if found and found[-1][0] == after.held_by and found[-1][2] == before.at_ms:
            found[-1] = (after.held_by, found[-1][1], after.at_ms)
        else:
            found.append((after.held_by, before.at_ms, after.at_ms))
    return [
        Pause(
            stretch.number, held_by, start, end,
            stretch.at(start), max(2.0, stretch.at(end) - stretch.at(start)),
        )
        for held_by, start, end in found
    ]  # fmt: skip


def _top(values: Sequence[float]) -> int:
    """A round number that no value exceeds."""
    highest = max([*values, 1.0])
    step = 1
    while True:
        for factor in (1, 2, 3, 4, 5, 6, 8):
            if highest <= factor * step:
                return factor * step
        step *= 10


def _y(value: float, top: int) -> str:
    return _short(HEIGHT - HEIGHT * value / top)


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _runs_of(columns: Sequence[_Column]) -> list[tuple[int, int]]:
    """Where the columns of each stretch begin and end."""
    starts = [n for n, column in enumerate(columns) if column.number == 0]
    return list(zip(starts, [*starts[1:], len(columns)], strict=True))


def _steps(columns: Sequence[_Column], values: Sequence[float], top: int) -> str:
    path = ""
    for column, value in zip(columns, values, strict=True):
        path += f"V{_y(value, top)}H{_short(column.edges[1])}"
    return path


def _area(columns: Sequence[_Column], values: Sequence[float], top: int) -> str:
    return "".join(
        f"M{_short(columns[a].edges[0])} 100{_steps(columns[a:b], values[a:b], top)}V100Z"
        for a, b in _runs_of(columns)
    )


def _line(columns: Sequence[_Column], values: Sequence[float], top: int) -> str:
    path = ""
    for a, b in _runs_of(columns):
        if any(values[a:b]):
            path += f"M{_short(columns[a].edges[0])} {_y(values[a], top)}"
            path += _steps(columns[a:b], values[a:b], top)
    return path
