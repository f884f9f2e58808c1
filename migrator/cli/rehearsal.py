"""A rehearsal: the sandbox and the runs as processes of their own, and what came of them.

Nothing of the caller's environment reaches these processes by which they could find real keys, a
real platform or a proxy.
"""

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from migrator.cli.proof import Batch, Created, Listed, ReportRow, Summary
from migrator.errors import RunFailed, UsageError
from migrator.sandbox.catalogue import Catalogue

READY_WITHIN_S = 30.0
RUN_WITHIN_S = 600.0
"""A run that takes longer than this is stuck, however many objects were asked for."""
ANSWER_WITHIN_S = 20.0
END_WITHIN_S = 15.0
LOOK_EVERY_S = 0.01
AT_REST_WITHIN_S = 600.0
LOOK_AT_ALL_EVERY_S = 0.5
"""Looking at the whole list costs quota."""
FROZEN_S = 0.4
"""At ten requests a second, some four leave in this time."""

PAGE_SIZE = 100
"""The longest page of the platform's list."""

HIDDEN_PREFIXES = ("AWS_", "PIXOP_", "MIGRATOR_", "DEMO_")
PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})


class _Creates(msgspec.Struct):
    creates: list[Created]


class _Page(msgspec.Struct, rename="camel"):
    total_pages: int
    items: list[Listed]


def require_sandbox() -> None:
    """Raises UsageError where the `sandbox` extra is not installed."""
    from importlib.util import find_spec

    from migrator.sandbox.errors import SandboxError
    from migrator.sandbox.s3 import rclone_binary

    absent = [name for name in ("av", "google_crc32c") if find_spec(name) is None]
    try:
        rclone_binary()
    except SandboxError:
        absent.append("rclone")
    if absent:
        raise UsageError(
            f"the sandbox is not installed: there is no {', '.join(absent)}",
            "pip install '.[sandbox]' in the source tree",
        )


