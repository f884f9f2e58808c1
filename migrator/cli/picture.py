"""A snapshot as a picture of a few lines, with rich: for the live display and for `status`."""

from collections.abc import Iterator, Sequence
from textwrap import wrap

from rich.cells import cell_len, chop_cells
from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from migrator.cli.words import duration, line, size
from migrator.engine.snapshot import Problem, Snapshot
from migrator.text import plain

COLOURS = {
    "imported": "green",
    "skipped": "cyan",
    "rejected": "yellow",
    "missing": "yellow",
    "failed": "red",
}
"""Every outcome has its word beside its colour."""

SMALLEST_WIDTH = 40
"""Columns: in less than this the picture is one line of text."""

ELLIPSIS = "…"
BETWEEN = " · "
LABEL_WIDTH = 9

FEWEST_FOR_WORDS = 16
"""Columns in which the words of a problem are worth showing."""


def picture(snapshot: Snapshot, console: Console, lines: int) -> RenderableType:
    """As much of a snapshot as fits `lines` lines of the console, the least important left out."""
    width = console.width
    if width < SMALLEST_WIDTH or lines < 2:  # noqa: PLR2004 - a bar and its caption
        return Group(_caption(snapshot))
    shown: RenderableType = ""
    for problems, details in ((5, True), (3, True), (1, True), (0, True), (0, False)):
        shown = _whole(snapshot, width, problems=problems, details=details)
        if len(console.render_lines(shown, pad=False)) <= lines:
            return shown
    return Group(_head(snapshot), _caption(snapshot))


def _caption(snapshot: Snapshot) -> Text:
    return Text(line(snapshot), no_wrap=True, overflow="ellipsis")


def _whole(snapshot: Snapshot, width: int, *, problems: int, details: bool) -> RenderableType:
    parts: list[RenderableType] = [_head(snapshot)]
    for label, items in _facts(snapshot, width, details=details):
        parts += _wrapped(label, items, width)
    shown = snapshot.problems[-problems:] if problems else ()
    if shown:
        parts.append(Text("last problems", style="dim"))
    return Group(*parts, *(_problem(problem, width) for problem in shown))


def _head(snapshot: Snapshot) -> RenderableType:
    share = snapshot.done / snapshot.rows if snapshot.rows else 0.0
    head = Table.grid(padding=(0, 1), expand=True)
    head.add_column(no_wrap=True)
    head.add_column(ratio=1)
    head.add_column(no_wrap=True, justify="right")
    head.add_row(
        Text(plain(snapshot.phase), style="bold"),
        ProgressBar(
            total=max(1, snapshot.rows),
            completed=snapshot.done,
            complete_style="green",
            finished_style="green",
        ),
        # Rounded down: 100 % is said of what is done.
        Text(f"{snapshot.done:,}/{snapshot.rows:,} rows {int(share * 100):3}%"),
    )
    return head


def _wrapped(label: str, items: Sequence[Text], width: int) -> Iterator[Text]:
    """Items behind their label, in lines that break between items alone; what is longer is cut."""
    now = Text(no_wrap=True, overflow="ellipsis")
    now.append(f"{label:<{LABEL_WIDTH}}", "dim")
    is_first = True
    for item in items:
        if not is_first and now.cell_len + len(BETWEEN) + item.cell_len > width:
            yield now
            now = Text(" " * LABEL_WIDTH, no_wrap=True, overflow="ellipsis")
            is_first = True
        now.append("" if is_first else BETWEEN, "dim").append_text(item)
        is_first = False
    yield now


