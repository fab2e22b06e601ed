"""Runs of the event log as spans, by OpenTelemetry's conventions for generative AI.

A run is `invoke_agent AGENT`; its actions are below it, one after the other, each with a link to
the action that has sent its event; below an action are its calls: `chat MODEL`, `execute_tool
TOOL`, `embeddings MODEL`, or the kind and name of another one. What was sent is an event of the
span that has sent it, by name and id alone: contents of messages and events stay in the log.

All attempts at a run are in one trace. Ids follow from those of the log, so a span that is sent
twice is the same one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Final
from uuid import UUID

from ..exporting.families import clean_text

if TYPE_CHECKING:
    from ..traces.steps import TracedRun, TracedStep

__all__ = ["Span", "SpanEvent", "spans_of"]

Value = str | bool | int | float

_NANOSECONDS: Final = 1_000_000_000
_LEAST: Final = -(1 << 63)
_GEN_AI: Final = {"llm": "chat", "tool": "execute_tool", "embedding": "embeddings"}
"""Operations by kinds of steps."""
_REMOTE: Final = ("llm", "embedding")
_NAMES: Final = {
    "promptTokens": "gen_ai.usage.input_tokens",
    "completionTokens": "gen_ai.usage.output_tokens",
    "model": "gen_ai.request.model",
    "connection": "gen_ai.provider.name",
    "toolCallId": "gen_ai.tool.call.id",
}
"""Attributes of the log that the conventions have a name for."""


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """An event that was sent."""

    name: str
    at: int
    """In nanoseconds since the epoch."""
    id: str


@dataclass(slots=True)
class Span:
    """What took some time. Moments are nanoseconds since the epoch."""

    trace: int
    id: int
    parent: int | None
    name: str
    began: int
    ended: int
    remote: bool = False
    """Whether it is a request to a service."""
    error: str | None = None
    attributes: dict[str, Value] = field(default_factory=dict)
    events: list[SpanEvent] = field(default_factory=list)
    links: list[int] = field(default_factory=list)
    """Spans of the same trace that have caused it."""


def spans_of(run: TracedRun) -> list[Span]:
    """Return the spans of a run; that of the run itself is the first one."""
    return _Spans(run).spans


class _Spans:
    """Makes the spans of a run."""

    def __init__(self, run: TracedRun) -> None:
        self._trace = _trace_id(run.run_id)
        self._run = run
        began = round(run.began * _NANOSECONDS)
        root = Span(
            self._trace,
            _span_id(run.id),
            None,
            clean_text(f"invoke_agent {run.agent}"),
            began,
            began + round(run.seconds * _NANOSECONDS),
            error=run.error if run.status == "failed" else None,
            attributes={
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": run.agent,
                "tamias.offset": run.offset,
                "tamias.key": run.key,
                "tamias.retry": run.retry,
                "tamias.attempt": run.attempt,
                "tamias.worker": run.worker,
                "tamias.generation": run.generation,
                "tamias.status": run.status,
                "tamias.kept_because": run.cause,
            },
        )
        _describe(root, run.attributes)
        self.spans = [root]
        waiting = [(step, root, root) for step in reversed(run.roots)]
        while waiting:
            step, parent, cause = waiting.pop()
            if step.kind == "event":
                cause.events.append(SpanEvent(clean_text(step.name), _moment(step.began), step.id))
                span = parent
            else:
                span = cause = self._add(step, root if step.kind == "action" else parent, cause)
            waiting += [(child, span, cause) for child in reversed(step.children)]

    def _add(self, step: TracedStep, parent: Span, cause: Span) -> Span:
        began = _moment(step.began)
        ended = self.spans[0].ended if step.seconds is None else _moment(step.began + step.seconds)
        operation = _GEN_AI.get(step.kind)
        name = str(step.attributes.get("model") or step.name) if step.kind != "tool" else step.name
        span = Span(
            self._trace,
            _span_id(f"{self._run.id}/{step.id}"),
            parent.id,
            clean_text(f"{operation or step.kind} {name}"),
            began,
            max(began, ended),
            remote=step.kind in _REMOTE,
            error=(step.error or "failed") if step.status == "failed" else None,
            attributes={"tamias.status": step.status},
        )
        if operation is not None:
            span.attributes["gen_ai.operation.name"] = operation
            own = "gen_ai.tool.name" if step.kind == "tool" else "gen_ai.provider.name"
            span.attributes[own] = step.name
        _describe(span, step.attributes)
        if cause is not parent and cause is not self.spans[0]:
            span.links.append(cause.id)
        self.spans.append(span)
        return span


def _describe(span: Span, attributes: dict[str, object]) -> None:
    """Add what the log says, and make all of it fit for a collector."""
    for name, value in attributes.items():
        if isinstance(value, Value):
            span.attributes[clean_text(_NAMES.get(name, f"tamias.{name}"))] = value
    if span.error is not None:
        span.error = clean_text(span.error)
        span.attributes["error.type"] = span.error.partition(":")[0]
    for name, value in span.attributes.items():
        if isinstance(value, str):
            span.attributes[name] = clean_text(value)
        elif isinstance(value, int) and not _LEAST <= value < -_LEAST:
            span.attributes[name] = str(value)


def _moment(seconds: float) -> int:
    return round(seconds * _NANOSECONDS)


def _trace_id(run: str) -> int:
    try:
        return UUID(run).int
    except ValueError:
        return int.from_bytes(
            blake2b(run.encode("utf-8", "replace"), digest_size=16).digest(), "big"
        )


def _span_id(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big")
