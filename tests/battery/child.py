"""`python -m tests.battery.child --crash-at POINT:N -- VERB …`: the program, killed at one point.

It is `migrator.cli.main` itself. Around the seams where something becomes durable or leaves the
machine stands a fuse, which kills this very process with SIGKILL at its N-th passing of POINT; the
product knows nothing of it. Where POINT is passed less often, the program ends by itself. With
POINT:N:SIGNAL it gets another signal there: SIGSTOP holds it, so that a test can meddle.
"""

import asyncio
import os
import signal
import sys
from contextlib import contextmanager

import aiohttp

from migrator.atomic import AtomicFile
from migrator.checkpoint.store import Checkpoint
from migrator.cli import main as migrator
from migrator.engine import decide
from migrator.lifecycle import Event
from migrator.pixop.client import PixopClient

COMMITTED = {
    Event.SUBMIT: "intent",
    Event.ACCEPT: "answer",
    Event.RESTART: "restart",
    Event.FOUND: "find",
}
"""What the commit of a change is called here."""

REQUESTS = {"/videos/in/s3": "post", "/in/restart": "restart"}
"""What a POST to a path that ends so is called here."""

POINTS = (
    "rows-before-commit",
    "rows-after-commit",
    "look-before-commit",
    "look-after-commit",
    "sweep-before-commit",
    "sweep-after-commit",
    "intent-before-commit",
    "intent-after-commit",
    "post-after-send",
    "post-after-answer",
    "answer-before-commit",
    "answer-after-commit",
    "restart-after-send",
    "restart-after-answer",
    "restart-before-commit",
    "restart-after-commit",
    "report-before-rename",
    "report-after-rename",
)
"""Every place where a crash would be told apart from one elsewhere."""

RESTART_DELAYS_S = (0.5, 1.0)
"""In place of five and twenty seconds: a crash is about the order of things, not the wait."""


class Fuse:
    """Sends this process a signal at the N-th passing of one point."""

    def __init__(self, point, passings, number):
        assert point in POINTS, point
        self._point = point
        self._left = passings
        self._number = number

    def passing(self, point):
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), self._number)


def around_commits(fuse):
    """A transaction is named for what is written in it, before and after its COMMIT.

    It is passed as often as something of a name is in it, so that the N-th row ends the process
    however many share a commit.
    """
    transaction, apply, apply_all = (
        Checkpoint.transaction,
        Checkpoint.apply,
        Checkpoint.apply_all,
    )
    add_records, add_videos = Checkpoint.add_records, Checkpoint.add_platform_videos
    preflighted = Checkpoint.preflighted
    written = []

    def noting(method, name):
        def noted(*arguments):
            written.append(name)
            return method(*arguments)

        return noted

    def applying(checkpoint, row, state, change):
        written.append(COMMITTED.get(change.event))
        return apply(checkpoint, row, state, change)

    def applying_all(checkpoint, moves):
        written.extend(COMMITTED.get(move.change.event) for move in moves)
        return apply_all(checkpoint, moves)

    @contextmanager
    def committing(checkpoint):
        written.clear()
        with transaction(checkpoint):
            yield
            for name in written:
                fuse.passing(f"{name}-before-commit")
        for name in written:
            fuse.passing(f"{name}-after-commit")

    Checkpoint.apply = applying
    Checkpoint.apply_all = applying_all
    Checkpoint.add_records = noting(add_records, "rows")
    Checkpoint.preflighted = noting(preflighted, "look")
    Checkpoint.add_platform_videos = noting(add_videos, "sweep")
    Checkpoint.transaction = committing


def around_requests(fuse):
    """A POST has left once aiohttp begins to wait for its answer."""
    start, call = aiohttp.ClientResponse.start, PixopClient.call

    def name_of(method, path):
        names = (name for end, name in REQUESTS.items() if path.endswith(end))
        return next(names, None) if method == "POST" else None

    async def starting(response, connection):
        if name := name_of(response.method, response.url.path):
            for _ in range(3):  # uvloop writes at the end of a round of its loop
                await asyncio.sleep(0)
            fuse.passing(f"{name}-after-send")
        return await start(response, connection)

    async def calling(client, method, path, params=None, body=None):
        reply = await call(client, method, path, params, body)
        if name := name_of(method, path):
            fuse.passing(f"{name}-after-answer")
        return reply

    aiohttp.ClientResponse.start = starting
    PixopClient.call = calling


def around_reports(fuse):
    """Every report file is written under another name and then renamed."""
    publish = AtomicFile.publish

    def publishing(file):
        fuse.passing("report-before-rename")
        digest = publish(file)
        fuse.passing("report-after-rename")
        return digest

    AtomicFile.publish = publishing


def main(argv):
    flag, where, dashes, *arguments = argv
    assert (flag, dashes) == ("--crash-at", "--"), __doc__
    point, passings, name = f"{where}:SIGKILL".split(":")[:3]
    fuse = Fuse(point, int(passings), signal.Signals[name])
    for put_around in (around_commits, around_requests, around_reports):
        put_around(fuse)
    decide.copies.RESTART_DELAYS_S = RESTART_DELAYS_S
    migrator(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
