"""As `flink_agents.plan.actions.tool_call_action` of Flink Agents.

In contexts of tamias its own action calls tools; here any other context does, one after the other.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from tamias import (
    Event,
    InjectedArg,
    MemoryObject,
    ResourceType,
    RunnerContext,
    ToolParameterSource,
    ToolRequestEvent,
    ToolResponseEvent,
)
from tamias.agent.chat.built_in import tool_call_action

from ...api.core_options import AgentExecutionOptions
from ...api.tools import ToolExecutionMetadataProvider
from ...api.trace import (
    ExecutionEntityTypes,
    ExecutionProblemCategories,
    ExecutionReporters,
    ToolExecutionMetadataKeys,
)
from ..tools.function_tool import FunctionTool
from .action import built_in

__all__ = ["TOOL_CALL_ACTION", "process_tool_request"]

_logger = logging.getLogger(__name__)


async def process_tool_request(event: Event, ctx: RunnerContext) -> None:
    """Call tools, and send their results."""
    if isinstance(ctx, RunnerContext):
        await tool_call_action(event, ctx)
    else:
        await _call_all(ToolRequestEvent.from_event(event), ctx)


async def _call_all(request: ToolRequestEvent, ctx: Any) -> None:
    responses: dict[str, Any] = {}
    errors: dict[str, str] = {}
    external: dict[str, Any] = {}
    for call in request.tool_calls:
        key, name = call["id"], call["function"]["name"]
        external[key] = call.get("original_id")
        try:
            responses[key] = await _call(request, call, ctx)
        except Exception as error:  # noqa: BLE001 (the model is told of any)
            is_missing = isinstance(error, _NoSuchToolError)
            responses[key] = (
                f"Tool `{name}` {'does not exist' if is_missing else 'execute failed'}."
            )
            errors[key] = str(error)
    ctx.send_event(
        ToolResponseEvent(
            request_id=request.id,
            responses=responses,
            external_ids=external,
            success={key: key not in errors for key in responses},
            error=errors,
        )
    )


class _NoSuchToolError(LookupError):
    """The agent has no such tool."""


async def _call(request: ToolRequestEvent, call: dict[str, Any], ctx: Any) -> Any:
    name = call["function"]["name"]
    arguments = dict(call["function"]["arguments"] or {})
    problem: Exception | None = None
    tool: Any = None
    try:
        tool = ctx.get_resource(name, ResourceType.TOOL)
        if isinstance(tool, FunctionTool):
            # What the model says of such an argument does not count.
            arguments.update({each: _find(arg, ctx) for each, arg in tool.injected_args.items()})
    except Exception as error:  # noqa: BLE001 (it is reported as that of the call)
        problem = error if tool is not None else _NoSuchToolError(str(error))
    if tool is None and problem is None:
        problem = _NoSuchToolError(f"Tool `{name}` does not exist.")
    entity = (ExecutionEntityTypes.TOOL, name, _described(request, call, tool, arguments))
    ExecutionReporters.started(ctx, *entity)
    try:
        _check(problem)
        if ctx.config.get(AgentExecutionOptions.TOOL_CALL_ASYNC):
            result = await ctx.durable_execute_async(tool.call, **arguments)
        else:
            result = ctx.durable_execute(tool.call, **arguments)
    except Exception as error:
        failed = ExecutionProblemCategories.TOOL_CALL_FAILED
        ExecutionReporters.failed(ctx, *entity, error, failed)
        raise
    ExecutionReporters.succeeded(ctx, *entity)
    return result


def _check(problem: Exception | None) -> None:
    if problem is not None:
        raise problem


def _described(
    request: ToolRequestEvent, call: dict[str, Any], tool: Any, arguments: dict[str, Any]
) -> dict[str, Any]:
    """Return the metadata of a call for reports."""
    found: dict[str, Any] = {
        ToolExecutionMetadataKeys.TOOL_REQUEST_EVENT_ID: str(request.id),
        ToolExecutionMetadataKeys.TOOL_CALL_ID: str(call["id"]),
    }
    if call.get("original_id") is not None:
        found[ToolExecutionMetadataKeys.EXTERNAL_ID] = str(call["original_id"])
    if tool is not None:
        kind = tool.tool_type()
        found[ToolExecutionMetadataKeys.TOOL_TYPE] = getattr(kind, "value", str(kind))
    if isinstance(tool, ToolExecutionMetadataProvider):
        try:
            more = tool.get_tool_execution_metadata(dict(arguments)) or {}
        except Exception:
            _logger.debug("the tool says nothing of its execution", exc_info=True)
            more = {}
        given = {name: value for name, value in more.items() if value is not None}
        found = {**given, **found}
    return found


def _find(arg: InjectedArg, ctx: Any) -> Any:
    """The value of an argument that the model does not give. Raises ValueError if it has none."""
    key = arg.key or ""
    if arg.source is ToolParameterSource.CONFIG:
        data = ctx.config.conf_data
        if key not in data:
            msg = f"Missing config for injected tool parameter: {key}"
            raise ValueError(msg)
        return data[key]
    memory = getattr(ctx, arg.source.value)
    if memory is None:
        msg = (
            f"Cannot inject tool parameter from {arg.source.value} because memory is not"
            " initialized."
        )
        raise ValueError(msg)
    if not memory.is_exist(key):
        msg = f"Missing memory path for injected tool parameter: {key}"
        raise ValueError(msg)
    value = memory.get(key)
    if isinstance(value, MemoryObject):
        msg = f"Memory path for injected tool parameter must reference a value: {key}"
        raise ValueError(msg)  # noqa: TRY004 (it is about what is in memory)
    return value


TOOL_CALL_ACTION: Final = built_in("tool_call_action", process_tool_request, ToolRequestEvent)
