"""Metrics of a pool: no count falls, whatever order workers are born, report and die in."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tamias.launcher.heartbeats.heartbeat import is_metric
from tamias.launcher.metrics.ledger import MetricLedger
from tamias.worker.metrics import WorkerMetricGroup

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

NAMES = ("orders", "parcels")
NUMBERS = st.one_of(st.integers(-1000, 1000), st.floats(-1e6, 1e6))


class Pool(RuleBasedStateMachine):
    """Workers that count, report and die; beside them, what has happened as of their reports."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = MetricLedger()
        self.workers: dict[int, WorkerMetricGroup] = {}
        self.reports: dict[int, dict[str, Any]] = {}
        self.unreported: dict[int, list[tuple[str, str, float]]] = {}
        self.happened: list[tuple[str, str, float]] = []
        self.gauge: float | None = None
        self.born = 0
        self.before: dict[str, Any] = {}

    @rule()
    def a_worker_is_born(self) -> None:
        """One more worker, which has reported nothing."""
        self.workers[self.born] = WorkerMetricGroup()
        self.unreported[self.born] = []
        self.born += 1

    def _some_worker(self, data: DataObject) -> int | None:
        return data.draw(st.sampled_from(sorted(self.workers))) if self.workers else None

    @rule(data=st.data(), name=st.sampled_from(NAMES), value=NUMBERS, n=st.integers(0, 50))
    def something_is_counted(self, data: DataObject, name: str, value: float, n: int) -> None:
        """A worker counts, in its own process."""
        number = self._some_worker(data)
        if number is None:
            return
        worker = self.workers[number]
        worker.get_counter(f"{name}.counter").inc(n)
        worker.get_meter(f"{name}.meter").mark(n)
        worker.get_histogram(f"{name}.histogram").update(value)
        self.unreported[number] += [(name, "count", n), (name, "value", value)]

    @rule(data=st.data())
    def a_worker_reports(self, data: DataObject) -> None:
        """The launcher gets a heartbeat."""
        number = self._some_worker(data)
        if number is None:
            return
        report = json.loads(json.dumps(self.workers[number].snapshot()))
        assert all(map(is_metric, report.values()))
        self.reports[number] = report
        self.happened += self.unreported[number]
        self.unreported[number] = []

    @rule(data=st.data())
    def a_worker_dies(self, data: DataObject) -> None:
        """What it has not reported is lost."""
        number = self._some_worker(data)
        if number is None:
            return
        del self.workers[number]
        report = self.reports.pop(number, None)
        if report is not None:
            self.ledger.leave(report)

    @invariant()
    def totals_are_what_was_reported(self) -> None:
        """Sums are right, and none has fallen."""
        totals = self.ledger.totals(self.reports.values())
        counts: Counter[str] = Counter()
        values: dict[str, list[float]] = {}
        for name, kind, number in self.happened:
            if kind == "count":
                counts[name] += int(number)
            else:
                values.setdefault(name, []).append(number)
        for name, count in counts.items():
            assert totals[f"{name}.counter"] == count
            assert totals[f"{name}.meter"]["count"] == count
            found = totals[f"{name}.histogram"]
            assert found["count"] == len(values[name])
            assert (found["min"], found["max"]) == (min(values[name]), max(values[name]))
            assert found["min"] <= found["p50"] <= found["p99"] <= found["max"]
        for name, total in self.before.items():
            now = totals[name]
            if isinstance(total, dict):
                assert now["count"] >= total["count"]
            else:
                assert now >= total
        self.before = totals


TestPool = Pool.TestCase


def report(group: WorkerMetricGroup) -> dict[str, Any]:
    """What a worker reports."""
    return group.snapshot()


def test_of_a_gauge_the_value_stands_that_was_set_last_by_whichever_worker() -> None:
    first, second = WorkerMetricGroup(), WorkerMetricGroup()
    first.get_gauge("level").update(5)
    second.get_gauge("level").update(3)
    ledger = MetricLedger()
    assert ledger.totals([report(first), report(second)]) == {"level": 3}
    ledger.leave(report(second))
    assert ledger.totals([report(first)]) == {"level": 3}


def test_a_rate_is_that_of_living_workers() -> None:
    worker = WorkerMetricGroup()
    worker.get_meter("orders").mark(10)
    ledger = MetricLedger()
    ledger.leave(report(worker))
    assert ledger.totals([]) == {"orders": {"count": 10, "rate": 0.0}}


def test_quantiles_are_those_of_all_workers_together() -> None:
    workers = []
    for values in (range(1, 1000), [100_000]):
        group = WorkerMetricGroup()
        for value in values:
            group.get_histogram("seconds").update(value)
        workers.append(report(group))
    found = MetricLedger().totals(workers)["seconds"]
    assert 450 <= found["p50"] <= 600
    assert 900 <= found["p99"] <= 1200
    assert found["max"] == 100_000


def test_a_metric_that_another_generation_has_with_another_kind_is_that_of_the_newest() -> None:
    old, new = WorkerMetricGroup(), WorkerMetricGroup()
    old.get_counter("orders").inc(7)
    new.get_meter("orders").mark(2)
    ledger = MetricLedger()
    ledger.leave(report(old))
    assert ledger.totals([report(new)])["orders"]["count"] == 2


def test_sums_of_fractions_do_not_depend_on_the_order_of_deaths() -> None:
    reports = []
    for value in (0.1, 0.2, 0.3, 1e16, 0.7):
        group = WorkerMetricGroup()
        group.get_meter("seconds").mark(cast("int", value))
        group.get_histogram("sizes").update(value)
        reports.append(report(group))
    shown = []
    for dead in range(len(reports) + 1):
        ledger = MetricLedger()
        for each in reversed(reports[:dead]):
            ledger.leave(each)
        summary = ledger.summary(reports[dead:])
        shown.append((summary.totals["seconds"]["count"], summary.histograms["sizes"][0]))
    assert len(set(shown)) == 1


def test_names_without_end_are_counted_together() -> None:
    ledger = MetricLedger(most=10)
    for number in range(200):
        group = WorkerMetricGroup()
        group.get_counter(f"orders of {number}").inc(2)
        group.get_histogram(f"size of {number}").update(3)
        group.get_gauge(f"level of {number}").update(3)
        ledger.leave(report(group))
    totals = ledger.totals([])
    assert len(totals) == 12
    orders = sum(value for name, value in totals.items() if name.startswith("orders of"))
    assert orders + totals["other.counter"] == 400
    sizes = sum(value["count"] for name, value in totals.items() if name.startswith("size of"))
    assert sizes + totals["other.histogram"]["count"] == 200
