"""Snapshots of a run, once a second: taken, written, shown and logged."""

import asyncio
import contextlib
import os
import socket
from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path

from migrator.checkpoint.change import Transfer
from migrator.engine.book import Book
from migrator.engine.calls import CallCounts
from migrator.engine.eta import MEASURED_FROM_S, MEASURED_OVER_S, UNKNOWN, Course, Eta, estimate
from migrator.engine.gateways import Gateways
from migrator.engine.snapshot import STATUS_FILE, Problem, Snapshot, write_status
from migrator.engine.waiting import AllHolds, Waiting, WaitsOn
from migrator.engine.webhooks.judge import Verdict
from migrator.lifecycle import FINAL, State
from migrator.log import RUN_PHASE, RUN_PROGRESS, RUN_WAITING, tell
from migrator.text import plain

INTERVAL_S = 1.0
"""Seconds between two snapshots."""

RATE_OVER_S = 10.0
"""Seconds that the rate shown is an average over."""

PROGRESS_EVERY_S = 60.0
"""Seconds between two lines of the log that say how far the run is."""

MAX_TEXT = 300
"""Characters of others' words in a snapshot: it is written each second."""


class StatusKeeper:
    """Takes a snapshot each second, writes it, and shows it.

    `holds` is what may have to wait, once the parts of the run are joined; `deliveries` counts
    those of webhooks, where there are any. `keys` are the names of the API keys, lane by lane;
    `cluster` says how far one is, "" without.
    """

    def __init__(
        self,
        directory: Path,
        batch: str,
        book: Book,
        gateways: Gateways,
        show: Callable[[Snapshot], None],
    ) -> None:
        self.phase = "starting"
        self.holds: AllHolds | None = None
        self.deliveries: Counter[Verdict] | None = None
        self.keys: Sequence[str] = ()
        self.cluster: Callable[[], str] = str
        self._path = directory / STATUS_FILE
        self._batch = batch
        self._book = book
        self._gateways = gateways
        self._show = show
        self._started_ms = book.now_ms()
        self._began_s = gateways.now_s()
        self._pace = _Pace()
        self._said_s = self._began_s
        self._waited_on = ""

    async def run(self) -> None:
        """One snapshot a second, for ever."""
        while True:
            self.tell()
            await asyncio.sleep(INTERVAL_S)

    def enter(self, phase: str) -> None:
        """A new phase begins: say so at once."""
        self.phase = phase
        tell(RUN_PHASE, phase=phase)
        if phase == "migrating":
            self._pace.begin(self._gateways, self._to_send())
        self.tell()

    def tell(self) -> None:
        """Take a snapshot, write it and show it."""
        snapshot = self._take()
        with contextlib.suppress(OSError):  # a convenience: the checkpoint says when the disk fails
            write_status(self._path, snapshot)
        with contextlib.suppress(OSError, ValueError):  # nobody looks any more: no reason to stop
            self._show(snapshot)
        self._log(snapshot)

    def _log(self, snapshot: Snapshot) -> None:
        if snapshot.waiting_on not in {"", self._waited_on}:
            tell(RUN_WAITING, on=snapshot.waiting_on, words=snapshot.waiting_for)
        self._waited_on = snapshot.waiting_on
        now_s = self._gateways.now_s()
        if now_s - self._said_s >= PROGRESS_EVERY_S:
            self._said_s = now_s
            tell(
                RUN_PROGRESS,
                done=snapshot.done,
                rows=snapshot.rows,
                in_flight=snapshot.in_flight,
                unresolved=snapshot.unresolved,
                calls=snapshot.calls,
                rate_per_minute=round(snapshot.rate_per_minute),
                allowed_per_minute=snapshot.allowed_per_minute,
            )

    def waiting_on(self) -> WaitsOn:
        """What holds the run up right now, in one word; "" for nothing."""
        return self._waiting().on

    def _waiting(self) -> Waiting:
        return Waiting() if self.holds is None else self.holds.now(self.phase)

    def _to_send(self) -> int:
        states = self._book.tallies.states
        return states[State.PENDING] + states[State.SUBMITTING]

    def _take(self) -> Snapshot:
        tallies, counts, holds = self._book.tallies, self._gateways.counts, self.holds
        states, now_s = tallies.states, self._gateways.now_s()
        waiting = self._waiting()
        self._pace.note(now_s, counts.total, self._to_send())
        eta = self._eta(now_s)
        return Snapshot(
            batch=self._batch,
            pid=os.getpid(),
            host=socket.gethostname(),
            phase=self.phase,
            started_ms=self._started_ms,
            updated_ms=self._book.now_ms(),
            rows=tallies.rows,
            done=tallies.rows - tallies.open,
            outcomes={state.value: states[state] for state in State if state in FINAL},
            reasons={reason.value: n for reason, n in sorted(tallies.reasons.items()) if n},
            states={state.value: states[state] for state in State if state not in FINAL},
            imported_bytes=tallies.imported_bytes,
            in_flight=states[State.COPYING] + states[State.RESTARTING] + states[State.INGESTING],
            in_flight_bytes=0 if holds is None else holds.in_flight_bytes,
            max_in_flight=None if holds is None else holds.max_in_flight,
            max_in_flight_bytes=None if holds is None else holds.max_in_flight_bytes,
            unresolved=states[State.UNRESOLVED],
            calls=counts.total,
            by_operation=_by_operation(counts),
            by_key=self._by_key(),
            throttled=counts.throttled,
            retries=counts.retries,
            rate_per_minute=self._pace.per_minute(now_s, RATE_OVER_S),
            average_per_minute=counts.total / max(1.0, now_s - self._began_s) * 60,
            allowed_per_minute=self._gateways.per_window,
            announced_per_minute=self._gateways.announced,
            cluster=self.cluster(),
            waiting_on=waiting.on,
            waiting_for=plain(waiting.words[:MAX_TEXT]),
            eta_s=eta.sent_s if eta.sent_s is not None and eta.sent_s >= 1 else None,
            end_eta_s=eta.ended_s,
            deliveries=None
            if self.deliveries is None
            else {each.value: n for each, n in self.deliveries.items()},
            problems=tuple(_problem(transfer) for transfer in self._book.problems),
        )

    def _by_key(self) -> dict[str, int]:
        """Calls by the names of several keys; of one there is nothing to say."""
        if len(self._gateways) == 1:
            return {}
        return dict(zip(self.keys, self._gateways.by_key, strict=True))

    def _eta(self, now_s: float) -> Eta:
        if self.phase != "migrating" or self.holds is None:
            return UNKNOWN
        pace = self._pace
        return estimate(
            Course(
                to_send=self._to_send(),
                in_flight=self.holds.in_flight,
                calls=self._gateways.counts.total - pace.calls_before,
                rows_sent=pace.to_send_before - self._to_send(),
                allowed_per_minute=self._gateways.per_window,
                measured_per_minute=pace.of_late(now_s),
                copy_s=self.holds.copy_s,
                idle_s=now_s - pace.sending_s,
            )
        )


