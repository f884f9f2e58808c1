"""schemathesis finds nothing in the operations of the sandbox.

It makes up requests from the published document, good ones and bad ones, alone and one after
another, and holds each answer against it. SCHEMATHESIS_EXAMPLES makes it longer (how many
requests an operation), SCHEMATHESIS_SEED takes other ones.
"""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from migrator.sandbox.platform import Platform, operations
from migrator.sandbox.webhooks.parts import WebhookParts

pytestmark = pytest.mark.skipif(
    "PIXOP_OPENAPI" not in os.environ, reason="PIXOP_OPENAPI names no document to judge by"
)

ROOT = Path(__file__).parents[2]
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "10")
SEED = os.environ.get("SCHEMATHESIS_SEED", "1")
WITHIN_S = 3600

NOT_CHECKED = "positive_data_acceptance"
"""A request that fits the document may be refused: no keys that are made up open a bucket."""


NOTHING_IS_SENT = '[[rules]]\nfault = "delivery_lost"\n'
"""Webhooks that are made up lead to machines of other people."""


@contextmanager
def sandbox(directory, *flags):
    """A sandbox in a process of its own, with a quota that nobody reaches."""
    quota = ("--requests-per-minute", "100000000")
    command = [sys.executable, "-m", "migrator.sandbox", "--dir", str(directory), *quota, *flags]
    plan = directory.with_suffix(".toml")
    plan.write_text(NOTHING_IS_SENT)
    command += ["--faults", str(plan)]
    log = directory.with_suffix(".log")
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        try:
            assert process.stdout.readline().startswith("platform"), log.read_text()
            lines = (directory / "sandbox.env").read_text().splitlines()
            yield dict(line.split("=", 1) for line in lines)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
            process.stdout.close()


def operation_ids():
    parts = dict.fromkeys(one.name for one in dataclasses.fields(WebhookParts))
    nothing = dict.fromkeys(one.name for one in dataclasses.fields(Platform))
    there = operations(Platform(**nothing | {"webhooks": WebhookParts(**parts)}).routes())
    paths = json.loads(Path(os.environ["PIXOP_OPENAPI"]).read_text())["paths"]
    split = (operation.split(" ") for operation in sorted(there))
    return [paths[path][method.lower()]["operationId"] for method, path in split]


@pytest.mark.parametrize("flags", [("--copy", "off"), ("--copy", "off", "--head", "off")])
def test_schemathesis_finds_nothing(tmp_path, flags):
    program = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert program, "schemathesis is not installed: pip install -e '.[dev]'"
    wanted = [part for one in operation_ids() for part in ("--include-operation-id", one)]
    with sandbox(tmp_path / "sandbox", *flags) as env:
        ended = subprocess.run(
            [
                *(program, "run", os.environ["PIXOP_OPENAPI"], "--url", env["PIXOP_API_URL"]),
                *("--header", f"X-API-Key: {env['PIXOP_API_KEY']}"),
                *("--seed", SEED, "--max-examples", EXAMPLES, "--exclude-checks", NOT_CHECKED),
                *("--warnings", "off", "--no-color", *wanted),
            ],
            cwd=tmp_path,  # where it leaves its notes
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"Tested: {len(operation_ids())}\n" in ended.stdout
