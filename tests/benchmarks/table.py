"""What a line of the bench says, and the table of all of them."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One measurement beside what it is measured against, both of this one run.

    `ratio` is the measured figure over that of the peer or the limit, unless `note` says otherwise;
    `limit` is what is to be reached, in words, and nothing is enforced.
    """

    part: str
    what: str
    figure: float
    unit: str
    against: str = ""
    against_figure: float | None = None
    ratio: float | None = None
    limit: str = ""
    note: str = ""

    def as_json(self):
        return asdict(self)


def against(peer, figure, peer_figure):
    """The three fields of a Line that is measured against a peer's or a limit's figure."""
    return {"against": peer, "against_figure": peer_figure, "ratio": figure / peer_figure}


def number(value):
    """A figure with three significant digits; whole from 100 on, with thousands set apart."""
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


HEADINGS = ("what", "measured", "", "against", "", "ratio", "limit")
TO_THE_RIGHT = {1, 4, 5}


def render(lines):
    """The lines as text, one part after the other; notes stand below as numbered footnotes."""
    notes = [line.note for line in lines if line.note]
    marks = {note: place for place, note in enumerate(dict.fromkeys(notes), 1)}
    rows = [(None, HEADINGS)]
    rows += [
        (
            line.part,
            (
                line.what + (f" [{marks[line.note]}]" if line.note else ""),
                number(line.figure),
                line.unit,
                line.against,
                number(line.against_figure),
                "" if line.ratio is None else f"{line.ratio:.3f}",
                line.limit,
            ),
        )
        for line in lines
    ]
    widths = [max(len(cells[place]) for _, cells in rows) for place in range(len(HEADINGS))]
    text, part = [], None
    for row_part, cells in rows:
        if row_part != part:
            text.append(f"\n{row_part}")
            part = row_part
        padded = (
            cell.rjust(width) if place in TO_THE_RIGHT else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        text.append(f"  {'  '.join(padded)}".rstrip())
    text += ["", *(f"[{mark}] {note}" for note, mark in marks.items())]
    return "\n".join(text)
