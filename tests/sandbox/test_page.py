"""The page at `/`: what it says, what it hands out, and what it does not."""

import asyncio
import re
import sqlite3
from html.parser import HTMLParser

import boto3
import pytest
from aiohttp import web
from botocore.config import Config
from fakes.films import film
from fakes.receiver import receiving

from migrator.sandbox import accounts, database
from migrator.sandbox.database import Database
from migrator.sandbox.moments import Clock
from migrator.sandbox.page import glance
from migrator.sandbox.page.glance import ROWS, Glances, View
from migrator.sandbox.storage import Storage

NOWHERE = "00000000-0000-0000-0000-000000000000"


def base(client):
    return client.env["PIXOP_API_URL"].removesuffix("/api")


@pytest.fixture
def look():
    """What a browser gets: the status, the headers, the body."""

    async def look(client, path="/", method="GET", **headers):
        async with client.session.request(method, base(client) + path, headers=headers) as answer:
            return answer.status, answer.headers, await answer.read()

    return look


@pytest.fixture
def text(look):
    async def text(client, path="/"):
        status, _, body = await look(client, path)
        assert status == 200
        return body.decode()

    return text


class Links(HTMLParser):
    """The names of the videos on a page, and where its links lead."""

    def __init__(self, text):
        super().__init__()
        self.names, self.links = [], {}
        self._inside, self._href = "", None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self._inside = tag if tag in {"h3", "a"} else self._inside
        self._href = dict(attrs).get("href")

    def handle_data(self, data):
        if self._inside == "h3" and data.strip():
            self.names.append(data)
        if self._inside == "a" and data.strip():
            self.links[data.strip().split("\n")[0]] = self._href

    def handle_endtag(self, tag):
        self._inside = "" if tag == self._inside else self._inside


# ----------------------------------------------------------------- what it says


async def test_a_view_asks_for_no_key_and_costs_no_quota(client, text):
    assert "No videos yet" in await text(client)
    assert "nobody has called" in await text(client)
    windows = await client.inspect("windows")
    assert (windows["keys"], windows["operations"]) == ([], {})


async def test_a_video_is_shown_with_its_source_size_and_status(client, text):
    video_id = await client.create(name="A reel")
    await client.ended(video_id)
    page = await text(client)
    for shown in ("A reel", "s3://films/film.mov", "8 bytes", "Copied", video_id):
        assert shown in page, shown


async def test_a_copy_that_failed_is_shown_with_its_reason(client, text):
    await client.plan({"fault": "copy_fails", "code": "HEAD_OBJECT_ERROR"})
    await client.ended(await client.create())
    assert "HEAD_OBJECT_ERROR: Failed as planned" in await text(client, "/?kind=failed")


async def test_the_use_of_the_quota_is_shown(sandbox, text):
    async with sandbox(requests_per_minute=3) as client:
        for _ in range(5):
            await client.get("/v1/account")
        await client.call("GET", "/v1/account", api_key="wrong")
        page = await text(client)
    assert '<p class="figure">3 <small>of 3 requests' in page
    assert "2 refused" in page
    assert "1 more (no valid key)" in page


async def test_no_secret_stands_on_the_page(sandbox, text):
    async with sandbox(allow_local_urls=True) as client:
        client.put()
        url = boto3.client(
            "s3",
            endpoint_url=client.env["AWS_ENDPOINT_URL_S3"],
            region_name="us-east-1",
            aws_access_key_id=client.env["PIXOP_SOURCE_ACCESS_KEY_ID"],
            aws_secret_access_key=client.env["PIXOP_SOURCE_SECRET_ACCESS_KEY"],
            config=Config(signature_version="s3v4"),
        ).generate_presigned_url("get_object", Params={"Bucket": "films", "Key": "film.mov"})
        await client.create()
        answer = await client.call(
            "POST", "/v1/videos/in/https", data={"name": "By URL", "url": url}
        )
        assert answer.status == 202
        await client.ended(answer.json["videoId"])
        page = await text(client)
    assert "/films/film.mov?***" in page
    assert "X-Amz" not in page
    for name, value in client.env.items():
        if "KEY" in name:
            assert value not in page, name


async def test_what_others_wrote_is_text_and_hides_nothing(client, look):
    hostile = "</h3><script>alert(1)</script>\u202e"
    await client.create(name=hostile)
    _, headers, body = await look(client)
    assert b"&lt;/h3&gt;&lt;script&gt;alert(1)&lt;/script&gt;\\u202e" in body
    assert b"<script>alert" not in body
    policy = headers["Content-Security-Policy"].split("; ")
    assert "default-src 'none'" in policy
    assert not [one for one in policy if "unsafe" in one or "*" in one or ":" in one]
    assert headers["Content-Type"] == "text/html; charset=utf-8"


