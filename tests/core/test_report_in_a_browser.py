"""The report page in a real Chromium: what a person does with it."""

import json
import re

import pytest
from browser import opened

from migrator.checkpoint.change import Change
from migrator.checkpoint.store import Checkpoint
from migrator.lifecycle import Event, State
from migrator.model import ManifestRow, Reason
from migrator.report import write_reports
from migrator.report.words import visible
from tests.pictures.batches import make

NOW = 1_740_830_400_000
PHONE = {"viewport": {"width": 390, "height": 844}}
CLIPBOARD = {"permissions": ["clipboard-read", "clipboard-write"]}

# Keys in which something hides, runs, ends an element or is no text at all.
UGLY = [
    "<script>window.ran = 1</script>",
    "</script><img src=x onerror='window.ran = 1'>",
    "<!--<script>",
    "]]>&lt;&amp;",
    "a\u202egpj.exe",
    "line\nfeed\r\ttab\x00nul\x7f",
    " blanks at both ends  ",
    "\u200bzero\ufeffwidth\u2028apart\U000e0041",
    "Straße/映画/e\u0301/\U0001f3ac",
    "javascript:window.ran=1//",
    "__proto__",
    "${window.ran = 1}`",
]


def report(directory, checkpoint):
    try:
        write_reports(checkpoint, directory)
    finally:
        checkpoint.close()
    return (directory / "report.html").as_uri()


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The report of 900 rows, 300 of which need a person."""
    directory = tmp_path_factory.mktemp("pages") / "batch"
    return report(directory, make(directory, 900, problem_every=3))


@pytest.fixture(scope="module")
def ugly(tmp_path_factory):
    """A report in which every stranger's text is one of UGLY."""
    directory = tmp_path_factory.mktemp("ugly")
    checkpoint = Checkpoint.create(directory, {"batch": UGLY[0]})
    checkpoint.add_source(1, "manifest", UGLY[1], ("bucket", "key"), "ab" * 32)
    rows = [ManifestRow(n, f"b{key}", key) for n, key in enumerate(UGLY, 1)]
    checkpoint.add_rows(1, rows, "", NOW)
    checkpoint.complete_source(1, "ab" * 32)
    for number, text in enumerate(UGLY, 1):
        facts = {"reason": Reason.OBJECT_NOT_FOUND, "error_code": text, "message": text}
        checkpoint.apply(number, State.PENDING, Change(Event.MISS, facts))
    return report(directory, checkpoint)


async def test_versions_of_one_object_are_told_apart(tmp_path):
    checkpoint = Checkpoint.create(tmp_path, {"batch": "0123456789abc"})
    checkpoint.add_source(1, "listing", "s3://bucket/", ("bucket", "key", "version_id"), "")
    rows = [ManifestRow(n, "bucket", "film.mov", f"<v{n}>") for n in (1, 2)]
    checkpoint.add_rows(1, rows, "", NOW, by_url=lambda _bucket: True)
    checkpoint.complete_source(1, "ab" * 32)
    for number in (1, 2):
        checkpoint.apply(
            number, State.PENDING, Change(Event.MISS, {"reason": Reason.OBJECT_NOT_FOUND})
        )
    async with opened(report(tmp_path, checkpoint)) as tab:
        page = tab.page
        assert await texts(page, "#rows small") == ["version <v1>", "version <v2>"]
        assert "(version <v1>)" in await page.inner_text(".examples")
        await page.locator("#rows .open").first.click()
        assert "<v1>" in await page.inner_text("#rows .details")


async def texts(page, selector):
    return await page.locator(selector).all_inner_texts()


async def numbers(page):
    """The rows that the table shows."""
    return [int(re.sub(r"\D", "", text)) for text in await texts(page, "#rows .open")]


async def found(page, wanted):
    await page.locator("#found", has_text=wanted).wait_for()


async def test_a_search_finds_by_key_answer_video_and_row(url):
    async with opened(url) as tab:
        page = tab.page
        assert await page.inner_text("#found") == "300 rows"
        assert await numbers(page) == [3 * n for n in range(1, 51)]
        await page.fill("#search", "été à nice")
        await found(page, re.compile(r"^\d+ of 300 rows$"))
        assert {"Été" in text for text in await texts(page, "#rows .key")} == {True}
        await page.fill("#search", "no such thing")
        await found(page, "0 of 300 rows")
        assert await numbers(page) == []
        assert await page.is_disabled("#next")
        await page.fill("#search", "connection reset")
        await found(page, re.compile(r"^[1-9]\d* of 300 rows$"))
        await page.locator("#rows .open").first.click()
        video = (await page.inner_text("#rows .opened .id")).strip()
        await page.fill("#search", video)
        await found(page, "1 of 300 rows")
        await page.click("text=Clear")
        await found(page, re.compile("^300 rows$"))


async def test_rows_are_sorted_by_every_heading_and_both_ways(url):
    async with opened(url) as tab:
        page = tab.page
        for name, place in (("object", 2), ("reason", 3), ("answer", 5)):
            await page.click(f"[data-sort={name}]")
            shown = await texts(page, f"#rows > tr > :nth-child({place})")
            firsts = [text.split("\n")[0] for text in shown]
            assert firsts == sorted(firsts)
            assert await page.get_attribute("th[aria-sort]", "aria-sort") == "ascending"
        await page.click("[data-sort=size]")
        assert await page.get_attribute("th[aria-sort]", "aria-sort") == "descending"
        assert all("TB" in t or "GB" in t for t in await texts(page, "#rows td.number"))
        await page.click("[data-sort=row]")
        await page.click("[data-sort=row]")
        assert await numbers(page) == [900 - 3 * n for n in range(50)]
        await page.click("#next")
        assert (await numbers(page))[0] == 750
        assert await page.inner_text("#where") == "51 to 100 of 300"
        await page.click("#previous")
        assert await page.is_disabled("#previous")


