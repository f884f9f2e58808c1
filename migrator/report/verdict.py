"""The verdict of the page: is everything accounted for, and does anybody have to do anything."""

from dataclasses import dataclass

from migrator.model import OUTCOME_OF, Outcome, Reason
from migrator.report.problems import needs_a_person
from migrator.report.summary import Summary


@dataclass(frozen=True, slots=True)
class Headline:
    """The verdict: `tone` picks the colour and the mark, the words say it all."""

    tone: str
    mark: str
    text: str
    sentences: tuple[str, ...]


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
            f"{counted(unfinished)} {'is' if unfinished == 1 else 'are'} still open"
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


def counted(count: int) -> str:
    """`1 row`, `2 rows`."""
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def _needs(count: int) -> str:
    return f"{counted(count)} needs" if count == 1 else f"{counted(count)} need"


def _videos(count: int) -> str:
    return "1 duplicate video" if count == 1 else f"{count:,} duplicate videos"
