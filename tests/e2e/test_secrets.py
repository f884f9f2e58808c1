"""No secret in a file, in a line of output, or in the process list, however a run ends.

The sandbox's own keys are the canaries: they work, so they go everywhere that keys go.
"""

import base64
import contextlib
import http.server
import json
import signal
import stat
import threading
import urllib.parse
from pathlib import Path

import psutil
import pytest

from tests.actual.canaries import NAMES, contents, places_that_tell

LOCKED_SECRET = "canary/of+a=bucket.that.opens.nothing"
WRONG_API_KEY = "canary-of-an-api-key-that-is-refused"
SLOWLY = ("--requests-per-minute", "600", "--settle-seconds", "1")


@pytest.fixture
def secrets(world):
    env = world.sandbox.env
    return [*(env[name] for name in NAMES), LOCKED_SECRET, WRONG_API_KEY]


@pytest.fixture
def clean(world, secrets):
    """Asserts that no secret is in any of these texts, nor in any file of the world's batches."""

    def check(*texts):
        pile = {f"text {number}": text.encode() for number, text in enumerate(texts)}
        pile |= contents(world.directory)
        assert places_that_tell(pile, secrets) == []
        return pile

    return check


def _family(pid):
    """The command lines of a process and of all that it started."""
    process = psutil.Process(pid)
    return [word for one in [process, *process.children(recursive=True)] for word in one.cmdline()]


@pytest.fixture
def catalogue(world):
    """Good objects, and a bucket whose keys are refused: (flags of `run`, environment)."""
    rows = world.objects(25)
    locked = world.bucket("locked")
    world.sandbox.put(locked, "a.mp4", b"content")
    rows.insert(2, (locked, "a.mp4"))
    config = world.directory / "keys.toml"
    config.write_text(
        f'[buckets."{locked}"]\naccess_key_id_env = "L_ID"\nsecret_access_key_env = "L_SECRET"\n'
    )
    flags = ["--manifest", world.manifest(rows), "--config", config, "-vv"]
    return flags, {"L_ID": "AKIAIOSFODNN7EXAMPLE", "L_SECRET": LOCKED_SECRET}


def test_a_run_and_its_reports_hold_no_secret_with_the_most_verbose_log(
    world, until, catalogue, clean
):
    flags, env = catalogue
    out = world.directory / "out"
    child = world.start("run", *flags, *SLOWLY, "--out", out, env=env)
    until(lambda: world.batch().status.get("by_operation", {}).get("submit", 0) >= 2, "under way")
    words = _family(child.pid)
    result = child.wait()

    assert result.code == 3
    assert "migrator" in " ".join(words)
    assert len(result.err.splitlines()) > 20  # -vv does say something
    rest = [world.call(verb, out, env=env).said for verb in ("report", "status")]
    resumed = world.call("resume", out, "-vv", env=env)
    pile = clean(*words, result.said, *rest, resumed.said)
    assert {"checkpoint.db", "objects.csv", "report.html", "status.json"} <= set(pile)


def test_a_run_that_is_stopped_or_killed_leaves_no_secret(world, until, catalogue, clean):
    flags, env = catalogue
    said = []
    for number in (signal.SIGINT, signal.SIGKILL, signal.SIGABRT):
        child = world.start("run", *flags, *SLOWLY, "--out", world.directory / number.name, env=env)
        batch = world.batch(number.name)
        until(lambda batch=batch: batch.status.get("phase") == "migrating", "it is under way")
        child.signal(number)
        said.append(child.wait().said)
    clean(*said)


def test_a_refused_api_key_is_shown_nowhere(world, catalogue, clean):
    flags, env = catalogue
    result = world.call("run", *flags, "--out", world.directory / "out",
                        env={**env, "PIXOP_API_KEY": WRONG_API_KEY})  # fmt: skip
    assert result.code == 4
    clean(result.said)


def test_what_fails_before_it_begins_shows_no_secret(world, catalogue, clean, closed_port):
    flags, env = catalogue
    refused = f"http://127.0.0.1:{closed_port}/api"
    for more, changes, code in (
        (["--frobnicate"], {}, 2),
        (["--api-url", world.sandbox.env["AWS_ENDPOINT_URL_S3"]], {}, 1),
        (["--api-url", "https://user:canary-password@127.0.0.1/api"], {}, 2),
        (["--api-url", f"{refused}?key={LOCKED_SECRET}"], {}, 2),
        (["--s3-endpoint-url", f"http://127.0.0.1:{closed_port}", "--max-outage", "1s"], {}, 4),
        ([], {"L_ID": "", "L_SECRET": LOCKED_SECRET}, 2),
        ([], {"PIXOP_API_KEY": f"{WRONG_API_KEY}\x7f"}, 2),
    ):
        result = world.call("run", *flags, *more, "--out", world.directory / "out",
                            env={**env, **changes})  # fmt: skip
        assert result.code == code, result.said
        assert "canary" not in result.said
        clean(result.said)


