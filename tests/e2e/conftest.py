"""The program as its users meet it: real child processes against a real sandbox in another one.

The platform is shared by the tests of a session, so each test works in buckets of its own; what a
batch made there is told by the tag at the end of each video's description.
"""

import csv
import http.client
import http.server
import io
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

DEADLINE_S = 60.0
"""Far beyond what anything here takes: reaching it means that something hangs."""

READY_WITHIN_S = 30.0
POLL_S = 0.02

TAG = re.compile(r"\[mig1:([a-z2-7]{26}):([a-z2-7]{13})\]$")

_NOT_OURS = re.compile(r"(?i)^(AWS_|PIXOP_|MIGRATOR_|RCLONE_|(https?|all|no)_proxy$)")
_bucket_numbers = itertools.count(1)


def until(condition, what, within_s=DEADLINE_S):
    """What `condition` answers once that is true; fails when it does not come true in time."""
    deadline = time.monotonic() + within_s
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {within_s:.0f} s: {what}"
        time.sleep(POLL_S)
    return answer


def clean_environment(home):
    """The environment of this process without whatever of the user's could reach a test."""
    kept = {name: value for name, value in os.environ.items() if not _NOT_OURS.match(name)}
    return kept | {
        "HOME": str(home),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(home / "no-such-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "no-such-credentials"),
    }


# -------------------------------------------------------------------- children


@dataclass(frozen=True)
class Result:
    """How a child ended."""

    code: int
    out: str
    err: str

    @property
    def said(self):
        return self.out + self.err


class Child:
    """`python -m migrator …` in a process group of its own, its output in files."""

    def __init__(self, arguments, environment, directory, umask=-1):
        self.arguments = [str(argument) for argument in arguments]
        directory.mkdir(parents=True, exist_ok=True)
        number = next(_child_numbers)
        self._out = directory / f"child-{number}.out"
        self._err = directory / f"child-{number}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "migrator", *self.arguments],
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                umask=umask,
            )

    @property
    def pid(self):
        return self.process.pid

    @property
    def out(self):
        return self._out.read_text(errors="replace")

    @property
    def err(self):
        return self._err.read_text(errors="replace")

    @property
    def ended(self):
        return self.process.poll() is not None

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """SIGKILL to it and to all that it started; nothing if it has ended."""
        if not self.ended:
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait(DEADLINE_S)

    def wait(self, within_s=DEADLINE_S):
        try:
            code = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"{self.arguments} hung for {within_s:.0f} s; it said:\n{self.err[-3000:]}")
        return Result(code, self.out, self.err)


_child_numbers = itertools.count(1)


# -------------------------------------------------------------------- the sandbox


class Sandbox:
    """`migrator sandbox` in a child process, over a directory of its own."""

    def __init__(self, directory, flags):
        self.directory = directory
        self.env = {}
        self._flags = flags
        self._child = None

    def start(self, flags=()):
        arguments = ["sandbox", "--dir", self.directory, *self._flags, *flags]
        environment = clean_environment(self.directory.parent)
        self._child = child = Child(arguments, environment, self.directory.parent)
        ready = self.directory / "sandbox.env"

        def is_ready():
            assert not child.ended, f"the sandbox has ended: {child.err[-2000:]}"
            return ready.exists()

        until(is_ready, "the sandbox is ready", READY_WITHIN_S)
        lines = ready.read_text().splitlines()
        self.env = dict(line.split("=", 1) for line in lines)

    def restart(self):
        """Start it again where it was: the same ports, so that a run finds it."""
        port = self.env["PIXOP_API_URL"].removesuffix("/api").rpartition(":")[2]
        s3_port = self.env["AWS_ENDPOINT_URL_S3"].rpartition(":")[2]
        for number in (port, s3_port):
            until(lambda number=number: _is_free(int(number)), f"port {number} is free again")
        self.start(["--port", port, "--s3-port", s3_port])

    def kill(self):
        """As a power cut would: nothing is closed."""
        self._child.kill()

    def stop(self):
        if self._child is None:
            return
        if not self._child.ended:
            self._child.signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._child.process.wait(15)
        self._child.kill()

    def put(self, bucket, key, content):
        """An object of these bytes; a number makes a sparse one of that size."""
        path = self.directory / "buckets" / bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            if isinstance(content, int):
                file.truncate(content)
            else:
                file.write(content)

    def _ask(self, path):
        url = self.env["PIXOP_API_URL"].removesuffix("/api") + path
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=10) as answer:
            return json.load(answer)

    def creates(self, *, batch=None, bucket=None):
        """The log of creates: all of them, or those of one batch or of one bucket."""
        found = self._ask("/_sandbox/creates")["creates"]
        if batch is not None:
            found = [one for one in found if batch_of_tag(one["description"]) == batch]
        if bucket is not None:
            found = [one for one in found if one["bucket"] == bucket]
        return found

    def windows(self):
        return self._ask("/_sandbox/windows")

    def calls(self):
        """Requests by operation, as the platform counted them since it began."""
        return self.windows()["operations"]

    def throttled(self):
        return sum(w["throttled"] for key in self.windows()["keys"] for w in key["windows"])


