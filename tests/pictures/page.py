"""Pictures of the report page: small and large, wide and on a phone, in the light and in the dark.

`make pictures` takes them; they are looked at by people, and compared with nothing.
"""

import argparse
import asyncio
import shutil
import time
from pathlib import Path

from browser import opened
from pictures.batches import make

from migrator.report import write_reports

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


async def take(page, name, out):
    """Every form of one page; prints how long each took to open."""
    for width, height in WIDTHS.items():
        for scheme in ("light", "dark"):
            began_s = time.monotonic()
            window = {"viewport": {"width": width, "height": height}, "color_scheme": scheme}
            async with opened(page.as_uri(), **window) as tab:
                await tab.page.wait_for_selector("#rows tr")
                loaded_ms = await tab.page.evaluate(
                    "performance.getEntriesByType('navigation')[0].loadEventEnd"
                )
                picture = out / f"report-{name}-{width}-{scheme}.png"
                await tab.page.screenshot(path=picture, full_page=True)
            size = page.stat().st_size / 1e6
            print(f"{picture.name}: {size:.1f} MB, loaded in {loaded_ms:.0f} ms", flush=True)
            print(f"  (with the browser's start: {time.monotonic() - began_s:.1f} s)", flush=True)


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("pictures"))
    parser.add_argument("--rows", type=int, nargs="+", default=[60, 1_000_000])
    arguments = parser.parse_args()
    for rows in arguments.rows:
        page = written(arguments.out / f"batch-{rows}", rows)
        await take(page, f"{rows}", arguments.out)


if __name__ == "__main__":
    asyncio.run(main())
