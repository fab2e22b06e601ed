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
    setup = _setup(request.model, ctx)
    offered = None if setup is None or setup.tools is None else set(setup.tools)
    of_skills: dict[str, Tool] = {}
    if setup is not None and setup.skills:
        offered = offered or set()
        of_skills = {tool.name: tool for tool in setup.offered_skills().tools()}
    of_servers: dict[str, Tool] = {}
    if ctx.resource_names(ResourceType.MCP_SERVER):
        if offered is None:
            of_servers = await find_called(ctx, request.tool_calls)
        else:
            of_servers = {tool.name: tool for tool in await find_tools(ctx, sorted(offered))}

    def find(name: str) -> Tool | None:
        if name in of_servers:
            return of_servers[name]
        if name in of_skills:
            return of_skills[name]
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


def _setup(model: str, ctx: RunnerContext) -> BaseChatModelSetup | None:
    """The model that asks: it may call the tools that it was told of; None if it is not known."""
    try:
        return cast("BaseChatModelSetup", ctx.get_resource(model, ResourceType.CHAT_MODEL))
    except AgentDefinitionError:  # a request of the user's own, for no model
        return None
