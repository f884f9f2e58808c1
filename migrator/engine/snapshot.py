"""The live picture of a run: what the display shows and `status.json` holds.

Whoever only reads it needs nothing else of the engine, and does not wait for its imports.
"""

import contextlib
import os
from pathlib import Path

import msgspec

STATUS_FILE = "status.json"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A row that ended badly, in words that steer no terminal; `row` finds it in the report."""

    row: int
    outcome: str
    reason: str
    place: str
    message: str


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A run at one moment. Rates are calls a minute, `…_s` seconds, times epoch ms.

    `eta_s` is until all is sent, `end_eta_s` until all has ended. `waiting_on` is one word for
    `waiting_for`. `by_key` are calls by the names of several API keys, `deliveries` those of
    webhooks by what they were, `cluster` is how far one is, in words. `exit_code` is there once the
    process has ended in order. What has a default is younger than the schema: a file of an earlier
    version of the program is read all the same.
    """

    schema: str = "migrator.status/1"
    batch: str
    pid: int
    host: str = ""
    phase: str
    started_ms: int
    updated_ms: int
    exit_code: int | None = None
    rows: int
    done: int
    outcomes: dict[str, int]
    reasons: dict[str, int]
    states: dict[str, int]
    imported_bytes: int = 0
    in_flight: int
    in_flight_bytes: int = 0
    max_in_flight: int | None = None
    max_in_flight_bytes: int | None = None
    unresolved: int
    calls: int
    by_operation: dict[str, int]
    throttled: int
    retries: int = 0
    rate_per_minute: float
    average_per_minute: float | None = None
    allowed_per_minute: int
    announced_per_minute: int | None
    waiting_on: str = ""
    waiting_for: str
    eta_s: float | None
    end_eta_s: float | None = None
    by_key: dict[str, int] = {}
    deliveries: dict[str, int] | None = None
    cluster: str = ""
    problems: tuple[Problem, ...] = ()


def write_status(path: Path, snapshot: Snapshot) -> None:
    """Put a snapshot in the place of the one before, whole. Raises OSError."""
    temporary = path.with_name(path.name + ".tmp")
    text = msgspec.json.format(msgspec.json.encode(snapshot), indent=1)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text + b"\n")
    temporary.replace(path)


def note_end(directory: Path, exit_code: int) -> None:
    """Note in the last snapshot of this process with which code it ends; no harm where it fails."""
    path = directory / STATUS_FILE
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        snapshot = msgspec.json.decode(path.read_bytes(), type=Snapshot)
        if snapshot.pid == os.getpid():  # else this process has shown nothing yet
            write_status(path, msgspec.structs.replace(snapshot, exit_code=exit_code))
