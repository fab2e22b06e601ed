"""Reports of executions to a runner context in Java, as the runtime of Flink Agents makes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..api.trace import ExecutionReporter

__all__ = ["JavaReports"]


class JavaReports(ExecutionReporter):
    """A reporter that has an object of Java in ``_j_runner_context``."""

    _j_runner_context: Any

    def report_execution_started(
        self,
        entity_type: str,
        entity_name: str,
        entity_metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Report that an execution has begun."""
        known = json.dumps(dict(entity_metadata or {}))
        self._j_runner_context.reportExecutionStartedJson(entity_type, entity_name, known)

    def report_execution_succeeded(
        self,
        entity_type: str,
        entity_name: str,
        entity_metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Report that an execution has ended well."""
        known = json.dumps(dict(entity_metadata or {}))
        self._j_runner_context.reportExecutionSucceededJson(entity_type, entity_name, known)

    def report_execution_failed(
        self,
        entity_type: str,
        entity_name: str,
        entity_metadata: Mapping[str, Any] | None,
        error: BaseException,
        problem_category: str | None = None,
    ) -> None:
        """Report that an execution has failed, and by which error it was caused in the end."""
        seen = {id(error)}
        while error.__cause__ is not None and id(error.__cause__) not in seen:
            error = error.__cause__
            seen.add(id(error))
        kind = type(error)
        self._j_runner_context.reportExecutionFailedJson(
            entity_type,
            entity_name,
            json.dumps(dict(entity_metadata or {})),
            f"{kind.__module__}.{kind.__qualname__}",
            str(error) or None,
            problem_category,
        )
