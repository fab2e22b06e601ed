"""The series of a pool: one family per name, with the labels that its table lists."""

from __future__ import annotations

from tamias.launcher.metrics.families import FAMILIES
from tamias.launcher.metrics.series import series_of
from tamias.launcher.pool.status import PoolStatus, WorkerStatus


def _status() -> PoolStatus:
    status = PoolStatus(1, 100.0, "running", events=7, dead_letter_causes={"crash": 2})
    usage = {"cpu_user": 1.5, "cpu_system": 0.5, "rss": 4096.0}
    status.workers = [
        WorkerStatus(0, 11, "ready", 1, 3, 4, usage=usage),
        WorkerStatus(1, None, "down", 2, 0, 0),
    ]
    status.limits = {
        "service": {
            "granted": 3,
            "waiting": 1,
            "active": 1,
            "breaker": "closed",
            "opened": 0,
            "tokens": 10,
            "spent": 0.5,
        }
    }
    status.metrics = {"orders": 3, "ordersPerSec": {"count": 3, "rate": 0.5}}
    return status


def test_values_are_where_their_names_and_labels_say() -> None:
    found = {
        (family["name"], *sorted(labels.items())): value
        for family in series_of(_status())
        for labels, value in family["samples"]
    }
    assert found["tamias_inputs_total",] == 7
    assert found["tamias_dead_letters_total", ("cause", "crash")] == 2
    assert found["tamias_worker_cpu_seconds_total", ("mode", "user"), ("worker", "0")] == 1.5
    assert found["tamias_worker_ready", ("worker", "1")] == 0
    assert found["tamias_limit_cost_total", ("limit", "service")] == 0.5
    assert found["tamias_agent_meter_total", ("metric", "ordersPerSec")] == 3


def test_each_family_is_as_the_table_says() -> None:
    series = series_of(_status())
    names = [family["name"] for family in series]
    assert names == [name for name in FAMILIES if name in set(names)]
    for family in series:
        known = FAMILIES[family["name"]]
        assert (family["type"], family["help"], family["unit"]) == (
            known.type,
            known.help,
            known.unit,
        )
        for labels, _ in family["samples"]:
            assert tuple(labels) == known.labels
