"""Metrics by OTLP: what a collector decodes is what the status had."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

from support.otlp.collector import attributes, collecting
from tamias.agent.errors import UsageError
from tamias.console.exporting.states import JobState, job_states
from tamias.console.otlp.sender import Sender

if TYPE_CHECKING:
    from pathlib import Path

SPREAD = {"count": 5, "sum": 0.5, "buckets": {"0.1": 2, "0.01": 1, "+Inf": 5}}
SERIES: list[dict[str, Any]] = [
    {
        "name": "tamias_cpu_seconds_total",
        "type": "counter",
        "help": "CPU.",
        "unit": "seconds",
        "samples": [[{"worker": "0"}, 1.5], [{"worker": "\ud800"}, 2]],
    },
    {"name": "tamias_timers", "type": "gauge", "help": "", "unit": "", "samples": [[{}, 2]]},
    {
        "name": "tamias_commit_seconds",
        "type": "histogram",
        "help": "Commits.",
        "unit": "seconds",
        "samples": [[{"action": "a"}, SPREAD]],
    },
]


def job(path: Path) -> JobState:
    path.mkdir()
    (path / "status.json").write_text(json.dumps({"started": 12.5, "series": SERIES}))
    return job_states([path])[0]


def test_a_collector_gets_what_the_status_has(tmp_path: Path) -> None:
    with collecting() as collector:
        jobs = [job(tmp_path / "orders.tamias"), job(tmp_path / "mails.tamias")]
        assert Sender(collector.url + "/", jobs).send()
        (request,) = collector.metrics
        assert [attributes(each.resource)["service.name"] for each in request.resource_metrics] == [
            "orders",
            "mails",
        ]
        (metrics,) = request.resource_metrics[0].scope_metrics
        by_name = {metric.name: metric for metric in metrics.metrics}
        cpu = by_name["tamias_cpu"]
        assert (cpu.unit, cpu.description, cpu.sum.is_monotonic) == ("s", "CPU.", True)
        assert cpu.sum.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE
        first = cpu.sum.data_points[0]
        assert attributes(first) == {"agent": "orders", "worker": "0"}
        assert (first.as_double, first.start_time_unix_nano) == (1.5, 12_500_000_000)
        assert attributes(cpu.sum.data_points[1])["worker"] == "\\ud800"
        assert by_name["tamias_timers"].gauge.data_points[0].as_double == 2
        commits = by_name["tamias_commit"]
        (spread,) = commits.histogram.data_points
        assert list(spread.explicit_bounds) == [0.01, 0.1]
        assert list(spread.bucket_counts) == [1, 1, 3]
        assert (spread.count, spread.sum, commits.unit) == (5, 0.5, "s")
        assert not spread.HasField("min")
        assert by_name["tamias_up"].gauge.data_points[0].as_double == 0


def test_calls_of_models_have_the_names_of_the_conventions_besides(tmp_path: Path) -> None:
    labels = {"model": "m-1"}
    series = [
        {
            "name": "tamias_model_call_seconds",
            "type": "histogram",
            "help": "",
            "unit": "seconds",
            "samples": [[labels, SPREAD]],
        },
        {
            "name": "tamias_model_tokens",
            "type": "histogram",
            "help": "",
            "unit": "",
            "samples": [[{**labels, "type": "input"}, SPREAD]],
        },
    ]
    with collecting() as collector:
        orders = job(tmp_path / "orders")
        (tmp_path / "orders/status.json").write_text(json.dumps({"series": series}))
        assert Sender(collector.url, [orders]).send()
        ((found, point),) = collector.points("gen_ai.client.operation.duration")
        asked = {"gen_ai.request.model": "m-1", "gen_ai.operation.name": "chat", "agent": "orders"}
        assert (found, point.count) == (asked, 5)
        ((found, _),) = collector.points("gen_ai.client.token.usage")
        assert found == {**asked, "gen_ai.token.type": "input"}
        ((found, _),) = collector.points("tamias_model_call")
        assert found == {"agent": "orders", "model": "m-1"}


def test_the_last_export_is_at_the_end(tmp_path: Path) -> None:
    with collecting() as collector:
        stop = threading.Event()
        stop.set()
        Sender(collector.url, [job(tmp_path / "orders")]).run(stop)
        assert len(collector.metrics) == 1


def test_a_collector_that_refuses_is_reported_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with collecting() as collector:
        sender = Sender(collector.url, [job(tmp_path / "orders")])
        collector.code = 400
        assert not sender.send()
        assert not sender.send()
        assert capfd.readouterr().err.count("nothing is exported to") == 1
        collector.code = 200
        assert sender.send()
        collector.code = 404
        assert not sender.send()
        assert capfd.readouterr().err.count("nothing is exported to") == 1


@pytest.mark.parametrize(
    "url", ["", "localhost:4318", "ftp://x", "http://", "http://x:0", "http://[", "http://x:y"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="no URL of a collector"):
        Sender(url, [])
