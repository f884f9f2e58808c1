"""The watched browser sees what the tests of the pages trust it to see."""

import pytest
from browser import opened

PAGE = """<!doctype html><html lang="en"><title>A page</title><h1 id="a">Hello</h1>{}</html>"""


@pytest.fixture
def written(tmp_path):
    def write(body):
        (tmp_path / "page.html").write_text(PAGE.format(body))
        return (tmp_path / "page.html").as_uri()

    return write


async def test_a_quiet_page_passes_and_what_nobody_could_read_is_serious(written):
    faint = "<p style='color:#eee;background:#fff'>faint</p>"
    async with opened(written(faint) + "#a") as tab:
        assert await tab.page.inner_text("h1") == "Hello"
        assert [rule for rule, *_ in await tab.serious()] == ["color-contrast"]


@pytest.mark.parametrize(
    "body",
    [
        "<script>console.error('no')</script>",
        "<script>throw new Error('no')</script>",
        "<img alt='a picture' src='http://127.0.0.1:9/x.png'>",
    ],
)
async def test_a_page_that_complains_or_asks_elsewhere_fails(written, body):
    with pytest.raises(AssertionError):
        async with opened(written(body)) as tab:
            await tab.page.wait_for_load_state()
