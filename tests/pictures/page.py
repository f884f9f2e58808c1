"""The report page: small and large, wide and on a phone, in the light and in the dark."""

import shutil

from migrator.report import write_reports
from tests.browser import opened
from tests.pictures.batches import make

WIDTHS = {1440: 900, 390: 844}
"""Widths of the window, with their heights."""

SMALL = 1000
"""Below so many rows every fourth has a problem, so that there is something to see."""


def written(directory, rows):
    """A report of so many rows; made once, as a million of them takes minutes."""
    page = directory / "report.html"
    if not page.exists():
        shutil.rmtree(directory, ignore_errors=True)
        checkpoint = make(directory, rows, problem_every=4 if rows < SMALL else 20)
        try:
            write_reports(checkpoint, directory)
        finally:
            checkpoint.close()
    return page


async def pictures(out, sizes):
    """Takes every form of the page of each size; answers their paths, one by one."""
    for rows in sizes:
        page = written(out.absolute() / f"batch-{rows}", rows)
        for width, height in WIDTHS.items():
            for scheme in ("light", "dark"):
                window = {"viewport": {"width": width, "height": height}, "color_scheme": scheme}
                async with opened(page.as_uri(), **window) as tab:
                    path = out / f"report-{rows}-{width}-{scheme}.png"
                    await tab.page.screenshot(path=path, full_page=True)
                yield path