def _is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def batch_of_tag(description):
    found = TAG.search(description or "")
    return found[2] if found else None


# -------------------------------------------------------------------- a batch


class Batch:
    """What a run left in its --out directory."""

    FILES = ("report.html", "summary.json", "objects.parquet", "objects.csv", "retry.csv")

    def __init__(self, directory):
        self.directory = directory

    @property
    def summary(self):
        return json.loads((self.directory / "summary.json").read_text())

    @property
    def status(self):
        """`status.json` as it is now, or {} while it is not there."""
        try:
            return json.loads((self.directory / "status.json").read_text())
        except FileNotFoundError:
            return {}

    @property
    def id(self):
        return self.summary["batch"]

    @property
    def lines(self):
        text = (self.directory / "objects.csv").read_bytes().decode()
        return list(csv.DictReader(io.StringIO(text, newline="")))

    @property
    def verdicts(self):
        """Row number -> (outcome, reason)."""
        return {int(line["Row"]): (line["Outcome"], line["Reason"]) for line in self.lines}

    def files(self):
        return {name: (self.directory / name).read_bytes() for name in self.FILES}

    def assert_balanced(self):
        """Every row is in exactly one outcome, in every place that says so."""
        summary, lines = self.summary, self.lines
        rows = summary["manifest"]["rows"]
        counted = dict.fromkeys(summary["outcomes"], 0)
        for line in lines:
            counted[line["Outcome"]] += 1
        assert summary["outcomes"] == counted
        assert sum(counted.values()) == len(lines) == rows
        assert sum(summary["reasons"].values()) == rows
        assert [int(line["Row"]) for line in lines] == list(range(1, rows + 1))
        api = summary["api"]
        assert sum(api["by_operation"].values()) == api["calls"]
        assert summary["complete"] == (counted["unfinished"] == 0)


# -------------------------------------------------------------------- a place to work


@dataclass
class World:
    """One test's directory, the sandbox it works against, and the children it started."""

    sandbox: Sandbox
    directory: Path
    env: dict = field(default_factory=dict)
    children: list = field(default_factory=list)

    def environment(self, changes):
        """The sandbox's environment with `changes`; None takes a variable away."""
        merged = clean_environment(self.directory) | self.sandbox.env | self.env | changes
        return {name: value for name, value in merged.items() if value is not None}

    def start(self, *arguments, env=None, umask=-1):
        child = Child(arguments, self.environment(env or {}), self.directory, umask)
        self.children.append(child)
        return child

    def call(self, *arguments, env=None, within_s=DEADLINE_S, umask=-1):
        """Run a verb to its end."""
        return self.start(*arguments, env=env, umask=umask).wait(within_s)

    def migrate(self, *arguments, out="out", code=0, env=None, within_s=DEADLINE_S):
        """`migrator run … --out OUT` to its end, which must be `code`; the batch it made."""
        result = self.call("run", *arguments, "--out", self.directory / out, env=env,
                           within_s=within_s)  # fmt: skip
        assert result.code == code, result.said[-4000:]
        return self.batch(out)

    def batch(self, out="out"):
        return Batch(self.directory / out)

    def bucket(self, name="bucket"):
        """The name of a bucket that no other test has."""
        return f"{name}-{next(_bucket_numbers)}-{os.getpid()}"

    def objects(self, count, bucket=None, content=b"a small video"):
        """Put `count` objects into a bucket of their own; (bucket, key) of each."""
        bucket = bucket or self.bucket()
        rows = [(bucket, f"clip-{number:05}.mp4") for number in range(count)]
        for name, key in rows:
            self.sandbox.put(name, key, content + key.encode())
        return rows

    def manifest(self, rows, header=("bucket", "key"), name="catalogue.csv"):
        """A CSV manifest of these rows; bytes among them are lines that are written as they are."""
        path = self.directory / name
        with path.open("wb") as file:
            for row in [header, *rows]:
                file.write(row if isinstance(row, bytes) else _csv_line(row))
        return path


