"""The page in a real browser: that it can be seen and used, and that it is the page's own."""

import asyncio
import itertools

import pytest
from browser import opened
from fakes.films import film

HOSTILE = "<img src=x onerror=\"document.title='struck'\">\u202egpj.\u0000" + "x" * 150
WIDTHS = {1280: 800, 400: 860}


def url(client):
    return client.env["PIXOP_API_URL"].removesuffix("api")


@pytest.fixture
async def stage(sandbox):
    """A sandbox that works on what videos hold."""
    async with sandbox(media=True, clips=False) as client:
        yield client


async def ingested(client, name, *, frames):
    film(client.put("film.mp4"), frames=frames)
    answer = await client.post(client.body("film.mp4", name=name), fullIngestion="true")
    await client.ingested(answer.json["videoId"])
    return answer.json["videoId"]


async def test_it_can_be_read_wide_and_narrow_light_and_dark_whatever_others_wrote(stage):
    await ingested(stage, "A film with pictures", frames=12)
    stage.put("deep/" * 60 + "film.mov")
    await stage.ended(await stage.create("deep/" * 60 + "film.mov", name=HOSTILE))
    await stage.plan({"fault": "copy_fails", "code": "<b>CODE</b>" + "_LONG" * 15})
    await stage.ended(await stage.create("film.mp4", name="Failed"))
    await stage.plan({"fault": "copy_stalls", "at_percent": 40})
    await stage.create("film.mp4", name="Stalled")
    async with opened(url(stage)) as tab:
        for (width, height), scheme in itertools.product(WIDTHS.items(), ("light", "dark")):
            await tab.page.set_viewport_size({"width": width, "height": height})
            await tab.page.emulate_media(color_scheme=scheme)
            needed = await tab.page.evaluate("document.documentElement.scrollWidth")
            assert needed <= width, (width, scheme)
            assert await tab.serious() == [], (width, scheme)
        assert await tab.page.locator(".row").count() == 4
        assert await tab.page.locator(".row img").count() == 1
        assert await tab.page.title() != "struck"
        await tab.page.wait_for_function("document.querySelector('.row img').naturalWidth > 0")


async def test_a_click_on_its_picture_plays_the_web_video(stage):
    await ingested(stage, "A film", frames=50)
    async with opened(url(stage), viewport={"width": 400, "height": WIDTHS[400]}) as tab:
        await tab.page.get_by_role("link", name="Play A film").click()
        video = tab.page.locator("video")
        assert await tab.page.evaluate("document.documentElement.scrollWidth") <= 400
        await video.evaluate(
            """video => new Promise((seen, failed) => {
                video.addEventListener("ended", seen);
                video.addEventListener("error", () => failed(video.error.message));
            })"""
        )
        seen = await video.evaluate(
            "video => [video.error, video.currentTime, video.videoWidth, video.videoHeight]"
        )
    assert seen == [None, pytest.approx(2.0, abs=0.1), 128, 72]


async def test_it_renews_itself_and_lets_what_plays_play_on(stage):
    video_id = await ingested(stage, "Before", frames=200)
    async with opened(url(stage)) as tab:
        await tab.page.get_by_role("link", name="Play Before").click()
        await tab.page.evaluate("window.playing = document.querySelector('video')")
        await stage.patch(f"/v1/videos/{video_id}", {"name": "After"})
        await stage.create("film.mp4", name="Another")
        await tab.page.get_by_role("heading", name="Another").wait_for()
        order = await tab.page.locator("h3").all_inner_texts()
        assert order == ["Another", "Before"]
        assert await tab.page.evaluate(
            "playing.isConnected && !playing.paused && playing.currentTime > 0"
        )
        await tab.page.evaluate("playing.currentTime = playing.duration")
        await tab.page.get_by_role("heading", name="After").wait_for()
        assert await tab.page.locator("video").count() == 0
        assert (await stage.call("DELETE", f"/v1/videos/{video_id}", data=[])).status == 200
        await tab.page.get_by_role("heading", name="After").wait_for(state="detached")


async def test_it_says_when_the_sandbox_does_not_answer(sandbox):
    async with sandbox() as client:
        address = url(client)
        context = opened(address)
        tab = await context.__aenter__()
        assert await tab.page.get_by_role("status").inner_text() == ""
    await tab.page.get_by_text("The sandbox does not answer").wait_for()
    assert all("ERR_" in complaint for complaint in tab.complaints)
    tab.complaints.clear()
    await context.__aexit__(None, None, None)


async def test_without_a_script_it_is_whole_and_loads_itself_anew(stage):
    await ingested(stage, "A film", frames=12)
    async with opened(url(stage), java_script_enabled=False) as tab:
        link = tab.page.get_by_role("link", name="Play A film")
        assert (await link.get_attribute("href")).endswith("/web.mp4")
        answer = await stage.create("film.mp4", name="Another")
        assert answer
        async with asyncio.timeout(20):
            await tab.page.get_by_role("heading", name="Another").wait_for()
