"""Runs as trees: what a run has done, as people and other programs look at it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["TracedRun", "TracedStep"]


@dataclass(slots=True)
class TracedStep:
    """One thing that a run has done.

    Attributes:
        kind: "event", "action", "call", "llm", "tool", "parser", "embedding", "wait", or a word of
            the agent's own.
        name: of the action, the function, the model; of an event, its type.
        status: "success", "failed", "reused" (answered from its record), "unfinished" (the run has
            ended or was suspended within it). Events have "success".
        began: in seconds since the epoch.
        seconds: how long it took; None for events, and for what has no end.
        error: why it has failed; None if it has not.
        attributes: what is known besides; of an event, its contents.
        children: what belongs to it: of an event, the actions that it has set off; of an action,
            what it has called and sent.
        id: of its records; of an event, the event's.
    """

    kind: str
    name: str
    status: str
    began: float
    seconds: float | None = None
    error: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    children: list[TracedStep] = field(default_factory=list)
    id: str = ""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON, with its children."""
        return {
            "kind": self.kind,
            "name": self.name,
            "status": self.status,
            "began": self.began,
            "seconds": self.seconds,
            "error": self.error,
            "attributes": self.attributes,
            "children": [child.to_json() for child in self.children],
            "id": self.id,
        }


@dataclass(slots=True)
class TracedRun:
    """One attempt at a run, or what it did until it was suspended.

    Attributes:
        id: of these records.
        run_id: of the run, the same in all attempts and after each suspension.
        agent: which agent.
        offset, retry, attempt: of the input; see `worker.hooks.RunInfo`.
        key: as text; what is no text, as JSON.
        encoded_key: the key's encoding.
        worker, generation: who has executed it.
        description: what it is the run of, if not of an input.
        began: in seconds since the epoch.
        seconds: how long it took, waits included.
        status: "success", "failed" or "suspended".
        error: why it has failed; None if it has not.
        cause: why it is in the log: "failed", "slow", "sampled" or "named".
        attributes: what is known besides: followedBy (a failure), until (a suspension), waited,
            outputs, omittedRecords.
        roots: the events that it began with, as trees.
    """

    id: str
    run_id: str
    agent: str
    offset: int
    retry: int
    attempt: int
    key: str
    encoded_key: bytes
    worker: int
    generation: int
    description: str
    began: float
    seconds: float
    status: str
    error: str | None
    cause: str
    attributes: dict[str, Any] = field(default_factory=dict)
    roots: list[TracedStep] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """As plain JSON, without what it has done."""
        return {
            "id": self.id,
            "run": self.run_id,
            "agent": self.agent,
            "offset": self.offset,
            "retry": self.retry,
            "attempt": self.attempt,
            "key": self.key,
            "worker": self.worker,
            "generation": self.generation,
            "description": self.description,
            "began": self.began,
            "seconds": self.seconds,
            "status": self.status,
            "error": self.error,
            "cause": self.cause,
            "attributes": self.attributes,
        }

    def to_json(self) -> dict[str, Any]:
        """As plain JSON, with all that it has done."""
        return {**self.summary(), "roots": [root.to_json() for root in self.roots]}

    def steps(self) -> list[TracedStep]:
        """All that it has done, each step in front of its children."""
        found: list[TracedStep] = []
        waiting = list(reversed(self.roots))
        while waiting:
            step = waiting.pop()
            found.append(step)
            waiting += reversed(step.children)
        return found
