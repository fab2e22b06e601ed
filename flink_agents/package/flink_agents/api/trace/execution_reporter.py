"""As `flink_agents.api.trace.execution_reporter` of Flink Agents.

Contexts of tamias are reporters: what is reported is in their traces as what is done below
``with ctx.execution(...)``. An end without a start says nothing.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tamias import RunnerContext

if TYPE_CHECKING:
    from tamias.agent.tracing.executions import Execution

__all__ = [
    "ExecutionEntityTypes",
    "ExecutionProblemCategories",
    "ExecutionReporter",
    "ExecutionReporters",
]

_logger: Final = logging.getLogger(__name__)
_MOST: Final = 64


class ExecutionEntityTypes:
    """Names the kinds of executions."""

    ACTION = "action"
    LLM = "llm"
    PARSER = "parser"
    TOOL = "tool"


class ExecutionProblemCategories:
    """Names the reasons why an execution fails."""

    ACTION_EXECUTION_FAILED = "action_execution_failed"
    MODEL_CALL_FAILED = "model_call_failed"
    MODEL_OUTPUT_PARSE_ERROR = "model_output_parse_error"
    TOOL_CALL_FAILED = "tool_call_failed"


class ExecutionReporter(ABC):
    """Takes reports of executions inside an action."""

    @abstractmethod
    def report_execution_started(
        self,
        entity_type: str,
        entity_name: str,
        entity_metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Report that an execution has begun."""

    @abstractmethod
    def report_execution_succeeded(
        self,
        entity_type: str,
        entity_name: str,
        entity_metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Report that an execution has ended well."""

    @abstractmethod
    def report_execution_failed(
        self,
        entity_type: str,
        entity_name: str,
        entity_metadata: Mapping[str, Any] | None,
        error: BaseException,
        problem_category: str | None = None,
    ) -> None:
        """Report that an execution has failed."""


class ExecutionReporters:
    """Report to a context, if it takes reports; nothing depends on it."""

    @staticmethod
    def started(
        ctx: Any,
        entity_type: str,
        entity_name: str,
        entity_metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Report that an execution has begun."""
        known = entity_metadata or {}
        _report(ctx, lambda to: to.report_execution_started(entity_type, entity_name, known))

    @staticmethod
    def succeeded(
        ctx: Any,
        entity_type: str,
        entity_name: str,
        entity_metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Report that an execution has ended well."""
        known = entity_metadata or {}
        _report(ctx, lambda to: to.report_execution_succeeded(entity_type, entity_name, known))

    @staticmethod
    def failed(  # noqa: PLR0917 (as in Flink Agents)
        ctx: Any,
        entity_type: str,
        entity_name: str,
        entity_metadata: Mapping[str, Any] | None,
        error: BaseException,
        problem_category: str | None = None,
    ) -> None:
        """Report that an execution has failed."""
        known = entity_metadata or {}
        _report(
            ctx,
            lambda to: to.report_execution_failed(
                entity_type, entity_name, known, error, problem_category
            ),
        )


def _report(ctx: Any, report: Callable[[ExecutionReporter], None]) -> None:
    if not isinstance(ctx, ExecutionReporter):
        return
    try:
        report(ctx)
    except Exception:
        _logger.debug("A report of an execution was not taken.", exc_info=True)


class _Open(NamedTuple):
    """An execution that has begun."""

    ctx: RunnerContext
    entity: str
    name: str
    manager: AbstractContextManager[Execution]
    execution: Execution


_open: Final[ContextVar[tuple[_Open, ...]]] = ContextVar("open_executions", default=())


class _Reports:
    """Has the methods of a reporter that tamias's contexts get."""

    def report_execution_started(
        self: Any,
        entity_type: str,
        entity_name: str,
        entity_metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Begin an execution."""
        manager = self.execution(entity_type, entity_name, entity_metadata)
        begun = _Open(self, entity_type, entity_name, manager, manager.__enter__())
        _open.set((*_open.get()[1 - _MOST :], begun))

    def report_execution_succeeded(
        self: Any,
        entity_type: str,
        entity_name: str,
        entity_metadata: Mapping[str, Any] | None = None,  # noqa: ARG002 (known since the start)
    ) -> None:
        """End the latest of this type and name."""
        _end(self, entity_type, entity_name, None)

    def report_execution_failed(
        self: Any,
        entity_type: str,
        entity_name: str,
        entity_metadata: Mapping[str, Any] | None,  # noqa: ARG002 (known since the start)
        error: BaseException,
        problem_category: str | None = None,  # noqa: ARG002 (follows from the type)
    ) -> None:
        """End the latest of this type and name, with an error."""
        _end(self, entity_type, entity_name, error)


def _end(ctx: RunnerContext, entity: str, name: str, error: BaseException | None) -> None:
    known = _open.get()
    for place in range(len(known) - 1, -1, -1):
        found = known[place]
        if found.ctx is ctx and found.entity == entity and found.name == name:
            _open.set((*known[:place], *known[place + 1 :]))
            found.execution.error = error
            found.manager.__exit__(None, None, None)
            return


for _name in ("started", "succeeded", "failed"):
    _method = f"report_execution_{_name}"
    setattr(RunnerContext, _method, getattr(_Reports, _method))
ExecutionReporter.register(RunnerContext)  # type: ignore[type-abstract]
