"""As `flink_agents.plan.actions.tool_call_action` of Flink Agents."""

from __future__ import annotations

from typing import Final

from tamias import Event, RunnerContext, ToolRequestEvent
from tamias.agent.chat.built_in import tool_call_action

from .action import built_in

__all__ = ["TOOL_CALL_ACTION", "process_tool_request"]


async def process_tool_request(event: Event, ctx: RunnerContext) -> None:
    """Call tools."""
    await tool_call_action(event, ctx)


TOOL_CALL_ACTION: Final = built_in("tool_call_action", process_tool_request, ToolRequestEvent)
