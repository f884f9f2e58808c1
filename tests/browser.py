"""A real Chromium for the tests of the pages: one tab, watched while it is open.

It is the one that CHROMIUM names, the machine's own, or playwright's; `make browser` installs it.
On a machine without any these tests fail: a page that no browser has shown is not tested.
"""

import os
import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (  # a browser has errands of its own, which are no business of a test
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
NOWHERE = {"data", "blob", "about"}
"""Schemes whose requests leave the page for nobody."""


def chromium_path():
    """Where the browser is; None for the one that playwright installed."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@dataclass
class Tab:
    """One page in the browser, and what it complained of or asked for so far."""

    page: Page
    complaints: list = field(default_factory=list)  # console warnings and errors, exceptions
    requests: list = field(default_factory=list)  # every URL that it asked for

    async def serious(self):
        """What axe-core finds serious or critical: [(rule, element, what is wrong)]."""
        options = {"resultTypes": ["violations"]}
        found = (await Axe().run(self.page, options=options)).response["violations"]
        return [
            (violation["id"], node["target"], node["failureSummary"])
            for violation in found
            if violation["impact"] in {"serious", "critical"}
            for node in violation["nodes"]
        ]


@asynccontextmanager
async def opened(url, **context):
    """A fresh tab on `url`, in a window as `context` says (arguments of Browser.new_context).

    Fails at its end when the page wrote a warning or an error to the console, threw, or asked
    anybody but its own origin for anything (a file: anything but itself).
    """
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=QUIET)
        try:
            page = await (await browser.new_context(**context)).new_page()
            tab = Tab(page)
            page.on("console", lambda message: _heard(tab, message))
            page.on("pageerror", lambda error: tab.complaints.append(str(error)))
            page.on("request", lambda request: tab.requests.append(request.url))
            await page.goto(url)
            yield tab
        finally:
            await browser.close()
    assert tab.complaints == []
    assert [one for one in tab.requests if not _own(one, url)] == []


def _heard(tab, message):
    if message.type in {"warning", "error"}:
        tab.complaints.append(f"{message.text} ({message.location.get('url')})")


def _own(requested, url):
    asked, own = urlsplit(requested), urlsplit(url)
    if asked.scheme in NOWHERE:
        return True
    if own.scheme == "file":
        return asked._replace(fragment="") == own._replace(fragment="")
    return (asked.scheme, asked.netloc) == (own.scheme, own.netloc)
