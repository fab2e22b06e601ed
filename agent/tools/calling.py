"""`call_tools`: calls the tools that a model has asked for in one turn, all at the same time.

Each call is one durable call, recognised by its id, the tool's name and the arguments. What the
model has done wrong, an unknown tool or arguments that do not fit, is an outcome like others: it
is on record, and the model is told. A tool that needs an approval has two steps more: whether, and
for which version of the tool, is put on record first; then the run waits. The call itself checks
that the tool is still that version, so nothing is called that was not approved.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..config.tool_options import ToolCallOptions
from ..errors import AgentDefinitionError
from ..mcp.recorded import find_called
from ..resources.resource import ResourceType
from .one_call import CallPolicy, OneCall
from .results import ToolResults
from .tool import Tool

if TYPE_CHECKING:
    from typing import TypeAlias

    from ..context import RunnerContext
    from .results import ToolResult

    Tools: TypeAlias = Callable[[str], Tool | None] | Mapping[str, Tool] | Iterable[Tool] | None

__all__ = ["call_tools"]


async def call_tools(
    ctx: RunnerContext,
    tool_calls: Sequence[Mapping[str, Any]],
    tools: Tools = None,
    *,
    error_strategy: str | None = None,
) -> ToolResults:
    """Call the tools that a model has asked for, and return what has come of it, in that order.

    Args:
        ctx: the context of the action.
        tool_calls: as in `ChatMessage.tool_calls`. A call without an ``id`` gets one from its
            place among them.
        tools: those that may be called: tools, or a mapping or function from names to tools; a
            function returns None for an unknown name. None: all tools of the agent.
        error_strategy: what an exception of a tool leads to: "report", the model is told, or
            "fail". None for what the option ``tool-call.error-strategy`` says.

    Raises:
        Exception: that of a tool, with the strategy "fail".
    """
    config = ctx.config
    policy = CallPolicy(
        fails=(error_strategy or config.get(ToolCallOptions.ERROR_STRATEGY)) == "fail",
        timeout=config.get(ToolCallOptions.TIMEOUT) or None,
        approval_timeout=config.get(ToolCallOptions.APPROVAL_TIMEOUT) or None,
        longest_result=config.get(ToolCallOptions.MAX_RESULT_LENGTH),
    )
    if tools is None and ctx.resource_names(ResourceType.MCP_SERVER):
        tools = await find_called(ctx, tool_calls)
    find = _finder(ctx, tools)
    calls = []
    ids: set[str] = set()
    for place, tool_call in enumerate(tool_calls):
        call_id = str(tool_call.get("id") or f"{ctx.scope_of_calls}call-{place}")
        while call_id in ids:
            call_id = f"{call_id}-{place}"
        ids.add(call_id)
        calls.append(OneCall(ctx, call_id, tool_call, find, policy))
    if len(calls) == 1:
        return ToolResults([await calls[0].result()])
    # Each one to its end: a call that goes on behind the action's end would be lost.
    results: list[ToolResult | BaseException] = await asyncio.gather(
        *(call.result() for call in calls), return_exceptions=True
    )
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return ToolResults(results)  # type: ignore[arg-type]


def _finder(ctx: RunnerContext, tools: Tools) -> Callable[[str], Tool | None]:
    if tools is None:

        def of_agent(name: str) -> Tool | None:
            try:
                found = ctx.get_resource(name, ResourceType.TOOL)
            except (AgentDefinitionError, KeyError):
                return None
            return found if isinstance(found, Tool) else None

        return of_agent
    if isinstance(tools, Mapping):
        return tools.get
    if callable(tools):
        return tools
    return {tool.name: tool for tool in tools}.get
