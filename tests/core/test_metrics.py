"""Metrics: listed in the README, named as Prometheus does, of few series, only when asked for."""

import re
import subprocess
import sys
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from migrator.cli.metrics import RunMetrics, parse_address, serving
from migrator.errors import UsageError
from migrator.lifecycle import FINAL, State
from migrator.model import OUTCOME_OF
from tests.pictures.snapshots import snapshot

README = (Path(__file__).parents[2] / "README.md").read_text()


@pytest.fixture
def metrics():
    """All that there is to say: every state, reason and operation, and every result of a call."""
    made = RunMetrics()
    states = {state.value: 1 for state in State if state not in FINAL}
    reasons = {reason.value: 1 for reason, out in OUTCOME_OF.items() if out != "unfinished"}
    made.show(snapshot(states=states, reasons=reasons, waiting_on="quota"))
    for operation in snapshot().by_operation:
        for result in ("1xx", "2xx", "3xx", "4xx", "5xx", "odd", "lost", "not_sent"):
            made.call_ended(operation, result, 0.2)
    for outcome in ("imported", "failed"):
        made.copy_ended(outcome, 30.0)
    return made


def families(metrics):
    return list(text_string_to_metric_families(generate_latest(metrics.registry).decode()))


def test_every_metric_with_its_type_and_labels_is_in_the_readme_and_no_other(metrics):
    listed = {
        name: (kind, sorted(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in re.findall(
            r"^\| `(migrator_\w+)` \| (\w+) \| ([^|]*) \|", README, re.MULTILINE
        )
    }
    told = {}
    for family in metrics.registry.collect():
        labels = {name for sample in family.samples for name in sample.labels} - {"le"}
        name = family.name + ("_total" if family.type == "counter" else "")
        told[name] = (family.type, sorted(labels))
    assert listed == told


def test_names_are_in_base_units_and_counters_end_in_total(metrics):
    for family in families(metrics):
        assert re.fullmatch("migrator_[a-z_]+", family.name)
        assert not re.search("(_ms|minutes?|_kb|_mb|_gb|percent|_count|_total)$", family.name)
        assert family.documentation
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples)
        if family.type == "histogram":
            assert family.name.endswith("_seconds")


def test_there_are_few_series_however_large_the_catalogue(metrics):
    assert sum(len(family.samples) for family in families(metrics)) < 1_000
    allowed = {"operation", "result", "outcome", "reason", "state", "on", "phase", "version", "le"}
    for family in families(metrics):
        for sample in family.samples:
            assert set(sample.labels) <= allowed


def test_before_the_first_snapshot_nothing_is_counted_as_nought():
    assert not [f for f in families(RunMetrics()) if f.name == "migrator_rows"]


def test_what_is_shown_is_the_latest_snapshot(metrics):
    metrics.show(snapshot(rows=7, reasons={"copied": 5, "too_large": 2}))
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in families(metrics)
        for sample in family.samples
    }
    assert samples["migrator_rows",] == 7
    assert samples["migrator_rows_ended_total", "imported", "copied"] == 5
    assert samples["migrator_rows_ended_total", "rejected", "too_large"] == 2
    assert samples["migrator_api_announced_requests_per_second",] == 20.0


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("9464", ("127.0.0.1", 9464)),
        (":9464", ("127.0.0.1", 9464)),
        ("0.0.0.0:9464", ("0.0.0.0", 9464)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:9464", ("::1", 9464)),
    ],
)
def test_an_address_without_a_host_is_this_machine_alone(text, place):
    assert parse_address(text) == place


@pytest.mark.parametrize(
    "text", ["", "host", "host:", ":65536", "a:b:1", "1.2.3.4:1\n", "-1", "x y:1"]
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(UsageError, match="--metrics-addr"):
        parse_address(text)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0"])
def test_they_are_served_as_long_as_the_block_runs(address, monkeypatch):
    told = {}
    monkeypatch.setattr("migrator.cli.metrics.tell", lambda _event, **fields: told.update(fields))
    with serving(address) as metrics:
        metrics.show(snapshot(rows=11))
        with closing(urllib.request.urlopen(told["url"], timeout=10)) as answer:
            assert b"migrator_rows 11.0\n" in answer.read()
        taken = re.search(r"//(.*)/", told["url"])[1]
        with pytest.raises(UsageError, match="Address already in use"), serving(taken):
            pass
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(told["url"], timeout=10)


def test_a_host_that_is_not_ours_is_refused():
    with pytest.raises(UsageError, match="cannot be listened on"), serving("192.0.2.1:9464"):
        pass


def test_without_the_flag_nothing_of_it_is_imported():
    code = "import sys, migrator.cli.batch as b; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
