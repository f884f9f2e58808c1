"""A short form of the battery of kills; `make cluster-battery` is the long one."""

import subprocess
import sys
from pathlib import Path

HEADINGS = ["killed", "kills", "starts", "rows", "lost", "doubled", "kept", "seconds"]


def test_no_row_is_lost_or_doubled_whatever_of_a_cluster_is_killed():
    told = subprocess.run(
        [sys.executable, "-m", "tests.battery.cluster", "--kills", "4"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    print(told.stderr, told.stdout)
    assert told.returncode == 0
    table = told.stdout.splitlines()
    assert table[0].split() == HEADINGS
    *_, rows, lost, doubled, _, _ = table[-1].split()
    assert rows == "12,000"
    assert lost == doubled == "0"
