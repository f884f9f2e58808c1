"""The actual sandbox in a child process, and the log that it keeps of every create."""

import json
import re
import signal
import socket
import subprocess
import urllib.request
from contextlib import suppress

from tests.actual.program import Child, clean_environment, until

READY_WITHIN_S = 30.0

TAG = re.compile(r"\[mig1:([a-z2-7]{26}):([a-z2-7]{13})\]$")


class Sandbox:
    """`migrator sandbox` in a child process, over a directory of its own."""

    def __init__(self, directory, flags):
        self.directory = directory
        self.env = {}
        self._flags = flags
        self._child = None

    def start(self, flags=()):
        ready = self.directory / "sandbox.env"
        ready.unlink(missing_ok=True)  # of one that was killed
        arguments = ["sandbox", "--dir", self.directory, *self._flags, *flags]
        environment = clean_environment(self.directory.parent)
        self._child = child = Child(arguments, environment, self.directory.parent)

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

    def _ask(self, path, body=None, method=None):
        url = self.env["PIXOP_API_URL"].removesuffix("/api") + path
        headers = {"X-API-Key": self.env["PIXOP_API_KEY"], "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            content = answer.read()
            return json.loads(content) if content else None

    def plan(self, *rules):
        """Put a plan of faults in force; without rules nothing goes wrong any more."""
        url = self.env["PIXOP_API_URL"].removesuffix("/api") + "/_sandbox/faults"
        headers = {"Content-Type": "application/json"}
        body = json.dumps({"rules": rules}).encode()
        request = urllib.request.Request(url, body, headers, method="PUT")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            assert answer.status == 200

    def videos(self, clip_mode="INCLUDE"):
        """All videos that the platform holds now; there are less than a hundred."""
        page = self._ask(f"/api/v1/videos?pageSize=100&clipMode={clip_mode}&sortBy=createdAt")
        assert page["totalPages"] <= 1
        return page["items"]

    def clips(self, count):
        """The clips, once there are so many and all of them are ingested."""

        def are_ingested():
            clips = self.videos("ONLY")
            done = [clip["flags"]["isIngested"] for clip in clips]
            return clips if len(clips) >= count and all(done) else None

        return until(are_ingested, f"{count} clips are ingested")

    def creates(self, *, batch=None, bucket=None):
        """The log of creates: all of them, or those of one batch or of one bucket."""
        found = self._ask("/_sandbox/creates")["creates"]
        if batch is not None:
            found = [one for one in found if batch_of_tag(one["description"]) == batch]
        if bucket is not None:
            found = [one for one in found if one.get("bucket") == bucket]
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
