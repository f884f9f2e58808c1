"""How soon a batch that is nearly done goes on."""

import os
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID

from migrator.checkpoint.change import Change
from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.values import Calls
from migrator.engine.decide import CopyRules, Sight, judge_copy
from migrator.lifecycle import Event, State
from migrator.model import LearnedBy, ManifestRow
from migrator.settings import BatchSettings, InputSettings, PlatformSettings, SourceSettings
from tests.benchmarks import manifests
from tests.benchmarks.children import ROOT, measured
from tests.benchmarks.stub import TEAM, USER
from tests.benchmarks.stub_process import platform
from tests.benchmarks.table import Line, against

FIRST_CALL_S = 2.0
"""From the start of the process to its first request."""

CHUNK = 10_000
AT_MS = 1_790_000_000_000
RESUMED_WITHIN_S = 600


def measure(scale, directory):
    """Seconds from the start of `migrator resume` until its first request arrives, and until its
    first POST does, on a checkpoint of which 99 rows of 100 are imported. The last run was stopped
    in order; the rows that are left are sent, followed and reported."""
    rows, batch = scale.resume_rows, directory / "batch"
    with platform(seed=scale.seed) as stub:
        measured(make, directory=batch, rows=rows, seed=scale.seed, api_url=stub.api_url)
        size = (batch / "checkpoint.db").stat().st_size
        began_s = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "migrator", "resume", batch, "-q"],
            cwd=ROOT, stdout=subprocess.DEVNULL, check=True, timeout=RESUMED_WITHIN_S,
            env={**os.environ, "PIXOP_API_KEY": "key", "PIXOP_SOURCE_ACCESS_KEY_ID": "AKIABENCH",
                 "PIXOP_SOURCE_SECRET_ACCESS_KEY": "made-up"},
        )  # fmt: skip
        seen = stub.seen()
    if seen.posts != rows - _done(rows):
        raise RuntimeError(f"{seen.posts} POSTs for {rows - _done(rows)} rows that were open")
    note = f"{size / 1e6:,.0f} MB of checkpoint; all that was open was sent, nothing else"
    return [
        Line(
            part="Resume", what=f"{what}, {rows:,} rows, 99 % done", figure=at_s - began_s,
            unit="s", **against("limit", at_s - began_s, FIRST_CALL_S), limit=limit, note=note,
        )
        for what, at_s, limit in (
            ("first request", seen.first_call_s, "<= 1"),
            ("first POST", seen.first_post_s, ""),
        )
    ]  # fmt: skip


def make(directory, rows, seed, api_url, columns=3):
    """A batch that was stopped when all but its last rows were imported.

    Its manifest has so many columns beside bucket and key.
    """
    directory = Path(directory)
    directory.mkdir()
    settings = BatchSettings(
        inputs=InputSettings(manifest=directory / "gone.csv"),
        platform=PlatformSettings(api_url=api_url),
        source=SourceSettings(preflight=False),
    )
    pinned = {
        "batch": "k3v9qhx2m4t7a", "settings": settings.to_json(), "api_url": api_url,
        "namespace": "", "tag_in": settings.platform.tag_in, "via": "s3", "user_id": USER,
        "team_id": TEAM, "swept": "1", "adopted": "1", "program": "bench", "created_ms": str(AT_MS),
    }  # fmt: skip
    checkpoint = Checkpoint.create(directory, pinned)
    made = manifests.rows(rows, seed)
    with checkpoint.transaction():
        header = manifests.HEADER[: 2 + columns]
        checkpoint.add_source(1, "manifest", "gone.csv", header, "ab" * 32)
        run_id = checkpoint.start_run(AT_MS)
    for first in range(0, rows, CHUNK):
        chunk = list(enumerate(made[first : first + CHUNK], first + 1))
        with checkpoint.transaction():
            checkpoint.add_rows(
                1,
                [
                    ManifestRow(row, one[0], one[1], None, one[2 : 2 + columns])
                    for row, one in chunk
                ],
                "",
                AT_MS,
            )
            for row, _ in chunk:
                if row <= _done(rows):
                    import_row(checkpoint, row)
    with checkpoint.transaction():
        checkpoint.complete_source(1, "ab" * 32)
        calls = Calls(submit=_done(rows), list=_done(rows) // 50, platform_date_s=AT_MS // 1000)
        checkpoint.count_calls(run_id, calls)
        checkpoint.end_last_run(AT_MS + 1, 130)
    checkpoint.close()


def import_row(checkpoint, row):
    """Take a pending row to its import, with all that a run learns on the way."""
    video = UUID(int=row * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128, version=4)
    intent = {"attempts": 1, "intent_date_s": AT_MS // 1000, "submitted_ms": AT_MS}
    accepted = {"video_id": str(video), "http_status": 202}
    sight, rules = Sight("DONE", 100, 10**10, None), CopyRules(2, until_ingested=False)
    checkpoint.preflighted(row, 10**10, f"{row * 0x9E3779B97F4A7C15 % 2**128:032x}", AT_MS, AT_MS)
    state = checkpoint.apply(row, State.PENDING, Change(Event.SUBMIT, intent))
    state = checkpoint.apply(row, state, Change(Event.ACCEPT, accepted))
    ended = judge_copy(state, 0, 10**10, sight, rules, LearnedBy.LIST, AT_MS)
    checkpoint.apply(row, state, ended)


def _done(rows):
    return rows * 99 // 100
