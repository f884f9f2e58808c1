"""What the terminal shows, as pictures: made moments, and the real program on a real terminal."""

import io
import re

from rich.console import Console
from rich.style import Style
from rich.text import Text

from migrator.cli.picture import picture
from tests.pictures.snapshots import MOMENTS

SIZES = ((80, 24), (140, 40))


def moments():
    """(name, SVG) of each made moment at each size."""
    for name, snapshot in MOMENTS.items():
        for columns, lines in SIZES:
            console = Console(
                file=io.StringIO(), record=True, force_terminal=True, width=columns - 1,
                color_system="truecolor", legacy_windows=False,
            )  # fmt: skip
            console.print(picture(snapshot, console, lines - 1))
            yield f"terminal-{name}-{columns}", as_svg(console, f"migrator run — {name}")


def of_screen(screen, title):
    """The SVG of what an emulated terminal shows."""
    console = Console(
        file=io.StringIO(), record=True, force_terminal=True, width=screen.columns,
        color_system="truecolor", legacy_windows=False,
    )  # fmt: skip
    for y in range(screen.lines):
        line = Text()
        for x in range(screen.columns):
            cell = screen.buffer[y][x]
            line.append(cell.data, _style(cell))
        console.print(line, no_wrap=True, crop=True)
    return as_svg(console, title)


def _style(cell):
    colour = None if cell.fg == "default" else cell.fg.replace("brown", "yellow")
    if colour is not None and colour.startswith("bright"):
        colour = colour.replace("bright", "bright_")
    if colour is not None and re.fullmatch("[0-9a-f]{6}", colour):
        colour = f"#{colour}"
    return Style(color=colour, bold=cell.bold, reverse=cell.reverse)


def as_svg(console, title):
    """A recorded console as SVG; the fonts that rich would fetch are left out."""
    svg = console.export_svg(title=title)
    return re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
