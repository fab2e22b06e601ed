"""Runs as text: a tree with durations, statuses and errors."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .steps import TracedRun, TracedStep

__all__ = ["as_text", "seconds_text"]

_LONGEST: Final = 100
"""Characters of contents on a line."""
_SHOWN: Final = ("model", "promptTokens", "completionTokens", "attempts", "until")
"""What a line says of a call."""
_TOKENS: Final = ("promptTokens", "completionTokens")
_OF_TOOLS: Final = ("request", "call", "resume")
"""Durable calls of which a call of a tool consists."""


def as_text(run: TracedRun) -> Iterator[str]:
    """The lines of a run, without ends of lines."""
    yield _head(run)
    if run.error:
        yield f"  {run.error}"
    for place, root in enumerate(run.roots, 1):
        yield from _lines(root, "", is_last=place == len(run.roots))
    if omitted := run.attributes.get("omittedRecords"):
        yield f"  ({omitted} more records were left out)"


def seconds_text(seconds: float | None) -> str:
    """A duration as people read it."""
    if seconds is None:
        return ""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.1f} ms"
    return f"{seconds:.2f} s" if seconds < 60 else f"{seconds:,.0f} s"


def _head(run: TracedRun) -> str:
    what = run.description or f"input {run.offset}"
    retry = f", retry {run.retry}" if run.retry else ""
    attempt = f", attempt {run.attempt}" if run.attempt > 1 else ""
    when = datetime.fromtimestamp(run.began).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    followed = run.attributes.get("followedBy")
    then = f", then: {followed}" if followed else ""
    waited = run.attributes.get("waited")
    waiting = f" ({seconds_text(waited)} of it waiting)" if waited else ""
    used = [sum(_tokens(step, name) for step in run.steps()) for name in _TOKENS]
    tokens = f", {used[0]:,} tokens in and {used[1]:,} out" if any(used) else ""
    return (
        f"{what}{retry}{attempt}, key {run.key}: {run.status} after"
        f" {seconds_text(run.seconds)}{waiting}{tokens}{then}"
        f"  [{when}, worker {run.worker}, {run.cause}]"
    )


def _tokens(step: TracedStep, name: str) -> int:
    value = step.attributes.get(name)
    return value if isinstance(value, int) else 0


def _lines(step: TracedStep, indent: str, *, is_last: bool) -> Iterator[str]:
    yield f"{indent}{'└─' if is_last else '├─'} {_line(step)}"
    inner = indent + ("   " if is_last else "│  ")
    children = [child for child in step.children if not _is_plain_step(step, child)]
    for place, child in enumerate(children, 1):
        yield from _lines(child, inner, is_last=place == len(children))


def _is_plain_step(parent: TracedStep, step: TracedStep) -> bool:
    """Whether a step is how a tool is called, and says no more than the tool."""
    return parent.kind == "tool" and step.kind == "call" and step.name in _OF_TOOLS


def _line(step: TracedStep) -> str:
    if step.kind == "event":
        return f"{step.name} {_short(step.attributes)}".rstrip()
    parts = [f"{step.kind} {step.name}"]
    if step.status != "reused" and step.seconds is not None:
        parts.append(seconds_text(step.seconds))
    if step.status != "success":
        parts.append(f"{step.status}: {step.error}" if step.error else step.status)
    known = [
        f"{name} {_value(name, step.attributes[name])}"
        for name in _SHOWN
        if name in step.attributes
    ]
    if known:
        parts.append(f"({', '.join(known)})")
    return "  ".join(parts)


def _value(name: str, value: Any) -> str:
    if name == "attempts" and isinstance(value, list):
        return str(len(value) + 1)
    if name == "until" and isinstance(value, (int, float)):
        return datetime.fromtimestamp(value).astimezone().strftime("%H:%M:%S")
    return str(value)


def _short(attributes: dict[str, Any]) -> str:
    text = json.dumps(attributes, ensure_ascii=False) if attributes else ""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."
