"""A prefix that takes long to list: its first rows are sent meanwhile, and a kill costs nothing."""

from collections import Counter

import pytest

from migrator.checkpoint.store import Checkpoint
from tests.benchmarks.children import server

KEYS, DELAY_MS = 4_000, 500
"""Four pages, one after the other."""


@pytest.fixture
def slow_store():
    with server("tests.benchmarks.s3_stub", "--keys", KEYS, "--delay-ms", DELAY_MS) as stub:
        yield {"AWS_ENDPOINT_URL_S3": stub.said}


def test_a_run_that_is_killed_while_it_lists_and_sends_goes_on_with_both(
    make_sandbox, make_world, slow_store, until
):
    flags = ["--copy", "off", "--head", "off", "--requests-per-minute", "6000000"]
    with make_sandbox(*flags) as sandbox, make_world(sandbox) as world:
        out = world.directory / "out"
        command = ("run", "--prefix", "s3://flat/", "--out", out)
        child = world.start(*command, env=slow_store)
        until(lambda: len(sandbox.creates()) > 10, "rows are sent")
        child.kill()
        child.wait()
        checkpoint = Checkpoint.open(out)
        [source] = checkpoint.sources()
        known = checkpoint.rows_of_source(source.id)
        checkpoint.close()
        assert not source.complete
        assert 0 < known < KEYS

        refused = world.call("plan", "--prefix", "s3://flat/", "--out", out, env=slow_store)
        assert refused.code == 2
        assert f"migrator resume {out}" in refused.err

        result = world.call("resume", out, env=slow_store, within_s=300)
        assert result.code == 0, result.said[-3000:]
        assert "listing and migrating" in result.err
        created = Counter(create["objectKey"] for create in sandbox.creates())
        assert len(created) == KEYS
        assert set(created.values()) == {1}
        summary = world.batch().summary
        assert summary["complete"]
        assert summary["outcomes"]["imported"] == summary["manifest"]["rows"] == KEYS