async def test_rows_are_filtered_by_reason_and_bucket_and_say_what_to_do(url):
    async with opened(url) as tab:
        page = tab.page
        await page.select_option("#by-reason", "archived")
        assert set(await texts(page, "#rows > tr > td:nth-child(3)")) == {"Archived"}
        assert "Restore it at the source" in await page.inner_text("#what-to-do")
        bucket, *more = sorted(set(await texts(page, "#rows .bucket")))
        assert more
        await page.select_option("#by-bucket", label=bucket)
        assert set(await texts(page, "#rows .bucket")) == {bucket}
        # From the list of what is to be done, one click leads to the rows.
        await page.click("a[data-reason=too_large]")
        await found(page, re.compile(r"^\d+ of 300 rows$"))
        assert set(await texts(page, "#rows > tr > td:nth-child(3)")) == {"Too large"}
        assert await page.input_value("#by-bucket") == ""
        assert await page.evaluate("document.activeElement.id") == "problems"


async def test_a_row_opens_to_all_that_is_known_of_it_by_keyboard(url):
    async with opened(url) as tab:
        page = tab.page
        await page.select_option("#by-reason", "copy_failed")
        await page.focus("#rows .open >> nth=0")
        await page.keyboard.press("Enter")
        said = await page.inner_text("#rows .opened")
        for text in ("What to do", "migrator retry", "COPY_ABORTED: Connection reset", "bytes",
                     "restarted 2 times", "2026-11-24", "UTC"):  # fmt: skip
            assert text in said
        await page.keyboard.press("Tab")
        await page.keyboard.press("Shift+Tab")
        await page.keyboard.press("Space")
        assert await page.locator("#rows .opened").count() == 0
        await page.focus("[data-sort=size]")
        await page.keyboard.press("Enter")
        assert await page.get_attribute("th[aria-sort]", "aria-sort") == "descending"


async def test_ugly_keys_are_shown_as_text_and_copied_to_the_byte(ugly):
    async with opened(ugly, **CLIPBOARD) as tab:
        page = tab.page
        assert await page.locator("#rows .key").evaluate_all(
            "all => all.map(one => one.textContent)"
        ) == [visible(key) for key in UGLY]
        for place, key in enumerate(UGLY):
            await page.locator("#rows .copy").nth(place).click()
            await page.locator("#rows .copy").nth(place).filter(has_text="Copied").wait_for()
            copied = await page.evaluate("navigator.clipboard.readText()")
            assert json.dumps(copied) == json.dumps(key)
        for button in await page.locator("#rows .open").all():
            await button.click()
        assert await page.locator("#rows .opened").count() == len(UGLY)
        await page.fill("#search", "</SCRIPT>")
        await found(page, "2 of 12 rows")
        assert await page.evaluate("window.ran") is None


async def test_where_the_clipboard_is_refused_the_old_way_copies(ugly):
    async with opened(ugly) as tab:
        page = tab.page
        await page.evaluate(
            "Object.defineProperty(navigator, 'clipboard', {value: undefined});"
            "addEventListener('copy', () => { window.taken = getSelection().toString() || "
            "document.activeElement.value })"
        )
        await page.locator("#rows .copy").nth(8).click()
        await page.locator("#rows .copy").nth(8).filter(has_text="Copied").wait_for()
        assert await page.evaluate("window.taken") == UGLY[8]


async def test_without_scripts_the_verdict_the_counts_and_what_to_do_are_there(url):
    async with opened(url, java_script_enabled=False) as tab:
        text = await tab.page.inner_text("body")
        assert "Finished, and 300 rows need a person" in text
        assert "The platform takes at most 500 GB" in text
        assert "objects.csv" in await tab.page.inner_text("noscript")
        assert not await tab.page.locator(".explorer").is_visible()


@pytest.mark.parametrize(
    "window", [{"color_scheme": "light"}, {"color_scheme": "dark", **PHONE}], ids=["wide", "phone"]
)
async def test_nothing_keeps_anybody_out_and_nothing_runs_off_a_phone(url, window):
    async with opened(url, **window) as tab:
        await tab.page.locator("#rows .open").first.click()
        await tab.page.select_option("#by-reason", "too_large")
        await tab.page.locator("#rows .open").first.click()
        await tab.page.click("summary")
        assert await tab.serious() == []
        assert await tab.page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )


async def test_on_paper_there_are_no_buttons_and_the_rows_stay(url):
    async with opened(url, color_scheme="dark") as tab:
        await tab.page.emulate_media(media="print")
        for gone in (".filters", ".pager", ".copy >> nth=0"):
            assert not await tab.page.locator(gone).is_visible()
        assert await tab.page.locator("#rows .key").first.is_visible()
        paper = "getComputedStyle(document.body).backgroundColor"
        assert await tab.page.evaluate(paper) == "rgb(255, 255, 255)"
