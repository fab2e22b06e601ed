"""As `flink_agents.api.trace.execution_lifecycle_events` of Flink Agents."""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar

__all__ = ["ExecutionLifecycleEvents"]

_KINDS = {"started": "started", "finished": "success", "failed": "failed", "reused": "reused"}


class ExecutionLifecycleEvents:
    """Types of lines of the event log that say how an execution goes, and their statuses."""

    EXECUTION_STARTED_EVENT_TYPE = "_execution_started_event"
    EXECUTION_FINISHED_EVENT_TYPE = "_execution_finished_event"
    EXECUTION_FAILED_EVENT_TYPE = "_execution_failed_event"
    EXECUTION_REUSED_EVENT_TYPE = "_execution_reused_event"

    STATUS_STARTED = "started"
    STATUS_SUCCESS = "success"
    STATUS_FAILED = "failed"
    STATUS_REUSED = "reused"

    _STATUSES = MappingProxyType({f"_execution_{k}_event": v for k, v in _KINDS.items()})
    EVENT_TYPES: ClassVar[frozenset[str]] = frozenset(_STATUSES)

    @classmethod
    def expected_status(cls, event_type: str) -> str | None:
        """Return the status that lines of a type have; None if they are of another kind."""
        return cls._STATUSES.get(event_type)