class Echo:
    """A platform that repeats what it was sent wherever it can, in another spelling each time."""

    def __init__(self):
        self.videos = {}
        echo = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                told = [self.headers["X-API-Key"], *echo.secrets_in(sent)]
                spelled = [form for text in told for form in echo.spelled(text)]
                status, answer = echo.answer(self.command, self.path, spelled)
                content = json.dumps(answer).encode()
                self.send_response(status, told[0])
                for name in ("X-RateLimit-Limit", "X-RateLimit-Reset", "Set-Cookie", "X-Echo"):
                    self.send_header(name, told[-1])
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815 - the base class's naming

            def log_message(self, *_arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/api"

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @staticmethod
    def secrets_in(sent):
        return [json.loads(sent)["s3Bucket"]["secretAccessKey"]] if sent else []

    @staticmethod
    def spelled(text):
        yield text
        yield urllib.parse.quote(text, safe="")
        yield base64.b64encode(f"user:{text}".encode()).decode()
        yield text.encode().hex()
        yield json.dumps(text).replace("/", "\\/")
        yield "".join(f"&#{ord(character)};" for character in text)
        yield text[: len(text) * 3 // 4]

    def answer(self, method, path, spelled):
        said = " ".join(spelled)
        error = {"errorCode": spelled[0], "message": said, "requestPath": said}
        if path.endswith("/v1/account"):
            place = {"id": TEAM, "name": said}
            return 200, {"user": place, "defaultTeam": place}
        if method == "POST" and path.endswith("/in/restart"):
            return 400, error
        if method == "POST":
            number = len(self.videos)
            video_id = f"00000000-0000-4000-8000-{number:012}"
            state = {"uploadStatus": "FAILED", "error": {"code": spelled[1], "message": said}}
            upload = {"uploadState": state, "file": {"name": said}}
            self.videos[video_id] = {"id": video_id, "description": said, "upload": upload}
            if number % 3:
                return 400 + number % 3, {**error, "message": " ".join(reversed(spelled))}
            return 202, {"videoId": video_id}
        items = [*self.videos.values()]
        return 200, {"totalElements": len(items), "items": items}


TEAM = "00000000-0000-4000-8000-00000000000a"


def test_a_platform_that_repeats_what_it_was_sent_is_not_quoted(world, clean, until):
    with contextlib.closing(Echo()) as echo:
        manifest = world.manifest(world.objects(12))
        child = world.start("run", "--manifest", manifest, "--out", "out", "-vv", "--api-url",
                            echo.url, "--restarts", "1", "--settle-seconds", "0", "--max-outage",
                            "2s")  # fmt: skip
        until(lambda: child.ended, "it has ended")
        result = child.wait()
    # 401 stops it, rows are refused and copies fail before: all that it was told is in the report.
    assert result.code in {3, 4}, result.said
    pile = clean(result.said)
    assert b"***" in pile["objects.csv"]
    assert {"checkpoint.db", "report.html", "objects.parquet", "status.json"} <= set(pile)


def test_files_are_the_owners_alone_whatever_the_umask(world, catalogue):
    flags, env = catalogue
    out = world.directory / "reports" / "batch"
    result = world.call("run", *flags, "--out", out, env=env, umask=0)
    assert result.code == 3

    assert stat.S_IMODE(out.parent.stat().st_mode) == 0o700
    for path in [out, *out.rglob("*")]:
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path.name


def test_the_log_beside_the_checkpoint_is_the_owners_alone_while_it_runs(world, until, catalogue):
    flags, env = catalogue
    out = world.directory / "out"
    child = world.start("run", *flags, *SLOWLY, "--out", out, env=env, umask=0)
    until(lambda: world.batch().status.get("phase") == "migrating", "it is under way")

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in Path(out).iterdir()}
    child.kill()

    assert "checkpoint.db-wal" in modes
    assert set(modes.values()) == {0o600}