# ------------------------------------------------------------------- webhooks


@pytest.fixture
async def told(sandbox, contract):
    """A sandbox that tells a receiver, and what makes a webhook that leads there."""
    async with sandbox(allow_local_urls=True) as client, receiving(contract) as receiver:
        client.put()

        async def make(name="Told", query="", **fields):
            answer = await client.call(
                "POST",
                "/v1/webhooks",
                data={
                    "active": True,
                    "name": name,
                    "url": receiver.url + query,
                    "rateLimitPerSecond": 1000,
                    "maxTotalRetryDelayMinutes": 60,
                    "eventTypes": ["video_in.done"],
                    **fields,
                },
            )
            assert answer.status == 201, answer.text

        yield client, receiver, make


async def until(holds, page):
    """The page, once something stands on it."""
    async with asyncio.timeout(20):
        while holds not in (text := await page()):
            await asyncio.sleep(0.02)
    return text


async def test_webhooks_and_what_became_of_their_deliveries_are_shown(told, text):
    client, receiver, make = told
    receiver.answer = lambda _: web.Response(status=500, text="<b>down</b>\u202e")
    await make("The <i>archive</i>", "?token=hush")
    await make("Asleep", active=False)
    video_id = await client.create()
    page = await until("Due in", lambda: text(client))
    assert "The &lt;i&gt;archive&lt;/i&gt;" in page
    assert f"{receiver.url}?***" in page
    assert "hush" not in page
    assert "Asleep</bdi> <small>inactive" in page
    assert re.search(r"500 after \d+ ms: &lt;b&gt;down&lt;/b&gt;\\u202e", page)
    assert page.count(video_id) > 1
    receiver.answer = lambda _: web.Response(status=204)
    await client.create()
    assert "<bdi>204 after" in await until("Delivered", lambda: text(client))


async def test_only_the_last_deliveries_and_the_first_webhooks_are_shown(told, text):
    client, receiver, make = told
    for number in range(24):
        await make(f"Asleep {number}", active=False)
    await make("Awake")
    for number in range(7):
        await client.create(name=f"{number}")
    await receiver.until(7)
    page = await until("Delivered", lambda: text(client))
    assert page.count("</span>video_in.done") == 5
    assert page.index("Awake") < page.index("Asleep 0")
    assert "Asleep 18" in page
    assert "Asleep 19" not in page
    assert "5 more." in page


# --------------------------------------------------------------- many videos


@pytest.fixture
def full(tmp_path):
    """Fills a database with so many videos; a row for each, without the requests."""

    async def filled(videos):
        clock, path = Clock(), tmp_path / f"records-{videos}.db"
        database.prepare(path, clock, (accounts.seed,))
        connection = sqlite3.connect(path)
        with connection:
            connection.executemany(
                "INSERT INTO videos (video_id, created_at, updated_at, user_id, team_id,"
                " project_id, name, is_clip, upload_status, ingestion_status)"
                " VALUES (?, 0, 0, '', '', '', ?, ?, ?, ?)",
                (
                    (f"{number}", f"{number}", number % 2, *states(number))
                    for number in range(videos)
                ),
            )
        connection.close()
        return Database(path)

    return filled


def states(number):
    return [("DONE", "DONE"), ("DONE", "IN_PROGRESS"), ("FAILED", None), ("INITIAL", None)][
        number // 2 % 4
    ]


async def walked(glances, view, beside):
    """The names on each page from a view on, by the page beside each."""
    pages = []
    while True:
        seen = await glances.look(view)
        pages.append([one.video.name for one in seen.shown])
        number = getattr(seen, beside)
        if number is None:
            return pages
        view = View(kind=view.kind, **{{"older": "before", "newer": "after"}[beside]: number})


@pytest.mark.parametrize("kind", ["masters", "clips", "open", "failed"])
async def test_pages_show_each_video_of_a_kind_once_both_ways(full, kind):
    wanted = {
        "masters": lambda n: n % 2 == 0,
        "clips": lambda n: n % 2 == 1,
        "open": lambda n: n // 2 % 4 in {1, 3},
        "failed": lambda n: n // 2 % 4 == 2,
    }[kind]
    names = [str(number) for number in reversed(range(231)) if wanted(number)]
    async with await full(231) as kept:
        older = await walked(Glances(kept), View(kind=kind), "older")
        newer = await walked(Glances(kept), View(kind=kind, after=0), "newer")
        assert (await Glances(kept).look(View())).counts[kind] == len(names)
    assert [name for page in older for name in page] == names
    assert [name for page in reversed(newer) for name in page] == names
    assert max(map(len, older)) == max(map(len, newer)) == ROWS


