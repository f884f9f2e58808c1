"""`report.html`: one quiet page for the person who answers for the archive.

The page is self-contained and runs nothing: no script, no font, no image from elsewhere, and a
content security policy that allows the one style sheet by its hash. Every value is escaped by the
template engine, and what people did not write for reading goes through `visible` first.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from importlib import resources

import jinja2
from markupsafe import Markup, escape

from migrator.errors import ExitCode
from migrator.model import OUTCOME_OF, Outcome, Reason
from migrator.report.advice import MEANING, WHAT_TO_DO
from migrator.report.highlights import Highlights, Problem, needs_a_person
from migrator.report.summary import Summary
from migrator.report.words import bytes_in_words, moment, visible

EXIT_WORDS: dict[int | None, str] = {
    None: "killed, or still running",
    ExitCode.OK: "finished",
    ExitCode.RUN_FAILED: "failed",
    ExitCode.USAGE: "unusable settings or input",
    ExitCode.WITH_PROBLEMS: "finished, with rows that need a person",
    ExitCode.STOPPED: "stopped by itself, or left rows unresolved",
    ExitCode.CHECKPOINT: "refused the checkpoint",
    ExitCode.UNBALANCED: "the report did not balance",
    ExitCode.INTERRUPTED: "interrupted",
}
"""How a run ended, in words."""

FILE_WORDS = {
    "objects.csv": "Every row, for a spreadsheet",
    "objects.parquet": "Every row, exact and typed",
    "retry.csv": "A manifest of the rows that have no video for certain",
}
"""The tables that the page vouches for."""


@dataclass(frozen=True, slots=True)
class Headline:
    """The verdict: `tone` picks the colour and the mark, the words say it all."""

    tone: str
    mark: str
    text: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One outcome's stretch of the bar over all rows, in thousandths of its length."""

    outcome: str
    start: float
    length: float


@dataclass(frozen=True, slots=True)
class Group:
    """The rows of one reason that the page shows, and how many there are in all."""

    reason: str
    title: str
    outcome: str
    advice: str
    count: int
    shown: list[Problem]

    @property
    def caption(self) -> str:
        """How many of the rows stand in the table."""
        if len(self.shown) < self.count:
            return f"The first {len(self.shown):,} of {_rows(self.count)}"
        return f"All {_rows(self.count)}" if self.count > 1 else "One row"

    @property
    def videos(self) -> bool:
        """Whether any of the rows has a video: a column of dashes says nothing."""
        return any(problem.video_id for problem in self.shown)


def page(summary: Summary, highlights: Highlights, wrong: tuple[str, ...]) -> bytes:
    """The page as UTF-8; `wrong` says where the numbers disagree."""
    files = resources.files(__package__).joinpath("templates")
    style = files.joinpath("report.css").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "visible": visible,
        "moment": moment,
        "words": _words,
        "commands": commands,
        "size": bytes_in_words,
        "count": lambda number: f"{number:,}",
    }
    template = environment.from_string(files.joinpath("report.html.j2").read_text(encoding="utf-8"))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    text = template.render(
        summary=summary,
        headline=headline(summary, wrong),
        style=Markup(style),  # noqa: S704 - our own file
        style_digest=digest,
        bars=bars(summary),
        meaning=MEANING,
        shown={reason.value for reason in highlights.problems()},
        reasons=_reasons(summary),
        groups=_groups(summary, highlights),
        duplicates=highlights.duplicates,
        rows_with_duplicates=highlights.rows_with_duplicates,
        exit_words=EXIT_WORDS,
        file_words=FILE_WORDS,
        calls_per_import=_per_import(summary),
    )
    return text.encode()


def commands(sentence: str) -> Markup:
    """A sentence of ours in which each “command” is set as code."""
    return Markup(re.sub("“(.*?)”", r"<code>\1</code>", escape(sentence)))  # noqa: S704 - escaped


def attention(summary: Summary) -> int:
    """How many rows wait for a person."""
    return sum(
        rows
        for reason, rows in summary.reasons.items()
        if needs_a_person(OUTCOME_OF[Reason(reason)], Reason(reason))
    )


def headline(summary: Summary, wrong: tuple[str, ...]) -> Headline:
    """The verdict first: does it balance, is it finished, does anybody have to do anything."""
    rows, waiting = summary.manifest.rows, attention(summary)
    unfinished = summary.outcomes[Outcome.UNFINISHED]
    if wrong:
        numbers = tuple(f"{said[0].upper()}{said[1:]}." for said in wrong)
        keep = "Keep it with the checkpoint and report it: the defect is the program’s."
        return Headline("bad", "✕", "This report does not balance", (*numbers, keep))
    parts = " + ".join(
        f"{n:,}\N{NO-BREAK SPACE}{outcome}" for outcome, n in summary.outcomes.items() if n
    )
    accounted = f"Every row has exactly one outcome: {parts} = {rows:,}." if rows else "No rows."
    duplicates = (
        f"{_videos(summary.duplicates)} on the platform: see below." if summary.duplicates else ""
    )
    waits = f"{_needs(waiting)} a person: what to do stands below." if waiting else ""
    if not summary.complete:
        still = (
            f"{_rows(unfinished)} {'is' if unfinished == 1 else 'are'} still open"
            if unfinished
            else "the objects were not read to the end"
        )
        goes_on = "Nothing is lost: “migrator resume” goes on where it stopped."
        return Headline(
            "open", "…", f"Not finished: {still}", (accounted, goes_on, waits, duplicates)
        )
    if waiting:
        text = f"Finished, and {_needs(waiting)} a person"
        return Headline("attention", "!", text, (accounted, duplicates))
    if duplicates:
        return Headline("attention", "!", "Finished, with duplicates", (accounted, duplicates))
    return Headline("good", "✓", "Finished, and nothing is left to do", (accounted,))


def bars(summary: Summary) -> list[Bar]:
    """The outcomes as stretches of one bar; the smallest is still wide enough to be seen."""
    present = [(outcome, rows) for outcome, rows in summary.outcomes.items() if rows]
    widths = [max(10.0, 1000 * rows / max(1, sum(n for _, n in present))) for _, rows in present]
    drawn, start = [], 0.0
    for (outcome, _), width in zip(present, widths, strict=True):
        length = 1000 * width / sum(widths)
        drawn.append(Bar(outcome, round(start, 1), round(length, 1)))
        start += length
    return drawn


def _groups(summary: Summary, highlights: Highlights) -> list[Group]:
    return [
        Group(
            reason=reason.value,
            title=_words(reason.value),
            outcome=OUTCOME_OF[reason].value,
            advice=WHAT_TO_DO[reason],
            count=summary.reasons[reason],
            shown=shown,
        )
        for reason, shown in highlights.problems().items()
    ]


def _reasons(summary: Summary) -> list[tuple[Outcome, Reason, int, str]]:
    """What asks for a person first, then the rest."""
    listed = [
        (OUTCOME_OF[reason], reason, rows, WHAT_TO_DO[reason])
        for reason, rows in ((Reason(name), rows) for name, rows in summary.reasons.items())
    ]
    return sorted(listed, key=lambda entry: not needs_a_person(entry[0], entry[1]))


def _per_import(summary: Summary) -> str:
    imported = summary.outcomes[Outcome.IMPORTED]
    return f"{summary.api.calls / imported:.2f}" if imported else "—"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def _needs(count: int) -> str:
    return f"{_rows(count)} needs" if count == 1 else f"{_rows(count)} need"


def _videos(count: int) -> str:
    return "1 duplicate video" if count == 1 else f"{count:,} duplicate videos"
