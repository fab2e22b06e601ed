"""What actions give to metrics: numbers of any kind, and nothing that a heartbeat cannot carry."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tamias.worker.metrics import MOST_METRICS, MetricSpace, WorkerMetricGroup, WorkerMetrics

if TYPE_CHECKING:
    from collections.abc import Callable

UPDATES: dict[str, Callable[[WorkerMetricGroup, Any], None]] = {
    "counter": lambda group, value: group.get_counter("m").inc(value),
    "counter down": lambda group, value: group.get_counter("m").dec(value),
    "meter": lambda group, value: group.get_meter("m").mark(value),
    "gauge": lambda group, value: group.get_gauge("m").update(value),
    "histogram": lambda group, value: group.get_histogram("m").update(value),
}


@pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES)
@pytest.mark.parametrize("value", [3, np.int64(3), np.float32(3), Fraction(3), True, np.array(3)])
def test_numbers_of_any_kind_are_taken(update: Any, value: Any) -> None:
    group = WorkerMetricGroup()
    update(group, value)
    carried: Any = json.loads(json.dumps(group.snapshot()))["m"]
    number: Any = carried
    if isinstance(carried, dict):
        number = next(carried[name] for name in ("max", "gauge", "count") if name in carried)
    assert abs(number) == int(value)


@pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES)
@pytest.mark.parametrize(
    "value",
    ["3", b"3", None, object(), [3], 10**5000, 1j, np.arange(3)],
    ids=lambda value: type(value).__name__,
)
def test_anything_else_is_an_error_of_the_action_and_changes_nothing(
    update: Any, value: Any
) -> None:
    group = WorkerMetricGroup()
    update(group, 0)
    before = json.dumps(group.snapshot())
    with pytest.raises((TypeError, ValueError, OverflowError)):
        update(group, value)
    assert json.dumps(group.snapshot()) == before


def test_names_are_texts() -> None:
    group = WorkerMetricGroup()
    name: Any = ("of", 1)
    group.get_counter(name).inc()
    group.get_sub_group(name, name).get_counter(name).inc()
    assert json.loads(json.dumps(group.snapshot())) == {
        "('of', 1)": 1,
        "('of', 1).('of', 1).('of', 1)": 1,
    }


def test_metrics_named_after_keys_are_counted_together_beyond_a_number() -> None:
    metrics = WorkerMetrics(["act"])
    for key in range(MOST_METRICS + 500):
        metrics.agent.get_counter(f"orders of {key}").inc()
        metrics.of_action("act").get_sub_group("customer", str(key)).get_meter("seen").mark()
        metrics.agent.get_gauge(f"level of {key}").update(key)
    metrics.agent.get_histogram("x" * 10_000).update(3)
    metrics.unheard = metrics.events = 7
    snapshot = metrics.snapshot()
    assert len(snapshot) < MOST_METRICS + 20
    assert max(map(len, snapshot)) < 500
    orders = sum(value for name, value in snapshot.items() if name.startswith("orders of"))
    assert orders + snapshot["other.counter"] == MOST_METRICS + 500
    assert snapshot["other.histogram"]["count"] == 1
    assert snapshot["numOfEventsUnheard"] == snapshot["numOfEventProcessed"] == 7
    assert any("do not name metrics after keys" in text for text in metrics.notices.counts())


def test_an_action_reads_back_what_it_has_counted_in_a_shared_metric() -> None:
    group = WorkerMetricGroup(MetricSpace(0))
    group.get_counter("orders").inc(2)
    assert group.get_counter("parcels").get_count() == 2