def _csv_line(cells):
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)  # so that CR in a cell is quoted
    return text.getvalue().encode()


# -------------------------------------------------------------------- an unkind network


class Relay:
    """Stands between the program and the platform, and can keep back the answers to creates.

    Each create takes `delay_s` on its way there, and on its way back: so long it is in the air.
    """

    def __init__(self, api_url, delay_s=0.0):
        upstream = urllib.parse.urlsplit(api_url)
        self.held = 0
        self.open = threading.Event()
        self.open.set()
        relay = self
        delay_s_of = {"POST": delay_s, "GET": 0.0}

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self):
                with suppress(OSError):  # who asked has gone
                    super().handle()

            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                delay_s = delay_s_of[self.command]
                time.sleep(delay_s)
                with closing(
                    http.client.HTTPConnection(upstream.hostname, upstream.port, timeout=30)
                ) as onward:
                    onward.request(self.command, self.path, body, dict(self.headers))
                    answer = onward.getresponse()
                    content = answer.read()
                time.sleep(delay_s)
                if self.command == "POST" and not relay.open.is_set():
                    relay.held += 1
                    relay.open.wait(DEADLINE_S)
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815 - the base class's naming

            def log_message(self, *_arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_S,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}{upstream.path}"

    def hold(self):
        """Let no further answer to a create through."""
        self.open.clear()

    def release(self):
        """Let through what was kept back, and whatever comes."""
        self.open.set()

    def close(self):
        self.release()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


# -------------------------------------------------------------------- fixtures


@pytest.fixture(scope="session")
def make_sandbox(tmp_path_factory):
    """Starts sandboxes: a context manager; what it made is removed afterwards."""

    @contextmanager
    def making(*flags):
        directory = tmp_path_factory.mktemp("platform")
        sandbox = Sandbox(directory / "sandbox", flags)
        try:
            sandbox.start()
            yield sandbox
        finally:
            sandbox.stop()
            shutil.rmtree(directory / "sandbox", ignore_errors=True)

    return making


@pytest.fixture(scope="session")
def sandbox(make_sandbox):
    """The sandbox that most tests share; its quota is in nobody's way."""
    with make_sandbox("--requests-per-minute", "60000") as running:
        yield running


@pytest.fixture(scope="session")
def make_world(tmp_path_factory):
    """Makes worlds against a sandbox: a context manager; no child of theirs is left behind."""

    @contextmanager
    def making(sandbox):
        world = World(sandbox, tmp_path_factory.mktemp("world"))
        try:
            yield world
        finally:
            for child in world.children:
                child.kill()

    return making


@pytest.fixture
def world(make_world, sandbox):
    """This test's place to work against the shared sandbox."""
    with make_world(sandbox) as made:
        yield made


@pytest.fixture(scope="session")
def make_relay():
    """Makes ways to a sandbox's platform: a context manager."""
    return lambda api_url, delay_s=0.0: closing(Relay(api_url, delay_s))


@pytest.fixture
def relay(make_relay, sandbox):
    """A way to the shared sandbox that can keep answers back."""
    with make_relay(sandbox.env["PIXOP_API_URL"]) as running:
        yield running


@pytest.fixture(scope="session", name="until")
def _until():
    """Wait for a condition, with a deadline."""
    return until


@pytest.fixture
def closed_port():
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