def _facts(
    snapshot: Snapshot, width: int, *, details: bool
) -> Iterator[tuple[str, Sequence[Text]]]:
    yield "rows", _outcomes(snapshot)
    yield "pace", _texts(_pace(snapshot))
    if details:
        kinds = [
            f"{count:,} {plain(name)}" for name, count in snapshot.by_operation.items() if count
        ]
        yield (
            "calls",
            _texts([f"{snapshot.calls:,} in all", *kinds, f"{snapshot.throttled:,} throttled"]),
        )
    if snapshot.by_key:
        yield "keys", _texts([f"{n:,} {plain(name)}" for name, n in snapshot.by_key.items()])
    yield "copies", _texts(_copies(snapshot))
    if snapshot.cluster:
        yield "cluster", [Text(plain(snapshot.cluster))]
    if details:
        yield "time", _texts(_time(snapshot))
    if snapshot.unresolved:
        words = f"{snapshot.unresolved:,} answers: their rows are looked for"
        yield "lost", [Text(words, style="yellow")]
    if snapshot.waiting_for:
        words = f"for {plain(snapshot.waiting_for)}"
        for label, part in zip(("waiting", "", ""), wrap(words, width - LABEL_WIDTH), strict=False):
            yield label, [Text(part, style="yellow")]


def _texts(words: Sequence[str]) -> Sequence[Text]:
    return [Text(each) for each in words]


def _outcomes(snapshot: Snapshot) -> Sequence[Text]:
    parts = []
    for name, count in snapshot.outcomes.items():
        words = f"{count:,} {plain(name)}"
        if name == "imported" and snapshot.imported_bytes:
            words += f" ({size(snapshot.imported_bytes)})"
        parts.append(Text(words, style=COLOURS.get(name, "") if count else "dim"))
    return parts


def _pace(snapshot: Snapshot) -> Sequence[str]:
    average = snapshot.average_per_minute
    yours = f"{snapshot.allowed_per_minute:,} allowed"
    if snapshot.announced_per_minute is not None:
        yours += f" of {snapshot.announced_per_minute:,} announced"
    return [
        f"{snapshot.rate_per_minute:,.0f} calls/min now",
        *([] if average is None else [f"{average:,.0f} average"]),
        yours,
    ]


def _copies(snapshot: Snapshot) -> Sequence[str]:
    limit = "" if snapshot.max_in_flight is None else f" of {snapshot.max_in_flight:,}"
    known = [size(snapshot.in_flight_bytes)] if snapshot.in_flight_bytes else []
    if known and snapshot.max_in_flight_bytes is not None:
        known = [f"{known[0]} of {size(snapshot.max_in_flight_bytes)}"]
    return [f"{snapshot.in_flight:,}{limit} in flight", *known]


def _time(snapshot: Snapshot) -> Sequence[str]:
    parts = [f"{duration(max(0, snapshot.updated_ms - snapshot.started_ms) / 1000)} so far"]
    if snapshot.eta_s is not None:
        parts.append(f"all sent in about {duration(snapshot.eta_s)}")
    if snapshot.end_eta_s is not None:
        parts.append(f"all ended in about {duration(snapshot.end_eta_s)}")
    return parts


def _problem(problem: Problem, width: int) -> Text:
    """A row that ended badly in one line: what, which, and as much of the words as fits."""
    text = Text(no_wrap=True, overflow="ellipsis")
    what = f"{problem.outcome}/{problem.reason}"
    text.append(plain(what), style=COLOURS.get(problem.outcome, ""))
    text.append(f" row {problem.row:,} ")
    left = max(0, width - text.cell_len)
    place, message = plain(problem.place), plain(problem.message)
    for_words = min(cell_len(message) + 1, left // 3) if message else 0
    if for_words > cell_len(message) or for_words >= FEWEST_FOR_WORDS:
        text.append(shortened(place, left - for_words))
        text.append(f" {message}", style="dim")
    else:
        text.append(shortened(place, left))
    return text


def shortened(text: str, cells: int) -> str:
    """`text` in so many cells of a terminal: the middle left out, since a key's end tells most."""
    if cell_len(text) <= cells:
        return text
    if cells < 8:  # noqa: PLR2004 - too little for two ends
        return ELLIPSIS
    head_cells = (cells - 1) // 3
    head = chop_cells(text, head_cells)[0]
    tail = chop_cells(text[::-1], cells - 1 - cell_len(head))[0][::-1]
    return f"{head}{ELLIPSIS}{tail}"