class _Pace:
    """How many calls there were at which moment, over the last minutes."""

    def __init__(self) -> None:
        self.calls_before = 0
        self.to_send_before = 0
        self.sending_s = 0.0
        self._began_s: float | None = None
        self._seen: deque[tuple[float, int]] = deque(maxlen=int(MEASURED_OVER_S / INTERVAL_S) + 1)

    def begin(self, gateways: Gateways, to_send: int) -> None:
        """From now on rows are sent."""
        self.calls_before, self.to_send_before = gateways.counts.total, to_send
        self._began_s = gateways.now_s()

    def note(self, now_s: float, calls: int, to_send: int) -> None:
        """So many calls were made by now, and so many rows are left."""
        self._seen.append((now_s, calls))
        if to_send:
            self.sending_s = now_s

    def per_minute(self, now_s: float, over_s: float) -> float:
        """Calls a minute, on average over the last seconds."""
        since_s = now_s - over_s - INTERVAL_S / 2  # snapshots come a little late
        (first_s, first) = next(seen for seen in self._seen if seen[0] >= since_s)
        last_s, last = self._seen[-1]
        # Two snapshots of one moment (a new phase) say nothing about a rate.
        return (last - first) / max(1.0, last_s - first_s) * 60

    def of_late(self, now_s: float) -> float | None:
        """The pace that an estimate goes by; None while it is not known."""
        if self._began_s is None or now_s - self._began_s < MEASURED_FROM_S:
            return None
        return self.per_minute(now_s, min(MEASURED_OVER_S, now_s - self._began_s))


def _problem(transfer: Transfer) -> Problem:
    said = " ".join(str(word) for word in (transfer.error_code, transfer.message) if word)
    return Problem(
        row=transfer.row,
        outcome=transfer.state.value,
        reason=transfer.reason or "",
        place=plain(f"s3://{transfer.bucket}/{transfer.key}"[:MAX_TEXT]),
        message=plain(said[:MAX_TEXT]),
    )


def _by_operation(counts: CallCounts) -> dict[str, int]:
    return {
        "submit": counts.submit,
        "list": counts.list,
        "status": counts.status,
        "restart": counts.restart,
        "other": counts.other,
    }
