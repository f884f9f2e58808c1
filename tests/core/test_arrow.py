"""Arrow's memory is the system's, whichever room of the program asks for it first."""

import os
import subprocess
import sys

import pytest

CODE = "import {}, pyarrow; print(pyarrow.default_memory_pool().backend_name)"


def pool(room, **environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ARROW_")}
    told = subprocess.run(
        [sys.executable, "-c", CODE.format(room)],
        env={**kept, **environment}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return told.stdout.strip()


@pytest.mark.parametrize(
    "room",
    ["migrator.manifest", "migrator.source.parquet", "migrator.report", "migrator.engine.run"],
)
def test_each_room_gives_back_what_it_does_not_need(room):
    assert pool(room) == "system"


def test_whoever_runs_the_program_may_name_another_allocator():
    assert pool("migrator.manifest", ARROW_DEFAULT_MEMORY_POOL="mimalloc") == "mimalloc"
