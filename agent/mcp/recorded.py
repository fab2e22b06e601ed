"""`find_tools`: the tools that a run offers to a model, those of MCP servers as it has listed them.

A server's list is read once in a run, by a durable call, and kept in sensory memory, which belongs
to the run. So a replay, and the run's further actions, offer the model what was offered at first,
whatever the server says meanwhile. A tool that is another one by the time it is called is not
called (`MCPToolChangedError`).

Names are those that the agent declares; else those of its servers: ``name``, if one server only has
it, ``server.name`` (or ``server__name``, by which a model calls it), and ``server.*`` for all.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ..errors import AgentDefinitionError
from ..resources.mcp_server import BaseMCPServer, clash, matching
from ..resources.resource import ResourceType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..context import RunnerContext

__all__ = ["find_called", "find_tool", "find_tools", "prompt_messages"]

LISTS: Final = "_mcp_tools"
"""The field of sensory memory that has the lists."""


async def find_tools(ctx: RunnerContext, names: Iterable[str]) -> list[Any]:
    """The tools with these names, each once, in this order.

    Raises:
        ResourceNotFoundError: neither the agent nor a server has such a tool.
        AgentDefinitionError: several servers have it.
        MCPServerError: a server does not answer.
    """
    found: dict[str, Any] = {}
    for name in names:
        for tool in await _named(ctx, name):
            found.setdefault(tool.name, tool)
    return list(found.values())


async def find_tool(ctx: RunnerContext, name: str) -> Any | None:
    """The tool with this name; None if there is none."""
    tools = await _named(ctx, name, is_optional=True)
    return tools[0] if tools else None


async def find_called(ctx: RunnerContext, tool_calls: Iterable[Any]) -> dict[str, Any]:
    """The tools that a model asks for, by the names that it calls them by."""
    found: dict[str, Any] = {}
    for call in tool_calls:
        name = str((call.get("function") or call).get("name") or "")
        tool = await find_tool(ctx, name) if name else None
        if tool is not None:
            found[name] = tool
    return found


async def prompt_messages(
    ctx: RunnerContext, name: str, values: dict[str, Any]
) -> list[Any] | None:
    """The messages of a prompt of an MCP server; None if the name is that of a declared one.

    The server fills it in, by a durable call: a replay has the same messages.

    Raises:
        AgentDefinitionError: several servers have it.
    """
    servers = ctx.resource_names(ResourceType.MCP_SERVER)
    if not servers or name in ctx.resource_names(ResourceType.PROMPT):
        return None
    found = {}
    for server in servers:
        made = await ctx.durable_execute_async(_server(ctx, server).amake_prompt, name, values)
        if made is not None:
            found[server] = made
    if len(found) > 1:
        raise clash(name, list(found))
    return next(iter(found.values()), None)


async def _named(ctx: RunnerContext, name: str, *, is_optional: bool = False) -> list[Any]:
    servers = ctx.resource_names(ResourceType.MCP_SERVER)
    declared = name in ctx.resource_names(ResourceType.TOOL)
    if not declared and servers:
        every = name.removesuffix(".*")
        if every != name and every in servers:
            listed = await _listed(ctx, every)
            return [_tool(ctx, every, each) for each in listed]
        # A name that begins with a server's does not need the others.
        own = [each for each in servers if name.startswith((f"{each}.", f"{each}__"))]
        for group in (own, [each for each in servers if each not in own]):
            hits = []
            for server in group:
                hit = matching(name, server, await _listed(ctx, server))
                if hit is not None:
                    hits.append((server, hit))
            if len(hits) > 1:
                raise clash(name, [server for server, _ in hits])
            if hits:
                server, (description, qualified) = hits[0]
                return [_tool(ctx, server, description, qualified=qualified)]
    if is_optional and not declared:
        return []
    return [ctx.get_resource(name, ResourceType.TOOL)]


def _tool(
    ctx: RunnerContext, server: str, description: dict[str, Any], *, qualified: bool = False
) -> Any:
    return _server(ctx, server).tool_of(description, qualified=qualified)


def _server(ctx: RunnerContext, name: str) -> BaseMCPServer:
    found = ctx.get_resource(name, ResourceType.MCP_SERVER)
    if not isinstance(found, BaseMCPServer):
        raise AgentDefinitionError(
            f"The MCP server {name!r} is a {type(found).__qualname__}.",
            hint="Derive its class from tamias.BaseMCPServer.",
        )
    return found


async def _listed(ctx: RunnerContext, name: str) -> list[dict[str, Any]]:
    """What this run has listed of a server."""
    memory = ctx.sensory_memory
    kept = memory.get(LISTS) if memory.is_exist(LISTS) else "{}"
    lists: dict[str, list[dict[str, Any]]] = json.loads(kept)
    if name not in lists:
        listed = await ctx.durable_execute_async(_server(ctx, name).adescribe_tools)
        # Another call of this run may have listed another server meanwhile.
        kept = memory.get(LISTS) if memory.is_exist(LISTS) else "{}"
        lists = {**json.loads(kept), name: listed}
        memory.set(LISTS, json.dumps(lists))
    return lists[name]
