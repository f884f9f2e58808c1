"""The keys of the source reach workers from their own environment, and nothing else of a cluster.

All that goes between the program, a scheduler and its workers passes a tap here, without packing.
"""

import re
import socket
import threading
import urllib.request
import zlib
from contextlib import suppress

import pytest

from tests.actual.canaries import NAMES, places_that_tell
from tests.actual.cluster import HOST, Cluster

PLAIN = {
    "DASK_DISTRIBUTED__COMM__COMPRESSION": "none",
    "DASK_LOGGING__DISTRIBUTED": "debug",
}


class Tap:
    """A port that leads to another one; keeps all that passes, both ways."""

    def __init__(self, port):
        self.passed = {}
        self._to = port
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection((HOST, self._to))
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    def _copy(self, one, other):
        kept = self.passed.setdefault(one, bytearray())
        with one:
            with suppress(OSError):
                while part := one.recv(2**16):
                    kept.extend(part)
                    other.sendall(part)
            with suppress(OSError):
                other.shutdown(socket.SHUT_WR)

    def close(self):
        self._listener.close()

    def unpacked(self):
        """All that passed, and within it what was packed."""
        everything = b"\n".join(bytes(kept) for kept in self.passed.values())
        packed = [everything]
        for found in re.finditer(rb"x\x9c", everything):
            with suppress(zlib.error):
                packed.append(zlib.decompressobj().decompress(everything[found.start() :]))
        return packed


def pages(port):
    """Every page of the scheduler's that can be asked for without knowing a name, and those they
    lead to."""
    asked, found = {"/sitemap.json"}, {}
    waiting = ["/sitemap.json", "/info/main/workers.html", "/info/main/logs.html", "/metrics"]
    while waiting:
        path = waiting.pop()
        with (
            suppress(OSError),
            urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=5) as it,
        ):
            text = found[f"page {path}"] = it.read()
            links = re.findall(rb'"(/(?:info|json|individual)[^"{}]*)"|href="\.\./([^"]+)"', text)
            more = {(a or b"/info/" + b).decode() for a, b in links} - asked
            asked |= more
            waiting += sorted(more)
    return found


def folders(world, bucket):
    """So many that they are not listed while the work is cut."""
    for number in range(70):
        world.sandbox.put(bucket, f"tape-{number}/clip.mp4", b"x")
    return bucket


@pytest.fixture
def cluster(world):
    logs = world.directory / "dask"
    logs.mkdir()
    made = Cluster(logs, world.environment(PLAIN))
    made.start_scheduler()
    tap = Tap(made.port)
    scheduler_port, made.port = made.port, tap.port
    try:
        made.start_worker()
        made.start_worker()
        yield made, tap, scheduler_port
    finally:
        made.close()
        tap.close()


def test_no_key_is_in_a_task_a_log_a_page_or_a_part(world, cluster):
    made, tap, _ = cluster
    secrets = [world.sandbox.env[name] for name in NAMES]
    bucket = world.objects(80)[0][0]
    folders(world, bucket)
    manifest = world.manifest([(bucket, f"clip-{number:05}.mp4") for number in range(80)])
    how = ("--cluster", made.address, "-q")

    listed = world.call("list", f"s3://{bucket}", "-o", "x.parquet", *how, env=PLAIN)
    planned = world.call("plan", "--manifest", manifest, "--out", "out", *how, env=PLAIN)

    assert listed.code == planned.code == 0, listed.said + planned.said
    said = pages(made.dashboard)
    assert len(said) > 5, sorted(said)
    passed = dict(enumerate(tap.unpacked()))
    assert any(b'"tag":"head"' in each or b'"type":"head"' in each for each in passed.values()), (
        "the errands themselves are looked at"
    )
    pile = {**passed, **said, "logs": made.said(), "told": (listed.said + planned.said).encode()}
    assert bucket.encode() in b"".join(passed.values())
    assert places_that_tell(pile, secrets) == []


def test_a_worker_without_keys_says_which_variable_it_lacks(world, tmp_path):
    made = Cluster(tmp_path, world.environment(dict.fromkeys(NAMES)))
    bucket = folders(world, world.bucket())
    try:
        made.start(workers=1)
        result = world.call("list", f"s3://{bucket}", "-o", "x.csv", "--cluster", made.address)
    finally:
        made.close()
    assert result.code == 2, result.said
    assert "a worker says" in result.err
    assert "PIXOP_SOURCE_" in result.err


def test_a_cluster_of_this_machine_listens_on_loopback_alone(world, until):
    from tests.benchmarks.children import server  # noqa: PLC0415

    psutil = pytest.importorskip("psutil")
    with server("tests.benchmarks.s3_stub", "--keys", 5_000, "--delay-ms", 200) as stub:
        child = world.start("list", "s3://spread", "-o", "x.csv", "--cluster", "local:2",
                            env={"AWS_ENDPOINT_URL_S3": stub.said})  # fmt: skip
        parts = world.directory / "x.csv.parts"
        until(lambda: list(parts.glob("*.parquet")), "workers are at work")
        family = [psutil.Process(child.pid)]
        family += family[0].children(recursive=True)
        addresses = {
            link.laddr.ip
            for process in family
            for link in process.net_connections("inet")
            if link.status == psutil.CONN_LISTEN
        }
        child.kill()
        until(lambda: not any(each.is_running() and each.status() != "zombie" for each in family),
              "workers end with the program")  # fmt: skip
    assert addresses == {HOST}
