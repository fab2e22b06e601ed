"""Runs as spans: what a collector decodes is what the log has, by the conventions for models."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import ParseDict  # type: ignore[import-untyped]
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Decoded
from opentelemetry.proto.trace.v1.trace_pb2 import Status, TracesData

from support.otlp.collector import attributes, collecting
from tamias.console.exporting.states import job_states
from tamias.console.otlp import traces
from tamias.console.otlp.json_spans import as_otlp_json
from tamias.console.otlp.metrics import resource_of
from tamias.console.otlp.traces import TraceSender
from tamias.console.traces.steps import TracedRun, TracedStep

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

RUN_ID = "909bafbd-5533-8b65-b69a-95f9d48422cc"


def step(kind: str, name: str, *children: TracedStep, **more: Any) -> TracedStep:
    more = {"status": "success", "began": 100.0, "seconds": 0.25, **more}
    return TracedStep(kind, name, children=list(children), id=f"{kind}-{name}", **more)


def run(number: int = 0, **more: Any) -> TracedRun:
    """A run that asks a model and uses a tool, which fails."""
    asked = step(
        "llm",
        "cloud",
        attributes={"model": "m-1", "promptTokens": 7, "completionTokens": 5, "secret": ["no"]},
    )
    used = step(
        "tool",
        "weather",
        step("call", "http.get", status="reused"),
        status="failed",
        error="ConnectionError: refused",
        attributes={"toolCallId": "t1"},
    )
    second = step("action", "answer", used, seconds=None, status="unfinished")
    first = step(
        "action", "ask", asked, step("event", "Asked", second, attributes={"text": "private"})
    )
    known = {
        "id": f"r{number}",
        "run_id": RUN_ID,
        "agent": "shop:Agent",
        "offset": number,
        "retry": 0,
        "attempt": 1,
        "key": "\ud800",
        "encoded_key": b"",
        "worker": 1,
        "generation": 2,
        "description": "",
        "began": 99.5,
        "seconds": 2.0,
        "status": "failed",
        "error": "ConnectionError: refused",
        "cause": "failed",
        "attributes": {"followedBy": "retry", "large": 1 << 70},
        "roots": [step("event", "_input_event", first, attributes={"input": "private"})],
    }
    return TracedRun(**{**known, **more})


def check_spans(spans: list[Any]) -> None:
    """Check the spans of `run()`."""
    by_name = {span.name: span for span in spans}
    root = by_name["invoke_agent shop:Agent"]
    assert {span.trace_id.hex() for span in spans} == {RUN_ID.replace("-", "")}
    assert root.parent_span_id == b""
    assert (root.start_time_unix_nano, root.end_time_unix_nano) == (99_500_000_000, 101_500_000_000)
    assert root.status.code == Status.STATUS_CODE_ERROR
    told = attributes(root)
    assert told["gen_ai.operation.name"] == "invoke_agent"
    assert told["tamias.followedBy"] == "retry"
    assert told["error.type"] == "ConnectionError"
    assert told["tamias.key"] == "\\ud800"
    assert told["tamias.large"] == str(1 << 70)
    assert [event.name for event in root.events] == ["_input_event"]

    ask, answer = by_name["action ask"], by_name["action answer"]
    assert ask.parent_span_id == answer.parent_span_id == root.span_id
    assert [event.name for event in ask.events] == ["Asked"]
    assert [link.span_id for link in answer.links] == [ask.span_id]
    assert answer.end_time_unix_nano == root.end_time_unix_nano

    chat = by_name["chat m-1"]
    assert (chat.parent_span_id, chat.kind) == (ask.span_id, Decoded.SPAN_KIND_CLIENT)
    assert attributes(chat) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "cloud",
        "gen_ai.request.model": "m-1",
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 5,
        "tamias.status": "success",
    }
    tool = by_name["execute_tool weather"]
    assert (tool.parent_span_id, tool.kind) == (answer.span_id, Decoded.SPAN_KIND_INTERNAL)
    assert attributes(tool)["gen_ai.tool.name"] == "weather"
    assert attributes(tool)["gen_ai.tool.call.id"] == "t1"
    assert tool.status.message == "ConnectionError: refused"
    call = by_name["call http.get"]
    assert call.parent_span_id == tool.span_id
    assert attributes(call)["tamias.status"] == "reused"
    assert len(spans) == len({span.span_id for span in spans}) == 6


def sender(collector: Any, tmp_path: Path, since: float = 0.0) -> TraceSender:
    (job,) = job_states([tmp_path / "shop.tamias"])
    exporter = OTLPSpanExporter(f"{collector.url}/v1/traces", timeout=5)
    return TraceSender(exporter, resource_of("shop", job.path), job, since)


def logged(monkeypatch: pytest.MonkeyPatch, *runs: TracedRun) -> None:
    """Have the log contain these runs, the newest first."""

    def runs_in(_: Path, *, last: float) -> list[TracedRun]:
        since = time.time() - last
        return [each for each in runs if each.began + each.seconds >= since - 1]

    monkeypatch.setattr(traces, "runs_in", runs_in)


def test_a_collector_gets_the_runs_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collecting() as collector:
        logged(monkeypatch, run())
        assert sender(collector, tmp_path).send()
        (resource,) = collector.traces[0].resource_spans
        assert attributes(resource.resource)["service.name"] == "shop"
        check_spans(collector.spans())
        assert b"private" not in collector.traces[0].SerializeToString()


def test_each_run_is_sent_once_also_when_the_collector_was_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    runs = [run(number, began=now - number) for number in range(400)]
    with collecting() as collector:
        sending = sender(collector, tmp_path, since=now - 200)
        logged(monkeypatch, *runs)
        collector.code = 400
        assert not sending.send()
        collector.code = 200
        assert sending.send()
        assert sending.send()
        logged(monkeypatch, run(1000, began=now), *runs)
        assert sending.send()
        found = [span for span in collector.spans() if span.name.startswith("invoke_agent")]
        offsets = sorted(attributes(span)["tamias.offset"] for span in found)
        assert offsets[-1] == 1000
        assert offsets[:-1] == list(range(len(offsets) - 1))
        assert 195 <= len(offsets) <= 210


def test_the_json_is_what_the_protocol_has() -> None:
    written = json.loads(json.dumps(as_otlp_json(run(), "shop")))
    for scope in written["resourceSpans"][0]["scopeSpans"]:
        for span in scope["spans"]:  # ids are hex here, and base64 in protobuf's own JSON
            _as_base64(span)
    data = ParseDict(written, TracesData())
    (resource,) = data.resource_spans
    assert attributes(resource.resource) == {"service.name": "shop"}
    check_spans(list(resource.scope_spans[0].spans))


def _as_base64(content: dict[str, Any]) -> None:
    from base64 import b64encode

    for name in ("traceId", "spanId", "parentSpanId"):
        if name in content:
            content[name] = b64encode(bytes.fromhex(content[name])).decode()
    for link in content.get("links", []):
        _as_base64(link)
