"""What work on media does to the platform's answers."""

import statistics
import time
from pathlib import Path

import aiohttp
import psutil

from tests.benchmarks.children import measured, server
from tests.benchmarks.loop import run
from tests.benchmarks.table import Line, against
from tests.fakes.films import film

BUCKET, KEY = "catalogue", "film.mp4"
QUOTA = 10_000_000
FILMS, FILM_SECONDS, RATE, SIZE = 6, 20, 25, (640, 360)

ROUND = 50
"""Answers in a row, at rest or at work, before it is the other's turn."""

WORKER = "migrator.sandbox.media.worker"
BEGUN_WITHIN_S = 60


def measure(scale, directory):
    """Answers of the real sandbox to one aiohttp client that asks for a page of its list, one after
    the other, while its workers ingest films in full and make clips of them; and, in turn with
    that, while the workers are stopped by a signal. Nothing is pinned: all share all cores."""
    source = directory / "buckets" / BUCKET / KEY
    source.parent.mkdir(parents=True)
    film(source, rate=RATE, frames=RATE * FILM_SECONDS, size=SIZE, options={"preset": "ultrafast"})
    with server("migrator.sandbox", "--dir", directory, "--requests-per-minute", QUOTA) as sandbox:
        took = measured(
            ask, directory=directory, pid=sandbox.process.pid, answers=scale.media_answers
        )
    note = (
        f"{scale.media_answers:,} answers each, in turns of {ROUND}; {FILMS} films of "
        f"{FILM_SECONDS} s at {SIZE[0]} x {SIZE[1]}"
    )
    return [
        Line(
            part="Media", what=f"answers while films are ingested, {name}", figure=of(took["work"]),
            unit="ms", **against("at rest", of(took["work"]), of(took["rest"])), limit=limit,
            note=note,
        )
        for name, of, limit in (
            ("median", statistics.median, "<= 1.5"),
            ("95 of 100", lambda values: statistics.quantiles(values, n=20)[-1], "<= 3"),
        )
    ]  # fmt: skip


def ask(directory, pid, answers):
    """Milliseconds of each answer, at work and at rest."""
    lines = (Path(directory) / "sandbox.env").read_text().splitlines()
    return run(_ask(dict(line.split("=", 1) for line in lines), pid, answers))


def _workers(pid):
    children = psutil.Process(pid).children(recursive=True)
    return [child for child in children if WORKER in child.cmdline()]


async def _ask(environment, pid, answers):
    url = environment["PIXOP_API_URL"] + "/v1/videos"
    headers = {"X-API-Key": environment["PIXOP_API_KEY"]}
    async with aiohttp.ClientSession(headers=headers) as session:
        await _make_videos(session, url, environment)
        deadline_s = time.monotonic() + BEGUN_WITHIN_S
        while not (await _is_at_work(session, url) and _workers(pid)):
            if time.monotonic() > deadline_s:
                raise RuntimeError("nothing is ingested")
        workers, took = _workers(pid), {"work": [], "rest": []}
        while len(took["rest"]) < answers:
            for how, signal in (("work", psutil.Process.resume), ("rest", psutil.Process.suspend)):
                for worker in workers:
                    signal(worker)
                took[how] += [(await _page(session, url))[0] for _ in range(ROUND)]
        if not await _is_at_work(session, url):
            raise RuntimeError("the work was done before all answers were there")
        return took


async def _make_videos(session, url, environment):
    keys = {
        "accessKey": environment["PIXOP_SOURCE_ACCESS_KEY_ID"],
        "secretAccessKey": environment["PIXOP_SOURCE_SECRET_ACCESS_KEY"],
    }
    body = {"name": "A film", "objectKey": KEY, "s3Bucket": {"bucket": BUCKET, **keys}}
    for _ in range(FILMS):
        query = {"fullIngestion": "true"}
        async with session.post(f"{url}/in/s3", json=body, params=query) as answer:
            answer.raise_for_status()


async def _page(session, url):
    """Milliseconds that a page of the list took, and what is on it."""
    began_s = time.perf_counter()
    async with session.get(url, params={"pageSize": 100}) as answer:
        items = (await answer.json())["items"]
    return (time.perf_counter() - began_s) * 1000, items


async def _is_at_work(session, url):
    return any(one["flags"]["isIngesting"] for one in (await _page(session, url))[1])
