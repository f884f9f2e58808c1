"""The live picture of a run: what the display shows and `status.json` holds."""

import asyncio
import contextlib
import logging
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from migrator.engine.book import Book
from migrator.engine.gateway import CallCounts, Gateway
from migrator.lifecycle import FINAL, State
from migrator.text import plain

log = logging.getLogger(__name__)

INTERVAL_S = 1.0
"""Seconds between two snapshots."""

RATE_OVER_S = 10
"""Seconds that the rate shown is an average over."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A run at one moment. Rates are calls a minute, `eta_s` seconds, times epoch ms."""

    schema: str = "migrator.status/1"
    batch: str
    pid: int
    phase: str
    started_ms: int
    updated_ms: int
    rows: int
    done: int
    outcomes: dict[str, int]
    reasons: dict[str, int]
    states: dict[str, int]
    in_flight: int
    unresolved: int
    calls: int
    by_operation: dict[str, int]
    throttled: int
    rate_per_minute: float
    allowed_per_minute: int
    announced_per_minute: int | None
    waiting_for: str
    eta_s: float | None


class StatusKeeper:
    """Takes a snapshot each second, writes it, and shows it."""

    def __init__(
        self,
        directory: Path,
        batch: str,
        book: Book,
        gateway: Gateway,
        show: Callable[[Snapshot], None],
    ) -> None:
        self.phase = "starting"
        self.waiting_for: Callable[[], str] = lambda: ""
        self._path = directory / "status.json"
        self._batch = batch
        self._tallies = book.tallies
        self._now_ms = book.now_ms
        self._gateway = gateway
        self._show = show
        self._started_ms = book.now_ms()
        self._recent: deque[tuple[float, int]] = deque(maxlen=RATE_OVER_S + 1)

    async def run(self) -> None:
        """One snapshot a second, for ever."""
        while True:
            self.tell()
            await asyncio.sleep(INTERVAL_S)

    def enter(self, phase: str) -> None:
        """A new phase begins: say so at once."""
        self.phase = phase
        log.info("phase %s", phase)
        self.tell()

    def tell(self) -> None:
        """Take a snapshot, write it and show it."""
        snapshot = self._take()
        with contextlib.suppress(OSError):  # a convenience: the checkpoint says when the disk fails
            self._write(snapshot)
        with contextlib.suppress(OSError, ValueError):  # nobody looks any more: no reason to stop
            self._show(snapshot)

    def _write(self, snapshot: Snapshot) -> None:
        temporary = self._path.with_name(self._path.name + ".tmp")
        text = msgspec.json.format(msgspec.json.encode(snapshot), indent=1)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text + b"\n")
        temporary.replace(self._path)

    def _take(self) -> Snapshot:
        states, counts = self._tallies.states, self._gateway.counts
        quotas = self._gateway.pacer.quotas
        self._recent.append((self._gateway.now_s(), counts.total))
        return Snapshot(
            batch=self._batch,
            pid=os.getpid(),
            phase=self.phase,
            started_ms=self._started_ms,
            updated_ms=self._now_ms(),
            rows=self._tallies.rows,
            done=self._tallies.rows - self._tallies.open,
            outcomes={state.value: states[state] for state in State if state in FINAL},
            reasons={reason.value: n for reason, n in sorted(self._tallies.reasons.items()) if n},
            states={state.value: states[state] for state in State if state not in FINAL},
            in_flight=states[State.COPYING] + states[State.RESTARTING] + states[State.INGESTING],
            unresolved=states[State.UNRESOLVED],
            calls=counts.total,
            by_operation=_by_operation(counts),
            throttled=counts.throttled,
            rate_per_minute=self._rate(),
            allowed_per_minute=quotas.per_window,
            announced_per_minute=quotas.announced,
            waiting_for=plain(self.waiting_for()),
            eta_s=self._eta_s(),
        )

    def _rate(self) -> float:
        (first_s, first), (last_s, last) = self._recent[0], self._recent[-1]
        # Two snapshots of one moment (a new phase) say nothing about a rate.
        return (last - first) / max(1.0, last_s - first_s) * 60

    def _eta_s(self) -> float | None:
        """Until all is submitted, at the pace that the quota allows; None when it nearly is."""
        if self.phase != "migrating":
            return None
        pending = self._tallies.states[State.PENDING]
        eta_s = pending / self._gateway.pacer.quotas.per_window * 60
        return eta_s if eta_s >= 1 else None


def _by_operation(counts: CallCounts) -> dict[str, int]:
    return {
        "submit": counts.submit,
        "list": counts.list,
        "status": counts.status,
        "restart": counts.restart,
        "other": counts.other,
    }