async def test_a_view_is_as_much_work_however_many_videos_there_are(full, monkeypatch):
    monkeypatch.setattr(glance, "COUNTED_TO", 1000)
    views = [View(kind=kind) for kind in glance._FROM]
    views += [View(kind=kind, before=4000) for kind in glance._FROM]
    views += [View(kind=kind, after=4000) for kind in glance._FROM]
    few, many = [await steps(await full(videos), views) for videos in (10_000, 40_000)]
    assert many == few


async def steps(kept, views):
    """How much SQLite does for each view, in hundreds of its steps."""
    found = []
    async with kept:
        for view in views:
            count = [0]
            kept._reader.set_progress_handler(
                lambda count=count: count.__setitem__(0, count[0] + 1), 1000
            )
            seen = await Glances(kept).look(view)
            assert len(seen.shown) == ROWS
            assert seen.counts["masters"] == 1001
            found.append(round(count[0] / 10))
    return found


async def test_links_lead_to_the_pages_beside_and_back(sandbox, text):
    async with sandbox(copy=False, head=False) as client:
        for number in range(45):
            await client.create(f"{number}", name=f"{number}")
        first = Links(await text(client))
        second = Links(await text(client, first.links["Older →"]))
        third = Links(await text(client, second.links["Older →"]))
        again = Links(await text(client, third.links["← Newer"]))
        newest = Links(await text(client, again.links["Newest"]))
    assert first.names == newest.names == [str(number) for number in range(44, 24, -1)]
    assert second.names == again.names == [str(number) for number in range(24, 4, -1)]
    assert third.names == ["4", "3", "2", "1", "0"]
    assert "Older →" not in third.links
    assert "← Newer" not in first.links


# ------------------------------------------------------------- what it hands out


@pytest.fixture
async def filmed(sandbox):
    """A sandbox in which one film was ingested fully, and the film's id."""
    async with sandbox(media=True, clips=False) as client:
        film(client.put("film.mp4"), frames=50)
        answer = await client.post(client.body("film.mp4"), fullIngestion="true")
        video_id = answer.json["videoId"]
        video = await client.ingested(video_id)
        assert video["ingestion"]["ingestionState"]["webVideoAvailable"]
        yield client, video_id


async def test_web_video_and_thumbnail_are_handed_out_by_ranges(filmed, look, text):
    client, video_id = filmed
    place = f"/_sandbox/videos/{video_id}"
    storage = Storage.under(client.directory / "platform")
    whole = storage.web_video(video_id).read_bytes()
    status, headers, body = await look(client, f"{place}/web.mp4")
    assert (status, headers["Content-Type"], body) == (200, "video/mp4", whole)
    status, headers, body = await look(client, f"{place}/web.mp4", Range="bytes=100-299")
    assert (status, body) == (206, whole[100:300])
    assert headers["Content-Range"] == f"bytes 100-299/{len(whole)}"
    status, headers, _ = await look(client, f"{place}/web.mp4", Range=f"bytes={len(whole)}-")
    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(whole)}")
    status, headers, body = await look(client, f"{place}/web.mp4", "HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(len(whole)), b"")
    status, headers, body = await look(client, f"{place}/thumbnail.jpg")
    assert (status, headers["Content-Type"]) == (200, "image/jpeg")
    assert body in {path.read_bytes() for path in storage.thumbnails(video_id)}
    page = await text(client)
    assert f'href="{place}/web.mp4"' in page
    assert f'src="{place}/thumbnail.jpg"' in page


async def test_only_what_the_page_shows_is_handed_out(client, look):
    video_id = await client.create()
    await client.ended(video_id)
    for path in (
        f"/_sandbox/videos/{video_id}/web.mp4",
        f"/_sandbox/videos/{video_id}/thumbnail.jpg",
        f"/_sandbox/videos/{NOWHERE}/web.mp4",
        f"/_sandbox/videos/{video_id}/../../videos/{video_id}",
        "/_sandbox/videos/..%2F..%2Fkeys.json/web.mp4",
        "/_sandbox/videos/%2E%2E/web.mp4",
        f"/_sandbox/videos/{video_id}%00/web.mp4",
        "/_sandbox/page/page.html.j2",
        "/_sandbox/page/..%2Froutes.py",
        "/_sandbox/page/%2Fetc%2Fpasswd",
        "/?kind=secrets",
        "/?before=1%20OR%201",
        "/?after=-1",
        "/?before=99999999999999999999",
    ):
        status, _, body = await look(client, path)
        assert (status, len(body) < 20) == (404, True), path


async def test_style_script_and_icon_are_handed_out_as_what_they_are(client, look):
    for name, content_type in (
        ("page.css", "text/css; charset=utf-8"),
        ("page.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml; charset=utf-8"),
    ):
        status, headers, _ = await look(client, f"/_sandbox/page/{name}")
        assert (status, headers["Content-Type"]) == (200, content_type)
        assert headers["X-Content-Type-Options"] == "nosniff"
