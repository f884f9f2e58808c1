"""Metrics for Prometheus, while a run lasts: made of its snapshots, and of durations one by one.

What is counted comes from the latest snapshot, so that a scrape, `status.json` and in the end
`summary.json` say the same. Labels are few words each: never a key, a bucket or an id.
"""

import contextlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from migrator import __version__
from migrator.engine.snapshot import Snapshot
from migrator.errors import UsageError
from migrator.log import METRICS_SERVED, tell
from migrator.model import OUTCOME_OF, Reason
from migrator.settings import listening_address

CALL_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Up to the client's own timeout."""

COPY_BUCKETS_S = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 3 * 3600.0, 6 * 3600.0, 24 * 3600.0)
"""From a clip to a copy that is stuck."""

_PER_SECOND = 1 / 60


class RunMetrics(Collector):
    """The metrics of one run, in a registry of its own. Shown snapshots, and a meter of the run."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._latest: Snapshot | None = None
        self._calls = Histogram(
            "migrator_api_request_duration_seconds",
            "Time from sending a request to the platform until its answer was read.",
            ("operation", "result"),
            buckets=CALL_BUCKETS_S,
            registry=self.registry,
        )
        self._copies = Histogram(
            "migrator_copy_duration_seconds",
            "Time from the answer to a submit until the end of its copy was seen.",
            ("outcome",),
            buckets=COPY_BUCKETS_S,
            registry=self.registry,
        )
        self.registry.register(self)

    def show(self, snapshot: Snapshot) -> None:
        """This is how the run stands now."""
        self._latest = snapshot

    def call_ended(self, operation: str, result: str, seconds: float) -> None:
        """See engine.meter.Meter."""
        self._calls.labels(operation, result).observe(seconds)

    def copy_ended(self, outcome: str, seconds: float) -> None:
        """See engine.meter.Meter."""
        self._copies.labels(outcome).observe(seconds)

    def collect(self) -> Iterable[Metric]:
        """The latest snapshot, as Prometheus takes it; nothing before the first."""
        snapshot = self._latest
        if snapshot is None:
            return
        yield from _about_rows(snapshot)
        yield from _about_calls(snapshot)
        yield from _about_the_run(snapshot)


def _about_rows(snapshot: Snapshot) -> Iterator[Metric]:
    yield GaugeMetricFamily("migrator_rows", "Rows of the catalogue.", snapshot.rows)
    states = GaugeMetricFamily(
        "migrator_rows_open", "Rows without an outcome, by their state.", labels=("state",)
    )
    for state, count in snapshot.states.items():
        states.add_metric((state,), count)
    yield states
    ended = CounterMetricFamily(
        "migrator_rows_ended",
        "Rows that have their outcome, since the batch began.",
        labels=("outcome", "reason"),
    )
    for reason, count in snapshot.reasons.items():
        ended.add_metric((OUTCOME_OF[Reason(reason)].value, reason), count)
    yield ended
    yield CounterMetricFamily(
        "migrator_imported_bytes",
        "Known bytes of the objects that are imported, since the batch began.",
        snapshot.imported_bytes,
    )
    yield GaugeMetricFamily(
        "migrator_copies_in_flight", "Copies that run on the platform.", snapshot.in_flight
    )
    yield GaugeMetricFamily(
        "migrator_copies_in_flight_bytes", "Their known bytes.", snapshot.in_flight_bytes
    )


def _about_calls(snapshot: Snapshot) -> Iterator[Metric]:
    calls = CounterMetricFamily(
        "migrator_api_requests", "Requests to the platform in this run.", labels=("operation",)
    )
    for operation, count in snapshot.by_operation.items():
        calls.add_metric((operation,), count)
    yield calls
    yield CounterMetricFamily(
        "migrator_api_throttled", "Answers 429 in this run.", snapshot.throttled
    )
    yield CounterMetricFamily(
        "migrator_api_retries",
        "Requests of this run that repeated one that had failed.",
        snapshot.retries,
    )
    yield GaugeMetricFamily(
        "migrator_api_allowed_requests_per_second",
        "What this run may send: the quota less the reserve, or less where that was asked for.",
        snapshot.allowed_per_minute * _PER_SECOND,
    )
    announced = GaugeMetricFamily(
        "migrator_api_announced_requests_per_second",
        "The quota that the platform announces; absent while it announces none.",
    )
    if snapshot.announced_per_minute is not None:
        announced.add_metric((), snapshot.announced_per_minute * _PER_SECOND)
    yield announced


def _about_the_run(snapshot: Snapshot) -> Iterator[Metric]:
    info = GaugeMetricFamily(
        "migrator_run_info", "Always 1: the version, and the phase.", labels=("version", "phase")
    )
    info.add_metric((__version__, snapshot.phase), 1)
    yield info
    waiting = GaugeMetricFamily(
        "migrator_run_waiting", "1 while the run waits, and on what.", labels=("on",)
    )
    if snapshot.waiting_on:
        waiting.add_metric((snapshot.waiting_on,), 1)
    yield waiting
    yield GaugeMetricFamily(
        "migrator_run_start_time_seconds",
        "When this run began, since the epoch.",
        snapshot.started_ms / 1000,
    )
    yield GaugeMetricFamily(
        "migrator_run_snapshot_time_seconds",
        "When these numbers were taken, since the epoch.",
        snapshot.updated_ms / 1000,
    )
    left = GaugeMetricFamily(
        "migrator_run_left_seconds", "Estimate until all has ended; absent where there is none."
    )
    if snapshot.end_eta_s is not None:
        left.add_metric((), snapshot.end_eta_s)
    yield left


@contextmanager
def serving(address: str) -> Iterator[RunMetrics]:
    """Serve metrics at HOST:PORT as long as the block runs. Raises UsageError where that fails."""
    host, port = parse_address(address)
    metrics = RunMetrics()
    try:
        server, thread = start_http_server(port, host, metrics.registry)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or "no such port"
        raise UsageError(
            f"--metrics-addr {address}: cannot be listened on ({why})",
            "choose another port, or port 0 for any free one",
        ) from None
    shown = f"[{host}]" if ":" in host else host
    tell(METRICS_SERVED, url=f"http://{shown}:{server.server_port}/metrics")
    try:
        yield metrics
    finally:
        with contextlib.suppress(OSError):
            server.shutdown()
            server.server_close()
        thread.join()


def parse_address(text: str) -> tuple[str, int]:
    """(host, port) to serve on; see `listening_address`."""
    hint = "give a port of this machine, like 9464, or an address to listen on too: 0.0.0.0:9464"
    return listening_address("--metrics-addr", text, hint)