def sheltered(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without keys, endpoints and proxies, and without ways to find them."""
    kept = {
        name: value
        for name, value in environment.items()
        if not name.startswith(HIDDEN_PREFIXES) and name.lower() not in PROXIES
    }
    return {
        **kept,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
        "MIGRATOR_CONFIG": os.devnull,  # whatever ./migrator.toml says is meant for real runs
    }


@dataclass(frozen=True)
class Sandbox:
    """A sandbox that is ready, and the environment that its clients need."""

    process: subprocess.Popen[bytes]
    environment: Mapping[str, str]

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop the platform in its tracks: it takes requests in, and answers after the block."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def sandbox(directory: Path, log: Path, *, requests_per_minute: int) -> Iterator[Sandbox]:
    """A sandbox in `directory` for as long as the block runs.

    Raises RunFailed where it does not come up.
    """
    from migrator.sandbox import tether

    # Tied to this process: where even we are killed, it does not stay behind.
    tied = [sys.executable, "-I", "-S", str(Path(tether.__file__).absolute()), str(os.getpid())]
    options = ["--dir", str(directory), "--requests-per-minute", str(requests_per_minute)]
    ready = directory / "sandbox.env"
    command = [*tied, *_verb("sandbox", *options)]
    with (
        log.open("wb") as errors,
        child(command, sheltered(os.environ), errors.fileno()) as process,
    ):
        deadline_s = time.monotonic() + READY_WITHIN_S
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise RunFailed("the sandbox did not start", f"{log} says why")
            time.sleep(LOOK_EVERY_S)
        lines = ready.read_text().splitlines()
        yield Sandbox(process, dict(line.split("=", 1) for line in lines))


@contextlib.contextmanager
def child(
    command: Sequence[str], environment: Mapping[str, str], errors: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ended with the block: by SIGTERM, and by SIGKILL if it stays.

    It is in a session of its own, so that Ctrl-C reaches us alone and we end it in order. Its
    stdout is dropped: a sandbox prints its keys there.
    """
    process = subprocess.Popen(  # noqa: S603 - this program itself
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(END_WITHIN_S)
            finally:  # an impatient second Ctrl-C too
                if process.poll() is None:
                    process.kill()
                    process.wait()


def _verb(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "migrator", *arguments]


@dataclass(frozen=True)
class Killed:
    """How far the first run came: videos made, and requests that it never had an answer to."""

    made: int
    unanswered: int


@dataclass(frozen=True)
class Rehearsal:
    """A manifest of a catalogue, the directory of its batch, and the sandbox it is run against.

    `flags` are what `migrator run` is given besides.
    """

    catalogue: Catalogue
    manifest: Path
    batch: Path
    sandbox: Sandbox
    flags: tuple[str, ...] = ()

    def run_and_kill(self, platform: "SandboxPlatform", after_creates: int) -> Killed:
        """Run until that many videos were made, then SIGKILL, with requests under way.

        The platform makes their videos all the same, and no one is left to be told: what a second
        run must settle without making one twice. Raises RunFailed if the run ends before.
        """
        with self._run() as process:
            deadline_s = time.monotonic() + RUN_WITHIN_S
            while len(platform.creates()) < after_creates:
                if process.poll() is not None:
                    raise RunFailed(
                        f"the run ended by itself, with {process.returncode}, before it was killed",
                        "what it said stands above",
                    )
                if time.monotonic() > deadline_s:
                    raise RunFailed(f"the run made no {after_creates:,} videos in time")
                time.sleep(LOOK_EVERY_S)
            with self.sandbox.frozen():
                time.sleep(FROZEN_S)
                process.kill()
                code = process.wait()
            if code != -signal.SIGKILL:
                raise RunFailed("the run ended by itself just before it was killed")
        if sys.stderr.isatty():  # who is killed cannot take its display away
            from migrator.cli.live import ERASE

            sys.stderr.write(ERASE)
        unanswered = self._unanswered()
        time.sleep(FROZEN_S)  # the last of them are being made
        return Killed(len(platform.creates()), unanswered)

    def _unanswered(self) -> int:
        from migrator.checkpoint.store import Checkpoint
        from migrator.lifecycle import State

        # In a copy: it is for the second run to meet the checkpoint as the kill left it.
        with tempfile.TemporaryDirectory() as directory:
            for path in (self.batch / "checkpoint.db", self.batch / "checkpoint.db-wal"):
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy(path, directory)
            checkpoint = Checkpoint.open(Path(directory))
            try:
                tallies = checkpoint.tallies()
            finally:
                checkpoint.close()
        return sum(tally.rows for tally in tallies if tally.state is State.SUBMITTING)

    def run_to_its_end(self) -> int:
        """Run again; the exit code. Raises RunFailed if it does not end."""
        with self._run() as process:
            try:
                return process.wait(RUN_WITHIN_S)
            except subprocess.TimeoutExpired:
                raise RunFailed("the run came to no end") from None

    def _run(self) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
        catalogue = self.catalogue
        command = _verb(
            *("run", "--manifest", str(self.manifest), "--out", str(self.batch)),
            *("--config", str(catalogue.config), *self.flags),
            # On this machine an answer that got lost is not minutes late, nor is an outage long.
            *("--settle-seconds", "2", "--max-outage", "20s"),
        )
        environment = {
            **sheltered(os.environ),
            **self.sandbox.environment,
            **catalogue.environment,
        }
        return child(command, environment)

    def reported(self, exit_code: int) -> Batch:
        """What the report says. Raises RunFailed where there is none."""
        import pyarrow.parquet as pq

        try:
            summary = msgspec.json.decode((self.batch / "summary.json").read_bytes(), type=Summary)
            columns = ["Row", "Outcome", "Reason", "VideoId"]
            table = pq.read_table(self.batch / "objects.parquet")
            columns += [name for name in ("ClipVideoId", "ClipState") if name in table.schema.names]
            table = table.select(columns)
            missing = not (self.batch / "report.html").is_file()
        except (OSError, msgspec.MsgspecError) as error:
            raise RunFailed(f"{self.batch}: no report that can be read: {error}") from None
        if missing:
            raise RunFailed(f"{self.batch}: no report.html")
        rows = [ReportRow(*cells.values()) for cells in table.to_pylist()]
        return Batch(exit_code, summary, rows)


def digests(copies: Path) -> dict[str, str]:
    """The SHA-256 of each file in a directory, by its name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in copies.iterdir()}


class SandboxPlatform:
    """The platform of a sandbox, asked as anyone may: its list, and its log of creates."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        url = urlsplit(environment["PIXOP_API_URL"])
        self._address = (url.hostname or "", url.port or 0)
        self._base = url.path
        self._api_key = environment["PIXOP_API_KEY"]

    def creates(self) -> list[Created]:
        """Every video ever made, in order; costs no quota."""
        return msgspec.json.decode(self._get("/_sandbox/creates"), type=_Creates).creates

    def videos(self) -> list[Listed]:
        """Every video that the platform has."""
        found: list[Listed] = []
        number, pages = 0, 1
        while number < pages:
            wanted = f"pageNumber={number}&pageSize={PAGE_SIZE}&sortBy=createdAt"
            page = msgspec.json.decode(self._get(f"{self._base}/v1/videos?{wanted}"), type=_Page)
            found += page.items
            number, pages = number + 1, page.total_pages
        return found

    def videos_at_rest(self) -> list[Listed]:
        """Every video, once none is worked on any more. Raises RunFailed where that never comes."""
        deadline_s = time.monotonic() + AT_REST_WITHIN_S
        while not all(video.at_rest for video in self.videos()):
            if time.monotonic() > deadline_s:
                raise RunFailed("the sandbox's work on its videos comes to no end")
            time.sleep(LOOK_AT_ALL_EVERY_S)
        return self.videos()

    def _get(self, path: str) -> bytes:
        connection = HTTPConnection(*self._address, timeout=ANSWER_WITHIN_S)
        try:
            connection.request("GET", path, headers={"X-API-Key": self._api_key})
            answer = connection.getresponse()
            body = answer.read()
        except OSError as error:
            raise RunFailed(f"the sandbox does not answer: {error}") from None
        finally:
            connection.close()
        if answer.status != 200:  # noqa: PLR2004 - HTTP's own number
            raise RunFailed(f"the sandbox answers {answer.status} to GET {path}")
        return body
