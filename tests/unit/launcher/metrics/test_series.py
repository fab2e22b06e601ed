"""The series of a pool: one family per name, with the labels that its table lists."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tamias.launcher.metrics.families import FAMILIES
from tamias.launcher.metrics.ledger import MetricLedger
from tamias.launcher.metrics.series import series_of
from tamias.launcher.pool.status import PoolStatus, WorkerStatus
from tamias.worker.metering.measures import Measures
from tamias.worker.metrics import WorkerMetricGroup

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = {
    "granted": 3,
    "waiting": 1,
    "active": 1,
    "breaker": "closed",
    "opened": 0,
    "tokens": 10,
    "spent": 0.5,
    "waited": [3_000_000_000, *[0] * 13, 3, *[0] * 5],
}


def full_status() -> dict[str, Any]:
    """A status that has all that there is series of, as it is read from its file."""
    status = PoolStatus(1, 100.0, "running", events=7, fraction=0.5, oldest_age=2.0)
    usage = dict.fromkeys(
        (
            *("cpu_user", "cpu_system", "rss", "own", "minor_faults", "major_faults"),
            *("voluntary_switches", "involuntary_switches", "read_bytes", "written_bytes"),
            *("descriptors", "threads"),
        ),
        1.5,
    )
    status.workers = [
        WorkerStatus(0, 11, "ready", 1, 3, 4, usage=usage, began=1.0, runs=5),
        WorkerStatus(1, None, "down", 2, 0, 0),
    ]
    status.former_slots = {"2": {"usage": {"cpu_user": 9.0}, "user_seconds": 1.0, "runs": 3}}
    status.restarts = {"crash": 1}
    status.generations = {
        "0": {"completed": 7, "owned": 0, "failed": 1, "deaths": 0, "start_failures": 0}
    }
    status.store = {"bytes": 4096.0, "map_ratio": 0.25}
    status.limits = {"service": LIMIT}
    measures = Measures(["ask"])
    measures.end_plain_actions("ask", [5_000, 2_000_000_000])
    measures.executed["ask"] = 2
    measures.fail_action("ask")
    measures.set_aside("crash")
    measures.unwritten["events"] = 1
    for measure in ("calls_made", "calls_replayed", "call_failures"):
        measures.count_call(measure, "ask")
    measures.count_commit(2, 100, 0.002)
    measures.count_model("chat m", 500_000_000, tokens=(100, 20), cost=5, failed=True)
    status.measures = measures.snapshot(2)
    group = WorkerMetricGroup()
    group.get_counter("orders").inc(3)
    group.get_meter("parcels").mark(3)
    group.get_gauge("level").update(4)
    group.get_histogram("size").update(3.0)
    status.metrics, status.histograms, status.gauges = MetricLedger().summary([group.snapshot()])
    found: dict[str, Any] = json.loads(json.dumps(status.to_json()))
    return found


def values(status: dict[str, Any]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Name and labels of each sample, and its value."""
    for family in series_of(status):
        for labels, value in family["samples"]:
            yield (family["name"], *sorted(labels.items())), value


def test_values_are_where_their_names_and_labels_say() -> None:
    found = dict(values(full_status()))
    assert found["tamias_inputs_total",] == 7
    assert found["tamias_dead_letters_total", ("cause", "crash")] == 1
    assert found["tamias_worker_cpu_seconds_total", ("mode", "user"), ("worker", "0")] == 1.5
    assert found["tamias_worker_cpu_seconds_total", ("mode", "user"), ("worker", "2")] == 9.0
    assert found["tamias_worker_runs_total", ("worker", "0")] == 5
    assert found["tamias_worker_ready", ("worker", "1")] == 0
    assert found["tamias_limit_cost_total", ("limit", "service")] == 0.5
    assert found["tamias_agent_number", ("metric", "orders")] == 3
    assert found["tamias_agent_level", ("metric", "level")] == 4
    assert found["tamias_agent_meter_total", ("metric", "parcels")] == 3
    assert found["tamias_model_cost_total", ("model", "m"), ("operation", "chat")] == 5e-9


def test_histograms_have_cumulative_counts_in_seconds() -> None:
    found = dict(values(full_status()))
    seconds = found["tamias_action_seconds", ("action", "ask")]
    assert (seconds["count"], seconds["sum"]) == (2, 2.000005)
    buckets = seconds["buckets"]
    assert (buckets["1e-05"], buckets["1"], buckets["2.5"], buckets["+Inf"]) == (1, 1, 2, 2)
    waited = found["tamias_limit_wait_seconds", ("limit", "service")]
    assert (waited["buckets"]["0.5"], waited["buckets"]["1"], waited["count"]) == (0, 0, 3)
    tokens = found["tamias_model_tokens", ("model", "m"), ("operation", "chat"), ("type", "input")]
    assert (tokens["sum"], tokens["buckets"]["64"], tokens["buckets"]["256"]) == (100, 0, 1)
    sizes = found["tamias_agent_histogram", ("metric", "size")]
    assert (sizes["buckets"]["1"], sizes["buckets"]["4"]) == (0, 1)


def test_every_family_of_the_table_is_there_with_its_type_and_labels() -> None:
    series = series_of(full_status())
    assert [family["name"] for family in series] == list(FAMILIES)
    for family in series:
        known = FAMILIES[family["name"]]
        assert (family["type"], family["help"], family["unit"]) == known[1:2] + known[3:]
        for labels, _ in family["samples"]:
            assert set(labels) == set(known.labels)


def test_a_status_of_an_older_version_gives_the_series_that_it_has() -> None:
    status = {"pid": 1, "started": 5.0, "events": 3, "workers": [{"slot": 0, "state": "ready"}]}
    found = dict(values(status))
    assert found["tamias_inputs_total",] == 3
    assert found["tamias_worker_ready", ("worker", "0")] == 1
    assert not any(name == "tamias_worker_cpu_seconds_total" for name, *_ in found)
