"""`tool_call_action`: calls the tools that a chat model has asked for, all at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ..errors import AgentDefinitionError
from ..mcp.recorded import find_called, find_tools
from ..resources.resource import ResourceType
from ..tools.calling import call_tools
from ..tools.tool import Tool
from .events import ToolRequestEvent, ToolResponseEvent

if TYPE_CHECKING:
    from ..context import RunnerContext
    from ..event import Event
    from ..models.chat_model import BaseChatModelSetup

__all__ = ["tool_call_action"]


async def tool_call_action(event: Event, ctx: RunnerContext) -> None:
    """Call tools, and send their results."""
    request = ToolRequestEvent.from_event(event)
    offered = _offered(request.model, ctx)
    of_servers: dict[str, Tool] = {}
    if ctx.resource_names(ResourceType.MCP_SERVER):
        if offered is None:
            of_servers = await find_called(ctx, request.tool_calls)
        else:
            of_servers = {tool.name: tool for tool in await find_tools(ctx, sorted(offered))}

    def find(name: str) -> Tool | None:
        if name in of_servers:
            return of_servers[name]
        if offered is not None and name not in offered:
            return None
        try:
            found = ctx.get_resource(name, ResourceType.TOOL)
        except AgentDefinitionError:
            return None
        return found if isinstance(found, Tool) else None

    results = await call_tools(ctx, request.tool_calls, find)
    response = ToolResponseEvent(
        request_id=request.id,
        responses=results.responses,
        success=results.success,
        error=results.error,
        external_ids=results.external_ids,
        messages=results.messages(),
    )
    ctx.send_event(response)


def _offered(model: str, ctx: RunnerContext) -> set[str] | None:
    """The tools that a model was told of: it may call no others; None if that is not known."""
    try:
        setup = cast("BaseChatModelSetup", ctx.get_resource(model, ResourceType.CHAT_MODEL))
    except AgentDefinitionError:  # a request of the user's own, for no model
        return None
    return None if setup.tools is None else set(setup.tools)
