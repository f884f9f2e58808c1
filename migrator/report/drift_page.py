"""`verify.html`: what differs from the report, and what each kind asks of a person.

The style is that of `report.html`. There is no script on it: what it holds is bounded, and the
rest is in the tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from markupsafe import Markup

from migrator.engine.decide.drift import Drift
from migrator.report.drift import ADVICE, TITLE, Example
from migrator.report.drift_summary import DriftSummary
from migrator.report.page import digest_of, environment_of
from migrator.report.verdict import Headline

AT_THE_SOURCE = frozenset({Drift.SOURCE_GONE, Drift.SOURCE_CHANGED, Drift.SOURCE_UNREADABLE})


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of drift: how often, what to do, the first of them."""

    drift: str
    title: str
    advice: str
    count: int
    colour: str
    examples: Sequence[Example]


def drift_page(summary: DriftSummary, examples: Mapping[Drift, Sequence[Example]]) -> str:
    """The whole page."""
    files = resources.files(__package__).joinpath("templates")
    style = files.joinpath("report.css").read_text(encoding="utf-8")
    kinds = [
        Kind(name, TITLE[drift], ADVICE[drift], count, _colour(drift), examples.get(drift, ()))
        for name, count in summary.drift.items()
        for drift in (Drift(name),)
    ]
    return (
        environment_of(files)
        .get_template("verify.html.j2")
        .render(
            summary=summary,
            headline=headline(summary),
            kinds=kinds,
            style=Markup(style),  # noqa: S704 - our own file
            style_digest=digest_of(style),
        )
    )


def headline(summary: DriftSummary) -> Headline:
    """The verdict first."""
    rows = summary.rows
    compared = (
        f"{rows.with_video:,} rows name a video. They were compared with the "
        f"{summary.videos.listed:,} videos that the platform lists for the team"
    )
    at_source = (
        f", and {rows.headed:,} objects with what they were before the import."
        if summary.source
        else "; the source was left out."
    )
    opened = (
        f"{rows.open:,} rows have no outcome yet and were left out: “migrator resume” first."
        if rows.open
        else ""
    )
    sentences = (compared + at_source, opened)
    if summary.findings:
        text = (
            "1 thing is not as the report says"
            if summary.findings == 1
            else f"{summary.findings:,} things are not as the report says"
        )
        return Headline("attention", "!", text, sentences)
    if rows.open:
        return Headline("open", "…", "No drift so far, and rows are still open", sentences)
    return Headline("good", "✓", "Everything is as the report says", sentences)


def _colour(drift: Drift) -> str:
    """The swatch of a kind, of those that the style knows."""
    if drift in AT_THE_SOURCE:
        return "missing"
    if drift is Drift.ARRIVED:
        return "imported"
    extra = {Drift.UNREPORTED, Drift.DUPLICATE_TAG, Drift.LOOK_ALIKE, Drift.ORPHAN}
    return "rejected" if drift in extra else "failed"
