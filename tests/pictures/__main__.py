"""`make pictures`: what people see, as files to look at. Nothing here is a test."""

import argparse
import asyncio
import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.actual.sandbox import Sandbox
from tests.actual.terminal import Terminal
from tests.actual.world import World
from tests.pictures import page, terminal

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.pictures", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("pictures"), help="where they are put")
    parser.add_argument("--rows", type=int, nargs="+", default=[60, 1_000_000], metavar="N",
                        help="sizes of the batches whose report pages are taken")  # fmt: skip
    arguments = parser.parse_args()
    out = arguments.out
    out.mkdir(exist_ok=True)
    asyncio.run(take_pages(out, arguments.rows))
    for name, svg in (*terminal.moments(), *run_on_terminals()):
        (out / f"{name}.svg").write_text(svg)
        rasterise(out / f"{name}.svg")
        print(out / name)


async def take_pages(out, sizes):
    """A batch of a million rows takes some minutes to make; it is made once."""
    async for path in page.pictures(out, sizes):
        print(path)


def run_on_terminals():
    """(name, SVG) of a real run against a sandbox, under way and at its end, at each size."""
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        sandbox = Sandbox(Path(directory) / "sandbox", ("--requests-per-minute", "600"))
        sandbox.start()
        stack.callback(sandbox.stop)
        world = World(sandbox, Path(directory))
        rows = world.objects(60)
        rows[10:10] = [(rows[0][0], f"gone/映画-{number}.mp4") for number in range(4)]
        manifest = world.manifest(rows)
        for columns, lines in terminal.SIZES:
            command = [sys.executable, "-m", "migrator", "run", "--manifest", manifest]
            command += ["--out", f"out-{columns}", "--namespace", str(columns)]
            with Terminal(command, world.environment({}), world.directory, columns, lines) as shown:
                shown.until(lambda now: re.search("[2-9][0-9]%", "\n".join(now)), "under way")
                yield f"terminal-run-{columns}", terminal.of_screen(shown.screen, "migrator run")
                shown.end()
                yield f"terminal-end-{columns}", terminal.of_screen(shown.screen, "migrator run")


def rasterise(svg):
    """A PNG beside the SVG, where a Chromium is installed."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        return
    width, height = (float(n) for n in re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"',
                                                 svg.read_text()).groups())  # fmt: skip
    subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         f"--screenshot={svg.with_suffix('.png').absolute()}",
         f"--window-size={width:.0f},{height:.0f}", svg.absolute().as_uri()],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip


if __name__ == "__main__":
    main()
