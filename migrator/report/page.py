"""`report.html`: one quiet page for the person who answers for the archive.

The page is self-contained: no font, no image, nothing from elsewhere, and a content security policy
that allows the one style sheet and the one script by their hashes. Without scripts all of it can be
read but the table of problem rows. Every value is escaped by the template engine, and what people
did not write for reading goes through `visible` first; the rows are data, and the script makes text
of them and nothing else.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable

import jinja2
from markupsafe import Markup, escape

from migrator.checkpoint.history import SlowCopy
from migrator.checkpoint.values import Run
from migrator.errors import ExitCode
from migrator.model import OUTCOME_OF, Outcome, Reason
from migrator.report.advice import MEANING, WHAT_TO_DO
from migrator.report.conditions import Condition
from migrator.report.problems import Named, Problems, needs_a_person
from migrator.report.sizes import SizeClass
from migrator.report.summary import Summary
from migrator.report.timeline import Timeline
from migrator.report.verdict import attention, counted, headline
from migrator.report.words import bytes_in_words, iso_utc, moment, visible

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

HELD_WORDS = {
    "platform": "the platform did not answer",
    "posts": "POSTs failed one after the other",
    "sense": "the platform’s answers made no sense",
    "source": "the source did not answer",
    "in_flight_limit": "as many copies ran as --max-in-flight allows",
    "in_flight_bytes": "as many bytes were copied as --max-in-flight-bytes allows",
    "quota": "the quota was spent",
}
"""Why a run paused, in words (the names are those of engine.recorder.PAUSES)."""

FILE_WORDS = {
    "objects.csv": (
        "Every row, for a spreadsheet",
        "Every row that was neither imported nor skipped, for a spreadsheet",
    ),
    "objects.parquet": (
        "Every row, exact and typed",
        "Every row that was neither imported nor skipped, exact and typed",
    ),
    "retry.csv": ("A manifest of the rows that have no video for certain",) * 2,
}
"""The tables that the page vouches for: what they hold, and with `FailedTasksOnly`."""

_PLACE = "\0"
"""Stands in the template's output where the rows go: they are not rendered, they are copied.

No text of others can hold it: `visible` makes a picture of it."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One outcome's stretch of the bar over all rows, in thousandths of its length."""

    outcome: str
    start: float
    length: float


@dataclass(frozen=True, slots=True)
class Group:
    """A reason that asks for a person: how many rows, what to do, some of them by name."""

    reason: str
    outcome: str
    advice: str
    count: int
    shown: int
    examples: list[Named]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """How it went, beside the counts: what the engineer reads on for."""

    runs: Sequence[Run] = ()
    timeline: Timeline | None = None
    sizes: Sequence[SizeClass] = ()
    slowest: Sequence[SlowCopy] = ()
    pinned: Sequence[Condition] = ()
    conditions: Sequence[Condition] = ()
    held_words: Mapping[str, str] = field(default_factory=lambda: HELD_WORDS)


def page(
    summary: Summary, problems: Problems, story: Story, wrong: tuple[str, ...]
) -> Iterator[bytes]:
    """The page as UTF-8, in pieces; `wrong` says where the numbers disagree."""
    files = resources.files(__package__).joinpath("templates")
    style = files.joinpath("report.css").read_text(encoding="utf-8")
    script = files.joinpath("report.js").read_text(encoding="utf-8")
    groups = _groups(summary, problems)
    text = (
        environment_of(files)
        .get_template("report.html.j2")
        .render(
            summary=summary,
            story=story,
            headline=headline(summary, wrong),
            waiting=attention(summary),
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            style_digest=digest_of(style),
            script_digest=digest_of(script),
            bars=bars(summary),
            meaning=MEANING,
            groups=groups,
            shown=sum(group.shown for group in groups),
            quiet=_quiet(summary),
            duplicates=problems.duplicates,
            rows_with_duplicates=problems.rows_with_duplicates,
            exit_words=EXIT_WORDS,
            file_words=FILE_WORDS,
            calls_per_import=_per_import(summary),
            place=_PLACE,
        )
    )
    before, after = text.split(_PLACE)
    yield before.encode()
    yield from problems.data()
    yield after.encode()


def _at(ms: int) -> str:
    return moment(iso_utc(ms))


def _clock(ms: int) -> str:
    """As `_at`, where something else says that it is UTC."""
    return _at(ms).removesuffix(" UTC")


def commands(sentence: str) -> Markup:
    """A sentence of ours in which each “command” is set as code."""
    safe = str(escape(sentence))  # as plain text: Markup would escape what is put into it
    return Markup(re.sub("“(.*?)”", r"<code>\1</code>", safe))  # noqa: S704 - escaped


def lasting(ms: int) -> str:
    """`45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`: a length of time in its two largest units."""
    seconds = round(ms / 1000)
    for unit, length, less, part in (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60)):
        if seconds >= length:
            rest = seconds % length // part
            return f"{seconds // length} {unit}" + (f" {rest} {less}" if rest else "")
    if seconds >= 60:  # noqa: PLR2004 - a minute
        return f"{seconds // 60} min" + (f" {seconds % 60} s" if seconds % 60 else "")
    return f"{seconds} s"


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


FILTERS: dict[str, Callable[..., str]] = {
    "visible": visible,
    "moment": moment,
    "at": _at,
    "clock": _clock,
    "words": lambda name: name.replace("_", " "),
    "commands": commands,
    "size": bytes_in_words,
    "count": lambda number: f"{number:,}",
    "counted": counted,
    "lasting": lasting,
}
"""How the templates spell values."""


def environment_of(templates: Traversable) -> jinja2.Environment:
    """The template engine of every page: it escapes by itself, and knows how values are spelled."""
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(
            lambda name: templates.joinpath(name).read_text(encoding="utf-8")
        ),
    )
    environment.filters |= FILTERS
    return environment


def digest_of(text: str) -> str:
    """A style or script as the policy of a page names it."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _groups(summary: Summary, problems: Problems) -> list[Group]:
    """The reasons that ask for a person, the most frequent first."""
    found = [
        Group(
            reason=reason.value,
            outcome=OUTCOME_OF[reason].value,
            advice=WHAT_TO_DO[reason],
            count=rows,
            shown=problems.shown[reason],
            examples=problems.examples.get(reason, []),
        )
        for reason, rows in ((Reason(name), rows) for name, rows in summary.reasons.items())
        if needs_a_person(OUTCOME_OF[reason], reason)
    ]
    return sorted(found, key=lambda group: -group.count)


def _quiet(summary: Summary) -> list[tuple[Outcome, Reason, int, str]]:
    """The reasons that ask for nobody."""
    return [
        (OUTCOME_OF[reason], reason, rows, WHAT_TO_DO[reason])
        for reason, rows in ((Reason(name), rows) for name, rows in summary.reasons.items())
        if not needs_a_person(OUTCOME_OF[reason], reason)
    ]


def _per_import(summary: Summary) -> str:
    imported = summary.outcomes[Outcome.IMPORTED]
    return f"{summary.api.calls / imported:.2f}" if imported else "—"
