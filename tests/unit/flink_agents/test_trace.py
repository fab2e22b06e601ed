"""Reports of executions by programs of Flink Agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import RunProgram

pytestmark = pytest.mark.process


def test_reports_are_executions_of_traces(run_program: RunProgram) -> None:
    program = """
    from contextlib import contextmanager
    from unittest.mock import MagicMock
    from flink_agents.api.trace import (
        ExecutionEntityTypes, ExecutionLifecycleEvents, ExecutionReporter, ExecutionReporters)
    from tamias import RunnerContext
    from tamias.agent.tracing.executions import Execution

    class Context(RunnerContext):
        @contextmanager
        def execution(self, entity, name, metadata=None):
            print("begin", entity, name, metadata)
            execution = Execution()
            yield execution
            print("end", name, execution.error)

    Context.__abstractmethods__ = frozenset()
    ctx = Context()
    assert isinstance(ctx, ExecutionReporter)
    ExecutionReporters.started(ctx, ExecutionEntityTypes.TOOL, "outer", {"a": 1})
    ExecutionReporters.started(ctx, ExecutionEntityTypes.LLM, "inner")
    ExecutionReporters.failed(ctx, ExecutionEntityTypes.LLM, "inner", None, ValueError("bad"))
    ExecutionReporters.succeeded(ctx, ExecutionEntityTypes.TOOL, "outer")
    ExecutionReporters.succeeded(ctx, ExecutionEntityTypes.TOOL, "never begun")
    ExecutionReporters.started(MagicMock(), ExecutionEntityTypes.TOOL, "no reporter")
    ctx.report_execution_started("parser", "direct")
    ctx.report_execution_succeeded("parser", "direct")
    print(ExecutionLifecycleEvents.expected_status("_execution_finished_event"))
    """
    assert run_program(program, "0.4").splitlines() == [
        "begin tool outer {'a': 1}",
        "begin llm inner {}",
        "end inner bad",
        "end outer None",
        "begin parser direct None",
        "end direct None",
        "success",
    ]


def test_java_is_told_of_the_cause(run_program: RunProgram) -> None:
    program = """
    from unittest.mock import MagicMock
    from flink_agents.runtime.flink_runner_context import FlinkRunnerContext

    ctx = FlinkRunnerContext.__new__(FlinkRunnerContext)
    ctx._j_runner_context = MagicMock()
    error = RuntimeError("outer")
    error.__cause__ = KeyError("inner")
    ctx.report_execution_started("tool", "t", {"a": 1})
    ctx.report_execution_failed("tool", "t", None, error, "tool_call_failed")
    print(ctx._j_runner_context.mock_calls)
    """
    shown = run_program(program, "0.4")
    assert "reportExecutionStartedJson('tool', 't', '{\"a\": 1}')" in shown
    assert "'{}', 'builtins.KeyError'" in shown
